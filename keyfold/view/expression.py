"""Expressions over finalized aggregates and key columns: what SELECT and HAVING say after GROUP BY.

An expression is a frozen tree that is stored in the plan; a reader compiles it once into a closure,
so a lookup evaluates it without a planner (law 8). The semantics are DuckDB's, which the property
test in tests/view/test_expression.py holds: NULL in, NULL out, three-valued AND and OR, ``/`` always
a double, ``//`` and ``%`` NULL on a zero divisor, decimals exact.

Values here are *logical*: bool, int, float, str, ``decimal.Decimal`` for DECIMAL, and µs or days as
int for times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

import msgspec

from keyfold.view.types import INT_BITS, UINT_BITS, ColumnType, column_type, decimal_text

EXACT = Context(prec=100)


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


Expression = Key | Answer | Literal | Call
Row = Sequence[Any]  # key values, then answers
Evaluate = Callable[[Row], Any]


class ExpressionError(ArithmeticError):
    """An evaluation has no value in the result's type; the row's column is NULL then."""


def _integer_in(name: str) -> Callable[[int], int]:
    if name in INT_BITS:
        low, high = -(1 << INT_BITS[name] - 1), (1 << INT_BITS[name] - 1) - 1
    elif name in UINT_BITS:
        low, high = 0, (1 << UINT_BITS[name]) - 1
    else:
        return int

    def check(value: int) -> int:
        if not low <= value <= high:
            raise ExpressionError(f"{value} does not fit {name}")
        return value

    return check


def _caster(to: ColumnType) -> Callable[[Any], Any]:
    """Return the conversion of a non-null value to a type: numeric casts round half away."""
    if to.integer:
        check = _integer_in(to.name)

        def to_integer(value: Any) -> int:
            if isinstance(value, float):
                if not math.isfinite(value):
                    raise ExpressionError(f"{value} has no whole number")
                return check(round(value))  # DuckDB rounds doubles half to even
            if isinstance(value, Decimal):
                return check(int(value.quantize(Decimal(1), ROUND_HALF_UP, EXACT)))
            return check(int(value))

        return to_integer
    if to.decimal:
        unit = Decimal(1).scaleb(-to.scale)
        limit = Decimal(10) ** (int(to.name[8:].split(",")[0]) - to.scale)

        def to_decimal(value: Any) -> Decimal:
            exact = (
                value
                if isinstance(value, Decimal)
                else Decimal(repr(value) if isinstance(value, float) else value)
            )
            if not exact.is_finite() or abs(exact) >= limit:
                raise ExpressionError(f"{value} does not fit {to.name}")
            return exact.quantize(unit, ROUND_HALF_UP, EXACT)

        return to_decimal
    if to.name == "DOUBLE":
        return float
    if to.name == "BOOLEAN":
        return bool
    return lambda value: value


def _divide(a: Any, b: Any) -> float:
    a, b = float(a), float(b)
    if b == 0.0:
        if a == 0.0 or a != a:
            return math.nan
        return math.copysign(math.inf, a) * math.copysign(1.0, b)
    return a / b


def _whole_divide(a: Any, b: Any) -> Any:
    if b == 0:
        return None
    if isinstance(a, float) or isinstance(b, float):
        return float(math.floor(float(a) / float(b)))
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _remainder(a: Any, b: Any) -> Any:
    if b == 0:
        return None
    if isinstance(a, float) or isinstance(b, float):
        return math.fmod(float(a), float(b))
    if isinstance(a, Decimal) or isinstance(b, Decimal):
        return EXACT.remainder(Decimal(a), Decimal(b))
    return (
        math.fmod(a, b)
        if abs(a) < 2**53 and abs(b) < 2**53
        else (abs(a) % abs(b)) * (1 if a >= 0 else -1)
    )


def _round(value: Any, digits: int = 0) -> Any:
    if isinstance(value, float):
        if not math.isfinite(value):
            return value
        factor = 10.0**digits
        scaled = value * factor
        if not math.isfinite(scaled):
            return value
        return math.copysign(math.floor(abs(scaled) + 0.5), value) / factor
    if isinstance(value, Decimal):
        return value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, EXACT)
    if digits >= 0:
        return value
    factor = 10**-digits
    return int(math.copysign((abs(value) + factor // 2) // factor * factor, value))


def _key(value: Any) -> Any:
    """Order doubles as DuckDB does: NaN is equal to itself and greatest."""
    return (1, 0.0) if isinstance(value, float) and value != value else (0, value)


STRICT: dict[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divide,
    "//": _whole_divide,
    "%": _remainder,
    "negate": lambda a: -a,
    "=": lambda a, b: _key(a) == _key(b),
    "<>": lambda a, b: _key(a) != _key(b),
    "<": lambda a, b: _key(a) < _key(b),
    "<=": lambda a, b: _key(a) <= _key(b),
    ">": lambda a, b: _key(a) > _key(b),
    ">=": lambda a, b: _key(a) >= _key(b),
    "not": lambda a: not a,
    "abs": abs,
    "round": _round,
    "floor": lambda a: (
        float(math.floor(a))
        if isinstance(a, float) and math.isfinite(a)
        else (math.floor(a) if not isinstance(a, float) else a)
    ),
    "ceil": lambda a: (
        float(math.ceil(a))
        if isinstance(a, float) and math.isfinite(a)
        else (math.ceil(a) if not isinstance(a, float) else a)
    ),
    "sqrt": lambda a: math.sqrt(a),
    "lower": lambda a: a.lower(),
    "upper": lambda a: a.upper(),
    "length": len,
    "||": lambda a, b: a + b,
}
"""Functions that answer NULL as soon as an argument is NULL; each takes logical values."""

LAZY = ("and", "or", "case", "cast", "coalesce", "nullif", "is_null", "greatest", "least")
FUNCTIONS = frozenset(STRICT) | frozenset(LAZY)


def compile_expression(expression: Expression, keys: int) -> Evaluate:
    """Return a closure from a row (``keys`` key values, then answers) to the logical value."""
    match expression:
        case Key(index=index):
            return lambda row: row[index]
        case Answer(index=index):
            position = keys + index
            return lambda row: row[position]
        case Literal(value=value, type=name):
            constant = (
                Decimal(str(value)) if name.startswith("DECIMAL") and value is not None else value
            )
            return lambda _: constant
    return _compile_call(expression, [compile_expression(a, keys) for a in expression.arguments])


def _compile_call(call: Call, arguments: list[Evaluate]) -> Evaluate:
    match call.function:
        case "and" | "or":
            return _compile_logic(arguments, decisive=call.function == "or")
        case "case":
            return _compile_case(arguments, _caster(column_type(call.type)))
        case "coalesce":
            return _compile_coalesce(arguments, _caster(column_type(call.type)))
        case "is_null":
            (argument,) = arguments
            return lambda row: argument(row) is None
        case "nullif":
            first, second = arguments

            def nullif(row: Row) -> Any:
                a, b = first(row), second(row)
                return None if a is not None and b is not None and _key(a) == _key(b) else a

            return nullif
        case "greatest" | "least":
            pick = max if call.function == "greatest" else min
            cast = _caster(column_type(call.type))

            def extreme(row: Row) -> Any:
                values = [v for v in (a(row) for a in arguments) if v is not None]
                return cast(pick(values, key=_key)) if values else None

            return extreme
        case "cast":
            (argument,) = arguments
            return _compile_cast(argument, call)
    return _compile_strict(STRICT[call.function], arguments, _caster(column_type(call.type)))


def _compile_strict(
    function: Callable[..., Any], arguments: list[Evaluate], cast: Callable[[Any], Any]
) -> Evaluate:
    def strict(row: Row) -> Any:
        values = []
        for argument in arguments:
            value = argument(row)
            if value is None:
                return None
            values.append(value)
        if any(isinstance(v, float) for v in values):
            values = [float(v) if isinstance(v, Decimal) else v for v in values]
        value = function(*values)
        return None if value is None else cast(value)

    return strict


def _compile_logic(arguments: list[Evaluate], *, decisive: bool) -> Evaluate:
    def logic(row: Row) -> bool | None:
        unknown = False
        for argument in arguments:
            value = argument(row)
            if value is None:
                unknown = True
            elif bool(value) is decisive:
                return decisive
        return None if unknown else not decisive

    return logic


def _compile_case(arguments: list[Evaluate], cast: Callable[[Any], Any]) -> Evaluate:
    branches = list(zip(arguments[:-1:2], arguments[1::2], strict=False))
    otherwise = arguments[-1]

    def case(row: Row) -> Any:
        value = next((then(row) for when, then in branches if when(row)), _ELSE)
        value = otherwise(row) if value is _ELSE else value
        return None if value is None else cast(value)

    return case


_ELSE = object()


def _compile_coalesce(arguments: list[Evaluate], cast: Callable[[Any], Any]) -> Evaluate:
    def coalesce(row: Row) -> Any:
        for argument in arguments:
            value = argument(row)
            if value is not None:
                return cast(value)
        return None

    return coalesce


def _compile_cast(argument: Evaluate, call: Call) -> Evaluate:
    source = column_type(call.arguments[0].type)
    target = column_type(call.type)
    cast = _caster(target)

    def convert(row: Row) -> Any:
        value = argument(row)
        return None if value is None else cast(value)

    if target.name != "VARCHAR" or source.name == "VARCHAR":
        return convert

    def to_text(row: Row) -> str | None:
        value = argument(row)
        if value is None:
            return None
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value)

    return to_text


def logical_reader(column: ColumnType) -> Callable[[Any], Any] | None:
    """Return the conversion from physical to logical values, None where they are the same."""
    if not column.decimal:
        return None
    scale = column.scale
    return lambda value: Decimal(decimal_text(value, scale))


def physical_writer(column: ColumnType) -> Callable[[Any], Any] | None:
    """Return the conversion from logical to physical values, None where they are the same."""
    if not column.decimal:
        return None
    scale = column.scale
    return lambda value: int(EXACT.scaleb(value, scale))
