"""``python -m ingest.infer --sql 'CREATE SOURCE …'``: a source's columns, from its first events.

Prints the statement with the column list that was detected. Started by ``keyfold sources infer``
for sources that only this house can read.
"""

from __future__ import annotations

import argparse
import sys

from ingest.detect import detect
from keyfold.errors import SettingsError
from keyfold.process import run_role, start_role, stop_event
from keyfold.sql.compile import unbound_sources
from keyfold.sql.infer import create_source_sql


def main() -> None:
    """Read the statement, wait for events, print the statement with columns."""
    parser = argparse.ArgumentParser(prog="python -m ingest.infer")
    parser.add_argument("--sql", required=True)
    arguments = parser.parse_args()
    settings = start_role("infer")
    sources = unbound_sources(arguments.sql, "--sql")
    if len(sources) != 1:
        raise SettingsError(f"one CREATE SOURCE belongs here, {len(sources)} are given")
    source = sources[0]
    detected = detect(source, settings.data_dir, stop_event(), give_up=True)
    if detected is not None:
        options = {key: option.value for key, option in source.options.items()}
        sys.stdout.write(create_source_sql(source.name, detected.columns, options) + "\n")


if __name__ == "__main__":
    run_role(main)
