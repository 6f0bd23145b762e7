"""MIN and MAX over every ordered type, and what they are by another name.

BOOL_AND is the least truth value and BOOL_OR the greatest. ANY_VALUE is any, so it is the least:
of which batch the first came must not show (law 1).

They keep 0.0 for -0.0, for the two are equal and which came first must not show either. NaN is the
greatest double, as in DuckDB and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keyfold.view.columns import less
from keyfold.view.family.law import Columns, Family, Reading, Slot, Types
from keyfold.view.types import Physical


def _merge(state: Sequence[np.ndarray], delta: Sequence[np.ndarray], *, least: bool) -> Columns:
    has_a, a = state
    has_b, b = delta
    better = less(b, a) if least else less(a, b)
    kept = np.where(has_b & (~has_a | better), b, a)
    if kept.dtype == np.float64:
        kept += 0.0  # which makes 0.0 of -0.0, and changes no other double
    return [has_a | has_b, kept]


def _reading(_: Types) -> Reading:
    return Reading(
        lambda has, value: value if has else None, lambda columns: (columns[1], columns[0])
    )


def _extreme(name: str, functions: Sequence[str], *, least: bool) -> Family:
    return Family(
        name=name,
        slots=lambda types: (Slot("has", Physical.BOOL), Slot(name, types[0].physical)),
        update=lambda x, where: (f"count({x[0]}){where} > 0", f"{name}({x[0]}){where}"),
        merge=lambda state, delta: _merge(state, delta, least=least),
        finals=dict.fromkeys(functions, _reading),
    )


MIN = _extreme("min", ("min", "bool_and", "any_value"), least=True)
MAX = _extreme("max", ("max", "bool_or"), least=False)
