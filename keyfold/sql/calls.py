"""The aggregate functions that a view can keep, by the names that SQL has for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, slots=True)
class Call:
    """How a function is kept.

    Attributes:
        function: The answer, as the family's ``finals`` name it.
        family: The family of its partial; empty where the argument's type decides.
        arguments: How many it takes.
        type: The type of the arguments as the plan has it, where that does not matter to the
            partial; empty where it does.
        distinct: Whether DISTINCT changes nothing.
        rank: Where the order comes from in which an event is taken: ``by`` is ORDER BY in the
            parentheses, ``argument`` the second argument, ``offset`` the place in the source,
            ``value`` the value itself, of which each is kept once.
        nulls: Whether events without a value count.
        bounded: Whether it keeps several values, so that it needs a bound.
        listed: Whether the view's ``list_limit`` bounds it where it has no LIMIT.
        near: Whether it is a sketch, whose answer is near enough (keyfold/sql/sketches.py).
    """

    function: str
    family: str = ""
    arguments: int = 1
    type: str = ""
    distinct: bool = False
    rank: Literal["", "by", "argument", "offset", "value"] = ""
    nulls: bool = False
    bounded: bool = False
    listed: bool = False
    near: bool = False


def _pair(function: str) -> Call:
    return Call(function, "pairs", 2, "DOUBLE")


_FIRST = Call("first", "first", rank="by", nulls=True)
_LAST = Call("last", "last", rank="by", nulls=True)
_ARG_MIN = Call("arg_min", "first", 2, rank="argument")
_ARG_MAX = Call("arg_max", "first_desc", 2, rank="argument")
_LIST = Call("list", "list", rank="by", nulls=True, bounded=True, listed=True)
_STRING = Call("string", "list", rank="by", bounded=True, listed=True)
_OBJECT = Call("object", "list", 2, rank="by", bounded=True, listed=True)
_ARRAY = Call("array", "list", rank="by", nulls=True, bounded=True, listed=True)
_VALUES = Call("values", "tally", rank="value", distinct=True, bounded=True, listed=True)
_QUANTILE = Call("approx_quantile", "kll", 2, near=True)

BOUND_MAX = 1_000
"""The most values that an aggregate keeps for one key."""
CALLS: dict[str, Call] = {
    "count": Call("count", "count", type="BIGINT"),
    "count_star": Call("count", "count", type="BIGINT"),
    "count_if": Call("sum"),
    "countif": Call("sum"),
    "sum": Call("sum"),
    "avg": Call("avg"),
    "mean": Call("avg"),
    "min": Call("min", "min", distinct=True),
    "max": Call("max", "max", distinct=True),
    "any_value": Call("any_value", "min", distinct=True),
    "bool_and": Call("bool_and", "min", distinct=True),
    "bool_or": Call("bool_or", "max", distinct=True),
    "bit_and": Call("bit_and", "bit_and", distinct=True),
    "bit_or": Call("bit_or", "bit_or", distinct=True),
    "bit_xor": Call("bit_xor", "bit_xor"),
    "var_pop": Call("var_pop", "variance", type="DOUBLE"),
    "var_samp": Call("var_samp", "variance", type="DOUBLE"),
    "variance": Call("var_samp", "variance", type="DOUBLE"),
    "stddev_pop": Call("stddev_pop", "variance", type="DOUBLE"),
    "stddev_samp": Call("stddev_samp", "variance", type="DOUBLE"),
    "stddev": Call("stddev_samp", "variance", type="DOUBLE"),
    "covar_pop": _pair("covar_pop"),
    "covar_samp": _pair("covar_samp"),
    "corr": _pair("corr"),
    "regr_slope": _pair("regr_slope"),
    "regr_intercept": _pair("regr_intercept"),
    "regr_r2": _pair("regr_r2"),
    "regr_count": _pair("regr_count"),
    "regr_avgx": _pair("regr_avgx"),
    "regr_avgy": _pair("regr_avgy"),
    "regr_sxx": _pair("regr_sxx"),
    "regr_syy": _pair("regr_syy"),
    "regr_sxy": _pair("regr_sxy"),
    "first_value": _FIRST,
    "first": _FIRST,
    "last_value": _LAST,
    "last": _LAST,
    "arg_min": _ARG_MIN,
    "argmin": _ARG_MIN,
    "min_by": _ARG_MIN,
    "arg_min_null": replace(_ARG_MIN, nulls=True),
    "arg_max": _ARG_MAX,
    "argmax": _ARG_MAX,
    "max_by": _ARG_MAX,
    "arg_max_null": replace(_ARG_MAX, nulls=True),
    "mode": Call("mode", "tally", rank="value", bounded=True, listed=True),
    "histogram": Call("histogram", "tally", rank="value", bounded=True, listed=True),
    "array_agg": _LIST,
    "list": _LIST,
    "collect_set": _VALUES,
    "string_agg": _STRING,
    "group_concat": _STRING,
    "listagg": _STRING,
    "json_object_agg": _OBJECT,
    "json_group_object": _OBJECT,
    "json_group_array": _ARRAY,
    "approx_count_distinct": Call("approx_count_distinct", "cpc", near=True),
    "approx_quantile": _QUANTILE,
    "approx_percentile": _QUANTILE,
    "approx_top_k": Call("approx_top_k", "top", 2, near=True),
    "earliest": Call("earliest", "first", rank="offset"),
    "latest": Call("latest", "last", rank="offset"),
}
DISTINCT_LISTS: dict[str, Call] = {"list": _VALUES, "string": replace(_VALUES, function="string")}
"""What ARRAY_AGG and STRING_AGG are with DISTINCT."""
TOP: dict[str, Call] = {
    "min": Call("list", "list", rank="argument", bounded=True),
    "max": Call("list", "list_desc", rank="argument", bounded=True),
    "arg_min": Call("list", "list", 2, rank="argument", bounded=True),
    "arg_max": Call("list", "list_desc", 2, rank="argument", bounded=True),
}
"""Functions that keep n values where n is one argument more, by what they are without it."""
REFUSED_HINT = "docs/sql.md lists the aggregates that can be kept, under Aggregates"
