"""Columns that nobody declared: detected once, and then as fixed as declared ones."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from ingest.detect import SAMPLE_MESSAGES_MAX, detect, known_schemas, placeholder, with_placeholders
from keyfold.errors import SqlError
from keyfold.eventlog.format import source_directory
from keyfold.eventlog.writer import EventLogWriter
from keyfold.sql.compile import compile_sql, unbound_sources
from keyfold.view.plan import Column

SOURCE = "CREATE SOURCE orders WITH (connector = 'events'{});"
VIEW = "CREATE MATERIALIZED VIEW v AS SELECT u, COUNT(*) AS n FROM orders GROUP BY u;"
COLUMNS = (Column("u", "VARCHAR"), Column("n", "BIGINT"))


def push(directory: Path, *events: object) -> None:
    writer = EventLogWriter(source_directory(directory, "orders") / "0", 1 << 20)
    lines = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in events]
    writer.append(lines, 1)
    writer.close()


def test_columns_come_from_the_first_events_and_garbage_among_them_is_passed_over(
    tmp_path: Path,
) -> None:
    push(tmp_path, b"{", b"[1]", {"u": "a", "n": 1}, b"\xff", {"u": "b"})
    (source,) = unbound_sources(SOURCE.format(""))
    assert detect(source, tmp_path, threading.Event()) == COLUMNS


def test_it_waits_for_events_of_use_but_not_past_a_whole_sample_without_any(
    tmp_path: Path,
) -> None:
    (source,) = unbound_sources(SOURCE.format(""))
    push(tmp_path, b"garbage")
    found = []
    waiting = threading.Thread(
        target=lambda: found.append(detect(source, tmp_path, threading.Event()))
    )
    waiting.start()
    push(tmp_path, {"u": "a", "n": 1})
    waiting.join(30)
    assert found == [COLUMNS]
    push(tmp_path / "other", *[b"garbage"] * SAMPLE_MESSAGES_MAX)
    with pytest.raises(SqlError, match="none of 1000 sampled messages"):
        detect(source, tmp_path / "other", threading.Event())


def test_a_stop_ends_the_waiting(tmp_path: Path) -> None:
    (source,) = unbound_sources(SOURCE.format(""))
    stop = threading.Event()
    stop.set()
    assert detect(source, tmp_path, stop) is None


def test_what_was_detected_stays_while_the_statement_stays() -> None:
    unbound = unbound_sources(SOURCE.format(""))
    assert known_schemas(unbound, None) == {}
    catalog = compile_sql(SOURCE.format("") + VIEW, schemas={"orders": COLUMNS})
    assert known_schemas(unbound, catalog) == {"orders": COLUMNS}
    free = unbound_sources(SOURCE.format(", retention.ms = '5'"))
    assert known_schemas(free, catalog) == {"orders": COLUMNS}
    other = unbound_sources(SOURCE.format(", timestamp.unit = 's'"))
    assert known_schemas(other, catalog) == {}


def test_a_waiting_source_can_be_pushed_to_and_what_is_stored_can_be_read() -> None:
    both = SOURCE.format("") + "CREATE SOURCE clicks (u VARCHAR) WITH (connector = 'events');"
    unbound = unbound_sources(both)
    first = with_placeholders(unbound, {}, None)
    assert [(one.name, one.columns) for one in first.sources] == [
        ("orders", ()),
        ("clicks", (Column("u", "VARCHAR"),)),
    ]
    assert first.views == ()
    stored = compile_sql(both + VIEW, schemas={"orders": COLUMNS})
    again = with_placeholders(unbound, {}, stored)
    assert again.views == stored.views
    assert again.source("orders").columns == COLUMNS
    assert placeholder(unbound[0]).columns == ()
