"""A view compiled for reading: key text → key bytes, and stored bytes → the row.

Built once per view when a reader opens the catalog. ``json_row`` is the hot path (rowcode.py): one
struct unpack, the finalizers, and text. ``arrow_table`` gives the same rows as columns, for the
lake and for Arrow answers. Both evaluate the same finalizers and expressions, so they agree: law 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from keyfold.errors import RequestError
from keyfold.view import expression as ex
from keyfold.view.aggregate import finalize_columns, slot_spans
from keyfold.view.columns import DTYPE, arrow_column, i128_of, physical_column, written
from keyfold.view.keycolumns import key_columns
from keyfold.view.partial import PartialCodec
from keyfold.view.plan import Output, ViewPlan
from keyfold.view.rowcode import row_functions
from keyfold.view.rowkey import NULL, column_finder, value_decoder, value_encoder
from keyfold.view.session import end_reader
from keyfold.view.types import (
    TIMESTAMP,
    TIMESTAMPTZ,
    ColumnType,
    Physical,
    column_type,
    json_writer,
    text_parser,
)

Hides = Callable[[bytes, bytes], bool]
"""(row key without the view's prefix, stored partials) → whether its window hides the row."""
HidesMany = Callable[[Sequence[pa.Array], Sequence[bytes]], np.ndarray]
"""(key columns, stored partials) of n rows → bool[n], whether its window hides the row."""
_MOMENTS = 1024
"""Window bounds in keys that are remembered with their text: many rows share one."""


class CompiledView:
    """A view's codecs and outputs, ready for lookups. Immutable; share it freely.

    Attributes:
        plan: The plan it was compiled from, as readers have it.
        partials: The codec of the row values.
        json_row: (row key without the view's prefix, stored partials) → the row as a JSON object,
            or None when HAVING hides it.
    """

    def __init__(self, plan: ViewPlan) -> None:
        self.plan = plan = plan.shown
        self.key_types = plan.key_types
        self.partials = PartialCodec(plan.slots)
        self._window_of = _window_reader(plan)
        self._encoders = [_key_encoder(column) for column in self.key_types]
        # The commonest key by far is one text.
        self._text_key = [column.physical for column in self.key_types] == [Physical.TEXT]
        self._readers = [_reader(output.expression, len(plan.keys)) for output in plan.outputs]
        self._having = _reader(plan.having, len(plan.keys)) if plan.having else None
        self._row, self.json_row = row_functions(
            plan,
            self.partials,
            "{" + ",".join(_label(output.name) + "%s" for output in plan.outputs) + "}",
            [
                (_place(output, read, len(plan.keys)), _writer(output))
                for output, read in zip(plan.outputs, self._readers, strict=True)
            ],
            self._keep if plan.having else None,
        )

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
        if self._text_key and texts:
            return self._encoders[0](texts[0])
        pairs = zip(self._encoders, texts, strict=False)
        return b"".join([encode(text) for encode, text in pairs])

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
        return b"".join(
            [
                NULL if value is None else encode(_key_text(column, value))
                for column, encode, value in zip(
                    self.key_types, self._encoders, values, strict=True
                )
            ]
        )

    def keys_from_json(self, keys: Sequence[Sequence[object]]) -> list[bytes]:
        """Encode many keys as ``key_from_json`` does.

        Raises:
            RequestError: As there.
        """
        if self._text_key:
            texts = [key[0] for key in keys if len(key) == 1 and type(key[0]) is str]
            if len(texts) == len(keys):
                return list(map(self._encoders[0], texts))
        return [self.key_from_json(key) for key in keys]

    def hides(self, stream_time_us: int | None) -> Hides | None:
        """Return what says of a stored row whether it is hidden; None: none is.

        Hidden are expired rows, and where the view waits for the end of its windows those of open
        ones; what has no window never expires and never closes.

        Args:
            stream_time_us: Of the view.
        """
        horizon = self.plan.expired_before(stream_time_us)
        closed = self.plan.closed_up_to(stream_time_us)
        if horizon is None and closed is None:
            return None
        window_of = self._window_of
        assert window_of is not None

        def hidden(key: bytes, value: bytes) -> bool:
            window = window_of(key, value)
            if window is None:
                return closed is not None
            return (closed is not None and window > closed) or (
                horizon is not None and window <= horizon
            )

        return hidden

    def hides_many(self, stream_time_us: int | None) -> HidesMany | None:
        """Return what says the same of many rows at once, with a step per row for sessions only.

        Args:
            stream_time_us: Of the view.
        """
        horizon = self.plan.expired_before(stream_time_us)
        closed = self.plan.closed_up_to(stream_time_us)
        if horizon is None and closed is None:
            return None
        place = self.plan.window_key
        assert place is not None
        end = end_reader(self.plan) if self.plan.session else None

        def hidden(keys: Sequence[pa.Array], values: Sequence[bytes]) -> np.ndarray:
            window = keys[place] if end is None else pa.array(map(end, values), pa.int64())
            bounds, null = physical_column(Physical.I64, window), window.is_null()
            hides = np.zeros(len(values), np.bool_)
            if closed is not None:
                hides |= bounds > closed
            if horizon is not None:
                hides |= bounds <= horizon
            return np.where(null.to_numpy(zero_copy_only=False), closed is not None, hides)

        return hidden

    def values(self, key: bytes, value: bytes) -> list[Any] | None:
        """Return the row's physical values in column order, or None when HAVING hides it."""
        row = self._row(key, value)
        if not self._keep(row):
            return None
        return [read(row) for read in self._readers]

    def arrow_table(self, rows: Iterable[tuple[bytes, bytes]]) -> pa.Table:
        """Return rows (key without prefix, value) as ``arrow_page`` does."""
        pairs = list(rows)
        return self.arrow_page([key for key, _ in pairs], [value for _, value in pairs])

    def arrow_page(
        self,
        keys: Sequence[bytes],
        values: Sequence[bytes],
        *,
        prefix_bytes: int = 0,
        hides: HidesMany | None = None,
    ) -> pa.Table:
        """Return stored rows as an Arrow table; those that are hidden are left out.

        Columns come in the types of ``keyfold.view.columns.arrow_type``; nested columns as the
        JSON text that is stored.

        Args:
            keys: Of n rows.
            values: Of the same rows.
            prefix_bytes: What stands before each key and is no part of it.
            hides: What hides rows beside HAVING.
        """
        finals = self._final_columns(values)
        key_arrays = key_columns(self.key_types, keys, prefix_bytes)
        computed = self._having is not None or any(
            not isinstance(output.expression, ex.Key | ex.Answer) for output in self.plan.outputs
        )
        whole = (
            [self._row(key[prefix_bytes:], value) for key, value in zip(keys, values, strict=True)]
            if computed
            else []
        )
        arrays = []
        for output, read in zip(self.plan.outputs, self._readers, strict=True):
            column = column_type(output.type)
            match output.expression:
                case ex.Key(index=index):
                    arrays.append(key_arrays[index])
                case ex.Answer(index=index):
                    arrays.append(arrow_column(column, *finals[index]))
                case _:
                    arrays.append(_arrow_from_python(column, [read(row) for row in whole]))
        table = pa.table(arrays, names=[output.name for output in self.plan.outputs])
        seen = np.ones(len(keys), np.bool_)
        if hides is not None:
            seen &= ~hides(key_arrays, values)
        if self._having is not None:
            seen &= np.fromiter(map(self._keep, whole), np.bool_, len(whole))
        return table if seen.all() else table.filter(pa.array(seen))

    def answer_table(self, rows: Iterable[tuple[bytes, bytes]]) -> pa.Table:
        """Return ``arrow_table`` with nested columns in the text that a JSON row has for them."""
        table = self.arrow_table(rows)
        for at, output in enumerate(self.plan.outputs):
            if column_type(output.type).physical is Physical.JSON:
                write = json_writer(column_type(output.type))
                if write is not str:
                    texts = written(table.column(at).to_pylist(), write)
                    table = table.set_column(at, table.field(at), texts)
        return table

    def _keep(self, row: list[Any]) -> bool:
        return self._having is None or self._having(row) is True

    def _final_columns(self, values: Sequence[bytes]) -> list[tuple[np.ndarray, np.ndarray | None]]:
        """Every answer as a column: (values, valid)."""
        columns = self.partials.decode(values)
        spans = slot_spans(self.plan.aggregates)
        finals = []
        for answer in self.plan.answers:
            aggregate = self.plan.aggregates[answer.aggregate]
            span = spans[answer.aggregate]
            finals.append(finalize_columns(answer.final, aggregate, columns[span]))
        return finals


def _window_reader(plan: ViewPlan) -> Callable[[bytes, bytes], int | None] | None:
    """Return what says of a stored row which window it is of, as ``expired_before`` counts them."""
    if plan.window_key is None:
        return None
    if plan.session:
        end = end_reader(plan)
        return lambda _, value: end(value)
    find = column_finder(plan.key_types, plan.window_key)
    decode = value_decoder(plan.key_types[plan.window_key].physical)

    def window(key: bytes, _: bytes) -> int | None:
        at = find(key, 0)
        if key.startswith(NULL, at):
            return None
        bound: int = decode(key, at + 1)[0]
        return bound

    return window


def _key_encoder(column: ColumnType) -> Callable[[str], bytes]:
    """Return the function from the text of a key value to its bytes in the key."""
    parse, to_bytes = text_parser(column), value_encoder(column.physical)
    if parse is str:
        return to_bytes

    def encode(text: str) -> bytes:
        return to_bytes(parse(text))

    return lru_cache(_MOMENTS)(encode) if column.name in (TIMESTAMP, TIMESTAMPTZ) else encode


def _reader(expression: ex.Expression, keys: int) -> ex.Evaluate:
    """Return the function from a row to an output's physical value."""
    match expression:
        case ex.Key(index=index):
            return itemgetter(index)
        case ex.Answer(index=index):
            return itemgetter(keys + index)
    evaluate = ex.compile_expression(expression, keys)

    def read(row: ex.Row) -> Any:
        try:
            return evaluate(row)
        except ArithmeticError:
            return None  # a value that does not fit its type; documented in docs/sql.md

    return read


def _label(name: str) -> str:
    """The name of a column in a JSON template."""
    return msgspec.json.encode(name).decode().replace("%", "%%") + ":"


def _place(output: Output, read: ex.Evaluate, keys: int) -> int | ex.Evaluate:
    """Where an output's value is found: its place in the row, or a function of the row."""
    match output.expression:
        case ex.Key(index=at):
            return at
        case ex.Answer(index=at):
            return keys + at
    return read


def _writer(output: Output) -> Callable[[Any], object]:
    """Return what writes an output's values as JSON."""
    write = json_writer(column_type(output.type))
    if isinstance(output.expression, ex.Key) and output.type in (TIMESTAMP, TIMESTAMPTZ):
        return lru_cache(_MOMENTS)(write)
    return write


def _arrow_from_python(kind: ColumnType, values: list[Any]) -> pa.Array:
    """Physical Python values, None for NULL, as an Arrow array."""
    valid = np.fromiter((value is not None for value in values), np.bool_, len(values))
    match kind.physical:
        case Physical.TEXT | Physical.JSON:
            column = np.empty(len(values), object)
            column[:] = [None if value is None else str(value).encode() for value in values]
        case Physical.BYTES:
            column = np.empty(len(values), object)
            column[:] = values
        case Physical.I128 | Physical.U128:
            words = [i128_of(0 if value is None else value) for value in values]
            column = np.array(words, DTYPE[kind.physical])
        case Physical.F64:
            column = np.array([0.0 if v is None else v for v in values], np.float64)
        case Physical.BOOL:
            column = np.array([bool(v) for v in values], np.bool_)
        case Physical.I64:
            column = np.array([0 if v is None else v for v in values], np.int64)
    return arrow_column(kind, column, valid)


def _key_text(column: ColumnType, value: object) -> str:
    """The text form of a key value that came as JSON."""
    if column.physical is Physical.JSON and (
        not isinstance(value, str) or column.name.startswith(("JSON", "UNION"))
    ):
        return msgspec.json.encode(value).decode()
    if isinstance(value, str):  # of a list, struct or map too: none of them is a text itself
        return value
    if isinstance(value, (dict, list)):
        raise RequestError(f"a key value of type {column.name} cannot be {value!r}")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if column.physical is Physical.TEXT:
        # 7, 7.0 and 7e0 are one number, and three texts: which is meant, only a text says.
        raise RequestError(
            f"a key value of type {column.name} cannot be {text}, without quotes",
            hint=f'give it as a string: "{text}"',
        )
    return text
