"""What a view's SELECT is lowered to: the parts of its plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keyfold.view.aggregate import Aggregate
from keyfold.view.expression import Expression
from keyfold.view.plan import Answer, KeyColumn, Output, Top


@dataclass(frozen=True, slots=True)
class Lowered:
    """The parts of a plan; see ``ViewPlan`` and ``BatchQuery``.

    Attributes:
        keys: The key columns; GROUPING calls before those of GROUP BY.
        aggregates: What is kept per key.
        answers: What outputs read of it.
        outputs: The columns of a row.
        having: What hides a row.
        by_place: Whether a partial takes events by their place in the source.
        sets: For each grouping set, the indices of its key columns; empty where GROUP BY has one.
        groupings: For each GROUPING call among the keys, the indices of its key columns.
        standing_keys: The keys of the rows that there are over no events.
        top: How a group has several rows.
    """

    keys: Sequence[KeyColumn]
    aggregates: tuple[Aggregate, ...]
    answers: tuple[Answer, ...]
    outputs: Sequence[Output]
    having: Expression | None = None
    by_place: bool = True
    sets: Sequence[frozenset[int]] = ()
    groupings: Sequence[Sequence[int]] = ()
    standing_keys: tuple[tuple[int | None, ...], ...] = ()
    top: Top | None = None
