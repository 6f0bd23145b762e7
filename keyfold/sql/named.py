"""Calls that readers evaluate by name (keyfold/view/expression.py): how SQL spells each of them.

``year(x)``, ``date_part('years', x)`` and ``EXTRACT(year FROM x)`` are one function with one order
of arguments here. Which types it takes is the reader's to say.
"""

from __future__ import annotations

from sqlglot import exp

from keyfold.sql.bind import Binder
from keyfold.sql.dialect import bare, call_name, sql_text
from keyfold.view import times

Spelled = tuple[str, list[exp.Expr]]

_PARTS_CALLED = {  # a function that there is for a part → the part
    **{part: part for part in times.PARTS if part not in ("dow", "doy")},
    "dayofmonth": "day",
    "dayofweek": "dow",
    "dayofyear": "doy",
    "weekofyear": "week",
}
_PARTS_NAMED = {part: part for part in times.PARTS} | _PARTS_CALLED
_UNITS_NAMED = {unit: unit for unit in times.UNITS}
_SPANS = {
    "date_part": ("date_part", 2),
    "datepart": ("date_part", 2),
    "date_trunc": ("date_trunc", 2),
    "datetrunc": ("date_trunc", 2),
    "date_diff": ("date_diff", 3),
    "datediff": ("date_diff", 3),
}
_CALLS: dict[str, tuple[str, range]] = {
    # DuckDB's name → (ours, how many arguments).
    "abs": ("abs", range(1, 2)),
    "round": ("round", range(1, 3)),
    "floor": ("floor", range(1, 2)),
    "ceil": ("ceil", range(1, 2)),
    "ceiling": ("ceil", range(1, 2)),
    "sqrt": ("sqrt", range(1, 2)),
    "length": ("length", range(1, 2)),
    "len": ("length", range(1, 2)),
    "coalesce": ("coalesce", range(1, 100)),
    "ifnull": ("coalesce", range(2, 3)),
    "nullif": ("nullif", range(2, 3)),
    "greatest": ("greatest", range(1, 100)),
    "least": ("least", range(1, 100)),
    "mod": ("%", range(2, 3)),
    "epoch_ms": ("epoch_ms", range(1, 2)),
    "epoch_us": ("epoch_us", range(1, 2)),
    "ln": ("ln", range(1, 2)),
    "log10": ("log10", range(1, 2)),
    "log2": ("log2", range(1, 2)),
    "exp": ("exp", range(1, 2)),
    "pow": ("pow", range(2, 3)),
    "power": ("pow", range(2, 3)),
    "sign": ("sign", range(1, 2)),
    "trunc": ("trunc", range(1, 2)),
    "isnan": ("isnan", range(1, 2)),
    "isfinite": ("isfinite", range(1, 2)),
    "isinf": ("isinf", range(1, 2)),
    "starts_with": ("starts_with", range(2, 3)),
    "ends_with": ("ends_with", range(2, 3)),
    "contains": ("contains", range(2, 3)),
    "replace": ("replace", range(3, 4)),
    "left": ("left", range(2, 3)),
    "right": ("right", range(2, 3)),
    "prefix": ("starts_with", range(2, 3)),
    "suffix": ("ends_with", range(2, 3)),
    "lower": ("lower", range(1, 2)),
    "lcase": ("lower", range(1, 2)),
    "upper": ("upper", range(1, 2)),
    "ucase": ("upper", range(1, 2)),
    "trim": ("trim", range(1, 3)),
    "ltrim": ("ltrim", range(1, 3)),
    "rtrim": ("rtrim", range(1, 3)),
    "substring": ("substring", range(2, 4)),
    "substr": ("substring", range(2, 4)),
    "strpos": ("strpos", range(2, 3)),
    "instr": ("strpos", range(2, 3)),
    "split_part": ("split_part", range(3, 4)),
    "concat": ("concat", range(1, 1000)),
    "concat_ws": ("concat_ws", range(2, 1000)),
}
_OPERATORS: dict[type[exp.Expr], str] = {
    exp.Pow: "pow",
    exp.BitwiseAnd: "&",
    exp.BitwiseOr: "|",
    exp.Like: "like",
    exp.ILike: "ilike",
    exp.StartsWith: "starts_with",
}
_TRIMS = {"": "trim", "BOTH": "trim", "LEADING": "ltrim", "TRAILING": "rtrim"}
NAMES = (*_PARTS_CALLED, *_SPANS, *_CALLS, "log", "position", "extract")
"""The names of all functions here, as they are written."""


