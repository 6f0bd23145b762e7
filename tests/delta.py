"""Deltas by hand: rows of plain Python values as the keys and slot columns that a merge takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keyfold.view.columns import DTYPE, i128_of
from keyfold.view.plan import ViewPlan
from keyfold.view.rowkey import encode_key
from keyfold.view.types import Physical

Rows = Mapping[tuple[Any, ...], Sequence[Any]]
"""Physical key values → physical slot values."""


def slot_column(physical: Physical, values: Sequence[Any]) -> np.ndarray:
    """One slot of n partials, as ``HotPartials.merge`` takes it; text comes as bytes or None."""
    if physical in (Physical.TEXT, Physical.BYTES):
        column = np.empty(len(values), object)
        column[:] = values
        return column
    if physical in (Physical.I128, Physical.U128):
        return np.array([i128_of(value) for value in values], DTYPE[physical])
    return np.array(values, DTYPE[physical])


def delta_of(plan: ViewPlan, prefix: bytes, rows: Rows) -> tuple[list[bytes], list[np.ndarray]]:
    """The keys in the store and the slot columns of some rows of a view."""
    keys = [prefix + encode_key(plan.key_types, key) for key in rows]
    columns = [
        slot_column(slot.physical, [slots[at] for slots in rows.values()])
        for at, slot in enumerate(plan.slots)
    ]
    return keys, columns
