"""A case's state, through cuts and crashes, against DuckDB's answer over all of its events."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import duckdb

from keyfold.state.memory import MemoryStore
from keyfold.view.plan import ViewPlan
from tests.laws.stream import Stream, batch_connection
from tests.oracle.grammar import Case
from tests.oracle.messages import Message
from tests.oracle.values import EPOCH, ROUGH_MAX

Rows = list[dict[str, Any]]
REST = 30
"""The size of batches once a case's plan is done."""


def check(case: Case) -> None:
    """Hold a case's view to DuckDB, at whatever its last commit is and at the end.

    Raises:
        AssertionError: They differ.
    """
    store = MemoryStore()
    stream = Stream(lambda: store, case.messages, case.sql)
    stream.run(case.plan)
    _compare(case, stream)
    while stream.read(REST):  # the plan has the small batches
        pass
    stream.commit()
    _compare(case, stream)
    told = stream.record().views["v"].total()
    fates = told.applied + told.filtered + told.late + told.dead_lettered
    assert fates == len(case.messages), "an event is counted once"


def _compare(case: Case, stream: Stream) -> None:
    record = stream.record().views["v"]
    assert not record.error, record.error
    seen = [
        message
        for partition, log in stream.log.items()
        for message in log[: record.offsets.get(partition, 0)]
    ]
    compiled, stored = stream.stored("v")
    ours: Rows = compiled.arrow_table(stored).to_pylist()
    theirs = _answer(case, stream.catalog.view("v"), seen)
    assert_same(case, ours, theirs)
    texts = [compiled.json_row(key, value) for key, value in stored]
    told = [json.loads(text, parse_float=Decimal) for text in texts if text is not None]
    assert_same(case, [_of_json(row, other) for row, other in zip(told, ours, strict=True)], ours)
    shown = [compiled.values(key, value) for key, value in stored]
    assert sum(row is not None for row in shown) == len(ours)


def _answer(case: Case, plan: ViewPlan, seen: Sequence[Message]) -> Rows:
    """DuckDB's answer over the events that the view can read."""
    read = set(plan.columns_read)
    timely = seen
    if case.gap_s is not None and case.retention_s is not None:
        timely = _on_time(seen, case.gap_s + case.retention_s, case.delay_s)
    rows = [m.row for m in timely if m.row is not None and not m.misfits & read]
    live = "true"
    seconds = [m.second for m in seen if m.second is not None]
    if case.retention_s is not None and seconds:
        # Also what the view cannot read moves the watermark.
        mark = f"TIMESTAMP '{EPOCH}' + INTERVAL '{max(seconds) - case.delay_s} seconds'"
        live = f"window_end::TIMESTAMP + INTERVAL '{case.retention_s} seconds' > {mark}"
    query = case.batch.replace("{live}", live)
    if case.key:
        order = ", ".join(f"{name} NULLS LAST" for name in case.key)
        query = f"SELECT * FROM ({query}) ORDER BY {order}"
    try:
        return _ask(case, rows, query)
    except (duckdb.ConversionException, duckdb.OutOfRangeException):
        # An event on which an expression fails is a dead letter.
        return _ask(case, [row for row in rows if _evaluates(case, row, query)], query)


def _on_time(seen: Sequence[Message], late_s: int, delay_s: int) -> list[Message]:
    """The messages that do not lie so far behind the earlier ones of their partition."""
    latest: dict[int, int] = {}
    kept = []
    for message in seen:
        second = message.second
        before = latest.get(message.partition)
        if second is not None:
            latest[message.partition] = second if before is None else max(before, second)
        if second is None or before is None or second + late_s > before - delay_s:
            kept.append(message)
    return kept


def _evaluates(case: Case, row: tuple[str, ...], query: str) -> bool:
    try:
        _ask(case, [row], query)
    except (duckdb.ConversionException, duckdb.OutOfRangeException):
        return False
    return True


def _ask(case: Case, rows: Sequence[tuple[str, ...]], query: str) -> Rows:
    connection = batch_connection()
    columns = ", ".join(f"{name} {type_}" for name, type_ in case.columns)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE e ({columns})")
    if rows:
        values = ", ".join(f"({', '.join(row)})" for row in rows)
        connection.execute(f"INSERT INTO e VALUES {values}")
    answer: Rows = connection.sql(query).to_arrow_table().to_pylist()
    return answer


def assert_same(case: Case, ours: Rows, theirs: Rows) -> None:
    """Compare rows in key order, each output by its bound."""
    keys = [[tuple(row[name] for name in case.key) for row in rows] for rows in (ours, theirs)]
    assert len(ours) == len(theirs), f"{len(ours)} rows, not {len(theirs)}: {keys}"
    for one, other in zip(ours, theirs, strict=True):
        assert list(one) == list(other), "the columns differ"
        for name, value in one.items():
            same = _same(value, other[name], case.bounds[name])
            assert same, f"{name} is {value!r}, not {other[name]!r}, in {other}"


def _same(value: Any, other: Any, bound: str) -> bool:
    if not isinstance(value, float) or not isinstance(other, float):
        return bool(value == other)
    if math.isnan(value) or math.isnan(other):
        return math.isnan(value) and math.isnan(other)
    match bound:
        case "exact":
            return value == other
        case "close":
            return math.isclose(value, other, rel_tol=1e-14)
        case "moment":
            return math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-9)
        case "rough":
            return math.isclose(value, other, rel_tol=1e-12, abs_tol=40 * ROUGH_MAX * 2**-52)
    raise AssertionError(bound)


def _of_json(row: dict[str, Any], like: dict[str, Any]) -> dict[str, Any]:
    """A row's JSON values as those of the Arrow row, which say what they should be."""
    assert list(row) == list(like)
    return {name: _value(value, like[name]) for name, value in row.items()}


def _value(value: Any, like: Any) -> Any:
    match like:
        case datetime():
            return datetime.fromisoformat(value)
        case date():
            return date.fromisoformat(value)
        case time():
            return time.fromisoformat(value)
        case float() if value is not None:
            return float(value)
    return value
