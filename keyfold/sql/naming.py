"""How messages call an operator, and what they advise where one cannot stand around aggregates."""

from __future__ import annotations

from sqlglot import exp

from keyfold.sql.dialect import call_name, find_aggregate, sql_text
from keyfold.sql.elsewhere import LAMBDA_HINT
from keyfold.sql.folds import LISTS, LISTS_HINT
from keyfold.sql.scope import WRITTEN
from keyfold.view.types import Physical, column_type

AROUND_HINT = "apply it inside the aggregate, or group by its result"
PATTERN_HINT = "write the pattern as a constant: LIKE 'a%'; or compare inside the aggregate"
INTERVAL_HINT = "count what lies between: date_diff('second', MIN(ts), MAX(ts))"
_KEYS_HINT = "group by its result; a condition on keys belongs in WHERE"
_PARTS_HINT = "select its parts, each with a name of its own"
_WRITTEN: dict[type[exp.Expr], str] = {
    exp.JSONExtract: "->",
    exp.JSONExtractScalar: "->>",
    exp.BitwiseNot: "~",
    exp.BitwiseLeftShift: "<<",
    exp.BitwiseRightShift: ">>",
    exp.RegexpLike: "~",
    exp.RegexpILike: "~*",
    exp.SimilarTo: "SIMILAR TO",
    exp.ILike: "ILIKE",
    exp.Glob: "GLOB",
    exp.ArrayContainsAll: "@>",
    exp.ArrayContainedBy: "<@",
    exp.ArrayOverlaps: "&&",
    exp.AtTimeZone: "AT TIME ZONE",
    exp.StrPosition: "position",
    exp.Array: "[…]",
    exp.Struct: "{…}",
    exp.Tuple: "(…, …)",
    exp.ToMap: "MAP {…}",
}
_OF_PARTS = (exp.Array, exp.Struct, exp.Tuple, exp.ToMap)
_PACKING = ("row", "struct_pack", "list_value", "list_pack", "array_value", "map")


def written_name(node: exp.Expr) -> str:
    """Return the name of a function, or the sign of an operator, as it is written in SQL."""
    return _WRITTEN.get(type(node)) or call_name(node) or node.key.lower()


def around_hint(node: exp.Expr) -> str:
    """Return what to write instead of a call around aggregates or keys that readers lack."""
    name = call_name(node)
    if name in LISTS and any(isinstance(part, exp.JSONExtract) for part in node.expressions[1:]):
        return LAMBDA_HINT
    if name in LISTS or node.find(exp.Comprehension) is not None:
        return LISTS_HINT
    if isinstance(node, _OF_PARTS) or name in _PACKING:
        return _PARTS_HINT
    return AROUND_HINT if find_aggregate(node) else _KEYS_HINT


def interval_refusal(node: exp.Expr) -> tuple[str, str]:
    """Return message and hint of an interval beside an aggregate or a key column."""
    if isinstance(node, exp.EQ | exp.NEQ | exp.LT | exp.LTE | exp.GT | exp.GTE):
        return "an interval cannot be compared with aggregates or key columns", INTERVAL_HINT
    message = "an interval that is not constant cannot stand around aggregates or key columns"
    return message, "write INTERVAL '1' HOUR, or add it where events are read: MAX(ts + INTERVAL …)"


def ungrouped(node: exp.Expr, *, nested: bool) -> tuple[str, str]:
    """Return message and hint of a column, or a part of one, that stands by itself.

    Args:
        node: What stands there.
        nested: It is a column of a nested type, which has no least and no greatest value.
    """
    name = next((c.name for c in node.find_all(exp.Column)), sql_text(node))
    if isinstance(node, exp.Column) or WRITTEN in node.meta or not name:
        shown = node.meta.get(WRITTEN) or node.name or sql_text(node)
        take = f"latest({shown})" if nested else f"MIN({shown}) or MAX({shown})"
        message = f"column {shown} is neither in GROUP BY nor in an aggregate"
        return message, f"add {shown} to GROUP BY, or take {take}"
    if find_aggregate(node) is not None:
        message = f"{sql_text(node)} cannot stand around aggregates"
        return message, "keep the aggregate itself, and take it apart when you read the row"
    return (
        f"{sql_text(node)} is neither in GROUP BY nor in an aggregate",
        "add it to GROUP BY as it stands here, or take MIN or MAX of it",
    )


def nested_hint(function: str, kind: str, sql: str) -> str:
    """Return what a nested value has in it that an aggregate can take."""
    if function == "any_value":
        return f"take latest({sql}), or arg_max({sql}, …)"
    if kind.endswith("]"):
        fold = "list_min" if function == "min" else "list_max"
        if column_type(kind[: kind.rindex("[")]).physical is Physical.JSON:
            return f"take {function} of a field of its elements: {fold}([x.field for x in {sql}])"
        return f"take {function} of one of its elements: {function}({fold}({sql}))"
    if kind == "JSON":
        return f"take {function} of a value in it: {function}(CAST({sql} ->> 'field' AS BIGINT))"
    if kind.startswith("MAP("):
        return f"take {function} of one of its values: {function}({sql}['key'])"
    return f"take {function} of one of its fields"
