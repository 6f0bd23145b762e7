"""Aggregate calls → partials and answers.

A call becomes a partial, shared by the calls that read the same one (as SUM(x) and AVG(x) do), and
an answer. The partials stand in an order of their own, so a SELECT whose columns change places has
the same state.
"""

from __future__ import annotations

import msgspec
from sqlglot import exp

from keyfold.sql.calls import CALLS, NEAREST, REFUSED_HINT, Call
from keyfold.sql.dialect import aggregate_functions, call_name, find_aggregate, sql_text
from keyfold.sql.relation import Relation
from keyfold.view import expression as ex
from keyfold.view.aggregate import Aggregate, Final, Operand
from keyfold.view.plan import Answer
from keyfold.view.types import Physical

_DISTINCT_HINT = "make the column a key and count the rows, or drop DISTINCT"


class Partials:
    """The partials of one view.

    Attributes:
        aggregates: Each once.
        answers: Finalized aggregates that the outputs read.
    """

    def __init__(self, relation: Relation) -> None:
        self._relation = relation
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
            raise self._text.error(call, "WITHIN GROUP cannot be kept", REFUSED_HINT)
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
        kept, arguments = self._arguments(call, name)
        if name in ("count_if", "countif"):
            arguments = [_as_number(arguments[0])]
        return self._answer(node, kept, arguments, condition)

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
            ),
        )
        place = {old: new for new, old in enumerate(order)}
        answers = [Answer(place[answer.aggregate], answer.final) for answer in self.answers]
        return tuple(kept[i] for i in order), tuple(answers)

    def _answer(
        self,
        node: exp.Expr,
        call: Call,
        arguments: list[exp.Expr],
        condition: exp.Expr | None,
    ) -> ex.Expression:
        for part in (*arguments, condition):
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
        kind = self._relation.type_of(node)
        aggregate = self._partial(call, arguments, where)
        self._relation.kept_type(node, kind)
        if aggregate not in self.aggregates:
            self.aggregates.append(aggregate)
        index = self.aggregates.index(aggregate)
        final = Final(call.function, kind)
        answer = self._answer_index.setdefault((index, final), len(self.answers))
        if answer == len(self.answers):
            self.answers.append(Answer(index, final))
        return ex.Answer(answer, kind)

    def _arguments(self, call: exp.Expr, name: str) -> tuple[Call, list[exp.Expr]]:
        """Return how a call is kept, and its arguments (COUNT(*) has none)."""
        kept = CALLS.get(name)
        if kept is None:
            raise self._text.error(call, f"{name} cannot be kept", NEAREST.get(name, REFUSED_HINT))
        arguments = _parts(call)
        first = arguments[0] if arguments else None
        if isinstance(first, exp.Distinct):
            if not kept.distinct:
                raise self._text.error(call, f"{name}(DISTINCT …) cannot be kept", _DISTINCT_HINT)
            arguments = [*first.expressions, *arguments[1:]]
        if any(isinstance(part, exp.Order | exp.Limit) for part in arguments):
            raise self._text.error(call, f"ORDER BY changes nothing in {name}", "leave it out")
        if kept.family == "count" and (first is None or isinstance(first, exp.Star)):
            return kept, []
        if len(arguments) != kept.arguments:
            one = kept.arguments == 1
            hint = f"write {name}(column)" if one else f"write {name}(y, x)"
            raise self._text.error(
                call,
                f"{name} takes {'one argument' if one else 'two arguments'} here",
                "COUNT(*) counts rows" if kept.family == "count" else hint,
            )
        return kept, arguments

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
                    f"take {function} of one of its fields",
                )
            return call.family
        if column.physical is Physical.F64:
            return "sum_real"
        if column.decimal and column.physical is Physical.I128:
            return "sum_wide"
        if column.integer or column.decimal or kind == "BOOLEAN":
            return "sum_int"
        raise self._text.error(
            argument,
            f"{function} over {kind} cannot be kept",
            f"make a number of it: {function}(CAST(… AS DOUBLE)) or {function}(epoch_ms(…))",
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
