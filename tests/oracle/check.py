"""A case's state, through cuts and crashes, against DuckDB's answer over all of its events."""

from __future__ import annotations

import re
from collections.abc import Sequence

import duckdb

from keyfold.state.memory import MemoryStore
from tests.laws.stream import batch_connection
from tests.laws.streams import Step, Streams
from tests.oracle.case import Case
from tests.oracle.clock import late_messages, micros, stream_second, watermark_second
from tests.oracle.compare import Rows, assert_same, read_json, with_json
from tests.oracle.messages import Message
from tests.oracle.view import ABOUT, EXACT, JSON, MAP

_CAST = re.compile(r"\bCAST\((c\d+) AS BIGINT\)")
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
    stream.finish(size=REST)  # the plan has the small batches
    ours = _compare(case, stream)
    near = [name for name, bound in case.bounds.items() if bound == ABOUT]
    if near:  # these are near DuckDB's, and the same for any cut
        size = 6 * len(case.messages)
        whole = _rows(case, _stream(case, [Step(s.name, size, "commit") for s in case.sources]))
        one, other = ([{name: row[name] for name in near} for row in r] for r in (ours, whole))
        assert_same(one, other, dict.fromkeys(near, EXACT))


def _stream(case: Case, plan: Sequence[Step]) -> Streams:
    store = MemoryStore()
    logs = {s.name: [m for m in case.messages if m.source == s.name] for s in case.sources}
    stream = Streams(lambda: store, logs, case.sql, begun_is_ready=case.reclaims_sessions)
    stream.run(plan)
    return stream


def _rows(case: Case, stream: Streams) -> Rows:
    """The rows of the last commit, which are the same as JSON and in Arrow."""
    compiled, stored = stream.stored("v")
    rows = with_json(compiled.arrow_table(stored).to_pylist(), case.bounds)
    texts = [compiled.json_row(key, value) for key, value in stored]
    told = [read_json(text) for text in texts if text is not None]
    answers = with_json(compiled.answer_table(stored).to_pylist(), case.bounds)
    assert_same(told, answers, dict.fromkeys(case.bounds, EXACT))
    shown = [compiled.values(key, value) for key, value in stored]
    assert sum(row is not None for row in shown) == len(rows)
    return rows


def _compare(case: Case, stream: Streams) -> Rows:
    record = stream.record().views["v"]
    assert not record.error, record.error
    seen = [
        message
        for source, partitions in stream.logs.items()
        for partition, log in partitions.items()
        for message in log[: record.part(source).offsets.get(partition, 0)]
        if isinstance(message, Message)
    ]
    parts = {part.source: set(part.columns_read) for part in stream.catalog.view("v").parts}
    readable = [m.row is not None and not m.misfits & parts[m.source] for m in seen]
    late = late_messages(case, seen)
    told = record.total()
    fates = told.applied + told.filtered + told.late + told.dead_lettered
    assert fates == len(seen), "an event is counted once"
    if case.on_late == "dead_letter":
        assert told.late == 0
    elif case.counts_late:
        assert told.late == sum(one and other for one, other in zip(readable, late, strict=True))
    kept = [
        message
        for message, can_be_read, too_late in zip(seen, readable, late, strict=True)
        if can_be_read and not too_late
    ]
    ours = _rows(case, stream)
    assert_same(ours, _answer(case, kept, _time(case, stream, seen)), case.bounds)
    return ours


def _time(case: Case, stream: Streams, seen: Sequence[Message]) -> int | None:
    """The time of the view's stream; what the record says of times must be as the messages do."""
    times = []
    for source in case.sources:
        told = stream.record().sources[source.name]
        second = stream_second(source, seen)
        assert told.stream_time_us == micros(second), "the stream time differs"
        mark = micros(watermark_second(source, seen))
        assert told.watermark_us == mark, f"the watermark of {source.name} differs"
        times += [second] if second is not None else []
    return max(times, default=None)


def _answer(case: Case, messages: Sequence[Message], second: int | None) -> Rows:
    """DuckDB's answer over events, at a time of the stream."""
    query = case.batch.replace("{shown}", case.shown(second))
    if case.key:
        order = ", ".join(f"{_rank(case, name)} NULLS LAST" for name in case.key)
        query = f"SELECT * FROM ({query}) ORDER BY {order}"
    try:
        return _ask(case, messages, query)
    except (duckdb.ConversionException, duckdb.OutOfRangeException):
        # An event on which an expression fails is a dead letter.
        whole = [one for one in messages if _evaluates(case, one, query)]
        # What is left of these a condition leaves out, which DuckDB may ask after the cast.
        return _ask(case, whole, _CAST.sub(r"TRY_CAST(\1 AS BIGINT)", query))


def _rank(case: Case, name: str) -> str:
    """What a key column is ordered by; nested ones by their JSON text."""
    return f"CAST(to_json({name}) AS VARCHAR)" if case.bounds[name] in (JSON, MAP) else name


def _evaluates(case: Case, message: Message, query: str) -> bool:
    try:
        _ask(case, [message], query)
    except (duckdb.ConversionException, duckdb.OutOfRangeException):
        return False
    return True


def _ask(case: Case, messages: Sequence[Message], query: str) -> Rows:
    connection = batch_connection()
    # Of a table of one event DuckDB may know that a FILTER holds for none, and not evaluate what
    # fails on that event among others.
    connection.execute("SET disabled_optimizers = 'statistics_propagation'")
    connection.execute(MOST)
    for source in case.sources:
        columns = ", ".join(f"{name} {type_}" for name, type_ in source.columns)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {source.name} ({columns})")
        rows = [m.row for m in messages if m.source == source.name and m.row is not None]
        if rows:
            values = ", ".join(f"({', '.join(row)})" for row in rows)
            connection.execute(f"INSERT INTO {source.name} VALUES {values}")
    answer: Rows = connection.sql(query).to_arrow_table().to_pylist()
    return answer
