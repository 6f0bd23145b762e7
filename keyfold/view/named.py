"""The functions of expressions that go by a name: what operands they take, and how they evaluate.

Each is NULL where an operand is NULL, and gives what DuckDB gives, which the property tests in
tests/view/test_named.py hold. A plan that calls one of these cannot be read by a build without it.
"""

from __future__ import annotations

from keyfold.view import numbers, texts, times
from keyfold.view.namedtype import Named, Prepare
from keyfold.view.types import ColumnType

__all__ = ["NAMED", "Named", "named"]

_TABLE: dict[str, Prepare] = {**times.FUNCTIONS, **numbers.FUNCTIONS, **texts.FUNCTIONS}
NAMED = frozenset(_TABLE)


def named(name: str, types: list[ColumnType], constants: list[object]) -> Named:
    """Return a function for operands of these types.

    Args:
        name: One of ``NAMED``.
        types: The types of the arguments.
        constants: The values of those arguments that are literals, None for the others.

    Raises:
        KeyError: It has no form for them.
    """
    return _TABLE[name](types, constants)
