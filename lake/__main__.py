"""The lake process: ``python -m lake`` takes snapshots until it is stopped.

::

    python -m lake                   take snapshots; one more of each changed view at a clean stop
    python -m lake once              take one snapshot of each changed view, and end
    python -m lake verify [VIEW …]   compare tables with the state, one JSON object per line
    python -m lake drop VIEW         let a table go, with its files, to make room for another one

``verify`` exits with 1 where a table differs from the state, else with 3 where one is not compared.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
import time

import msgspec

from keyfold.errors import (
    LakeError,
    NotFoundError,
    SettingsError,
    StateError,
    StateFormatError,
    did_you_mean,
)
from keyfold.process import mark_started, run_job, run_role, start_role, stop_event
from keyfold.settings import Settings
from keyfold.state.layout import counter_path, lake_directory, state_directory
from keyfold.state.reader import StateReader
from lake.localfiles import lock_directory
from lake.schedule import Schedule
from lake.status import TableStatus, read_status
from lake.table import identifier_of, load_table, open_catalog
from lake.verify import Verdict, verify_view

BLOCK_CACHE_BYTES = 16 << 20
"""Scans read every block once, so a cache would only take memory."""
EXIT_NOT_COMPARED = 3
"""What ``verify`` says where no table differs and some could not be compared."""
GARBAGE_THRESHOLD = 100_000
"""More than a page of rows has objects, so that Python does not look for cycles among them."""
STATE_WAIT_S = 0.25
STATE_WAIT_S_MAX = 30.0
"""How long a state that is there may take to become readable."""

_logger = logging.getLogger("lake")


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m lake")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("once")
    verify = commands.add_parser("verify")
    verify.add_argument("views", nargs="*")
    drop = commands.add_parser("drop")
    drop.add_argument("view")
    arguments = parser.parse_args()
    gc.freeze()  # what the imports made stays
    gc.set_threshold(GARBAGE_THRESHOLD)
    match arguments.command:
        case "once":
            run_role(lambda: _once(start_role("lake")))
        case "verify":
            run_job(lambda: _verify(start_role("lake"), arguments.views))
        case "drop":
            run_job(lambda: _drop(start_role("lake"), arguments.view))
        case _:
            run_role(lambda: _run(start_role("lake")))


def _run(settings: Settings) -> None:
    """Take snapshots until the process is told to stop."""
    stop = stop_event()
    reader = _wait_for_state(settings)
    if reader is None:
        return
    with lock_directory(lake_directory(settings.data_dir)):
        try:
            with open_catalog(settings) as catalog:
                schedule = Schedule(catalog, settings, reader, pid=os.getpid())
                mark_started()
                while not stop.wait(schedule.step()):
                    pass
                schedule.finish()
        finally:
            reader.close()


def _once(settings: Settings) -> None:
    """Take the snapshots that a lake took at its clean stop, where it was down then.

    Raises:
        LakeError: One was not taken.
    """
    if not _state_there(settings):
        return
    reader = StateReader.open(settings.data_dir, os.getpid(), block_cache_bytes=BLOCK_CACHE_BYTES)
    try:
        with lock_directory(lake_directory(settings.data_dir)), open_catalog(settings) as catalog:
            schedule = Schedule(catalog, settings, reader, pid=os.getpid())
            schedule.finish()
    finally:
        reader.close()
    failed = sorted(name for name, told in schedule.status.views.items() if told.error)
    if failed:
        raise LakeError(
            f"no last snapshot was taken of {', '.join(failed)}", hint="the next start takes it"
        )


def _state_there(settings: Settings) -> bool:
    """Say whether ingest has made a state, which may be unreadable still."""
    current = state_directory(settings.data_dir) / "CURRENT"
    return current.exists() and counter_path(settings.data_dir).exists()


def _wait_for_state(settings: Settings) -> StateReader | None:
    """Return a reader once there is a state; None when the process was told to stop before.

    Raises:
        StateError: There is one, and it cannot be read.
    """
    stop = stop_event()
    told = False
    while not _state_there(settings):
        if not told:
            _logger.info("waiting for the state in %s", settings.data_dir)
            told = True
        if stop.wait(STATE_WAIT_S):
            return None
    deadline_s = time.monotonic() + STATE_WAIT_S_MAX
    while True:
        try:
            return StateReader.open(
                settings.data_dir, os.getpid(), block_cache_bytes=BLOCK_CACHE_BYTES
            )
        except StateFormatError:
            raise
        except StateError:  # the writer may be in the middle of its first commit
            if time.monotonic() > deadline_s:
                raise
        if stop.wait(STATE_WAIT_S):
            return None


def _verify(settings: Settings, names: list[str]) -> None:
    """Compare tables with the state and say what was found.

    Raises:
        SettingsError: There is no view of such a name.
        LakeError: A table differs.
        SystemExit: No table differs, and some were not compared.
    """
    reader = StateReader.open(settings.data_dir, os.getpid(), block_cache_bytes=BLOCK_CACHE_BYTES)
    different, not_compared, refused = False, [], []
    status = read_status(settings.data_dir)
    failed = status.views if status else {}
    try:
        for name in names:
            if name not in reader.views:
                raise SettingsError(
                    f"there is no view {name} in {settings.data_dir}",
                    hint=did_you_mean(name, reader.views),
                )
        with open_catalog(settings) as catalog:
            for name in names or sorted(reader.views):
                view = reader.view(name)
                verdict = verify_view(settings, reader, view, load_table(catalog, settings, name))
                _tell_failure(verdict, failed.get(name))
                different |= verdict.state == "different"
                if verdict.state == "refused":
                    refused.append(verdict.detail)
                elif verdict.state not in ("same", "different"):
                    not_compared.append(name)
                sys.stdout.write(msgspec.json.encode(verdict).decode() + "\n")
    finally:
        reader.close()
    if different:
        raise LakeError("a table differs from the state", hint="the examples above say where")
    for detail in refused:
        sys.stderr.write(f"not compared: {detail}\n")
    if not_compared:
        sys.stderr.write(
            f"not compared: {', '.join(not_compared)}; ask again once a snapshot was taken and no "
            "events come in, or after a clean stop of `keyfold run`, which takes a last one\n"
        )
    if refused or not_compared:
        sys.exit(EXIT_NOT_COMPARED)


def _tell_failure(verdict: Verdict, told: TableStatus | None) -> None:
    """Add why the last try of a snapshot failed, where that is what keeps a view uncompared."""
    if told and told.error and verdict.state in ("other_offsets", "outdated", "no_snapshot"):
        verdict.detail += f"; the last snapshot failed: {told.error}"


def _drop(settings: Settings, name: str) -> None:
    """Drop the table of a view, with its files."""
    directory = lake_directory(settings.data_dir)
    if not settings.lake_catalog and not directory.is_dir():
        raise StateError(
            f"there is no lake in {settings.data_dir}",
            hint="give the data directory of the pipeline with --data-dir",
        )
    with lock_directory(directory), open_catalog(settings) as catalog:
        if load_table(catalog, settings, name) is None:
            raise NotFoundError(
                f"there is no table of view {name!r}", code="no_such_view",
                hint=f"tables stand in namespace {settings.lake_namespace}",
            )  # fmt: skip
        catalog.purge_table(identifier_of(settings, name))
    sys.stdout.write(
        f"the table of view {name} was dropped, with its files; the next `keyfold run` or "
        "`keyfold lake` writes it anew for as long as there is such a view\n"
    )


if __name__ == "__main__":
    main()
