"""``python -m ingest PIPELINE.sql``: the writer process. Started by ``keyfold``."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Collection, Mapping
from pathlib import Path

from ingest.detect import Detected, detect_all, known_schemas, with_placeholders
from ingest.pipeline import Pipeline, clock_ms
from ingest.source.connect import connect
from keyfold.errors import SettingsError, SqlError
from keyfold.process import mark_started, run_role, start_role, stop_event
from keyfold.settings import Settings
from keyfold.sql.compile import compile_sql, unbound_sources
from keyfold.state.counter import CounterWriter, Status
from keyfold.state.layout import CATALOG_KEY, counter_path, state_directory
from keyfold.state.record import SourceRecord, catalog_decoder
from keyfold.state.rocks import RocksStore
from keyfold.state.writer import StateWriter
from keyfold.view.plan import Catalog

_log = logging.getLogger("keyfold.ingest")


def main() -> None:
    """Read the arguments and run until a stop signal."""
    parser = argparse.ArgumentParser(prog="python -m ingest")
    parser.add_argument("file", type=Path)
    parser.add_argument("--rebuild", action="append", default=[])
    parser.add_argument("--rebuild-request", default="")
    arguments = parser.parse_args()
    settings = start_role("ingest")
    run(settings, arguments.file, arguments.rebuild, arguments.rebuild_request)


def run(
    settings: Settings, file: Path, rebuild: Collection[str], rebuild_request: str = ""
) -> None:
    """Keep the views of a file until stopped.

    Args:
        settings: The settings.
        file: The SQL file.
        rebuild: Views and sources to build again.
        rebuild_request: A name for this wish: a process that is started again with the same one
            does not begin the rebuild anew.

    Raises:
        SettingsError: The file cannot be read, or a setting or option is wrong.
        SqlError: The file's SQL is wrong.
        StateError: The state is locked, of another format, or of another SQL.
    """
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as problem:
        raise SettingsError(f"{file} cannot be read: {problem}") from problem
    sources = unbound_sources(text, str(file))
    store = RocksStore(
        state_directory(settings.data_dir),
        block_cache_bytes=settings.ingest_block_cache_bytes,
        bulk_keys_min=settings.bulk_keys_min,
        wal_bytes_max=settings.wal_bytes_max,
    )
    counter = CounterWriter(counter_path(settings.data_dir))
    try:
        raw = store.get(CATALOG_KEY)
        stored = catalog_decoder.decode(raw).catalog if raw else None
        schemas = known_schemas(sources, stored)
        waiting = [one for one in sources if one.columns is None and one.name not in schemas]
        detected: dict[str, Detected] | None = {}
        if waiting:
            _check_sources(with_placeholders(sources, schemas, None), settings)
            catalog = with_placeholders(sources, schemas, stored)
            sequence = _open_state(store, catalog, settings, (), "").record.sequence
            mark_started()
            status = Status(pid=os.getpid(), started_ms=clock_ms())
            detected = detect_all(
                waiting,
                settings.data_dir,
                stop_event(),
                lambda: counter.publish(sequence, clock_ms(), status),
            )
        if detected is None:
            return
        schemas |= {name: one.columns for name, one in detected.items()}
        try:
            catalog = compile_sql(text, str(file), schemas)
        except SqlError as problem:
            raise _with_detected(problem, detected) from problem
        _check_sources(catalog, settings)
        starts = {name: one.start for name, one in detected.items()}
        state = _open_state(store, catalog, settings, {*rebuild, *starts}, rebuild_request, starts)
        pipeline = Pipeline(state, counter, settings, pid=os.getpid())
        mark_started()
        _log.info(
            "keeping %d views of %d sources",
            len(catalog.views),
            len(catalog.sources),
            extra={"commit": state.record.sequence},
        )
        pipeline.run(stop_event())
        _log.info("stopped cleanly", extra={"commit": state.record.sequence})
    finally:
        store.close()
        counter.close()


def _with_detected(problem: SqlError, detected: Mapping[str, Detected]) -> SqlError:
    """Say which columns were not written but detected, since a few odd events may be to blame."""
    if not detected:
        return problem
    told = f"the columns of {', '.join(detected)} were detected; a column list sets their types"
    hint = f"{problem.hint}; {told}" if problem.hint else told
    return SqlError(problem.message, hint=hint, location=problem.location)


def _open_state(
    store: RocksStore,
    catalog: Catalog,
    settings: Settings,
    rebuild: Collection[str],
    rebuild_request: str,
    starts: Mapping[str, SourceRecord] | None = None,
) -> StateWriter:
    return StateWriter(
        store,
        catalog,
        rebuild=rebuild,
        rebuild_request=rebuild_request,
        starts=starts,
        hot_bytes_max=settings.hot_bytes_max,
        dead_letters_max=settings.dead_letters_max,
        now_ms=clock_ms(),
    )


def _check_sources(catalog: Catalog, settings: Settings) -> None:
    """Refuse wrong source options before the state is touched."""
    for source in catalog.sources:
        connect(source, settings.data_dir)


if __name__ == "__main__":
    run_role(main)
