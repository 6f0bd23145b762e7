"""A view compiled for reading: key text → key bytes, and stored bytes → the row.

Built once per view when a reader opens the catalog. ``json_row`` is the hot path: one struct unpack,
the finalizers, and text. ``arrow_table`` gives the same rows as columns, for the lake and for Arrow
answers; both evaluate the same finalizers and expressions, so they agree (law 4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from keyfold.errors import RequestError
from keyfold.view import expression as ex
from keyfold.view.aggregate import finalize_columns, finalizer
from keyfold.view.columns import arrow_column, i128_of
from keyfold.view.partial import PartialCodec
from keyfold.view.plan import ViewPlan
from keyfold.view.rowkey import decode_key, encode_key
from keyfold.view.types import ColumnType, Physical, column_type, json_writer, parse_text


class CompiledView:
    """A view's codecs and outputs, ready for lookups. Immutable; share it freely.

    Attributes:
        plan: The plan it was compiled from.
        partials: The codec of the row values.
    """

    def __init__(self, plan: ViewPlan) -> None:
        self.plan = plan
        self.key_types = plan.key_types
        self.partials = PartialCodec(plan.slots)
        self._slots_of = self.partials.row_decoder()
        self._answers = _answer_readers(plan)
        self._columns = [_Column(plan, i) for i in range(len(plan.outputs))]
        self._having = ex.compile_expression(plan.having, len(plan.keys)) if plan.having else None
        self._needs_logical = plan.having is not None or any(
            column.evaluate is not None for column in self._columns
        )
        self._key_logical = [ex.logical_reader(t) for t in self.key_types]
        self._answer_logical = [
            ex.logical_reader(column_type(answer.final.type)) for answer in plan.answers
        ]

    def key_from_text(self, texts: Sequence[str]) -> bytes:
        """Encode key values given as text: a whole key, or the first columns of one.

        Raises:
            RequestError: Too many values, or one that is not of its column's type.
        """
        if len(texts) > len(self.key_types):
            names = ", ".join(key.name for key in self.plan.keys)
            raise RequestError(
                f"{len(texts)} key values given, view {self.plan.name} has {len(self.key_types)}",
                hint=f"the key is ({names})",
            )
        return encode_key(
            self.key_types,
            [parse_text(t, text) for t, text in zip(self.key_types, texts, strict=False)],
        )

    def key_from_json(self, values: Sequence[object]) -> bytes:
        """Encode a whole key given as JSON values; None is NULL.

        Raises:
            RequestError: The count is wrong, or a value is not of its column's type.
        """
        if len(values) != len(self.key_types):
            names = ", ".join(key.name for key in self.plan.keys)
            raise RequestError(
                f"a key of view {self.plan.name} has {len(self.key_types)} values, "
                f"{len(values)} given",
                hint=f"the key is ({names})",
            )
        return encode_key(
            self.key_types,
            [
                None if value is None else parse_text(column, _key_text(column, value))
                for column, value in zip(self.key_types, values, strict=True)
            ],
        )

    def expired(self, key: bytes, horizon: int) -> bool:
        """Say whether the row under a key without prefix lies at or below the horizon.

        Args:
            key: The row key.
            horizon: As ``ViewPlan.expired_before`` returns it.
        """
        assert self.plan.window_key is not None
        value = decode_key(self.key_types, key)[self.plan.window_key]
        return isinstance(value, int) and value <= horizon

    def json_row(self, key: bytes, value: bytes) -> str | None:
        """Return the row as a JSON object, or None when HAVING hides it.

        Args:
            key: The row key without the view's prefix.
            value: The stored partials.
        """
        physical = self._physical(key, value)
        logical: list[Any] | None = None
        if self._needs_logical:
            logical = self._logical(physical)
            if self._having is not None and not _true(self._having, logical):
                return None
        return "{" + ",".join([column.json(physical, logical) for column in self._columns]) + "}"

    def values(self, key: bytes, value: bytes) -> list[Any] | None:
        """Return the row's physical values in column order, or None when HAVING hides it."""
        physical = self._physical(key, value)
        logical = self._logical(physical) if self._needs_logical else None
        if self._having is not None and not _true(self._having, logical or ()):
            return None
        return [column.value(physical, logical) for column in self._columns]

    def arrow_table(self, rows: Iterable[tuple[bytes, bytes]]) -> pa.Table:
        """Return rows (key without prefix, value) as an Arrow table; hidden rows are left out.

        Columns come in the types of ``keyfold.view.columns.arrow_type``; nested key columns as
        JSON text.
        """
        pairs = list(rows)
        columns = self.partials.decode([value for _, value in pairs])
        keys = [decode_key(self.key_types, key) for key, _ in pairs]
        finals: list[tuple[np.ndarray, np.ndarray | None]] = []
        at = 0
        starts = []
        for aggregate in self.plan.aggregates:
            starts.append(at)
            at += len(aggregate.slots)
        for answer in self.plan.answers:
            aggregate = self.plan.aggregates[answer.aggregate]
            first = starts[answer.aggregate]
            finals.append(
                finalize_columns(
                    answer.final, aggregate, columns[first : first + len(aggregate.slots)]
                )
            )
        logical = self._logical_rows(pairs) if self._needs_logical else []
        arrays = []
        for output, column in zip(self.plan.outputs, self._columns, strict=True):
            kind = column_type(output.type)
            match output.expression:
                case ex.Key(index=index):
                    arrays.append(_arrow_from_python(kind, [key[index] for key in keys]))
                case ex.Answer(index=index):
                    arrays.append(arrow_column(kind, *finals[index]))
                case _:
                    arrays.append(
                        _arrow_from_python(kind, [column.value((), row) for row in logical])
                    )
        table = pa.table(arrays, names=[output.name for output in self.plan.outputs])
        if self._having is None:
            return table
        having = self._having
        return table.filter(pa.array([_true(having, row) for row in logical], pa.bool_()))

    def _physical(self, key: bytes, value: bytes) -> list[Any]:
        """Key values, then answers, in physical form."""
        slots = self._slots_of(value)
        row: list[Any] = list(decode_key(self.key_types, key))
        row.extend([read(slots) for read in self._answers])
        return row

    def _logical(self, physical: Sequence[Any]) -> list[Any]:
        readers = self._key_logical + self._answer_logical
        return [
            value if read is None or value is None else read(value)
            for read, value in zip(readers, physical, strict=True)
        ]

    def _logical_rows(self, pairs: Sequence[tuple[bytes, bytes]]) -> list[list[Any]]:
        return [self._logical(self._physical(key, value)) for key, value in pairs]


