"""MIN and MAX over every ordered type.

They keep 0.0 for -0.0: the two are equal, and which came first must not show (law 1). NaN is the
greatest double, as in DuckDB and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keyfold.view.columns import less
from keyfold.view.family.law import Columns, Family, Reading, Slot
from keyfold.view.types import ColumnType, Physical


def _merge(state: Sequence[np.ndarray], delta: Sequence[np.ndarray], *, least: bool) -> Columns:
    has_a, a = state
    has_b, b = delta
    better = less(b, a) if least else less(a, b)
    kept = np.where(has_b & (~has_a | better), b, a)
    if kept.dtype == np.float64:
        kept += 0.0  # which makes 0.0 of -0.0, and changes no other double
    return [has_a | has_b, kept]


def _reading(_: ColumnType | None) -> Reading:
    return Reading(
        lambda has, value: value if has else None, lambda columns: (columns[1], columns[0])
    )


def _extreme(name: str, *, least: bool) -> Family:
    return Family(
        name=name,
        slots=lambda argument: (
            Slot("has", Physical.BOOL),
            Slot(name, argument.physical if argument else Physical.I64),
        ),
        update=lambda x, where: (f"count({x}){where} > 0", f"{name}({x}){where}"),
        merge=lambda state, delta: _merge(state, delta, least=least),
        finals={name: _reading},
    )


MIN = _extreme("min", least=True)
MAX = _extreme("max", least=False)
