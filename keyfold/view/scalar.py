"""Scalar functions over physical values, exactly as DuckDB computes them.

Each takes operands that expression.py has already brought to one type, none of them NULL, and
raises ``ArithmeticError`` where DuckDB raises. Not here, because they cannot be made exact:
``lower`` and ``upper`` (they follow the Unicode tables of the DuckDB build); group by
``lower(column)`` instead.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from keyfold.view.cast import ExpressionError, check_range, half_away, round_half_away
from keyfold.view.types import ColumnType, Physical

Scalar = Callable[..., Any]
_DATE_MAX = 2**31 - 2


def order(value: Any) -> Any:
    """The sort key of a double: NaN equals itself and is the greatest, as in DuckDB."""
    return (1, 0.0) if math.isnan(value) else (0, value)


def comparison(name: str, column: ColumnType) -> Scalar:
    """Return ``=``, ``<>``, ``<``, ``<=``, ``>`` or ``>=`` over two values of one type."""
    compare = _COMPARE[name]
    if column.physical is Physical.F64:
        return lambda a, b: compare(order(a), order(b))
    return compare


def scalar(name: str, operand: ColumnType, result: ColumnType) -> Scalar:
    """Return a function of ``STRICT`` for operands of one type.

    Args:
        name: Its name.
        operand: The type of the (first) operand.
        result: The result's type.
    """
    if operand.physical is Physical.F64:
        return _REAL[name]
    match name:
        case "+" | "-" if result.name == "DATE":
            return _shift_date(_ARITHMETIC[name])
        case "%":
            return _remainder_whole(result)
        case "round":
            return _round_whole(operand.scale)
        case "floor":
            return _floor_decimal(10**operand.scale)
        case "ceil":
            return _ceil_decimal(10**operand.scale)
    return _EXACT[name]


_COMPARE: dict[str, Scalar] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _shift_date(arithmetic: Scalar) -> Scalar:
    def shift(date: int, days: int) -> int:
        if abs(date) > _DATE_MAX:
            return date  # an infinite date stays one
        moved: int = arithmetic(date, days)
        if abs(moved) > _DATE_MAX:
            raise ExpressionError("date out of range")
        return moved

    return shift


def _divide(a: float, b: float) -> float:
    if b != 0.0:
        return a / b
    if a == 0.0 or math.isnan(a):
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1.0, b)


def _divide_nonzero(a: float, b: float) -> float:
    """``//`` over doubles: DuckDB divides without rounding, and refuses zero."""
    if b == 0.0:
        raise ExpressionError("division by zero")
    return a / b


def _divide_whole(a: int, b: int) -> int:
    if b == 0:
        raise ExpressionError("division by zero")
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _remainder_real(a: float, b: float) -> float:
    if b == 0.0 or math.isinf(a):
        return math.nan
    return math.fmod(a, b)


def remainder_nonzero(a: float, b: float) -> float:
    """``%`` over decimals too wide for one DECIMAL: in double, but zero is still refused."""
    if b == 0.0:
        raise ExpressionError("division by zero")
    return _remainder_real(a, b)


def _remainder_whole(result: ColumnType) -> Scalar:
    check = check_range(result)

    def remainder(a: int, b: int) -> int:
        if b == 0:
            raise ExpressionError("division by zero")
        if b == -1:
            check(-a)  # DuckDB divides, and the least integer over -1 overflows
        rest = abs(a) % abs(b)
        return rest if a >= 0 else -rest

    return remainder


def _round_real(value: float, digits: int = 0) -> float:
    if digits == 0 or not math.isfinite(value):
        return round_half_away(value)
    if digits < 0:
        unit = _power_of_ten(-digits)
        rounded = round_half_away(value / unit) * unit
        return rounded if math.isfinite(rounded) else 0.0
    unit = _power_of_ten(digits)
    rounded = round_half_away(value * unit) / unit
    return rounded if math.isfinite(rounded) else value


def _power_of_ten(digits: int) -> float:
    try:
        return 10.0**digits
    except OverflowError:
        return math.inf


def _round_whole(scale: int) -> Scalar:
    """Round integers (scale 0) and scaled decimals; the result's scale is never below 0."""

    def rounded(value: int, digits: int = 0) -> int:
        if digits >= scale:
            return value
        shifted = half_away(value, 10 ** (scale - digits))
        return shifted * 10**-digits if digits < 0 else shifted

    return rounded


def _floor_real(value: float) -> float:
    if not math.isfinite(value):
        return value
    return math.copysign(float(math.floor(value)), value)


def _ceil_real(value: float) -> float:
    if not math.isfinite(value):
        return value
    return math.copysign(float(math.ceil(value)), value)


def _floor_decimal(unit: int) -> Scalar:
    return lambda value: value // unit


def _ceil_decimal(unit: int) -> Scalar:
    return lambda value: -(-value // unit)


def _square_root(value: float) -> float:
    return math.nan if value < 0 else math.sqrt(value)


_ARITHMETIC: dict[str, Scalar] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "negate": operator.neg,
    "abs": abs,
}
_EXACT = _ARITHMETIC | {
    "//": _divide_whole,
    "not": operator.not_,
    "length": len,
    "||": operator.add,
}
_REAL = _ARITHMETIC | {
    "/": _divide,
    "//": _divide_nonzero,
    "%": _remainder_real,
    "round": _round_real,
    "floor": _floor_real,
    "ceil": _ceil_real,
    "sqrt": _square_root,
}
