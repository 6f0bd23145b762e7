"""``python -m ingest PIPELINE.sql``: the writer process. Started by ``keyfold``."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import secrets
from pathlib import Path

from ingest.clock import clock_ms
from ingest.joining import Joining
from ingest.memory import keep_memory
from ingest.pipeline import Pipeline, Tally
from keyfold.errors import SettingsError, counted
from keyfold.process import mark_started, run_role, start_role, stop_event
from keyfold.settings import Settings
from keyfold.sql.compile import unbound_sources
from keyfold.state.adopt import Wish
from keyfold.state.counter import CounterWriter
from keyfold.state.layout import CATALOG_KEY, counter_path, state_directory
from keyfold.state.record import catalog_decoder
from keyfold.state.rocks import RocksStore
from keyfold.state.writer import StateWriter

_log = logging.getLogger("keyfold.ingest")


def main() -> None:
    """Read the arguments and run until a stop signal."""
    parser = argparse.ArgumentParser(prog="python -m ingest")
    parser.add_argument("file", type=Path)
    parser.add_argument("--rebuild", action="append", default=[])
    parser.add_argument("--rebuild-request", default="")
    parser.add_argument("--drop", action="append", default=[])
    parser.add_argument("--run", default="")
    arguments = parser.parse_args()
    settings = start_role("ingest")
    keep_memory(arenas_max=2)
    # The state is opened again when a source joins, and by a restart with the same flags: what is
    # rebuilt by then is not rebuilt again.
    request = arguments.rebuild_request or secrets.token_hex(8)
    run(settings, arguments.file, Wish(arguments.rebuild, request, arguments.drop), arguments.run)


def run(settings: Settings, file: Path, wish: Wish, run_name: str = "") -> None:
    """Keep the views of a file until stopped.

    Args:
        settings: The settings.
        file: The SQL file.
        wish: What to build again and what to drop, with a name for the rebuild.
        run_name: What is published as ``Status.run``.

    Raises:
        SettingsError: The file cannot be read, or a setting or option is wrong.
        SqlError: The file's SQL is wrong.
        StateError: The state is locked, of another format, or of another SQL.
    """
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as problem:
        raise SettingsError(f"{file} cannot be read: {problem}") from problem
    unbound_sources(text, str(file))  # what cannot be read is refused before there is a state
    store = RocksStore(
        state_directory(settings.data_dir),
        block_cache_bytes=settings.ingest_block_cache_bytes,
        bulk_keys_min=settings.bulk_keys_min,
        wal_bytes_max=settings.wal_bytes_max,
    )
    counter = CounterWriter(counter_path(settings.data_dir))
    try:
        raw = store.get(CATALOG_KEY)
        stored = catalog_decoder.decode(raw) if raw else None
        joining = Joining(text, str(file), stored, settings.data_dir, stop_event())
        tally = Tally(clock_ms(), run_name)
        try:
            while True:
                _keep(settings, store, counter, joining, tally, wish)
                if stop_event().is_set():
                    break
                gc.collect()  # what one pipeline had in memory, before the next one fills it
                joining.advance()
        finally:
            joining.close()
    finally:
        store.close()
        counter.close()


def _keep(
    settings: Settings,
    store: RocksStore,
    counter: CounterWriter,
    joining: Joining,
    tally: Tally,
    wish: Wish,
) -> None:
    """Keep what is known until the process is stopped, or more is known."""
    state = StateWriter(
        store,
        joining.known.catalog,
        rebuild=wish.rebuild,
        rebuild_request=wish.rebuild_request,
        drop=wish.drop,
        starts=joining.starts,
        aside=joining.aside,
        wrong=joining.wrong,
        hot_bytes_max=settings.hot_bytes_max,
        dead_letters_max=settings.dead_letters_max,
        now_ms=clock_ms(),
    )
    for gone in state.gone:
        _log.warning("dropped %s, which the file no longer has", gone)
    missing = joining.missing
    pipeline = Pipeline(state, counter, settings, pid=os.getpid(), missing=missing, tally=tally)
    mark_started()
    joining.begin(state)
    _log.info(
        "keeping %s of %s",
        counted(len(state.views), "view"),
        counted(len(pipeline.lanes), "source"),
        extra={"commit": state.record.sequence, "waiting": ", ".join(missing.sources) or "none"},
    )
    pipeline.run(stop_event(), joining.news)
    if stop_event().is_set():
        _log.info("stopped cleanly", extra={"commit": state.record.sequence})


if __name__ == "__main__":
    run_role(main)
