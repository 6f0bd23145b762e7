"""Columns of physical values: numpy arrays in, Arrow arrays out, without a Python step per row.

The numpy form of each physical type (see keyfold/view/types.py):
``bool`` → bool, ``i64`` → int64, ``f64`` → float64, ``i128`` → the structured dtype ``I128`` (the
16 little-endian bytes of Arrow's decimal128), ``u128`` → ``U128``, the same without a sign,
``text`` and ``json`` → object arrays of UTF-8 bytes or None, ``bytes`` → the same of any bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from keyfold.view.types import TIMESTAMP, TIMESTAMPTZ, ColumnType, Physical

I128 = np.dtype([("low", "<u8"), ("high", "<i8")])
U128 = np.dtype([("low", "<u8"), ("high", "<u8")])
DTYPE: dict[Physical, np.dtype] = {
    Physical.BOOL: np.dtype(np.bool_),
    Physical.I64: np.dtype(np.int64),
    Physical.F64: np.dtype(np.float64),
    Physical.I128: I128,
    Physical.U128: U128,
    Physical.TEXT: np.dtype(object),
    Physical.JSON: np.dtype(object),
    Physical.BYTES: np.dtype(object),
}


def contiguous(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return one Arrow array for a chunked one."""
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def physical_column(physical: Physical, array: pa.Array) -> np.ndarray:
    """Return the physical values of an Arrow array as numpy; zero (text: None) stands at a null.

    Args:
        physical: The form wanted.
        array: n values in the Arrow type that DuckDB gives for such a column.
    """
    if pa.types.is_dictionary(array.type):
        array = array.indices  # DuckDB's dictionary has all values of an ENUM, in their order
    n = len(array)
    match physical:
        case Physical.BOOL:
            return np.asarray(array.fill_null(False).to_numpy(zero_copy_only=False), np.bool_)
        case Physical.TEXT | Physical.JSON | Physical.BYTES:
            return np.asarray(array.cast(pa.large_binary()).to_numpy(zero_copy_only=False), object)
        case Physical.F64:
            return np.asarray(
                array.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False), np.float64
            )
    if pa.types.is_decimal128(array.type):
        wide = _words(array)  # DuckDB gives UHUGEINT like this, too, with all of its 128 bits
        if physical is Physical.U128:
            return wide.view(U128)
        return wide if physical is Physical.I128 else wide["low"].view(np.int64)
    if pa.types.is_decimal(array.type):  # decimal32/64: DuckDB may use them for narrow decimals
        return physical_column(
            physical, array.cast(pa.decimal128(38, array.type.scale), safe=False)
        )
    if physical is Physical.I128:
        narrow = array.fill_null(0)
        wide = np.zeros(n, I128)
        if pa.types.is_uint64(array.type):
            wide["low"] = narrow.to_numpy(zero_copy_only=False)
        else:
            wide["low"] = narrow.cast(pa.int64()).to_numpy(zero_copy_only=False).view(np.uint64)
            wide["high"] = wide["low"].view(np.int64) >> 63
        return wide
    if pa.types.is_date32(array.type):
        array = array.view(pa.int32())
    elif pa.types.is_temporal(array.type):
        array = array.view(pa.int64())
    return np.asarray(array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False), np.int64)


def _words(array: pa.Array) -> np.ndarray:
    """The 128-bit words of a decimal128 array, zero at nulls."""
    n = len(array)
    if n == 0:
        return np.zeros(0, I128)
    wide = np.frombuffer(array.buffers()[1], I128, n, array.offset * I128.itemsize)
    if array.null_count:  # what lies under a null is anything
        wide = np.where(array.is_valid().to_numpy(zero_copy_only=False), wide, np.zeros(1, I128))
    return wide


def i128_of(value: int) -> tuple[int, int]:
    """Split a 128-bit integer into its (low, high) words, the high one signed as the integer is."""
    return value & 0xFFFF_FFFF_FFFF_FFFF, value >> 64


def int_of(low: int, high: int) -> int:
    """Join (low, high) words into the 128-bit integer, signed as the high one is."""
    return (int(high) << 64) | int(low)


