"""Partials as bytes: the value of a row in the store.

Layout, little-endian::

    u8   format version (1)
    …    every slot in order: bool u8, i64 i8, f64 IEEE 754, i128 two words (low u64, high i64),
         u128 two words (u64), text, json and bytes u32 length (0xFFFFFFFF for none)
    …    the bytes of the text, json and bytes slots, in order

The front part has one width per view, so n rows are decoded as one numpy array; only views with
text slots pay a step per row.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from keyfold.errors import StateError
from keyfold.view.columns import I128, U128
from keyfold.view.family.law import Slot
from keyfold.view.types import Physical

VERSION = 1
NO_TEXT = 0xFFFF_FFFF
_FORMAT = {
    Physical.BOOL: "?",
    Physical.I64: "q",
    Physical.F64: "d",
    Physical.I128: "16s",
    Physical.U128: "16s",
    Physical.TEXT: "I",
    Physical.JSON: "I",
    Physical.BYTES: "I",
}
_FIELD: dict[Physical, np.dtype] = {
    Physical.BOOL: np.dtype(np.bool_),
    Physical.I64: np.dtype("<i8"),
    Physical.F64: np.dtype("<f8"),
    Physical.I128: I128,
    Physical.U128: U128,
    Physical.TEXT: np.dtype("<u4"),
    Physical.JSON: np.dtype("<u4"),
    Physical.BYTES: np.dtype("<u4"),
}


class PartialCodec:
    """Encodes and decodes the partials of one view, given its slots in order."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.slots = tuple(slots)
        self.struct = struct.Struct("<B" + "".join(_FORMAT[slot.physical] for slot in slots))
        fields = [("version", np.dtype(np.uint8))]
        fields += [(f"s{i}", _FIELD[slot.physical]) for i, slot in enumerate(slots)]
        self.dtype = np.dtype(fields)
        self.width = self.dtype.itemsize
        self.text_slots = [i for i, slot in enumerate(slots) if slot.physical.varies]
        self._wide_slots = {
            i: slot.physical is Physical.I128
            for i, slot in enumerate(slots)
            if slot.physical in (Physical.I128, Physical.U128)
        }
        """Slots of 128 bits → whether these have a sign."""
        self._bytes = frozenset(
            i for i, slot in enumerate(slots) if slot.physical is Physical.BYTES
        )
        assert self.struct.size == self.width

    def encode(self, columns: Sequence[np.ndarray]) -> list[bytes]:
        """Encode n partials, one array of n values per slot."""
        n = len(columns[0])
        front = np.empty(n, self.dtype)
        front["version"] = VERSION
        for i, column in enumerate(columns):
            front[f"s{i}"] = (
                np.fromiter(
                    (NO_TEXT if text is None else len(text) for text in column), np.uint32, n
                )
                if i in self.text_slots
                else column
            )
        rows: list[bytes] = front.view(f"V{self.width}").tolist()
        if not self.text_slots:
            return rows
        tails = zip(*(columns[i] for i in self.text_slots), strict=True)
        return [
            row + b"".join(text for text in tail if text is not None)
            for row, tail in zip(rows, tails, strict=True)
        ]

    def decode(self, values: Sequence[bytes]) -> list[np.ndarray]:
        """Decode n partials into one array of n values per slot.

        Raises:
            StateError: A value is of another format version.
        """
        width = self.width
        fronts = (
            b"".join(value[:width] for value in values) if self.text_slots else b"".join(values)
        )
        front = np.frombuffer(fronts, self.dtype)
        wrong = front["version"] != VERSION
        if wrong.any():
            raise wrong_version(int(front["version"][wrong][0]))
        columns: list[np.ndarray] = [front[f"s{i}"].copy() for i in range(len(self.slots))]
        if self.text_slots:
            at = np.full(len(values), width, np.int64)
            for i in self.text_slots:
                lengths = columns[i]
                absent = lengths == NO_TEXT
                ends = at + np.where(absent, 0, lengths)
                texts = np.empty(len(values), object)
                texts[:] = [
                    None if none else value[a:b]
                    for value, none, a, b in zip(
                        values, absent.tolist(), at.tolist(), ends.tolist(), strict=True
                    )
                ]
                columns[i] = texts
                at = ends
        return columns

    def encode_one(self, values: Sequence[Any]) -> bytes:
        """Encode one partial of Python values: int, float, bool, and str, bytes or None."""
        texts = {
            i: values[i] if values[i] is None or i in self._bytes else values[i].encode()
            for i in self.text_slots
        }
        front = list(values)
        for i, text in texts.items():
            front[i] = NO_TEXT if text is None else len(text)
        for i, signed in self._wide_slots.items():
            front[i] = values[i].to_bytes(16, "little", signed=signed)
        return self.struct.pack(VERSION, *front) + b"".join(filter(None, texts.values()))

    def decode_one(self, value: bytes) -> list[Any]:
        """Decode one partial into Python values.

        Raises:
            StateError: It is of another format version.
        """
        version, *values = self.struct.unpack_from(value)
        if version != VERSION:
            raise wrong_version(version)
        for i, signed in self._wide_slots.items():
            values[i] = int.from_bytes(values[i], "little", signed=signed)
        at = self.width
        for i in self.text_slots:
            end = at if values[i] == NO_TEXT else at + values[i]
            text = None if values[i] == NO_TEXT else value[at:end]
            values[i] = text if text is None or i in self._bytes else text.decode()
            at = end
        return values


def wrong_version(version: int) -> StateError:
    """Return the error for a partial of another format version."""
    return StateError(
        f"a partial has format version {version}, this release reads {VERSION}",
        hint="run the release that wrote it, or rebuild the view with --rebuild",
    )
