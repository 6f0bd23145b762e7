"""Expressions over finalized aggregates and keys: what SELECT and HAVING say after GROUP BY.

An expression is a frozen tree that is stored in the plan; a reader compiles it once into a closure,
so a lookup evaluates it without a planner (law 8). Values are physical (keyfold/view/types.py), and
the semantics are DuckDB's, which the property test in tests/view/test_expression.py holds:

- NULL in, NULL out, but for ``and``, ``or`` (three-valued), ``case``, ``coalesce``, ``is_null``,
  ``nullif``, ``greatest`` and ``least``;
- operands are brought to one type first, as DuckDB's binder does; decimals are exact;
- functions that go by a name are those of keyfold/view/named.py, all NULL in, NULL out;
- where DuckDB raises (overflow, ``//`` and ``%`` by zero), ``ArithmeticError`` is raised.

One liberty is taken, which SQL grants: ``and`` and ``or`` stop at the operand that decides, so
``n > 0 AND total // n > 5`` has a value where DuckDB may raise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from typing import Any

import msgspec

from keyfold.errors import SqlError
from keyfold.view.cast import Convert, ExpressionError, caster, check_range, common_type, float32
from keyfold.view.fold import compile_fold, compile_item, finisher
from keyfold.view.named import NAMED, Named, named
from keyfold.view.scalar import Scalar, comparison, order, remainder_nonzero, scalar
from keyfold.view.types import ColumnType, Physical, column_type

__all__ = [
    "FUNCTIONS",
    "LAZY",
    "STRICT",
    "Answer",
    "Call",
    "Evaluate",
    "Expression",
    "ExpressionError",
    "Fold",
    "Item",
    "Key",
    "Literal",
    "compile_expression",
]

_EXACT = Context(prec=100)


class Key(msgspec.Struct, frozen=True, tag_field="node", tag="key"):
    """The value of key column ``index``."""

    index: int
    type: str


class Answer(msgspec.Struct, frozen=True, tag_field="node", tag="answer"):
    """The finalized answer ``index`` of the view's aggregates."""

    index: int
    type: str


class Literal(msgspec.Struct, frozen=True, tag_field="node", tag="literal"):
    """A constant; a DECIMAL's value is its exact text."""

    value: bool | int | float | str | None
    type: str


class Call(msgspec.Struct, frozen=True, tag_field="node", tag="call"):
    """A function or operator of ``FUNCTIONS`` (or ``and``, ``or``, ``case``, ``cast``).

    Attributes:
        function: Its name.
        arguments: The operands. ``case`` has condition, value, …, otherwise.
        type: Type name of the result, from DuckDB's DESCRIBE.
    """

    function: str
    arguments: tuple[Expression, ...]
    type: str


class Item(msgspec.Struct, frozen=True, tag_field="node", tag="item"):
    """An element of a list that is folded, or a field of one.

    Attributes:
        path: The names of the fields.
        type: Type name, not nested.
    """

    path: tuple[str, ...]
    type: str


class Fold(msgspec.Struct, frozen=True, tag_field="node", tag="fold"):
    """One value of a list (keyfold/view/fold.py).

    Attributes:
        function: One of ``FOLDS``.
        items: The list.
        conditions: Which elements count: those for which all hold.
        value: What each of them gives; None where it is only counted.
        type: Type name of the result.
    """

    function: str
    items: Expression
    conditions: tuple[Expression, ...]
    value: Expression | None
    type: str


Expression = Key | Answer | Literal | Call | Item | Fold
Row = Sequence[Any]  # physical key values, then physical answers
Evaluate = Callable[[Row], Any]

COMPARISONS = frozenset("= <> < <= > >=".split())
STRICT = COMPARISONS | frozenset(
    "+ - * / // % negate not abs round floor ceil sqrt length ||".split()
)
"""Functions that answer NULL as soon as an argument is NULL."""

JOINS = ("concat", "concat_ws")
"""Functions that join texts, and pass over those that are NULL."""
LAZY = ("and", "or", "case", "cast", "coalesce", "nullif", "is_null", "greatest", "least", *JOINS)
FUNCTIONS = STRICT | frozenset(LAZY) | NAMED


def compile_expression(expression: Expression, keys: int) -> Evaluate:
    """Return a closure from a row (``keys`` key values, then answers) to the physical value.

    The closure raises ``ArithmeticError`` where DuckDB raises.

    Raises:
        SqlError: The expression needs a conversion that only DuckDB can make exactly.
    """
    match expression:
        case Key(index=index):
            return lambda row: row[index]
        case Answer(index=index):
            position = keys + index
            return lambda row: row[position]
        case Literal():
            constant = _constant(expression)
            return lambda _: constant
        case Item(path=path, type=kind):
            return compile_item(path, column_type(kind))
        case Fold():
            return _compile_fold(expression, keys)
    compiled = [compile_expression(argument, keys) for argument in expression.arguments]
    return _compile_call(expression, compiled)