class _Column:
    """One output: where its value comes from and how it is written."""

    def __init__(self, plan: ViewPlan, index: int) -> None:
        output = plan.outputs[index]
        kind = column_type(output.type)
        self.label = msgspec.json.encode(output.name).decode() + ":"
        self._write = json_writer(kind)
        self._physical = ex.physical_writer(kind)
        self.position: int | None = None
        self.evaluate: ex.Evaluate | None = None
        match output.expression:
            case ex.Key(index=key):
                self.position = key
            case ex.Answer(index=answer):
                self.position = len(plan.keys) + answer
            case _:
                self.evaluate = ex.compile_expression(output.expression, len(plan.keys))

    def value(self, physical: Sequence[Any], logical: Sequence[Any] | None) -> Any:
        """The physical value of the column in one row."""
        if self.position is not None:
            return physical[self.position]
        try:
            value = self.evaluate(logical)  # type: ignore[misc,arg-type]
        except ArithmeticError:
            return None  # a value that does not fit its type; documented in docs/sql.md
        return value if value is None or self._physical is None else self._physical(value)

    def json(self, physical: Sequence[Any], logical: Sequence[Any] | None) -> str:
        """The column of one row as ``"name":value``."""
        value = self.value(physical, logical)
        return self.label + ("null" if value is None else self._write(value))


def _answer_readers(plan: ViewPlan) -> list[Callable[[Sequence[Any]], Any]]:
    starts = []
    at = 0
    for aggregate in plan.aggregates:
        starts.append(at)
        at += len(aggregate.slots)

    def reader(first: int, last: int, final: Callable[..., Any]) -> Callable[[Sequence[Any]], Any]:
        return lambda slots: final(*slots[first:last])

    return [
        reader(
            starts[answer.aggregate],
            starts[answer.aggregate] + len(plan.aggregates[answer.aggregate].slots),
            finalizer(answer.final, plan.aggregates[answer.aggregate]),
        )
        for answer in plan.answers
    ]


def _true(condition: ex.Evaluate, row: Sequence[Any]) -> bool:
    try:
        return condition(row) is True
    except ArithmeticError:
        return False


def _arrow_from_python(kind: ColumnType, values: list[Any]) -> pa.Array:
    """Physical Python values, None for NULL, as an Arrow array."""
    valid = np.fromiter((value is not None for value in values), np.bool_, len(values))
    match kind.physical:
        case Physical.TEXT | Physical.JSON:
            column = np.empty(len(values), object)
            column[:] = [None if value is None else str(value).encode() for value in values]
        case Physical.I128:
            column = np.array(
                [i128_of(0 if value is None else value) for value in values],
                [("low", "<u8"), ("high", "<i8")],
            )
        case Physical.F64:
            column = np.array([0.0 if v is None else v for v in values], np.float64)
        case Physical.BOOL:
            column = np.array([bool(v) for v in values], np.bool_)
        case Physical.I64:
            column = np.array([0 if v is None else v for v in values], np.int64)
    return arrow_column(kind, column, valid)


def _key_text(column: ColumnType, value: object) -> str:
    """The text form of a key value that came as JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if column.physical is Physical.JSON and not isinstance(value, str):
        return msgspec.json.encode(value).decode()
    if isinstance(value, (dict, list)):
        raise RequestError(f"a key value of type {column.name} cannot be {value!r}")
    return str(value)
