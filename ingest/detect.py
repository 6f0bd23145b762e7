"""Columns of sources that were declared without a column list: detected from their first events.

What was detected once is kept in the stored catalog, so a source never changes its columns because
its data did. The state itself can be opened before anything is known, with the sources that wait as
placeholders, so that the first events can be pushed at all.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from ingest.source.connect import connect
from keyfold.errors import SourceError, SqlError
from keyfold.sql.compile import bind_source, statement_fingerprint
from keyfold.sql.infer import infer_columns
from keyfold.sql.parse import UnboundSource
from keyfold.view.plan import Catalog, Column, SourcePlan, fingerprint

_log = logging.getLogger("keyfold.ingest")
SAMPLE_MESSAGES_MAX = 1_000
_POLL_MS = 100
_SETTLE_S = 1.0
_RETRY_S = 1.0


def known_schemas(
    sources: list[UnboundSource], stored: Catalog | None
) -> dict[str, tuple[Column, ...]]:
    """Return the columns that earlier lives detected, for sources that still say the same."""
    before = {source.name: source for source in stored.sources} if stored else {}
    return {
        source.name: before[source.name].columns
        for source in sources
        if source.columns is None
        and source.name in before
        and before[source.name].columns
        and before[source.name].fingerprint
        == fingerprint(statement_fingerprint(source), before[source.name].columns)
    }


def placeholder(source: UnboundSource) -> SourcePlan:
    """Return a plan of a source whose columns are not known yet."""
    return bind_source(source, {source.name: ()})


def detect(
    source: UnboundSource, data_directory: Path, stop: threading.Event
) -> tuple[Column, ...] | None:
    """Wait for the first events of a source and return its columns; None when stopped first.

    Raises:
        SqlError: No event of a whole sample is a JSON object.
    """
    door = connect(placeholder(source), data_directory)
    _log.info("waiting for events to detect the columns", extra={"source": source.name})
    lines: list[bytes] = []
    settled_at = 0.0
    try:
        opened = False
        while not stop.is_set():
            try:
                if not opened:
                    door.open({}, {})
                    opened = True
                batch = door.poll(SAMPLE_MESSAGES_MAX - len(lines), _POLL_MS)
            except SourceError as problem:
                _log.warning("cannot read the source yet: %s", problem)
                door.close()
                opened = False
                stop.wait(_RETRY_S)
                continue
            lines += [line for line in (batch.values.to_pylist() if batch else []) if line]
            now = time.monotonic()
            settled_at = settled_at or (now + _SETTLE_S if lines else 0.0)
            full = len(lines) >= SAMPLE_MESSAGES_MAX
            if full or (lines and now >= settled_at):
                try:
                    columns = infer_columns(lines)
                except SqlError as problem:
                    if full:
                        raise
                    # A first push that is garbage must not keep the process from starting.
                    _log.warning("still waiting: %s", problem, extra={"source": source.name})
                    settled_at = now + _SETTLE_S
                    continue
                names = ", ".join(f"{column.name} {column.type}" for column in columns)
                _log.info("detected columns: %s", names, extra={"source": source.name})
                return columns
    finally:
        door.close()
    return None


def with_placeholders(
    sources: list[UnboundSource], schemas: Mapping[str, tuple[Column, ...]], stored: Catalog | None
) -> Catalog:
    """Return what can be served while columns are missing: what is stored, and all sources."""
    kept = {source.name: source for source in stored.sources} if stored else {}
    for source in sources:
        if source.name not in kept:
            known = source.columns is not None or source.name in schemas
            kept[source.name] = bind_source(source, schemas) if known else placeholder(source)
    return Catalog(tuple(kept.values()), stored.views if stored else ())
