"""Aggregates as plans hold them: a family of partials over an argument, and what is read of it.

The families, and the laws that they keep, are in keyfold/view/family/.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal as OneOf

import msgspec
import numpy as np
import pyarrow as pa

from keyfold.view.columns import physical_column
from keyfold.view.family.law import Merge, Reading, Slot
from keyfold.view.family.registry import FAMILIES
from keyfold.view.types import ColumnType, Physical, column_type

ZERO_TYPE = {Physical.I64: "BIGINT", Physical.I128: "HUGEINT"}
"""The types of the slots of those families that can have each value once."""


class Operand(msgspec.Struct, frozen=True):
    """An argument after the first.

    Attributes:
        sql: DuckDB SQL.
        type: Its type name.
    """

    sql: str
    type: str


class Aggregate(msgspec.Struct, frozen=True):
    """One partial that a view keeps; several outputs may read it (SUM(x) and AVG(x) do).

    Attributes:
        family: Name in ``FAMILIES``.
        argument: DuckDB SQL of the argument, empty for COUNT(*).
        argument_type: The argument's type name, empty for COUNT(*).
        where: The FILTER condition as DuckDB SQL, or empty.
        more: The arguments after the first; left out of the stored form where there are none.
        distinct: Whether each value counts once (keyfold/view/distinct.py); left out where not.
        tile: Of different values in windows of HOP, which further number of them this is
            (keyfold/view/tiles.py); left out elsewhere.
    """

    family: str
    argument: str = ""
    argument_type: str = ""
    where: str = ""
    more: tuple[Operand, ...] | msgspec.UnsetType = msgspec.UNSET
    distinct: bool | msgspec.UnsetType = msgspec.UNSET
    tile: OneOf["before", "next"] | msgspec.UnsetType = msgspec.UNSET

    @property
    def operands(self) -> tuple[Operand, ...]:
        """All arguments; none for COUNT(*)."""
        if not self.argument:
            return ()
        return Operand(self.argument, self.argument_type), *(self.more or ())

    @property
    def types(self) -> tuple[ColumnType, ...]:
        """The types of the arguments."""
        return tuple(column_type(operand.type) for operand in self.operands)

    @property
    def text(self) -> str:
        """What stands between the parentheses of a call."""
        listed = ", ".join(operand.sql for operand in self.operands) or "*"
        if self.tile:
            return f"DISTINCT {listed}, {'before' if self.tile == 'before' else 'in'} the next tile"
        return f"DISTINCT {listed}" if self.distinct else listed

    def words(self, function: str) -> str:
        """Return an answer that is read from the partial in SQL's words."""
        arguments = [operand.sql for operand in self.operands]
        if self.distinct:
            arguments[0] = f"DISTINCT {arguments[0]}"
        return FAMILIES[self.family].words(function, arguments)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The slots of the partial."""
        return FAMILIES[self.family].slots(self.types)

    def update_sql(self) -> tuple[str, ...]:
        """One DuckDB expression per slot: the partial of a batch.

        Of different values it is zero: a batch alone cannot say which of them are new.
        """
        if self.distinct:
            return tuple(f"0::{ZERO_TYPE[slot.physical]}" for slot in self.slots)
        where = f" FILTER (WHERE {self.where})" if self.where else ""
        arguments = [operand.sql for operand in self.operands]
        return FAMILIES[self.family].update(arguments, where)


def slot_spans(aggregates: Sequence[Aggregate]) -> list[slice]:
    """Return where the slots of each aggregate lie among those of all."""
    spans, at = [], 0
    for one in aggregates:
        spans.append(slice(at, at := at + len(one.slots)))
    return spans


def slot_merges(aggregates: Sequence[Aggregate]) -> list[tuple[slice, Merge]]:
    """Return the slots of each aggregate among those of all, and how its family merges them."""
    return [
        (span, FAMILIES[one.family].merge)
        for span, one in zip(slot_spans(aggregates), aggregates, strict=True)
    ]


def slot_readers(aggregates: Sequence[Aggregate]) -> list[SlotReader]:
    """Return what makes each slot of DuckDB's column for its ``update_sql``; equal where alike."""
    return [
        SlotReader(slot.physical, FAMILIES[one.family].gather)
        for one in aggregates
        for slot in one.slots
    ]


@dataclass(frozen=True, slots=True)
class SlotReader:
    """Makes the slot of n rows of a column of DuckDB's.

    Attributes:
        physical: How the slot is stored.
        gather: As in ``Family``.
    """

    physical: Physical
    gather: Callable[[pa.Array], np.ndarray] | None

    def __call__(self, column: pa.Array) -> np.ndarray:
        """Return n values of the slot."""
        if self.gather is not None:
            return self.gather(column)
        return physical_column(self.physical, column)


class Final(msgspec.Struct, frozen=True):
    """How an aggregate function's answer is read from a partial.

    Attributes:
        function: The function, as its family names it.
        type: The answer's type name.
        detail: What else the function is told: the separator of texts, the rank of a quantile,
            how many values. Left out where there is nothing.
    """

    function: str
    type: str
    detail: str | msgspec.UnsetType = msgspec.UNSET


def _reading(final: Final, aggregate: Aggregate) -> Reading:
    reading = FAMILIES[aggregate.family].finals[final.function]
    if isinstance(final.detail, msgspec.UnsetType):
        return reading(aggregate.types)
    return reading(aggregate.types, final.detail)


def finalizer(final: Final, aggregate: Aggregate) -> Callable[..., object]:
    """Return the function from an aggregate's slot values to the physical answer or None."""
    return _reading(final, aggregate).value


def finalize_columns(
    final: Final, aggregate: Aggregate, columns: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return ``finalizer`` for n partials at once: the same values, bit for bit.

    Returns:
        (values, valid): n physical values, and bool[n] or None when none is NULL.
    """
    return _reading(final, aggregate).columns(columns)
