"""Row keys back to columns: ``encode_keys`` undone for many keys at once, without a step per row.

The layout is that of keyfold/view/rowkey.py. All keys are laid end to end, and a cursor per key
moves over its columns: a fixed-width column is one gather, a text ends with its key or at the next
``00`` that no ``FF`` follows (what follows the end of a column is a tag of the same key).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from keyfold.view.columns import I128, U128, arrow_column, arrow_type
from keyfold.view.types import ColumnType, Physical

_SIGN64 = np.uint64(1 << 63)
_PAD = bytes(17)  # so that a gather at the end of the last key stays inside, even for a NULL
_WIDTH = {
    Physical.BOOL: 1,
    Physical.I64: 8,
    Physical.I128: 16,
    Physical.U128: 16,
    Physical.F64: 8,
}


def key_columns(
    types: Sequence[ColumnType], keys: Sequence[bytes], prefix_bytes: int = 0
) -> list[pa.Array]:
    """Decode whole keys.

    Args:
        types: The key columns' types.
        keys: n row keys.
        prefix_bytes: What stands before each of them and is no part of it.

    Returns:
        One array of n values per key column, of ``arrow_type``: the values that ``decode_key``
        gives for each key.
    """
    n = len(keys)
    if n == 0:
        return [pa.array([], arrow_type(column)) for column in types]
    data = b"".join([*keys, _PAD])
    raw = np.frombuffer(data, np.uint8)
    lengths = np.fromiter(map(len, keys), np.int64, n)
    after = np.cumsum(lengths)
    at = after - lengths + prefix_bytes
    ends: np.ndarray | None = None
    columns = []
    for place, column in enumerate(types, 1):
        valid = raw[at] == 1
        whole = bool(valid.all())
        at = at + 1
        physical = column.physical
        if physical.varies:
            if place == len(types):
                stop = after - 1
            else:
                if ends is None:
                    ends = _text_ends(raw)
                places = np.searchsorted(ends, at)
                stop = ends[np.minimum(places, len(ends) - 1)]
            if not whole:
                stop = np.where(valid, stop, at)
            texts = _texts(data, at, stop, None if whole else valid)
            columns.append(texts.cast(arrow_type(column)))
            at = np.where(valid, stop + 1, at)
        else:
            values = _fixed(physical, data, at)
            columns.append(arrow_column(column, values, None if whole else valid))
            at = at + (_WIDTH[physical] if whole else np.where(valid, _WIDTH[physical], 0))
    return columns


def _text_ends(raw: np.ndarray) -> np.ndarray:
    """Positions where a text may end, in order; some lie inside fixed-width columns."""
    zeros = np.flatnonzero(raw[:-1] == 0)
    return np.asarray(zeros[raw[zeros + 1] != 0xFF], np.int64)


def _texts(data: bytes, start: np.ndarray, stop: np.ndarray, valid: np.ndarray | None) -> pa.Array:
    """The texts between the cursors, unescaped, as bytes."""
    n = len(start)
    # Every second slice of the data is a text, the others lie between two texts.
    offsets = np.empty(2 * n, np.int64)
    offsets[0::2] = start
    offsets[1::2] = stop
    slices = pa.Array.from_buffers(
        pa.large_binary(), 2 * n - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    )
    mask = None if valid is None else ~valid
    texts = slices.take(pa.array(np.arange(0, 2 * n, 2), mask=mask))
    if b"\xff" in data and pc.any(pc.match_substring(texts, b"\0\xff")).as_py():
        texts = pc.replace_substring(texts, b"\0\xff", b"\0")
    return texts


def _fixed(physical: Physical, data: bytes, at: np.ndarray) -> np.ndarray:
    """Physical values at the cursors; what stands at a NULL is undefined."""
    if physical is Physical.BOOL:
        return np.asarray(np.frombuffer(data, np.uint8)[at] == 1, np.bool_)
    if physical is Physical.I128:
        wide = np.empty(len(at), I128)
        wide["high"] = (_words(data, at) ^ _SIGN64).view(np.int64)
        wide["low"] = _words(data, at + 8)
        return wide
    if physical is Physical.U128:
        wide = np.empty(len(at), U128)
        wide["high"], wide["low"] = _words(data, at), _words(data, at + 8)
        return wide
    words = _words(data, at)
    if physical is Physical.I64:
        return (words ^ _SIGN64).view(np.int64)
    return np.where(words & _SIGN64, words ^ _SIGN64, ~words).view(np.float64)


def _words(data: bytes, at: np.ndarray) -> np.ndarray:
    """Big-endian 64-bit words at any positions."""
    everywhere = np.ndarray((len(data) - 7,), np.dtype(">u8"), data, strides=(1,))
    return np.asarray(everywhere[at], np.uint64)
