"""Functions of numbers, exactly as DuckDB computes them.

Those in double are the C library's, as DuckDB's are; what it answers beyond a function's domain, an
infinity or NaN, stands here, where Python would raise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from keyfold.view.cast import towards_zero
from keyfold.view.namedtype import Named, Prepare
from keyfold.view.types import ColumnType, Physical, column_type, integer_range

_DOUBLE = column_type("DOUBLE")
Real = Callable[..., float]


def _prepare_real(function: Real) -> Prepare:
    def prepare(types: list[ColumnType], _: list[Any]) -> Named:
        return Named(_reals(types), function)

    return prepare


def _reals(types: list[ColumnType]) -> list[ColumnType]:
    if not all(kind.numeric for kind in types):
        raise KeyError(types[0].name)
    return [_DOUBLE for _ in types]


def _logarithm(function: Real) -> Real:
    def logarithm(value: float) -> float:
        if value > 0.0:
            return function(value)
        return -math.inf if value == 0.0 else math.nan

    return logarithm


def _exponential(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _logarithm_to_base(base: float, value: float) -> float:
    scale, logarithm = (_logarithm(math.log10)(one) for one in (base, value))
    if scale != 0.0:
        return logarithm / scale
    return logarithm * math.inf  # to base 1, and NaN of 1


def _power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0.0 and math.fmod(exponent, 2.0) != 0.0 else math.inf
    except ValueError:
        if base != 0.0:
            return math.nan  # a root of a number below zero
        odd = math.fmod(exponent, 2.0) in (1.0, -1.0)
        return math.copysign(math.inf, base) if odd else math.inf


def _prepare_sign(types: list[ColumnType], _: list[Any]) -> Named:
    _reals(types)
    return Named(types, lambda value: (value > 0) - (value < 0))


def _prepare_trunc(types: list[ColumnType], _: list[Any]) -> Named:
    (kind,) = types
    _reals(types)
    if kind.physical is Physical.F64:
        return Named(types, _trunc_real)
    unit = 10**kind.scale
    return Named(types, lambda value: towards_zero(value, unit))


def _trunc_real(value: float) -> float:
    return math.copysign(float(math.trunc(value)), value) if math.isfinite(value) else value


def _prepare_bits(function: Callable[[int, int], int]) -> Prepare:
    def prepare(types: list[ColumnType], constants: list[Any]) -> Named:
        # Two's complement has the same bits in any width, but not with and without a sign.
        signed = {
            integer_range(kind)[0] < 0
            for kind, constant in zip(types, constants, strict=True)
            if kind.integer and (constant is None or constant < 0)
        }
        if not all(kind.integer for kind in types) or len(signed) > 1:
            raise KeyError(types[0].name)
        return Named(types, function)

    return prepare


def _prepare_check(function: Callable[[float], bool]) -> Prepare:
    def prepare(types: list[ColumnType], _: list[Any]) -> Named:
        if types[0].name not in ("FLOAT", "DOUBLE"):
            raise KeyError(types[0].name)
        return Named(types, function)

    return prepare


FUNCTIONS: dict[str, Prepare] = {
    "ln": _prepare_real(_logarithm(math.log)),
    "log10": _prepare_real(_logarithm(math.log10)),
    "log": _prepare_real(_logarithm_to_base),
    "log2": _prepare_real(_logarithm(math.log2)),
    "exp": _prepare_real(_exponential),
    "pow": _prepare_real(_power),
    "sign": _prepare_sign,
    "trunc": _prepare_trunc,
    "&": _prepare_bits(lambda a, b: a & b),
    "|": _prepare_bits(lambda a, b: a | b),
    "isnan": _prepare_check(math.isnan),
    "isfinite": _prepare_check(math.isfinite),
    "isinf": _prepare_check(math.isinf),
}