def _compile_fold(fold: Fold, keys: int) -> Evaluate:
    conditions = [compile_expression(condition, keys) for condition in fold.conditions]
    result = column_type(fold.type)
    value: Evaluate = _true
    kind: ColumnType | None = None
    if fold.value is not None:
        kind = _type_of(fold.value)
        value = compile_expression(fold.value, keys)
    finish = finisher(fold.function, kind or result, result)
    return compile_fold(compile_expression(fold.items, keys), conditions, value, finish)


def _true(_: Row) -> Any:
    return True


def _constant(literal: Literal) -> Any:
    value = literal.value
    if value is None:
        return None
    column = column_type(literal.type)
    if column.decimal:
        return int(_EXACT.scaleb(Decimal(str(value)), column.scale))
    return float(value) if column.physical is Physical.F64 else value


def _type_of(expression: Expression) -> ColumnType | None:
    """The expression's type, None for the literal NULL."""
    if isinstance(expression, Literal) and expression.value is None:
        return None
    return column_type(expression.type)


def _compile_call(  # noqa: PLR0912  # a dispatch
    call: Call, arguments: list[Evaluate]
) -> Evaluate:
    types = [_type_of(argument) for argument in call.arguments]
    result = column_type(call.type)
    match call.function:
        case "and" | "or":
            truths = [_cast(a, t, column_type("BOOLEAN")) for a, t in _zip(arguments, types)]
            return _compile_logic(truths, decisive=call.function == "or")
        case "case":
            return _compile_case(arguments, types, result)
        case "coalesce":
            return _compile_coalesce([_cast(a, t, result) for a, t in _zip(arguments, types)])
        case "concat" | "concat_ws":
            texts = [_cast(a, t, result) for a, t in _zip(arguments, types)]
            return _compile_join(texts if call.function == "concat_ws" else [_no_text, *texts])
        case "is_null":
            (argument,) = arguments
            return lambda row: argument(row) is None
        case "nullif":
            return _compile_nullif(arguments, types, result)
        case "greatest" | "least":
            if result.physical is Physical.JSON:
                raise _nested(call)
            operands = [_cast(a, t, result) for a, t in _zip(arguments, types)]
            return _compile_extreme(operands, result, greatest=call.function == "greatest")
        case "cast":
            return _cast(arguments[0], types[0], result)
    if None in types:
        return lambda _: None  # a strict function of the literal NULL
    known = [kind for kind in types if kind is not None]
    if call.function in NAMED:
        constants = [getattr(argument, "value", None) for argument in call.arguments]
        return _compile_named(named(call.function, known, constants), arguments, known)
    _refuse_operands(call, known, result)
    wanted = _operand_types(call.function, known, result)
    operands = [_cast(a, t, w) for a, t, w in zip(arguments, known, wanted, strict=True)]
    if call.function in COMPARISONS:
        return _compile_strict(comparison(call.function, wanted[0]), operands)
    exact = not any(kind.physical is Physical.F64 for kind in known)
    if call.function == "%" and result.name == "DOUBLE" and exact:
        return _compile_strict(remainder_nonzero, operands)
    function = scalar(call.function, wanted[0], result)
    return _compile_strict(function, operands, _fitter(call.function, result))


def _compile_named(function: Named, arguments: list[Evaluate], types: list[ColumnType]) -> Evaluate:
    operands = [_cast(a, t, w) for a, t, w in zip(arguments, types, function.operands, strict=True)]
    evaluate = function.evaluate
    if len(operands) <= 2:
        return _compile_strict(evaluate, operands)

    def strict(row: Row) -> Any:
        values = [operand(row) for operand in operands]
        return None if None in values else evaluate(*values)

    return strict


def _refuse_operands(call: Call, types: list[ColumnType], result: ColumnType) -> None:
    if any(kind.physical is Physical.JSON for kind in (*types, result)):
        raise _nested(call)
    if call.function not in COMPARISONS and any(k.physical is Physical.U128 for k in types):
        raise SqlError(
            f"an output column cannot apply {call.function} to UHUGEINT",
            hint="cast it to DECIMAL(38,0) inside the aggregate or the GROUP BY expression",
        )


def _nested(call: Call) -> SqlError:
    return SqlError(
        f"an output column cannot apply {call.function} to a nested value",
        hint="apply it inside the aggregate or the GROUP BY expression",
    )


def _zip(
    arguments: list[Evaluate], types: list[ColumnType | None]
) -> list[tuple[Evaluate, ColumnType | None]]:
    return list(zip(arguments, types, strict=True))


