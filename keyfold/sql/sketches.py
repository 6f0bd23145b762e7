"""Calls whose answers are near enough, from sketches: APPROX_COUNT_DISTINCT and its kin."""

from __future__ import annotations

import msgspec
from sqlglot import exp

from keyfold.sql.calls import BOUND_MAX, Call
from keyfold.sql.dialect import bare, call_name, sql_text
from keyfold.sql.relation import Relation
from keyfold.sql.valueform import counted_value, kept_value
from keyfold.view.aggregate import Aggregate
from keyfold.view.types import Physical

Detail = str | msgspec.UnsetType


def sketched(
    relation: Relation, node: exp.Expr, call: Call, arguments: list[exp.Expr], where: str
) -> tuple[Aggregate, str, Detail]:
    """Return the partial of a call, the type of its answer, and what else it is told.

    Args:
        relation: What the view reads.
        node: The call.
        call: How it is kept.
        arguments: Of the call.
        where: The FILTER condition, or empty.

    Raises:
        SqlError: It cannot be kept.
    """
    value, *rest = arguments
    kind = relation.type_of(value)
    sql = sql_text(value)
    known = f"({sql}) IS NOT NULL"
    where = f"({where}) AND {known}" if where else known
    if call.function == "approx_quantile":
        window = relation.window
        if window is not None and window.panes > 1:
            raise relation.text.error(
                node,
                f"{call.function} cannot be kept in windows of {window.kind.upper()}",
                "its sketch throws dice when it is merged, and a row must read the same each time: "
                "use TUMBLE",
            )
        column = relation.kept_type(value, kind)
        if not column.numeric:
            raise relation.text.error(
                value,
                f"{call.function} over {kind} cannot be kept",
                "make a number of it: CAST(… AS DOUBLE) or epoch_ms(…)",
            )
        real = f"CAST({sql} AS DOUBLE) + 0.0"
        ranks = _ranks(relation, node, rest)
        answer = "DOUBLE[]" if ranks.startswith("[") else "DOUBLE"
        return Aggregate(call.family, real, "DOUBLE", where), answer, ranks
    if call.function == "approx_top_k":
        if relation.kept_type(value, kind).physical is Physical.F64:
            sql = f"({sql}) + 0.0::{kind}"  # -0.0 and 0.0 are one value
        text = kept_value(relation, value, sql, kind, listed=True)
        number = _number(relation, node, rest)
        return Aggregate(call.family, text, "VARCHAR", where), f"{kind}[]", number
    sql, kind = counted_value(relation, value)
    form = _form(relation, value, sql, kind)
    return Aggregate(call.family, form, kind, where), "BIGINT", msgspec.UNSET


def _form(relation: Relation, value: exp.Expr, sql: str, kind: str) -> str:
    """Return a value as a sketch of different ones hashes it: a number of 64 bits, or a text."""
    sql = kept_value(relation, value, sql, kind)
    column = relation.kept_type(value, kind)
    if column.integer and column.physical is Physical.I64:
        return f"CAST({sql} AS BIGINT)"
    return (
        f"CAST({sql} AS DOUBLE)" if column.physical is Physical.F64 else f"CAST({sql} AS VARCHAR)"
    )


def _ranks(relation: Relation, node: exp.Expr, arguments: list[exp.Expr]) -> str:
    """Return the rank of a quantile as it is written, or ``[0.25,0.75]`` of several."""
    (argument,) = arguments
    listed = bare(argument)
    several = isinstance(listed, exp.Array)
    ranks = [bare(rank) for rank in (listed.expressions if several else [listed])]
    if len(ranks) > BOUND_MAX:
        raise relation.text.error(
            node, f"{call_name(node)} takes {BOUND_MAX} ranks at most", "keep fewer of them"
        )
    texts = [
        rank.name if isinstance(rank, exp.Literal) and not rank.is_string else "" for rank in ranks
    ]
    if not texts or any(not text or not 0 <= float(text) <= 1 for text in texts):
        raise relation.text.error(
            argument if argument.find(exp.Column) else node,
            "a quantile has a rank from 0 to 1, the same for all events",
            "write approx_quantile(x, 0.5), or approx_quantile(x, [0.25, 0.5, 0.75])",
        )
    return f"[{','.join(texts)}]" if several else texts[0]


def _number(relation: Relation, node: exp.Expr, arguments: list[exp.Expr]) -> str:
    (number,) = arguments
    text = number.name if isinstance(number, exp.Literal) and not number.is_string else ""
    if not text.isdigit() or not 1 <= int(text) <= BOUND_MAX:
        raise relation.text.error(
            number if number.find(exp.Column) else node,
            f"approx_top_k needs a number from 1 to {BOUND_MAX}",
            "write approx_top_k(x, 10)",
        )
    return text
