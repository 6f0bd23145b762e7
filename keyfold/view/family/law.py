"""What a family of aggregates is: ``zero · update · merge · finalize``.

Partial is not final (law 3). A family says which *slots* its partial has, and:

- ``update``: the DuckDB expressions that make the partial of one batch of events,
- ``merge``: how partials combine, slot column by slot column; associative and commutative,
- ``zero``: the partial of no events, the identity of ``merge``,
- ``finals``: the answers that are read from a partial, each for one row (``Reading.value``) and for
  columns of partials (``Reading.columns``), bit for bit the same, so that a REST row and an Iceberg
  row agree (law 4),
- ``undo``: what takes a partial out of another again (retraction), where there is such a thing;
  stated, not guessed,
- ``fold``: the partials of values that were chosen one by one, where a family can have DISTINCT.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa

from keyfold.view.columns import DTYPE
from keyfold.view.types import ColumnType, Physical

Columns = list[np.ndarray]
Types = Sequence[ColumnType]
Merge = Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], Columns]


class Slot(msgspec.Struct, frozen=True):
    """One column of a partial.

    Attributes:
        name: What it holds, for ``explain``.
        physical: How it is stored.
    """

    name: str
    physical: Physical


@dataclass(frozen=True, slots=True)
class Reading:
    """How an answer is read from partials.

    Attributes:
        value: Slot values → the physical answer or None. Slot values are Python values: int for
            ``i64`` and ``i128``, float, bool, str.
        columns: Slot columns of n partials → (n physical values, bool[n] or None when none is
            NULL): the same values, bit for bit.
    """

    value: Callable[..., object]
    columns: Callable[[Sequence[np.ndarray]], tuple[np.ndarray, np.ndarray | None]]


def _call_words(function: str, arguments: Sequence[str]) -> str:
    return f"{function.upper()}({', '.join(arguments) or '*'})"


@dataclass(frozen=True, slots=True)
class Family:
    """A law-abiding aggregate; see the module's docstring.

    Attributes:
        name: Family name as in stored plans.
        slots: The slots of a partial over arguments of the given types.
        update: (SQL of the arguments, `` FILTER (…)`` or empty) → one DuckDB expression per slot.
        merge: (state columns, delta columns) → merged columns; each slot column has n values.
        finals: Function → (the arguments' types, and the detail of functions that have one → how
            its answer is read).
        undo: Columns → columns that, merged, take them out again; None where nothing does.
        fold: (the row of each of m values, in order; the m physical values, n) → the partials of
            n rows: what ``update`` makes of these values. None where there is no DISTINCT.
        gather: The lists that ``update`` gives for n rows → their partials, for families of one
            slot that are not DuckDB's to make; None for the others.
        words: (function, SQL of the arguments) → the answer in SQL's words, for ``explain``.
    """

    name: str
    slots: Callable[[Types], tuple[Slot, ...]]
    update: Callable[[Sequence[str], str], tuple[str, ...]]
    merge: Merge
    finals: Mapping[str, Callable[..., Reading]]
    undo: Callable[[Sequence[np.ndarray]], Columns] | None = None
    fold: Callable[[np.ndarray, np.ndarray, int], Columns] | None = None
    gather: Callable[[pa.Array], np.ndarray] | None = None
    words: Callable[[str, Sequence[str]], str] = _call_words

    @property
    def inverse(self) -> bool:
        """Whether ``merge`` can be undone."""
        return self.undo is not None


def zero(slots: Sequence[Slot], n: int) -> Columns:
    """Return the identity partial n times: zeros, False, and None for text."""
    return [
        np.full(n, None, object) if slot.physical.varies else np.zeros(n, DTYPE[slot.physical])
        for slot in slots
    ]
