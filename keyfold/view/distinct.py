"""Different values: COUNT(DISTINCT x), and SUM and AVG of them.

What is kept of them is a *set* per row of the view: its values, each once. Merging is the union,
zero the empty set, so that it is law-abiding; how many values there are, or their sum, is an
ordinary partial in the row, kept up as values join the set. So a reader never looks at the set.

The members lie in the store as keys without values (keyfold/state/layout.py), in the same encoding
as row keys, so a set of any size costs a batch what that batch brings. Aggregates over the same
arguments and condition share their set.

In windows that share events a set is that of several rows (keyfold/view/tiles.py), and the sets of
sessions become one as the sessions do (keyfold/state/sessionvalues.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from keyfold.view.aggregate import Aggregate, Operand, slot_spans
from keyfold.view.columns import contiguous, physical_column
from keyfold.view.family.registry import FAMILIES
from keyfold.view.rowkey import encode_keys, slices
from keyfold.view.types import column_type

SET_NUMBER_BYTES = 2


@dataclass(frozen=True, slots=True)
class ValueSet:
    """Which values a set holds.

    Attributes:
        operands: The arguments; a member has a value of each, and none is NULL.
        where: The FILTER condition, or empty.
    """

    operands: tuple[Operand, ...]
    where: str

    def update_sql(self, forms: Sequence[str]) -> str:
        """Return the DuckDB expression for the members in a batch, a list.

        Args:
            forms: The arguments in the form that the key codec takes from Arrow.
        """
        conditions = [f"({self.where})"] if self.where else []
        conditions += [f"({operand.sql}) IS NOT NULL" for operand in self.operands]
        value = forms[0]
        if len(forms) > 1:
            fields = ", ".join(f"'v{i}': {form}" for i, form in enumerate(forms))
            value = f"{{{fields}}}"
        return f"list(DISTINCT {value}) FILTER (WHERE {' AND '.join(conditions)})"


@dataclass(frozen=True, slots=True)
class Members:
    """The members of one set in a batch, each once for every row that it is of.

    Attributes:
        rows: int[m], the place of the row in the batch's delta, ascending.
        keys: m keys in the store.
        values: m physical values of the first argument.
    """

    rows: np.ndarray
    keys: list[bytes]
    values: np.ndarray


def value_sets(aggregates: Sequence[Aggregate]) -> list[ValueSet]:
    """Return the sets that a view keeps, each once, in the order of its partials."""
    sets = [ValueSet(one.operands, one.where) for one in aggregates if one.distinct]
    return list(dict.fromkeys(sets))


def members(
    number: int, one: ValueSet, prefix: bytes, row_keys: pa.Array, lists: pa.Array
) -> Members:
    """Take the members of a set out of what DuckDB found in a batch.

    Args:
        number: Of the set in its view.
        one: The set.
        prefix: What stands before a row key where it begins the keys of members.
        row_keys: n row keys, with the view's prefix.
        lists: n lists of members; NULL is an empty one.
    """
    lengths = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False)
    rows = np.repeat(np.arange(len(lists)), lengths)
    found = lists.flatten()
    parts = found.flatten() if len(one.operands) > 1 else [found]
    types = [column_type(operand.type) for operand in one.operands]
    encoded = encode_keys(number.to_bytes(SET_NUMBER_BYTES, "big"), types, parts)
    empty = pa.scalar(b"", pa.large_binary())
    keys = pc.binary_join_element_wise(
        pa.scalar(prefix, pa.large_binary()), row_keys.take(pa.array(rows)), encoded, empty
    )
    physical = types[0].physical
    # Only numbers are summed; what varies in length would be a Python object each.
    values = rows if physical.varies else physical_column(physical, contiguous(parts[0]))
    return Members(rows, slices(keys), values)


def counted(aggregates: Sequence[Aggregate]) -> Iterator[tuple[int, Aggregate, slice]]:
    """Yield (number of its set, aggregate, its slots) of those over different values."""
    sets = value_sets(aggregates)
    for one, span in zip(aggregates, slot_spans(aggregates), strict=True):
        if one.distinct:
            yield sets.index(ValueSet(one.operands, one.where)), one, span


class DistinctFold:
    """Adds the members that are new to the partials of a view's rows."""

    def __init__(self, aggregates: Sequence[Aggregate]) -> None:
        self._folds = []
        for number, one, slots in counted(aggregates):
            fold = FAMILIES[one.family].fold
            assert fold is not None
            self._folds.append((number, slots, fold))

    def apply(
        self,
        delta: Sequence[np.ndarray],
        found: Sequence[Members],
        new: Sequence[np.ndarray],
        n: int,
    ) -> list[np.ndarray]:
        """Return a delta with the partials of new members.

        Args:
            delta: The slots of n rows; those of different values are zero.
            found: The members in the batch, set by set.
            new: Which of them are new, bool[m] for each set.
            n: How many rows.

        Raises:
            OverflowError: A sum does not fit its slot.
        """
        filled = list(delta)
        for number, slots, fold in self._folds:
            chosen, members_ = new[number], found[number]
            filled[slots] = fold(members_.rows[chosen], members_.values[chosen], n)
        return filled