def _operand_types(function: str, types: list[ColumnType], result: ColumnType) -> list[ColumnType]:
    """The types to which DuckDB's binder brings the operands of a strict function."""
    first = types[0]
    match function:
        case "+" | "-" if first.name == "DATE":
            return types  # DATE ± days, DATE - DATE
        case "*" if result.decimal:
            return [column_type(f"DECIMAL({result.precision},{t.scale})") for t in types]
        case "+" | "-" | "*" | "/" | "//" | "%" | "||" | "negate" | "abs" | "sqrt" | "not":
            return [result for _ in types]
        case "round" | "floor" | "ceil":
            return [first if first.decimal else result, *types[1:]]
        case "length":
            return [column_type("VARCHAR")]
    return [common_type(first, types[1])] * 2


def _fitter(function: str, result: ColumnType) -> Convert | None:
    """What makes a raw result one of its type: the overflow check, or rounding to FLOAT."""
    if result.name == "FLOAT":
        return float32
    checked = result.decimal or result.integer
    return check_range(result) if checked and function != "length" else None


def _cast(argument: Evaluate, source: ColumnType | None, target: ColumnType) -> Evaluate:
    convert = caster(source, target)
    if convert is None:
        return argument
    return _compile_strict(convert, [argument])


def _compile_strict(
    function: Scalar, arguments: list[Evaluate], fit: Convert | None = None
) -> Evaluate:
    strict = _strict_unary if len(arguments) == 1 else _strict_binary
    raw = strict(function, *arguments)
    return raw if fit is None else _strict_unary(fit, raw)


def _strict_unary(function: Scalar, argument: Evaluate) -> Evaluate:
    def unary(row: Row) -> Any:
        value = argument(row)
        return None if value is None else function(value)

    return unary


def _strict_binary(function: Scalar, first: Evaluate, second: Evaluate) -> Evaluate:
    def binary(row: Row) -> Any:
        a = first(row)
        if a is None:
            return None
        b = second(row)
        return None if b is None else function(a, b)

    return binary


def _compile_logic(arguments: list[Evaluate], *, decisive: bool) -> Evaluate:
    def logic(row: Row) -> Any:
        unknown = False
        for argument in arguments:
            value = argument(row)
            if value is None:
                unknown = True
            elif value is decisive:
                return decisive
        return None if unknown else not decisive

    return logic


def _compile_case(
    arguments: list[Evaluate], types: list[ColumnType | None], result: ColumnType
) -> Evaluate:
    boolean = column_type("BOOLEAN")
    conditions = [_cast(a, t, boolean) for a, t in _zip(arguments[:-1:2], types[:-1:2])]
    values = [_cast(a, t, result) for a, t in _zip(arguments[1::2], types[1::2])]
    otherwise = _cast(arguments[-1], types[-1], result)
    branches = list(zip(conditions, values, strict=True))

    def case(row: Row) -> Any:
        for when, then in branches:
            if when(row):
                return then(row)
        return otherwise(row)

    return case


def _compile_coalesce(arguments: list[Evaluate]) -> Evaluate:
    def coalesce(row: Row) -> Any:
        for argument in arguments:
            value = argument(row)
            if value is not None:
                return value
        return None

    return coalesce


def _no_text(_: Row) -> Any:
    return ""


def _compile_join(arguments: list[Evaluate]) -> Evaluate:
    """Join texts by the first of them; NULL where that is NULL."""
    separator, *texts = arguments

    def join(row: Row) -> Any:
        between = separator(row)
        if between is None:
            return None
        return between.join([value for text in texts if (value := text(row)) is not None])

    return join


def _compile_nullif(
    arguments: list[Evaluate], types: list[ColumnType | None], result: ColumnType
) -> Evaluate:
    first, second = arguments
    a, b = types
    value = _cast(first, a, result)
    if a is None or b is None:
        return value
    shared = common_type(a, b)
    operands = [_cast(first, a, shared), _cast(second, b, shared)]
    equal = _compile_strict(comparison("=", shared), operands)
    return lambda row: None if equal(row) else value(row)


def _compile_extreme(arguments: list[Evaluate], result: ColumnType, *, greatest: bool) -> Evaluate:
    pick = max if greatest else min
    key = order if result.physical is Physical.F64 else None

    def extreme(row: Row) -> Any:
        values = [v for v in (argument(row) for argument in arguments) if v is not None]
        return pick(values, key=key) if values else None

    if result.name == "FLOAT":  # DuckDB turns -0.0 into 0.0 here, and for DOUBLE it does not
        return _strict_unary(lambda value: value + 0.0, extreme)
    return extreme
