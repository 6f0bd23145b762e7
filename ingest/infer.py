"""``python -m ingest.infer [--wait] [SOURCE …]``: columns that no list tells, from the data.

Reads an SQL file on stdin. Writes a line of JSON for each source that is named, or has no column
list: its columns, or why there are none. The first events of an empty topic are waited for with
--wait only. Started by the command line, for sources that only this house can read.
"""

from __future__ import annotations

import argparse
import sys

import msgspec

from ingest.detect import detect
from keyfold.errors import KeyfoldError
from keyfold.process import run_role, start_role, stop_event
from keyfold.sql.compile import unbound_sources
from keyfold.sql.infer import Inferred


def main() -> None:
    """Read the statements, wait for events, print what was found."""
    parser = argparse.ArgumentParser(prog="python -m ingest.infer")
    parser.add_argument("sources", nargs="*")
    parser.add_argument("--wait", action="store_true")
    given = parser.parse_args()
    names = given.sources
    settings = start_role("infer")
    for source in unbound_sources(sys.stdin.buffer.read().decode(), "stdin"):
        if source.columns is not None or (names and source.name not in names):
            continue
        try:
            detected = detect(
                source, settings.data_dir, stop_event(), give_up=True, wait=given.wait
            )
        except KeyfoldError as problem:
            found = Inferred(source.name, (), problem.code, problem.message, problem.hint)
        else:
            if detected is None:  # stopped
                return
            found = Inferred(source.name, detected.columns)
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    run_role(main)
