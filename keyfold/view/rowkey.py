"""Row keys: the bytes under which a row lies in the store, in the order of its key values.

Byte order is value order, so a prefix of the key columns is one range of the store and a bound on
the next column is a sub-range. Each column is one tag byte, then its value:

========  ===============  ==========================================================
tag       value            order
========  ===============  ==========================================================
``0x01``  below            non-null
``0x02``  nothing          NULL, after every value (PostgreSQL's and DuckDB's order)
========  ===============  ==========================================================

- ``bool``: one byte, 0 or 1.
- ``i64``, ``i128``: big-endian, sign bit flipped (8 and 16 bytes); ``u128``: big-endian.
- ``f64``: IEEE 754 big-endian; negatives have all bits flipped, others the sign bit; ``-0.0`` is
  written as ``0.0`` and every NaN as one NaN, which comes last, as in DuckDB.
- ``text``, ``json`` (UTF-8), ``bytes``: each ``00`` escaped as ``00 FF``, ended by ``00``. The end
  sorts before every continuation, so ``"a"`` comes before ``"a\\0"`` and before ``"ab"``.

A key in the store has its view's prefix in front (keyfold/state/layout.py).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from keyfold.view.columns import physical_column
from keyfold.view.types import ColumnType, Physical

VALUE = b"\x01"
NULL = b"\x02"
_I64 = struct.Struct(">Q")
_F64 = struct.Struct(">d")
_SIGN64 = 1 << 63
_MASK64 = (1 << 64) - 1
_WIDTH = {
    Physical.BOOL: 1,
    Physical.I64: 8,
    Physical.I128: 16,
    Physical.U128: 16,
    Physical.F64: 8,
}


def encode_value(physical: Physical, value: Any) -> bytes:
    """Encode one key value, or None, with its tag."""
    return NULL if value is None else _ENCODE[physical](value)


def value_encoder(physical: Physical) -> Callable[[Any], bytes]:
    """Return ``encode_value`` for values of one kind that are not None."""
    return _ENCODE[physical]


def _encode_bytes(value: bytes) -> bytes:
    return VALUE + (value.replace(b"\0", b"\0\xff") if b"\0" in value else value) + b"\0"


def _encode_text(value: str) -> bytes:
    return _encode_bytes(value.encode())


def _encode_i64(value: int) -> bytes:
    return VALUE + _I64.pack(value + _SIGN64)


def _encode_i128(value: int) -> bytes:
    return VALUE + (value + (1 << 127)).to_bytes(16, "big")


def _encode_u128(value: int) -> bytes:
    return VALUE + value.to_bytes(16, "big")


def _encode_bool(value: bool) -> bytes:
    return b"\x01\x01" if value else b"\x01\x00"


def _encode_double(value: float) -> bytes:
    number = math.nan if math.isnan(value) else value + 0.0  # one NaN of many, one zero of two
    bits: int = _I64.unpack(_F64.pack(number))[0]
    return VALUE + _I64.pack(bits ^ _MASK64 if number < 0 else bits | _SIGN64)


_ENCODE: dict[Physical, Callable[[Any], bytes]] = {
    Physical.TEXT: _encode_text,
    Physical.JSON: _encode_text,
    Physical.BYTES: _encode_bytes,
    Physical.I64: _encode_i64,
    Physical.I128: _encode_i128,
    Physical.U128: _encode_u128,
    Physical.BOOL: _encode_bool,
    Physical.F64: _encode_double,
}


def encode_key(types: Sequence[ColumnType], values: Sequence[object]) -> bytes:
    """Encode the first ``len(values)`` key columns: a whole key, or a prefix of one."""
    pairs = zip(types, values, strict=False)
    return b"".join([encode_value(column.physical, value) for column, value in pairs])


def prefix_end(prefix: bytes) -> bytes:
    """Return the least byte string that is greater than every string that starts with ``prefix``.

    ``prefix`` must not be all ``0xFF``; no encoded key is, since every column starts with a tag.
    """
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes([trimmed[-1] + 1])


def decode_key(types: Sequence[ColumnType], key: bytes) -> tuple[object, ...]:
    """Decode a whole key into physical values, None for NULL."""
    values: list[object] = []
    at = 0
    for column in types:
        if key[at] == 2:
            values.append(None)
            at += 1
        else:
            value, at = _DECODE[column.physical](key, at + 1)
            values.append(value)
    return tuple(values)


def value_decoder(physical: Physical) -> Callable[[bytes, int], tuple[Any, int]]:
    """Return how to read one value of a key that is not NULL.

    Returns:
        (key, where it starts, behind its tag) → (the value, where it ends).
    """
    return _DECODE[physical]


def column_finder(types: Sequence[ColumnType], index: int) -> Callable[[bytes, int], int]:
    """Return how to find a column in a key without decoding what stands before it.

    Args:
        types: Types of the key columns.
        index: Which column.

    Returns:
        (key, where its first column starts) → where column ``index`` starts, tag included.
    """
    widths = [_WIDTH.get(column.physical) for column in types[:index]]

    def find(key: bytes, at: int) -> int:
        for width in widths:
            if key[at] == 2:
                at += 1
            elif width is not None:
                at += 1 + width
            else:
                at = _text_end(key, at + 1)
        return at

    return find


def _text_end(key: bytes, at: int) -> int:
    end = key.index(0, at)
    while key[end + 1 : end + 2] == b"\xff":
        end = key.index(0, end + 2)
    return end + 1


def _decode_bytes(key: bytes, at: int) -> tuple[bytes, int]:
    end = key.index(0, at)
    if key[end + 1 : end + 2] != b"\xff":
        return key[at:end], end + 1
    while key[end + 1 : end + 2] == b"\xff":
        end = key.index(0, end + 2)
    return key[at:end].replace(b"\0\xff", b"\0"), end + 1


def _decode_text(key: bytes, at: int) -> tuple[str, int]:
    value, end = _decode_bytes(key, at)
    return value.decode(), end


def _decode_i64(key: bytes, at: int) -> tuple[int, int]:
    return _I64.unpack_from(key, at)[0] - _SIGN64, at + 8


def _decode_i128(key: bytes, at: int) -> tuple[int, int]:
    return int.from_bytes(key[at : at + 16], "big") - (1 << 127), at + 16


def _decode_u128(key: bytes, at: int) -> tuple[int, int]:
    return int.from_bytes(key[at : at + 16], "big"), at + 16


def _decode_bool(key: bytes, at: int) -> tuple[bool, int]:
    return key[at] == 1, at + 1


def _decode_double(key: bytes, at: int) -> tuple[float, int]:
    bits = _I64.unpack_from(key, at)[0]
    bits ^= _SIGN64 if bits & _SIGN64 else _MASK64
    return _F64.unpack(_I64.pack(bits))[0], at + 8


_DECODE: dict[Physical, Callable[[bytes, int], tuple[Any, int]]] = {
    Physical.TEXT: _decode_text,
    Physical.JSON: _decode_text,
    Physical.BYTES: _decode_bytes,
    Physical.I64: _decode_i64,
    Physical.I128: _decode_i128,
    Physical.U128: _decode_u128,
    Physical.BOOL: _decode_bool,
    Physical.F64: _decode_double,
}


def encode_keys(
    prefix: bytes, types: Sequence[ColumnType], columns: Sequence[pa.Array]
) -> pa.Array:
    """Encode many keys at once.

    Args:
        prefix: Put in front of every key.
        types: The key columns' types.
        columns: One Arrow array of n values per key column, in the Arrow type that DuckDB gives.

    Returns:
        A large_binary array of n keys. Equal, byte for byte, to ``prefix + encode_key(types, row)``
        for each row.
    """
    if not columns:
        return pa.array([prefix], pa.large_binary())
    parts = [
        _encode_column(column.physical, array) for column, array in zip(types, columns, strict=True)
    ]
    keys = parts[0] if len(parts) == 1 else _joined(*parts)
    return with_prefix(prefix, keys)


def with_prefix(prefix: bytes, keys: pa.Array) -> pa.Array:
    """Return a large_binary array with the same bytes put in front of every value."""
    return _joined(pa.scalar(prefix, pa.large_binary()), keys) if prefix else keys


def _joined(*parts: pa.Array | pa.Scalar) -> pa.Array:
    return pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.large_binary()))


def slices(array: pa.Array) -> list[bytes]:
    """Return the values of a large_binary array without nulls as a list of bytes."""
    values: list[bytes] = array.to_numpy(zero_copy_only=False).tolist()
    return values


def _encode_column(physical: Physical, array: pa.Array) -> pa.Array:
    """One key column as large_binary, tags included."""
    if physical.varies:
        text = array.cast(pa.large_binary())
        # Escaping costs a pass; text with NUL characters is rare, so look first.
        if pc.any(pc.match_substring(text, b"\0")).as_py():
            text = pc.replace_substring(text, b"\0", b"\0\xff")
        encoded = _joined(
            pa.scalar(VALUE, pa.large_binary()), text, pa.scalar(b"\0", pa.large_binary())
        )
    else:
        width = _WIDTH[physical]
        n = len(array)
        raw = np.empty((n, width + 1), np.uint8)
        raw[:, 0] = 1
        raw[:, 1:] = _big_endian(physical, array)
        offsets = np.arange(0, (n + 1) * (width + 1), width + 1, dtype=np.int64)
        encoded = pa.Array.from_buffers(
            pa.large_binary(), n, [None, pa.py_buffer(offsets), pa.py_buffer(raw)]
        )
    if array.null_count:
        encoded = pc.if_else(array.is_valid(), encoded, pa.scalar(NULL, pa.large_binary()))
    return encoded


def _big_endian(physical: Physical, array: pa.Array) -> np.ndarray:
    """Order-preserving big-endian bytes of a fixed-width column, uint8[n, width]."""
    column = physical_column(physical, array)
    n = len(array)
    if physical is Physical.BOOL:
        return column.astype(np.uint8).reshape(n, 1)
    if physical is Physical.I64:
        flipped = column.view(np.uint64) ^ np.uint64(_SIGN64)
        return flipped.astype(">u8").view(np.uint8).reshape(n, 8)
    if physical in (Physical.I128, Physical.U128):
        both = np.empty((n, 2), ">u8")
        sign = np.uint64(_SIGN64 if physical is Physical.I128 else 0)
        both[:, 0] = column["high"].view(np.uint64) ^ sign
        both[:, 1] = column["low"]
        return both.view(np.uint8).reshape(n, 16)
    numbers = column + 0.0
    numbers[np.isnan(numbers)] = np.nan
    bits = np.ascontiguousarray(numbers).view(np.uint64)
    negative = (bits >> np.uint64(63)).astype(bool) & ~np.isnan(numbers)
    bits = np.where(negative, ~bits, bits | np.uint64(_SIGN64))
    return bits.astype(">u8").view(np.uint8).reshape(n, 8)
