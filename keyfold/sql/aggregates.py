"""Aggregate calls → partials and answers.

A call becomes a partial, shared by the calls that read the same one (as SUM(x) and AVG(x) do), and
an answer. The partials stand in an order of their own, so a SELECT whose columns change places has
the same state.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec
from sqlglot import exp

from keyfold.sql import elsewhere
from keyfold.sql.bind import HIDDEN_OFFSET
from keyfold.sql.calls import BOUND_MAX, CALLS, DISTINCT_LISTS, REFUSED_HINT, TOP, Call
from keyfold.sql.dialect import aggregate_functions, call_name, find_aggregate, sql_text
from keyfold.sql.naming import nested_hint
from keyfold.sql.ordered import Ordered, rank_json, rank_of, taken_apart, with_separator
from keyfold.sql.relation import Relation
from keyfold.sql.sketches import sketched
from keyfold.sql.valueform import counted_value, kept_pair, kept_text, kept_value
from keyfold.view import expression as ex
from keyfold.view.aggregate import Aggregate, Final, Operand
from keyfold.view.family.registry import FAMILIES
from keyfold.view.plan import Answer
from keyfold.view.tiles import tiled
from keyfold.view.types import Physical

_TALLY_TYPES = {"mode": "{}", "values": "{}[]", "histogram": "MAP({}, UBIGINT)", "string": "{}"}
_SECOND = {"object": "key, value", "approx_quantile": "x, 0.5", "approx_top_k": "x, 10"}
_TEXTS = {"string": "VARCHAR", "object": "JSON", "array": "JSON"}
_LISTS = ("list", "array_agg")
_OVER_DISTINCT = ("count", "sum", "avg")
_DISTINCT_HINT = "make the column a key and count the rows, or drop DISTINCT"


_BINS = "histogram(CASE WHEN {0} <= 1 THEN 1 WHEN {0} <= 2 THEN 2 END)"


class Partials:
    """The partials of one view.

    Attributes:
        aggregates: Each once.
        answers: Finalized aggregates that the outputs read.
    """

    def __init__(self, relation: Relation, list_limit: int) -> None:
        self._relation = relation
        self._list_limit = list_limit
        self._text = relation.text
        self._answer_index: dict[tuple[int, Final], int] = {}
        self.aggregates: list[Aggregate] = []
        self.answers: list[Answer] = []

    def lower(self, node: exp.Expr) -> ex.Expression | None:
        """Return the answer of an aggregate call, None when the node is none.

        Raises:
            SqlError: It is one that cannot be kept.
        """
        call = node
        condition: exp.Expr | None = None
        if isinstance(call, exp.WithinGroup):
            hint = elsewhere.AGGREGATES.get(call_name(call.this), REFUSED_HINT)
            raise self._text.error(call, "WITHIN GROUP cannot be kept", hint)
        if isinstance(call, exp.Filter):
            condition = call.expression.this
            call = call.this
        name = call_name(call)
        if not (isinstance(call, exp.AggFunc) or name in aggregate_functions()):
            if condition is not None:
                raise self._text.error(
                    call, f"{name or 'this'} is no aggregate", "FILTER follows an aggregate"
                )
            return None
        kept, shape = self._arguments(call, name)
        if name in ("count_if", "countif"):
            shape = replace(shape, arguments=[_as_number(shape.arguments[0])])
        return self._answer(node, kept, shape, condition)

    @property
    def by_place(self) -> bool:
        """Whether a partial takes events by their place in the source."""
        return any(operand.sql == HIDDEN_OFFSET for a in self.aggregates for operand in a.operands)

    def in_order(self) -> tuple[tuple[Aggregate, ...], tuple[Answer, ...]]:
        """Return the partials in their own order, and the answers that read them."""
        kept = list(self.aggregates)
        if not kept:
            # A view of keys alone still needs a partial; the count is what makes a row exist.
            kept.append(Aggregate("count"))
        order = sorted(
            range(len(kept)),
            key=lambda i: (
                kept[i].family,
                kept[i].argument,
                kept[i].argument_type,
                kept[i].where,
                [(operand.sql, operand.type) for operand in kept[i].operands],
                bool(kept[i].distinct),
            ),
        )
        place = {old: new for new, old in enumerate(order)}
        answers = [Answer(place[answer.aggregate], answer.final) for answer in self.answers]
        in_order = [kept[i] for i in order]
        window = self._relation.window
        if window is not None and window.kind == "hop" and window.panes > 1:
            in_order += tiled(in_order)
        return tuple(in_order), tuple(answers)

    def _answer(
        self,
        node: exp.Expr,
        call: Call,
        shape: Ordered,
        condition: exp.Expr | None,
    ) -> ex.Expression:
        for part in (*shape.arguments, *shape.order, condition):
            inner = find_aggregate(part) if part is not None else None
            if inner is not None:
                raise self._text.error(
                    inner,
                    "an aggregate cannot stand in an aggregate",
                    "write a view for the inner one, or aggregate the columns themselves",
                )
        if condition is not None and self._relation.type_of(condition) != "BOOLEAN":
            raise self._text.error(
                condition, "FILTER takes a condition", "compare it with something"
            )
        where = sql_text(condition) if condition is not None else ""
        detail: str | msgspec.UnsetType = msgspec.UNSET
        if call.near:
            aggregate, kind, detail = sketched(self._relation, node, call, shape.arguments, where)
        elif call.rank == "value":
            aggregate = self._tally(shape, where)
            kind = _TALLY_TYPES[call.function].format(aggregate.argument_type)
        elif call.rank:
            kind = _TEXTS.get(call.function) or self._relation.type_of(shape.arguments[0])
            kind += "[]" if call.function == "list" else ""
            aggregate = self._picked(call, shape, where)
        elif shape.distinct and not call.distinct:
            # DuckDB has no COUNT(DISTINCT a, b).
            kind = "BIGINT" if call.family == "count" else self._relation.type_of(node)
            aggregate = self._of_different(node, call, shape.arguments, where)
        else:
            kind = self._relation.type_of(node)
            aggregate = self._partial(call, shape.arguments, where)
        self._relation.kept_type(node, kind)
        if aggregate not in self.aggregates:
            self.aggregates.append(aggregate)
        index = self.aggregates.index(aggregate)
        if shape.separator is not None:
            detail = shape.separator
        final = Final(call.function, kind, detail)
        answer = self._answer_index.setdefault((index, final), len(self.answers))
        if answer == len(self.answers):
            self.answers.append(Answer(index, final))
        return ex.Answer(answer, kind)

    def _arguments(self, call: exp.Expr, name: str) -> tuple[Call, Ordered]:
        """Return how a call is kept, and what it has in its parentheses (COUNT(*) nothing)."""
        kept = CALLS.get(name)
        if kept is None:
            hint = elsewhere.AGGREGATES.get(name, REFUSED_HINT)
            raise self._text.error(call, f"{name} cannot be kept", hint)
        shape = taken_apart(_parts(call))
        top = TOP.get(kept.function)
        if top is not None and len(shape.arguments) == kept.arguments + 1:
            *arguments, bound = shape.arguments
            kept, shape = top, replace(shape, arguments=arguments, limit=bound)
        if kept.function == "string":
            shape = with_separator(self._text, call, name, shape)
        if shape.distinct and kept.function in DISTINCT_LISTS:
            kept = DISTINCT_LISTS[kept.function]
        arguments = shape.arguments
        if shape.distinct and not kept.distinct and kept.function not in _OVER_DISTINCT:
            raise self._text.error(call, f"{name}(DISTINCT …) cannot be kept", _DISTINCT_HINT)
        if (shape.limit is not None and not kept.bounded) or (
            shape.order and kept.rank not in ("by", "value")
        ):
            word = "LIMIT" if shape.limit is not None else "ORDER BY"
            raise self._text.error(call, f"{word} changes nothing in {name}", "leave it out")
        if kept.family == "count" and (not arguments or isinstance(arguments[0], exp.Star)):
            return kept, replace(shape, arguments=[])
        if len(arguments) != kept.arguments and not (shape.distinct and kept.family == "count"):
            one = kept.arguments == 1
            names = _SECOND.get(kept.function, "y, x")
            hint = f"write {name}(column)" if one else f"write {name}({names})"
            if name == "histogram" and arguments:
                hint = f"it counts each value; of bins: {_BINS.format(sql_text(arguments[0]))}"
            raise self._text.error(
                call,
                f"{name} takes {'one argument' if one else 'two arguments'} here",
                "COUNT(*) counts rows" if kept.family == "count" else hint,
            )
        if kept.listed and shape.limit is None:
            shape = replace(shape, limit=exp.Literal.number(self._list_limit))
        if kept.bounded:
            self._check_bound(call, name, shape)
        elif kept.rank == "by" and not shape.order:
            word = "LATEST" if kept.family == "last" else "EARLIEST"
            raise self._text.error(
                call,
                f"{name} without an order depends on the batches",
                f"write {name}({sql_text(arguments[0])} ORDER BY column), or {word} for the order "
                "of the source",
            )
        return kept, shape

    def _check_bound(self, call: exp.Expr, name: str, shape: Ordered) -> None:
        """Refuse a bound that is none, and several values without one."""
        limit = shape.limit
        number = limit.name if isinstance(limit, exp.Literal) and not limit.is_string else ""
        if not number.isdigit() or not 1 <= int(number) <= BOUND_MAX:
            raise self._text.error(
                limit if limit is not None and limit.find(exp.Column) else call,
                f"{name} needs a bound from 1 to {BOUND_MAX}",
                "write it as a number, the last argument"
                if call_name(call) in TOP
                else f"write {name}(x{' ORDER BY y' if name in _LISTS else ''} LIMIT 10)",
            )

    def _picked(self, call: Call, shape: Ordered, where: str) -> Aggregate:
        """Return the partial of one event's value."""
        value, family = shape.arguments[0], call.family
        match call.function:
            case "string":
                value_type, value_sql = "VARCHAR", kept_text(self._relation, value)
            case "object":
                pair = kept_pair(self._relation, value, shape.arguments[1])
                value_type, value_sql = "VARCHAR", pair
            case _:
                value_type, sql = self._relation.type_of(value), sql_text(value)
                value_sql = kept_value(self._relation, value, sql, value_type, listed=call.bounded)
        rank = Operand(HIDDEN_OFFSET, "BIGINT")
        if call.rank == "argument" or shape.order:
            node, down = shape.arguments[-1], False
            if call.rank == "by":
                node, down = rank_of(self._text, shape.order)
            rank = Operand(sql_text(node), self._relation.type_of(node))
            column = self._relation.kept_type(node, rank.type)
            if column.physical is Physical.JSON:
                raise self._text.error(
                    node, f"{rank.type} has no order that is kept", "order by one of its fields"
                )
            family += "_desc" if down else ""
        elif self._relation.branches:
            raise self._text.error(
                value,
                "without an order it is taken by its place in its source, and a UNION ALL has "
                "several",
                "name an order: last_value(x ORDER BY ts), array_agg(x ORDER BY ts)",
            )
        if shape.ignores_nulls or not call.nulls:
            known = f"({sql_text(value)}) IS NOT NULL"
            where = f"({where}) AND {known}" if where else known
        more = [rank, self._relation.place, Operand(HIDDEN_OFFSET, "BIGINT")]
        if call.bounded and shape.limit is not None:
            more += [Operand(shape.limit.name, "BIGINT"), Operand(rank_json(rank), "VARCHAR")]
        return Aggregate(family, value_sql, value_type, where, tuple(more))

    def _of_different(
        self, node: exp.Expr, call: Call, arguments: list[exp.Expr], where: str
    ) -> Aggregate:
        """Return the partial of different values."""
        family, operands = call.family, []
        for argument in arguments:
            if isinstance(argument, exp.Tuple):
                listed = ", ".join(sql_text(part) for part in argument.expressions)
                raise self._text.error(
                    argument,
                    "a row is no value that can be kept",
                    f"write {call.function}(DISTINCT {listed}): where one of these is NULL, the "
                    "event does not count",
                )
            if call.family == "count":
                operands.append(Operand(*counted_value(self._relation, argument)))
                continue
            kind = self._relation.type_of(argument)
            family = self._family(call, argument, kind)
            if FAMILIES[family].fold is None:
                raise self._text.error(
                    argument,
                    f"{call.function}(DISTINCT …) over {kind} cannot be kept",
                    "cast it to DECIMAL: sums of these are exact",
                )
            operands.append(Operand(sql_text(argument), kind))
        first, more = operands[0], tuple(operands[1:])
        return Aggregate(family, first.sql, first.type, where, more or msgspec.UNSET, distinct=True)

    def _tally(self, shape: Ordered, where: str) -> Aggregate:
        """Return the partial of the counts of values."""
        (value,) = shape.arguments
        kind = self._relation.type_of(value)
        column, sql = self._relation.kept_type(value, kind), sql_text(value)
        if column.physical is Physical.JSON:
            raise self._text.error(
                value, f"{kind} has no order that is kept", "take one of its fields"
            )
        for by in shape.order:
            if sql_text(by.this) != sql_text(value) or by.args.get("desc") or len(shape.order) > 1:
                raise self._text.error(
                    by, "different values are kept from the least on", f"write ORDER BY {sql}"
                )
        if column.physical is Physical.F64:
            sql = f"({sql}) + 0.0::{kind}"  # -0.0 and 0.0 are one value
        bound = shape.limit.name if shape.limit is not None else ""
        if shape.separator is not None and kind != "VARCHAR":
            raise self._text.error(
                value,
                f"different texts cannot be kept of {kind}",
                f"make texts of them: CAST({sql} AS VARCHAR)",
            )
        text = kept_value(self._relation, value, sql, kind, listed=True)
        more = (
            Operand(text, "VARCHAR"),
            Operand(bound, "BIGINT"),
            Operand(rank_json(Operand(sql, kind)), "VARCHAR"),
        )
        return Aggregate("tally", sql, kind, where, more)

    def _partial(self, call: Call, arguments: list[exp.Expr], where: str) -> Aggregate:
        if not arguments:
            return Aggregate("count", where=where)
        if call.type:
            operands = [Operand(sql_text(argument), call.type) for argument in arguments]
            family = call.family
        else:
            (argument,) = arguments
            kind = self._relation.type_of(argument)
            operands = [Operand(sql_text(argument), kind)]
            family = self._family(call, argument, kind)
        first, more = operands[0], tuple(operands[1:])
        return Aggregate(family, first.sql, first.type, where, more or msgspec.UNSET)

    def _family(self, call: Call, argument: exp.Expr, kind: str) -> str:
        """Return the family of a partial that depends on its argument's type.

        Raises:
            SqlError: There is none for that type.
        """
        function = call.function
        if kind == '"NULL"':
            raise self._text.error(
                argument, f"{function} of NULL has no type", "give it one: CAST(NULL AS BIGINT)"
            )
        column = self._relation.kept_type(argument, kind)
        if call.family:
            if column.physical is Physical.JSON:
                raise self._text.error(
                    argument,
                    f"{function} over {kind} cannot be kept",
                    nested_hint(function, kind, sql_text(argument)),
                )
            return call.family
        if column.physical is Physical.F64:
            return "sum_real"
        if column.decimal and column.physical is Physical.I128:
            return "sum_wide"
        if column.integer or column.decimal or kind == "BOOLEAN":
            return "sum_int"
        way = f"make a number of it: {function}(CAST(… AS DOUBLE)) or {function}(epoch_ms(…))"
        raise self._text.error(
            argument,
            f"{function} over {kind} cannot be kept",
            "cast it to DECIMAL(38,0)" if column.physical is Physical.U128 else way,
        )


def _parts(call: exp.Expr) -> list[exp.Expr]:
    if isinstance(call, exp.Anonymous):
        return list(call.expressions)
    return [part for part in (call.this, *call.expressions) if isinstance(part, exp.Expr)]


def _as_number(condition: exp.Expr) -> exp.Expr:
    """Return what count_if sums, as DuckDB does: NULL over NULLs alone, and of type HUGEINT."""
    true = exp.If(this=condition.copy(), true=exp.Literal.number(1))
    negated = exp.Not(this=exp.Paren(this=condition.copy()))
    false = exp.If(this=negated, true=exp.Literal.number(0))
    return exp.Case(ifs=[true, false])