def spelled(node: exp.Expr) -> Spelled | None:
    """Return (the function's name to readers, its arguments) of a call, None for any other."""
    match node:
        case exp.Extract():
            return _of_unit("date_part", [exp.Literal.string(node.name), node.expression])
        case exp.Like() | exp.ILike() if node.args.get("negate"):
            return "not", [type(node)(this=node.this.copy(), expression=node.expression.copy())]
        case exp.Trim():
            return _TRIMS[node.args.get("position") or ""], _present(node.this, node.expression)
        case exp.Substring():
            start = node.args.get("start") or exp.Literal.number(1)
            return "substring", _present(node.this, start, node.args.get("length"))
        case exp.StrPosition() if not node.args.get("position"):
            return "strpos", [node.this, node.args["substr"]]
        case exp.Anonymous():
            return _called(call_name(node), node.expressions)
    if type(node) in _OPERATORS:
        return _OPERATORS[type(node)], [node.this, node.expression]
    return None


def _called(name: str, arguments: list[exp.Expr]) -> Spelled | None:
    if name in _PARTS_CALLED and len(arguments) == 1:
        return "date_part", [exp.Literal.string(_PARTS_CALLED[name]), *arguments]
    if name in _SPANS and len(arguments) == _SPANS[name][1]:
        return _of_unit(_SPANS[name][0], arguments)
    if name == "log":
        return ("log10" if len(arguments) == 1 else name), arguments
    function, counts = _CALLS.get(name, ("", range(0)))
    return (function, arguments) if len(arguments) in counts else None


def _present(*arguments: exp.Expr | None) -> list[exp.Expr]:
    return [argument for argument in arguments if argument is not None]


def _of_unit(function: str, arguments: list[exp.Expr]) -> Spelled | None:
    """Bring the unit into one spelling; None where it is no unit that readers know."""
    unit = bare(arguments[0])
    if not (isinstance(unit, exp.Literal) and unit.is_string):
        return None
    known = _PARTS_NAMED if function == "date_part" else _UNITS_NAMED
    word = unit.name.lower()
    found = known.get(word)
    if found is None and (one := word.removesuffix("s")) in times.UNITS:
        found = known.get(one)
    return None if found is None else (function, [exp.Literal.string(found), *arguments[1:]])


def interval_sum(node: exp.Expr, binder: Binder) -> Spelled | None:
    """Return ``moment ± INTERVAL …`` as a call, None where the interval is not one constant.

    Raises:
        duckdb.Error: DuckDB does not read the interval.
    """
    if not isinstance(node, exp.Add | exp.Sub):
        return None
    moment, interval = node.this, node.expression
    if isinstance(node, exp.Add) and isinstance(bare(moment), exp.Interval):
        moment, interval = interval, moment
    interval = bare(interval)
    if isinstance(bare(moment), exp.Interval) or not isinstance(interval, exp.Interval):
        return None
    if interval.find(exp.Column, exp.AggFunc, exp.Anonymous, exp.Null) is not None:
        return None
    sign = -1 if isinstance(node, exp.Sub) else 1
    sql = sql_text(interval)
    parts: list[exp.Expr] = []
    for sums in _INTERVAL:
        text, _ = binder.constant(
            " + ".join(f"date_part('{part}', {sql}) * {n}" for part, n in sums)
        )
        amount = sign * int(text or 0)
        number: exp.Expr = exp.Literal.number(abs(amount))
        parts.append(exp.Neg(this=number) if amount < 0 else number)
    return "add_interval", [moment, *parts]


_INTERVAL = (
    (("year", 12), ("month", 1)),
    (("day", 1),),
    (("hour", 3_600_000_000), ("minute", 60_000_000), ("microsecond", 1)),
)