def add_i128(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Add two I128 arrays; raises OverflowError where a sum does not fit 128 bits."""
    out = np.empty(len(a), I128)
    low = a["low"] + b["low"]
    carry = (low < a["low"]).astype(np.int64)
    high = a["high"] + b["high"] + carry
    same_sign = (a["high"] ^ b["high"]) >= 0
    if (same_sign & ((high ^ a["high"]) < 0)).any():
        raise OverflowError("a sum does not fit 128 bits")
    out["low"] = low
    out["high"] = high
    return out


def sum_i128(rows: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """Sum values by row, as n I128; raises OverflowError where a sum does not fit 128 bits.

    Args:
        rows: int[m], the row of each value, ascending.
        values: m values: whole numbers, or truth values, which are 0 and 1.
        n: How many rows there are.
    """
    wide = values.dtype == I128
    values = values if wide else values.astype(np.int64)
    low = values["low"] if wide else values.view(np.uint64)
    high = values["high"] if wide else values >> 63
    half, mask = np.uint64(32), np.int64(0xFFFF_FFFF)
    # By 32 bits: a sum of fewer than 2**31 of these fits 64.
    parts = [(low & np.uint64(mask)).view(np.int64), (low >> half).view(np.int64)]
    parts += [high & mask, high >> 32]
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    totals = np.zeros((4, n), np.int64)
    if len(rows):
        totals[:, rows[starts]] = [np.add.reduceat(part, starts) for part in parts]
    for at in range(3):
        totals[at + 1] += totals[at] >> 32
    if (totals[3] != totals[3].astype(np.int32)).any():
        raise OverflowError("a sum does not fit 128 bits")
    out = np.empty(n, I128)
    out["low"] = ((totals[1] & mask).view(np.uint64) << half) | (totals[0] & mask).view(np.uint64)
    out["high"] = (totals[3] << 32) | (totals[2] & mask)
    return out


def less_i128(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compare two I128 (or two U128) arrays: a < b, bool[n]."""
    less: np.ndarray = (a["high"] < b["high"]) | ((a["high"] == b["high"]) & (a["low"] < b["low"]))
    return less


def negate_i128(a: np.ndarray) -> np.ndarray:
    """Negate an I128 array."""
    out = np.empty(len(a), I128)
    out["low"] = ~a["low"] + np.uint64(1)
    out["high"] = ~a["high"] + (a["low"] == 0)
    return out


def less(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compare two columns of one physical type: a < b, bool[n]; where a text is None, False."""
    if a.dtype == object:
        pairs = zip(a, b, strict=True)
        found = (x is not None and y is not None and x < y for x, y in pairs)
        return np.fromiter(found, np.bool_, len(a))
    if a.dtype in (I128, U128):
        return less_i128(a, b)
    smaller: np.ndarray = a < b
    # NaN is the greatest double, as in DuckDB and PostgreSQL.
    return smaller | (np.isnan(b) & ~np.isnan(a)) if a.dtype == np.float64 else smaller


def arrow_type(column: ColumnType) -> pa.DataType:
    """Return the Arrow type of a column of physical values (``json`` stays text)."""
    match column.physical:
        case Physical.BOOL:
            return pa.bool_()
        case Physical.F64:
            return pa.float64()
        case Physical.TEXT | Physical.JSON:
            return pa.large_utf8()
        case Physical.BYTES:
            return pa.large_binary()
        case Physical.I128:
            return pa.decimal128(38, column.scale)
        case Physical.U128:
            return pa.decimal256(39)
    if column.decimal:
        return pa.decimal128(18, column.scale)
    if column.enum:
        return pa.large_utf8()
    return {
        TIMESTAMPTZ: pa.timestamp("us", "UTC"),
        TIMESTAMP: pa.timestamp("us"),
        "DATE": pa.date32(),
        "TIME": pa.time64("us"),
        "TIMESTAMP_S": pa.timestamp("s"),
        "TIMESTAMP_MS": pa.timestamp("ms"),
        "TIMESTAMP_NS": pa.timestamp("ns"),
    }.get(column.name, pa.int64())


def written(values: Iterable[Any], write: Callable[[Any], str]) -> pa.Array:
    """Return the texts that ``write`` makes of values, as an Arrow array; None stays NULL."""
    texts = [None if value is None else write(value) for value in values]
    return pa.array(texts, pa.large_utf8())


def arrow_column(column: ColumnType, values: np.ndarray, valid: np.ndarray | None) -> pa.Array:
    """Return physical values as an Arrow array of ``arrow_type(column)``.

    Args:
        column: The column's type.
        values: n physical values as numpy.
        valid: bool[n], False where the value is NULL; None when none is.
    """
    target = arrow_type(column)
    n = len(values)
    if column.physical in (Physical.TEXT, Physical.JSON):
        return pa.array(values, pa.large_binary()).cast(pa.large_utf8())
    if column.physical is Physical.BYTES:
        return pa.array(values, pa.large_binary())
    mask = None if valid is None else ~valid
    if column.physical in (Physical.BOOL, Physical.F64):
        return pa.array(values, target, mask=mask)
    if pa.types.is_decimal(target):
        if column.physical is Physical.I64:
            wide = np.empty(n, I128)
            wide["low"] = values.view(np.uint64)
            wide["high"] = values >> 63
            values = wide
        elif column.physical is Physical.U128:
            words = np.zeros((n, 4), "<u8")  # of decimal256, the lowest first
            words[:, 0], words[:, 1] = values["low"], values["high"]
            values = words
        validity = None if valid is None else pa.array(valid).buffers()[1]
        return pa.Array.from_buffers(
            target, n, [validity, pa.py_buffer(np.ascontiguousarray(values))]
        )
    integers = pa.array(values, pa.int64(), mask=mask)
    if column.enum:
        return pa.array(column.labels, target).take(integers)
    if pa.types.is_date32(target):
        return integers.cast(pa.int32()).view(target)
    return integers.view(target) if pa.types.is_temporal(target) else integers
