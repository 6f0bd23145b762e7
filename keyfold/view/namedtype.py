"""What a function that goes by a name is made of (keyfold/view/named.py has all of them)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keyfold.view.types import ColumnType


@dataclass(frozen=True, slots=True)
class Named:
    """A function for operands of known types.

    Attributes:
        operands: The types that the arguments are brought to.
        evaluate: Takes their physical values, none of them None; None is NULL. It raises
            ``ArithmeticError`` where DuckDB raises.
    """

    operands: list[ColumnType]
    evaluate: Callable[..., Any]


Prepare = Callable[[list[ColumnType], list[Any]], Named]
"""(types, values of those arguments that are literals) → the function; KeyError: it has no form."""
