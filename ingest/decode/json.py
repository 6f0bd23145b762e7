"""JSON messages → typed Arrow columns, and what does not fit.

DuckDB's ``from_json`` reads the fields that views need, and nothing else. It is lenient: a field
that does not fit its type comes out as NULL. So NULLs are looked at again, if there are any: a
field that is absent or JSON ``null`` is NULL; one that is there and came out as NULL is a *misfit*.
The common batch has neither NULLs nor broken messages, and pays for none of this.

- A message that is no JSON object, or has no event time, is of no use to any view: a reject.
- A misfit costs the message only in the views that read that field (law 7). So does a key that is
  no text, or a timestamp out of range, where INCLUDE makes a column of it.

Conversion is DuckDB's cast: ``"12"`` is 12 for a BIGINT, 1.5 is rounded. Of a name that stands
twice in an object, the first counts. A TIMESTAMP column, of any kind, may be ISO 8601 or a number
of seconds, ms, µs or ns since the epoch (told apart by size, or by the source's option
``timestamp.unit``). How a message is read never depends on the messages beside it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from ingest.decode.includes import with_includes
from ingest.decode.misfit import compare, doubtful_rows, written_type
from ingest.decode.reject import Reject
from ingest.decode.timestamp import NUMBERED, timestamp_sql, timestamp_unit
from ingest.source.message import MessageBatch
from keyfold.sql.bind import HIDDEN_OFFSET, quoted, text_literal
from keyfold.view.plan import Column, SourcePlan

_log = logging.getLogger("keyfold.ingest")
_PREVIEW = 80
_CUT_BY_ARROW = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|(UHUGEINT|TIME WITH TIME ZONE)(?=[,)\[]|$)"""
)
"""Types whose values go through Arrow as texts: as DECIMAL(38,0) DuckDB takes the upper half of
UHUGEINT for negative numbers, and a time would lose its zone. What reads the batch casts them back.
Values of an ENUM and quoted names of fields are matched whole, so that none is found in them.
"""
_BLOB_SQL = (
    "CASE WHEN json_type({0}, '$.base64') = 'VARCHAR' THEN TRY(from_base64({0} ->> '$.base64')) "
    "ELSE encode({0} ->> '$') END"
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded batch.

    Attributes:
        table: m usable messages: the needed columns, and the hidden ones.
        rows: int64[m], the place of each in the batch, ascending.
        rejects: Messages that are of no use to any view.
        misfits: Column → rejects of messages that only views which read the column cannot use.
    """

    table: pa.Table
    rows: np.ndarray
    rejects: list[Reject]
    misfits: dict[str, list[Reject]] = field(default_factory=dict)


class JsonDecoder:
    """Decodes the messages of one source. Owns its DuckDB relation names; not thread-safe."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        source: SourcePlan,
        columns_needed: Collection[str],
    ) -> None:
        """Prepare to decode some columns of a source.

        Args:
            connection: Where the decoding runs.
            source: The source's plan.
            columns_needed: Names of the columns that some view reads.

        Raises:
            SettingsError: The source's ``timestamp.unit`` is none.
        """
        self._connection = connection
        self._source = source
        needed = set(columns_needed)
        self._time = source.watermark.column if source.watermark else None
        if self._time is not None:
            needed.add(self._time)
        self._columns = [column for column in source.columns if column.name in needed]
        self._includes = [include for include in source.includes if include.name in needed]
        self._places = HIDDEN_OFFSET in needed
        self._unit = timestamp_unit(source)
        self._as_text: set[str] = set()
        # What a Parquet file has as bytes; see ingest/source/file_json.py.
        files = source.connector == "file"
        self._blobs = {one.name for one in self._columns if files and one.type == "BLOB"}
        self._query = self._make_query()
        self._relation: duckdb.DuckDBPyRelation | None = None

    def decode(self, batch: MessageBatch) -> Decoded:
        """Decode a batch; see the module's docstring."""
        rejects: list[Reject] = []
        rows = np.arange(len(batch), dtype=np.int64)
        values = batch.values
        if values.null_count:
            valid = values.is_valid().to_numpy(zero_copy_only=False)
            rejects += [Reject(row, "the message has no value") for row in rows[~valid].tolist()]
            rows, values = rows[valid], values.filter(pa.array(valid))
        try:
            texts = values.cast(pa.large_utf8())
        except pa.ArrowInvalid:
            texts, rows = _valid_text(values, rows, rejects)
        fields, texts, rows = self._read_fields(texts, rows, rejects)
        misfits: dict[str, list[Reject]] = {}
        fields, texts, rows = self._look_at_nulls(fields, texts, rows, rejects, misfits)
        if not self._columns:
            fields = fields.drop_columns(["__any"])
        table = with_includes(fields, self._includes, batch, rows, misfits, places=self._places)
        return Decoded(table, rows, rejects, misfits)

    # --- reading -----------------------------------------------------------------------------

    def _make_query(self) -> str:
        if not self._columns:
            # A view may count messages and read nothing of them; they must be objects all the same.
            return 'SELECT from_json(v, \'{"__any":"VARCHAR"}\') IS NULL AS "__any" FROM raw'
        shape = {
            column.name: "VARCHAR" if column.name in self._as_text else column.type
            for column in self._columns
        } | dict.fromkeys(self._blobs, "JSON")
        columns = ", ".join(self._field_sql(column) for column in self._columns)
        literal = text_literal(msgspec.json.encode(shape).decode())
        return f"SELECT {columns} FROM (SELECT from_json(v, {literal}) AS s FROM raw)"

    def _field_sql(self, column: Column) -> str:
        name = quoted(column.name)
        if column.name in self._blobs:
            return f"{_BLOB_SQL.format(f's.{name}')} AS {name}"
        if column.name not in self._as_text:
            written = _through_arrow(column.type)
            field = f"s.{name}"
            return f"{field if written == column.type else f'CAST({field} AS {written})'} AS {name}"
        return f"{timestamp_sql(f's.{name}', column.type, self._unit)} AS {name}"

    def _run(self, texts: pa.Array) -> pa.Table:
        self._connection.register("raw", pa.table({"v": texts}))
        if self._relation is None:  # it runs anew each time that it is read
            self._relation = self._connection.sql(self._query)
        return self._relation.to_arrow_table()

    def _read_fields(
        self, texts: pa.Array, rows: np.ndarray, rejects: list[Reject]
    ) -> tuple[pa.Table, pa.Array, np.ndarray]:
        try:
            return self._run(texts), texts, rows
        except duckdb.Error:
            pass
        # Some message is no JSON: find out which, and read the others.
        self._connection.register("raw", pa.table({"v": texts}))
        valid = self._column("SELECT json_valid(v) FROM raw")
        for row, text in zip(rows[~valid].tolist(), texts.filter(pa.array(~valid)), strict=True):
            rejects.append(Reject(row, f"the message is no JSON: {_preview(text.as_py())}"))
        texts, rows = texts.filter(pa.array(valid)), rows[valid]
        return self._run(texts), texts, rows

    def _column(self, query: str) -> np.ndarray:
        table = self._connection.sql(query).to_arrow_table()
        return np.asarray(table.column(0).to_numpy(zero_copy_only=False))

    # --- what came out as NULL ---------------------------------------------------------------

    def _look_at_nulls(
        self,
        fields: pa.Table,
        texts: pa.Array,
        rows: np.ndarray,
        rejects: list[Reject],
        found: dict[str, list[Reject]],
    ) -> tuple[pa.Table, pa.Array, np.ndarray]:
        fields, texts, rows = self._leave_out_no_objects(fields, texts, rows, rejects)
        fields = self._find_misfits(fields, texts, rows, found)
        if self._time is None or not fields.column(self._time).null_count:
            return fields, texts, rows
        wrong = {reject.row: reject for reject in found.pop(self._time, [])}
        present = _valid(fields.column(self._time).combine_chunks())
        gone = set(rows[~present].tolist())
        for row in sorted(gone):
            missing = Reject(row, f"the event time {self._time} is missing", self._time)
            rejects.append(wrong.get(row, missing))
        for name in list(found):  # a message is a reject or a misfit, not both
            found[name] = [reject for reject in found[name] if reject.row not in gone]
        keep = pa.array(present)
        return fields.filter(keep), texts.filter(keep), rows[present]

    def _leave_out_no_objects(
        self, fields: pa.Table, texts: pa.Array, rows: np.ndarray, rejects: list[Reject]
    ) -> tuple[pa.Table, pa.Array, np.ndarray]:
        """Reject what is no JSON object: every field of it came out as NULL."""
        doubtful = np.ones(len(rows), np.bool_)
        for column in fields.columns if self._columns else ():
            if not column.null_count:
                return fields, texts, rows
            doubtful &= ~_valid(column.combine_chunks())
        places = np.flatnonzero(doubtful)
        if not len(places):
            return fields, texts, rows
        self._connection.register("raw", pa.table({"v": texts.take(pa.array(places))}))
        objects = self._column("SELECT coalesce(json_type(v) = 'OBJECT', false) FROM raw")
        keep = np.ones(len(rows), np.bool_)
        keep[places] = objects
        if keep.all():
            return fields, texts, rows
        left_out = pa.array(~keep)
        for row, text in zip(rows[~keep].tolist(), texts.filter(left_out), strict=True):
            shown = _preview(text.as_py())
            rejects.append(Reject(row, f"the message is no JSON object: {shown}"))
        kept = pa.array(keep)
        return fields.filter(kept), texts.filter(kept), rows[keep]

    def _find_misfits(
        self,
        fields: pa.Table,
        texts: pa.Array,
        rows: np.ndarray,
        found: dict[str, list[Reject]],
    ) -> pa.Table:
        """Book the misfits of every column; may read some again (timestamps as numbers)."""
        doubtful: dict[int, dict[str, np.ndarray]] = {}
        for column in self._columns:
            array = fields.column(column.name)
            if array.null_count or pa.types.is_nested(array.type):
                for level, mask in doubtful_rows(array.combine_chunks()).items():
                    doubtful.setdefault(level, {})[column.name] = mask
        wrong: set[tuple[str, int]] = set()
        for level, masks in sorted(doubtful.items()):
            for name, place in wrong:  # has nothing to compare below the level of the misfit
                if name in masks:
                    masks[name][place] = False
            places = np.flatnonzero(np.logical_or.reduce(list(masks.values())))
            picked = pa.array(places)
            written = self._written(list(masks), fields, texts.take(picked), level)
            if level == 0:
                fields = self._read_numbers(fields, fields.take(picked), written, texts)
            read = fields.select(list(masks)).take(picked)
            for name, mask in masks.items():
                chosen = np.flatnonzero(mask[places])
                here = pa.array(chosen)
                a, b = (one.column(name).combine_chunks().take(here) for one in (read, written))
                for one in compare(name, a, b, level):
                    place = int(places[chosen[one.row]])
                    if (name, place) not in wrong:
                        wrong.add((name, place))
                        reason = self._misfit_reason(name, one.place, one.text)
                        reject = Reject(int(rows[place]), reason, one.place)
                        found.setdefault(name, []).append(reject)
        return fields

    def _misfit_reason(self, name: str, place: str, text: str) -> str:
        kind = next(column.type for column in self._columns if column.name == name)
        if place == name:
            return f"{_preview(text)} is no {kind}"
        return f"{_preview(text)} does not fit: {place} of {name} {kind}"

    def _written(
        self, names: Sequence[str], fields: pa.Table, texts: pa.Array, level: int
    ) -> pa.Table:
        """Read columns as they were written; see ``ingest.decode.misfit``."""
        shape = {name: written_type(fields.schema.field(name).type, level) for name in names}
        literal = text_literal(msgspec.json.encode(shape).decode())
        columns = ", ".join(f"s.{quoted(name)} AS {quoted(name)}" for name in names)
        self._connection.register("raw", pa.table({"v": texts}))
        return self._connection.sql(
            f"SELECT {columns} FROM (SELECT from_json(v, {literal}) AS s FROM raw)"
        ).to_arrow_table()

    def _read_numbers(
        self, fields: pa.Table, picked: pa.Table, written: pa.Table, texts: pa.Array
    ) -> pa.Table:
        """Read timestamp columns again in which numbers stand: from now on they are converted."""
        times = {
            column.name
            for column in self._columns
            if column.type in NUMBERED
            and column.name not in self._as_text
            and column.name in written.column_names
            and picked.column(column.name).null_count > written.column(column.name).null_count
        }
        if not times:
            return fields
        self._as_text |= times
        self._query = self._make_query()
        self._relation = None
        again = self._run(texts)
        for name in times:
            position = fields.schema.get_field_index(name)
            fields = fields.set_column(position, name, again.column(name))
        return fields


def _through_arrow(kind: str) -> str:
    """Return the type that values of a DuckDB type have in a batch."""
    return _CUT_BY_ARROW.sub(lambda found: "VARCHAR" if found[1] else found[0], kind)


def _valid_text(
    values: pa.Array, rows: np.ndarray, rejects: list[Reject]
) -> tuple[pa.Array, np.ndarray]:
    """Leave out what is no UTF-8."""
    valid = np.ones(len(rows), np.bool_)
    for place, raw in enumerate(values.to_pylist()):
        try:
            raw.decode()
        except UnicodeDecodeError as problem:
            valid[place] = False
            reason = f"the message is no UTF-8: byte {problem.start} is {raw[problem.start]:#x}"
            rejects.append(Reject(int(rows[place]), reason))
    return values.filter(pa.array(valid)).cast(pa.large_utf8()), rows[valid]


def _valid(array: pa.Array) -> np.ndarray:
    return np.asarray(array.is_valid().to_numpy(zero_copy_only=False))


def _preview(text: str | None) -> str:
    text = text or ""
    return repr(text if len(text) <= _PREVIEW else text[: _PREVIEW - 1] + "…")
