"""A case's state, through cuts and crashes, against DuckDB's answer over all of its events."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from keyfold.state.memory import MemoryStore
from tests.laws.stream import Step, Stream, batch_connection
from tests.oracle.case import ABOUT, EXACT, JSON, Case
from tests.oracle.compare import Rows, assert_same, read_json, with_json
from tests.oracle.messages import Message

REST = 30
"""The size of batches once a case's plan is done."""
MOST = """CREATE OR REPLACE TEMP MACRO most(texts, n) AS list_transform(list_sort(list_transform(
  list_distinct(texts), lambda t: {'less': -len(list_filter(texts, lambda u: u = t)), 'text': t}
)), lambda counted: counted.text)[:n]"""
"""The n most frequent texts; of those that come alike, the least."""


def check(case: Case) -> None:
    """Hold a case's view to DuckDB, at whatever its last commit is and at the end.

    Raises:
        AssertionError: They differ.
    """
    stream = _stream(case, case.plan)
    _compare(case, stream)
    while stream.read(REST):  # the plan has the small batches
        pass
    stream.commit()
    ours = _compare(case, stream)
    near = [name for name, bound in case.bounds.items() if bound == ABOUT]
    if near:  # these are near DuckDB's, and the same for any cut
        whole = _rows(case, _stream(case, [Step(6 * len(case.messages), "commit")]))
        one, other = ([{name: row[name] for name in near} for row in r] for r in (ours, whole))
        assert_same(one, other, dict.fromkeys(near, EXACT))


def _stream(case: Case, plan: Sequence[Step]) -> Stream:
    store = MemoryStore()
    stream = Stream(lambda: store, case.messages, case.sql)
    stream.run(plan)
    return stream


def _rows(case: Case, stream: Stream) -> Rows:
    """The rows of the last commit, which are the same as JSON and in Arrow."""
    compiled, stored = stream.stored("v")
    rows = with_json(compiled.arrow_table(stored).to_pylist(), case.bounds)
    texts = [compiled.json_row(key, value) for key, value in stored]
    told = [read_json(text) for text in texts if text is not None]
    assert_same(told, rows, dict.fromkeys(case.bounds, EXACT))
    shown = [compiled.values(key, value) for key, value in stored]
    assert sum(row is not None for row in shown) == len(rows)
    return rows


def _compare(case: Case, stream: Stream) -> Rows:
    record = stream.record().views["v"]
    assert not record.error, record.error
    seen = [
        message
        for partition, log in stream.log.items()
        for message in log[: record.offsets.get(partition, 0)]
    ]
    read = set(stream.catalog.view("v").columns_read)
    readable = [m.row is not None and not m.misfits & read for m in seen]
    late = _late(case, seen)
    told = record.total()
    fates = told.applied + told.filtered + told.late + told.dead_lettered
    assert fates == len(seen), "an event is counted once"
    if case.on_late == "dead_letter":
        assert told.late == 0
    elif case.counts_late:
        assert told.late == sum(one and other for one, other in zip(readable, late, strict=True))
    rows = [
        message.row
        for message, can_be_read, too_late in zip(seen, readable, late, strict=True)
        if message.row is not None and can_be_read and not too_late
    ]
    # Also what the view cannot read moves the time.
    latest = max((m.second for m in seen if m.second is not None), default=None)
    ours = _rows(case, stream)
    assert_same(ours, _answer(case, rows, latest), case.bounds)
    return ours


def _answer(case: Case, rows: Sequence[tuple[str, ...]], latest: int | None) -> Rows:
    """DuckDB's answer over rows, at the greatest event time."""
    query = case.batch.replace("{shown}", case.shown(latest))
    if case.key:
        order = ", ".join(f"{_rank(case, name)} NULLS LAST" for name in case.key)
        query = f"SELECT * FROM ({query}) ORDER BY {order}"
    try:
        return _ask(case, rows, query)
    except (duckdb.ConversionException, duckdb.OutOfRangeException):
        # An event on which an expression fails is a dead letter.
        return _ask(case, [row for row in rows if _evaluates(case, row, query)], query)


def _rank(case: Case, name: str) -> str:
    """What a key column is ordered by; nested ones by their JSON text."""
    return f"CAST(to_json({name}) AS VARCHAR)" if case.bounds[name] == JSON else name


def _late(case: Case, seen: Sequence[Message]) -> list[bool]:
    """Which messages are late, by the earlier ones of their partition."""
    latest: dict[int, int] = {}
    late = []
    for message in seen:
        second, before = message.second, latest.get(message.partition)
        known = second is not None and before is not None
        late.append(known and case.closes_s(second) <= before - case.delay_s)
        if second is not None:
            latest[message.partition] = second if before is None else max(before, second)
    return late


def _evaluates(case: Case, row: tuple[str, ...], query: str) -> bool:
    try:
        _ask(case, [row], query)
    except (duckdb.ConversionException, duckdb.OutOfRangeException):
        return False
    return True


def _ask(case: Case, rows: Sequence[tuple[str, ...]], query: str) -> Rows:
    connection = batch_connection()
    connection.execute(MOST)
    columns = ", ".join(f"{name} {type_}" for name, type_ in case.columns)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE e ({columns})")
    if rows:
        values = ", ".join(f"({', '.join(row)})" for row in rows)
        connection.execute(f"INSERT INTO e VALUES {values}")
    answer: Rows = connection.sql(query).to_arrow_table().to_pylist()
    return answer
