"""BIT_AND, BIT_OR and BIT_XOR over whole numbers of every width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from keyfold.view.family.law import Columns, Family, Reading, Slot
from keyfold.view.types import Physical

Bitwise = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _by_word(bitwise: Bitwise, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype.names is None:
        return bitwise(a, b)
    out = np.empty(len(a), a.dtype)
    for word in ("low", "high"):
        out[word] = bitwise(a[word], b[word])
    return out


def _merge(
    state: Sequence[np.ndarray], delta: Sequence[np.ndarray], *, bitwise: Bitwise
) -> Columns:
    (n, a), (m, b) = state, delta
    # The bits of no values are 0 in every slot, which is the identity of OR and XOR only.
    merged = np.where(n == 0, b, np.where(m == 0, a, _by_word(bitwise, a, b)))
    return [n + m, merged]


def _bits(name: str, bitwise: Bitwise) -> Family:
    return Family(
        name=name,
        slots=lambda types: (Slot("n", Physical.I64), Slot("bits", types[0].physical)),
        update=lambda x, where: (f"count({x[0]}){where}", f"{name}({x[0]}){where}"),
        merge=partial(_merge, bitwise=bitwise),
        finals={
            name: lambda _: Reading(
                lambda n, bits: bits if n else None, lambda columns: (columns[1], columns[0] > 0)
            )
        },
        # A number that is XORed twice is gone.
        undo=(lambda columns: [-columns[0], columns[1]]) if name == "bit_xor" else None,
    )


BIT_AND = _bits("bit_and", np.bitwise_and)
BIT_OR = _bits("bit_or", np.bitwise_or)
BIT_XOR = _bits("bit_xor", np.bitwise_xor)
