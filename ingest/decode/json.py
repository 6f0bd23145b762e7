"""JSON messages → typed Arrow columns, and what does not fit.

DuckDB's ``from_json`` reads the fields that views need, and nothing else. It is lenient: a field
that does not fit its type comes out as NULL. So NULLs are looked at again, if there are any: a
field that is absent or JSON ``null`` is NULL; one that is there and came out as NULL is a *misfit*.
The common batch has neither NULLs nor broken messages, and pays for none of this.

- A message that is no JSON object, or has no event time, is of no use to any view: a reject.
- A misfit costs the message only in the views that read that field (law 7).

Conversion is DuckDB's cast: ``"12"`` is 12 for a BIGINT, 1.5 is rounded. A TIMESTAMP or TIMESTAMPTZ
field may be ISO 8601 or a number of seconds, ms, µs or ns since the epoch (told apart by size, or
by the source's option ``timestamp.unit``).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.source.message import MessageBatch
from keyfold.errors import SettingsError
from keyfold.sql.bind import HIDDEN_PARTITION, quoted, text_literal
from keyfold.view.plan import Column, SourcePlan
from keyfold.view.types import TIMESTAMP, TIMESTAMPTZ

_log = logging.getLogger("keyfold.ingest")
_UNITS = {"s": 1_000_000.0, "ms": 1_000.0, "us": 1.0, "ns": 0.001}
_PREVIEW = 80


@dataclass(frozen=True, slots=True)
class Reject:
    """A message that cannot be used.

    Attributes:
        row: Its place in the batch.
        reason: What is wrong with it.
        field: The field that does not fit, or empty.
    """

    row: int
    reason: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded batch.

    Attributes:
        table: m usable messages: the needed columns, and the hidden partition column.
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
        self._unit = timestamp_unit(source)
        self._as_text: set[str] = set()
        self._query = self._make_query()

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
        table = self._with_includes(fields, batch, rows, misfits)
        return Decoded(table, rows, rejects, misfits)

    # --- reading -----------------------------------------------------------------------------

    def _make_query(self) -> str:
        if not self._columns:
            # A view may count messages and read nothing of them; they must be objects all the same.
            return 'SELECT from_json(v, \'{"__any":"VARCHAR"}\') IS NULL AS "__any" FROM raw'
        shape = {
            column.name: "VARCHAR" if column.name in self._as_text else column.type
            for column in self._columns
        }
        columns = ", ".join(self._field_sql(column) for column in self._columns)
        literal = text_literal(msgspec.json.encode(shape).decode())
        return f"SELECT {columns} FROM (SELECT from_json(v, {literal}) AS s FROM raw)"

    def _field_sql(self, column: Column) -> str:
        name = quoted(column.name)
        if column.name not in self._as_text:
            return f"s.{name} AS {name}"
        number = f"try_cast(s.{name} AS DOUBLE)"
        if self._unit == "auto":
            size = f"abs({number})"
            factor = (
                f"CASE WHEN {size} < 1e11 THEN 1e6 WHEN {size} < 1e14 THEN 1e3 "
                f"WHEN {size} < 1e17 THEN 1.0 ELSE 1e-3 END"
            )
        else:
            factor = repr(_UNITS[self._unit])
        micros = f"try_cast(round({number} * ({factor})) AS BIGINT)"
        return (
            f"CASE WHEN {number} IS NULL THEN try_cast(s.{name} AS {column.type}) "
            f"ELSE make_timestamp({micros})::{column.type} END AS {name}"
        )

    def _run(self, texts: pa.Array) -> pa.Table:
        self._connection.register("raw", pa.table({"v": texts}))
        return self._connection.sql(self._query).to_arrow_table()

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
        misfits: dict[str, list[Reject]],
    ) -> tuple[pa.Table, pa.Array, np.ndarray]:
        if not self._columns or all(column.null_count for column in fields.columns):
            objects = self._objects(texts)
            if not objects.all():
                for row, text in zip(rows[~objects], texts.filter(pa.array(~objects)), strict=True):
                    shown = _preview(text.as_py())
                    rejects.append(Reject(int(row), f"the message is no JSON object: {shown}"))
                keep = pa.array(objects)
                fields, texts, rows = fields.filter(keep), texts.filter(keep), rows[objects]
        for column in self._columns:
            fields = self._check_column(column, fields, texts, rows, misfits)
        if self._time is None:
            return fields, texts, rows
        times = fields.column(self._time)
        if not times.null_count:
            return fields, texts, rows
        wrong = {reject.row: reject for reject in misfits.pop(self._time, [])}
        present = times.combine_chunks().is_valid().to_numpy(zero_copy_only=False)
        for row in rows[~present].tolist():
            missing = Reject(row, f"the event time {self._time} is missing", self._time)
            rejects.append(wrong.get(row, missing))
        keep = pa.array(present)
        return fields.filter(keep), texts.filter(keep), rows[present]

    def _objects(self, texts: pa.Array) -> np.ndarray:
        self._connection.register("raw", pa.table({"v": texts}))
        return self._column("SELECT coalesce(json_type(v) = 'OBJECT', false) FROM raw").astype(bool)

    def _check_column(
        self,
        column: Column,
        fields: pa.Table,
        texts: pa.Array,
        rows: np.ndarray,
        misfits: dict[str, list[Reject]],
    ) -> pa.Table:
        """Book the misfits of one column; may read the column again (timestamps as numbers)."""
        values = fields.column(column.name)
        if pa.types.is_nested(values.type):
            found = self._nested_misfits(column, values, texts, rows)
            if found:
                misfits[column.name] = found
            return fields
        if not values.null_count:
            return fields
        absent = values.combine_chunks().is_null().to_numpy(zero_copy_only=False)
        self._connection.register("raw", pa.table({"v": texts.filter(pa.array(absent))}))
        path = text_literal(f"$.{quoted(column.name)}")
        table = self._connection.sql(
            f"SELECT json_type(v, {path}), v ->> {path} FROM raw"
        ).to_arrow_table()
        kinds = np.asarray(table.column(0).fill_null("NULL").to_numpy(zero_copy_only=False))
        wrong = kinds != "NULL"
        if not wrong.any():
            return fields
        if column.type in (TIMESTAMP, TIMESTAMPTZ) and column.name not in self._as_text:
            # Numbers of seconds or ms: from now on this column is read as text and converted.
            self._as_text.add(column.name)
            self._query = self._make_query()
            again = self._run(texts)
            position = fields.schema.get_field_index(column.name)
            fields = fields.set_column(position, column.name, again.column(column.name))
            return self._check_column(column, fields, texts, rows, misfits)
        misfits[column.name] = [
            Reject(row, f"{_preview(shown)} is no {column.type}", column.name)
            for row, shown in zip(
                rows[absent][wrong].tolist(),
                table.column(1).filter(pa.array(wrong)).to_pylist(),
                strict=True,
            )
        ]
        return fields

    def _nested_misfits(
        self, column: Column, values: pa.ChunkedArray, texts: pa.Array, rows: np.ndarray
    ) -> list[Reject]:
        """Find misfits at any depth of a struct, list or map."""
        if not _nulls_inside(values.combine_chunks()):
            return []
        found = []
        decoded = values.to_pylist()
        for row, text, value in zip(rows.tolist(), texts, decoded, strict=True):
            written = msgspec.json.decode(text.as_py(), type=dict).get(column.name)
            place = _misfit(written, value, column.name)
            if place:
                found.append(Reject(row, f"{place} does not fit {column.type}", place))
        return found

    # --- columns of the transport ------------------------------------------------------------

    def _with_includes(
        self,
        fields: pa.Table,
        batch: MessageBatch,
        rows: np.ndarray,
        misfits: dict[str, list[Reject]],
    ) -> pa.Table:
        if not self._columns:
            fields = fields.drop_columns(["__any"])
        whole = len(rows) == len(batch)
        partitions = batch.partitions if whole else batch.partitions[rows]
        columns = dict(zip(fields.column_names, fields.columns, strict=True))
        for include in self._includes:
            match include.kind:
                case "partition":
                    columns[include.name] = pa.array(partitions, pa.int32())
                case "offset":
                    columns[include.name] = pa.array(batch.offsets[rows], pa.int64())
                case "timestamp":
                    times = batch.timestamps_ms[rows]
                    columns[include.name] = pa.array(
                        times * 1_000, pa.timestamp("us", "UTC"), mask=times < 0
                    )
                case "key":
                    columns[include.name] = self._keys(batch, rows, include.name, misfits)
                case "headers":
                    columns[include.name] = _headers(batch, rows)
        columns[HIDDEN_PARTITION] = pa.array(partitions, pa.int32())
        return pa.table(columns)

    def _keys(
        self, batch: MessageBatch, rows: np.ndarray, name: str, misfits: dict[str, list[Reject]]
    ) -> pa.Array:
        if batch.keys is None:
            return pa.nulls(len(rows), pa.large_utf8())
        keys = batch.keys.take(pa.array(rows))
        try:
            return keys.cast(pa.large_utf8())
        except pa.ArrowInvalid:
            texts: list[str | None] = []
            for row, raw in zip(rows.tolist(), keys.to_pylist(), strict=True):
                try:
                    texts.append(None if raw is None else raw.decode())
                except UnicodeDecodeError:
                    texts.append(None)
                    misfits.setdefault(name, []).append(Reject(row, "the key is no UTF-8", name))
            return pa.array(texts, pa.large_utf8())


def timestamp_unit(source: SourcePlan) -> str:
    """Return the unit of timestamps that are numbers: ``auto``, ``s``, ``ms``, ``us`` or ``ns``.

    Raises:
        SettingsError: The option names none of these.
    """
    unit = source.options.get("timestamp.unit", "auto")
    if unit != "auto" and unit not in _UNITS:
        raise SettingsError(
            f"source {source.name}: timestamp.unit is {unit!r}",
            hint="use auto, s, ms, us or ns",
        )
    return unit


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


def _headers(batch: MessageBatch, rows: np.ndarray) -> pa.Array:
    kind = pa.list_(pa.struct([("key", pa.utf8()), ("value", pa.utf8())]))
    if batch.headers is None:
        return pa.nulls(len(rows), kind)
    headers: Sequence[Any] = [batch.headers[row] for row in rows.tolist()]
    return pa.array(
        [
            None
            if pairs is None
            else [
                {"key": name, "value": None if raw is None else raw.decode(errors="replace")}
                for name, raw in pairs
            ]
            for pairs in headers
        ],
        kind,
    )


def _nulls_inside(array: pa.Array) -> bool:
    if array.null_count:
        return True
    if pa.types.is_struct(array.type):
        return any(_nulls_inside(child) for child in array.flatten())
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        return _nulls_inside(pc.list_flatten(array))
    if pa.types.is_map(array.type):
        return _nulls_inside(array.items)
    return False


def _misfit(written: Any, decoded: Any, place: str) -> str:
    """Return the place where something is written and NULL came out, or an empty text."""
    if written is None:
        return ""
    if decoded is None:
        return place
    if isinstance(decoded, dict) and isinstance(written, dict):
        return next(
            filter(None, (_misfit(written.get(k), v, f"{place}.{k}") for k, v in decoded.items())),
            "",
        )
    if isinstance(decoded, list) and isinstance(written, list):
        return next(
            filter(
                None,
                (
                    _misfit(a, b, f"{place}[{i}]")
                    for i, (a, b) in enumerate(zip(written, decoded, strict=False))
                ),
            ),
            "",
        )
    return ""


def _preview(text: str | None) -> str:
    text = text or ""
    return repr(text if len(text) <= _PREVIEW else text[: _PREVIEW - 1] + "…")
