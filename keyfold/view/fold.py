"""Folding a kept list: ``list_max([bid.price for bid in … if bid.at < closed])``.

A list is an answer or a key, JSON text. Its elements are taken one by one: those for which all
conditions hold give a value each, and the values are folded into one. Within conditions and value
the element stands behind the row, so that these are expressions like others, over one value more.

What a fold answers is DuckDB's, over a NULL list NULL; values that are NULL do not count but for
``len``. Of -0.0 the answer is 0.0, to which it is equal, as MIN and MAX have it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from keyfold.view.cast import check_range
from keyfold.view.element import element_reader, elements
from keyfold.view.scalar import order
from keyfold.view.types import ColumnType, Physical

Row = Sequence[Any]
Evaluate = Callable[[Row], Any]
Finish = Callable[[list[Any]], Any]

FOLDS = ("list_max", "list_min", "list_sum", "list_count", "list_first", "list_last", "len")


def compile_fold(
    items: Evaluate, conditions: Sequence[Evaluate], value: Evaluate, finish: Finish
) -> Evaluate:
    """Return a closure from a row to the folded value.

    Args:
        items: The list.
        conditions: Over the row and an element: whether it counts.
        value: Over the row and an element: what it gives.
        finish: Folds the values, NULLs among them.
    """

    def fold(row: Row) -> Any:
        text = items(row)
        if text is None:
            return None
        inner = [*row, None]
        values = []
        for element in elements(text):
            inner[-1] = element
            for condition in conditions:
                if condition(inner) is not True:
                    break
            else:
                values.append(value(inner))
        return finish(values)

    return fold


def compile_item(path: Sequence[str], column: ColumnType) -> Evaluate:
    """Return a closure from a row with an element behind it to that element, or a field of it.

    Args:
        path: The names of the fields, from the outermost struct in.
        column: The type of what is found there, not nested.
    """
    read = element_reader(column)

    def item(row: Row) -> Any:
        found = row[-1]
        for name in path:
            if found is None:
                return None
            found = found.get(name)
        return None if found is None else read(found)

    return item


def finisher(function: str, value: ColumnType, result: ColumnType) -> Finish:
    """Return what folds the values of a list.

    Args:
        function: One of ``FOLDS``.
        value: Their type.
        result: The type of the answer.
    """
    match function:
        case "len":
            return len
        case "list_first":
            return lambda values: values[0] if values else None
        case "list_last":
            return lambda values: values[-1] if values else None
        case "list_count":
            return lambda values: len(_known(values))
        case "list_sum":
            check = check_range(result)
            return lambda values: check(sum(known)) if (known := _known(values)) else None
    pick = max if function == "list_max" else min
    if value.physical is not Physical.F64:
        return lambda values: pick(_known(values), default=None)

    def extreme(values: list[Any]) -> Any:
        known = _known(values)
        return pick(known, key=order) + 0.0 if known else None

    return extreme


def _known(values: list[Any]) -> list[Any]:
    return [value for value in values if value is not None]
