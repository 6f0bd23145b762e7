"""Comparing a table with the state: ``keyfold lake verify``.

Law 4 says that the rows of a snapshot at offsets O are the rows of the state at O, so where the
offsets agree the rows must be the same. Both sides are read in key order and compared chunk by
chunk in memory of a few chunks; only where a chunk differs are the rest of the rows compared as a
multiset, which needs memory for the differing part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.table import Table

from keyfold.errors import LakeError
from keyfold.settings import Settings
from keyfold.state.reader import StateReader, ViewReader
from keyfold.view.columns import contiguous
from lake.export import CHUNK_ROWS, Exporter
from lake.table import current_data_files, needed_change, offsets_in, same_view

BATCH_ROWS = 65_536
EXAMPLES_MAX = 5


class Verdict(msgspec.Struct):
    """What comparing one view said.

    Attributes:
        view: Its name.
        state: ``same``, ``different``, or why they cannot be compared now: ``other_offsets``,
            ``outdated`` (the view changed since the snapshot), ``refused`` (it changed so that the
            table takes no more snapshots of it), ``no_snapshot``.
        rows: Rows of the state that were compared.
        missing: Rows of the state that the table does not have.
        extra: Rows of the table that the state does not have.
        examples: Some rows that differ, as JSON objects with a sign: ``-`` missing, ``+`` extra.
        detail: A sentence for people, where there is something to say.
    """

    view: str
    state: str
    rows: int = 0
    missing: int = 0
    extra: int = 0
    examples: list[str] = []
    detail: str = ""


def verify_view(
    settings: Settings,
    reader: StateReader,
    view: ViewReader,
    table: Table | None,
    *,
    chunk_rows: int = CHUNK_ROWS,
) -> Verdict:
    """Compare the current snapshot of a view's table with the state at the reader's commit.

    Args:
        settings: Where table and state lie.
        reader: The state; must not be refreshed meanwhile.
        view: The view.
        table: Its table, or None when there is none.
        chunk_rows: Rows held in memory at once, per side.
    """
    name = view.plan.name
    snapshot = table.current_snapshot() if table is not None else None
    if table is None or snapshot is None:
        return Verdict(name, "no_snapshot", detail="no snapshot was taken yet")
    try:
        needed_change(settings, view.plan, table.schema())
    except LakeError as problem:
        return Verdict(name, "refused", detail=str(problem))
    if not same_view(view.plan, snapshot):
        return Verdict(name, "outdated", detail="the view changed since the snapshot")
    told = reader.record.views[name]
    if offsets_in(snapshot) != told.told_offsets():
        return Verdict(
            name,
            "other_offsets",
            detail=f"the snapshot is at {offsets_in(snapshot)}, the state at {told.told_offsets()}",
        )
    exporter = Exporter(view, table.schema())
    theirs = _Rows(exporter.schema, _batches(table))
    return _compare(name, exporter.chunks(reader, chunk_rows), theirs)


def _compare(name: str, ours: Iterator[pa.Table], theirs: _Rows) -> Verdict:
    rows = 0
    for chunk in ours:
        rows += chunk.num_rows
        other = theirs.take(chunk.num_rows)
        if not _same(chunk, other):
            break
    else:
        extra = theirs.take_all()
        return _verdict(name, rows, Counter(), _counted(extra))
    here, there = _counted(chunk), _counted(other)
    for chunk in ours:
        rows += chunk.num_rows
        here.update(_counted(chunk))
    there.update(_counted(theirs.take_all()))
    return _verdict(name, rows, here - there, there - here)


def _verdict(name: str, rows: int, missing: Counter[str], extra: Counter[str]) -> Verdict:
    examples = [f"- {row}" for row in list(missing)[:EXAMPLES_MAX]]
    examples += [f"+ {row}" for row in list(extra)[:EXAMPLES_MAX]]
    return Verdict(
        name,
        "different" if missing or extra else "same",
        rows=rows,
        missing=missing.total(),
        extra=extra.total(),
        examples=examples,
    )


class _Rows:
    """The rows of a table as a stream that is taken in pieces of any size."""

    def __init__(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._rest: pa.Table = schema.empty_table()

    def take(self, n: int) -> pa.Table:
        """Return the next n rows, fewer at the end."""
        pieces = [self._rest]
        have = self._rest.num_rows
        for batch in self._batches:
            pieces.append(self._table(batch))
            have += batch.num_rows
            if have >= n:
                break
        joined = pa.concat_tables(pieces)
        self._rest = joined.slice(n)
        return joined.slice(0, n)

    def take_all(self) -> pa.Table:
        """Return all rows that are left."""
        rest, self._rest = self._rest, self._rest.slice(0, 0)
        return pa.concat_tables([rest, *(self._table(batch) for batch in self._batches)])

    def _table(self, batch: pa.RecordBatch) -> pa.Table:
        return pa.Table.from_batches([batch]).cast(self._rest.schema)


def _batches(table: Table) -> Iterator[pa.RecordBatch]:
    """Rows of the current snapshot, file by file in key order.

    Straight from Parquet: PyIceberg 0.12 reads a NULL list of structs as an empty list (its issue
    3833), and the question here is what lies in the files.
    """
    for file in sorted(current_data_files(table), key=lambda one: one.file_path):
        with table.io.new_input(file.file_path).open() as stream:
            yield from pq.ParquetFile(stream).iter_batches(BATCH_ROWS)


def _same(ours: pa.Table, theirs: pa.Table) -> bool:
    """Compare tables of equal schemas; NaN makes rows different here, and equal in ``_counted``."""
    if ours.num_rows != theirs.num_rows:
        return False
    return all(
        contiguous(a).equals(contiguous(b))
        for a, b in zip(ours.columns, theirs.columns, strict=True)
    )


def _counted(rows: pa.Table) -> Counter[str]:
    """Rows as texts, with how often each occurs. NaN is equal to itself here."""
    columns = [_texts(column) for column in rows.columns]
    names = rows.column_names
    return Counter(str(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True))


def _texts(column: pa.ChunkedArray) -> list[object]:
    """Values for people; one with a time that Python's calendar does not know is numbers."""
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError):
        numbers = column.cast(_numbers(column.type)).to_pylist()
        return [_text(value, number) for value, number in zip(column, numbers, strict=True)]


def _text(value: pa.Scalar, number: object) -> object:
    # By value, not by chunk: the same row must be the same text on both sides.
    try:
        return value.as_py()
    except (ValueError, OverflowError):
        return number


def _numbers(kind: pa.DataType) -> pa.DataType:
    """Return a type with integers in place of dates and times, inside of others too."""
    if pa.types.is_date32(kind):
        return pa.int32()
    if pa.types.is_timestamp(kind) or pa.types.is_time64(kind):
        return pa.int64()
    if pa.types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(_numbers(kind.value_type)))
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_numbers(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([part.with_type(_numbers(part.type)) for part in kind])
    if pa.types.is_map(kind):
        return pa.map_(_numbers(kind.key_type), _numbers(kind.item_type))
    return kind
