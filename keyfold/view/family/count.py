"""COUNT: how many events, or how many with a value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keyfold.view.family.law import Columns, Family, Reading, Slot
from keyfold.view.types import Physical


def _merge(state: Sequence[np.ndarray], delta: Sequence[np.ndarray]) -> Columns:
    return [state[0] + delta[0]]


COUNT = Family(
    name="count",
    slots=lambda _: (Slot("n", Physical.I64),),
    update=lambda x, where: (f"count({x[0] if x else '*'}){where}",),
    merge=_merge,
    finals={"count": lambda _: Reading(lambda n: n, lambda columns: (columns[0], None))},
    undo=lambda columns: [-columns[0]],
    fold=lambda rows, _, n: [np.bincount(rows, minlength=n)],
)
