"""Aggregate calls → partials and answers.

A call becomes a partial, shared by the calls that read the same one (as SUM(x) and AVG(x) do), and
an answer. The partials stand in an order of their own, so a SELECT whose columns change places has
the same state.
"""

from __future__ import annotations

from sqlglot import exp

from keyfold.sql.dialect import aggregate_functions, call_name, find_aggregate, sql_text
from keyfold.sql.relation import Relation
from keyfold.view import expression as ex
from keyfold.view.aggregate import Aggregate, Final
from keyfold.view.plan import Answer
from keyfold.view.types import Physical

_FUNCTIONS = {
    "count": "count",
    "count_star": "count",
    "count_if": "sum",
    "countif": "sum",
    "sum": "sum",
    "avg": "avg",
    "mean": "avg",
    "min": "min",
    "max": "max",
}
_REFUSED_HINT = "aggregates that can be kept are COUNT, SUM, AVG, MIN and MAX, with FILTER"
_NEAREST = {
    "any_value": "MIN or MAX keeps one of the values",
    "first": "MIN or MAX keeps one of the values",
    "last": "MIN or MAX keeps one of the values",
    "bool_and": "write MIN(condition)",
    "bool_or": "write MAX(condition)",
    "fsum": "SUM of DOUBLE is compensated already",
    "sumkahan": "SUM of DOUBLE is compensated already",
    "kahan_sum": "SUM of DOUBLE is compensated already",
    "favg": "AVG of DOUBLE is compensated already",
}
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
            raise self._text.error(call, "WITHIN GROUP cannot be kept", _REFUSED_HINT)
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
        function, argument = self._argument(call, name)
        if name in ("count_if", "countif") and argument is not None:
            # A sum in DuckDB too: NULL over no rows and over NULLs alone, and of type HUGEINT.
            true = exp.If(this=argument.copy(), true=exp.Literal.number(1))
            negated = exp.Not(this=exp.Paren(this=argument.copy()))
            false = exp.If(this=negated, true=exp.Literal.number(0))
            argument = exp.Case(ifs=[true, false])
        return self._answer(node, function, argument, condition)

    def in_order(self) -> tuple[tuple[Aggregate, ...], tuple[Answer, ...]]:
        """Return the partials in their own order, and the answers that read them."""
        kept = list(self.aggregates)
        if not kept:
            # A view of keys alone still needs a partial; the count is what makes a row exist.
            kept.append(Aggregate("count"))
        order = sorted(
            range(len(kept)),
            key=lambda i: (kept[i].family, kept[i].argument, kept[i].argument_type, kept[i].where),
        )
        place = {old: new for new, old in enumerate(order)}
        answers = [Answer(place[answer.aggregate], answer.final) for answer in self.answers]
        return tuple(kept[i] for i in order), tuple(answers)

    def _answer(
        self,
        node: exp.Expr,
        function: str,
        argument: exp.Expr | None,
        condition: exp.Expr | None,
    ) -> ex.Expression:
        for part in (argument, condition):
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
        if argument is None:
            aggregate = Aggregate("count", where=where)
        else:
            aggregate = self._partial(function, argument, where)
        self._relation.kept_type(node, kind)
        if aggregate not in self.aggregates:
            self.aggregates.append(aggregate)
        index = self.aggregates.index(aggregate)
        final = Final(function, kind)
        answer = self._answer_index.setdefault((index, final), len(self.answers))
        if answer == len(self.answers):
            self.answers.append(Answer(index, final))
        return ex.Answer(answer, kind)

    def _argument(self, call: exp.Expr, name: str) -> tuple[str, exp.Expr | None]:
        """Return (function, argument or None for COUNT(*)) of a call that can be kept."""
        function = _FUNCTIONS.get(name)
        if function is None:
            raise self._text.error(
                call, f"{name} cannot be kept", _NEAREST.get(name, _REFUSED_HINT)
            )
        arguments = _arguments(call)
        argument = arguments[0] if arguments else None
        if isinstance(argument, exp.Distinct):
            if function not in ("min", "max"):
                raise self._text.error(
                    call, f"{function}(DISTINCT …) cannot be kept", _DISTINCT_HINT
                )
            arguments = argument.expressions
            argument = arguments[0]
        if isinstance(argument, exp.Order | exp.Limit):
            raise self._text.error(call, f"ORDER BY changes nothing in {function}", "leave it out")
        if function == "count" and (argument is None or isinstance(argument, exp.Star)):
            return function, None
        if len(arguments) != 1:
            raise self._text.error(
                call,
                f"{function} takes one argument here",
                "COUNT(*) counts rows" if function == "count" else f"write {function}(column)",
            )
        return function, argument

    def _partial(self, function: str, argument: exp.Expr, where: str) -> Aggregate:
        sql = sql_text(argument)
        kind = self._relation.type_of(argument)
        if function == "count":
            # The argument's type does not matter to a count; BIGINT stands for any.
            return Aggregate("count", sql, "BIGINT", where)
        if kind == '"NULL"':
            raise self._text.error(
                argument, f"{function} of NULL has no type", "give it one: CAST(NULL AS BIGINT)"
            )
        column = self._relation.kept_type(argument, kind)
        if function in ("min", "max"):
            if column.physical is Physical.JSON:
                raise self._text.error(
                    argument,
                    f"{function} over {kind} cannot be kept",
                    f"take {function} of one of its fields",
                )
            return Aggregate(function, sql, kind, where)
        if column.physical is Physical.F64:
            return Aggregate("sum_real", sql, kind, where)
        if column.decimal and column.physical is Physical.I128:
            return Aggregate("sum_wide", sql, kind, where)
        if column.integer or column.decimal or kind == "BOOLEAN":
            return Aggregate("sum_int", sql, kind, where)
        raise self._text.error(
            argument,
            f"{function} over {kind} cannot be kept",
            f"make a number of it: {function}(CAST(… AS DOUBLE)) or {function}(epoch_ms(…))",
        )


def _arguments(call: exp.Expr) -> list[exp.Expr]:
    if isinstance(call, exp.Anonymous):
        return list(call.expressions)
    return [part for part in (call.this, *call.expressions) if isinstance(part, exp.Expr)]
