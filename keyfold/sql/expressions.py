"""What stands around keys and aggregates in SELECT and HAVING → expressions for readers.

Each operator and function of keyfold/view/expression.py has its form here; everything else is
refused, since a lookup plans nothing and DuckDB does not run there. Types are DuckDB's: every call
is described over a relation of the view's keys and answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import duckdb
from sqlglot import exp

from keyfold.errors import SqlError, did_you_mean
from keyfold.sql import elsewhere
from keyfold.sql.calls import CALLS as AGGREGATES
from keyfold.sql.callsql import call_sql
from keyfold.sql.dialect import bare, call_name, sql_text
from keyfold.sql.folds import Folds
from keyfold.sql.named import NAMES, interval_sum, spelled
from keyfold.sql.naming import (
    AROUND_HINT,
    INTERVAL_HINT,
    PATTERN_HINT,
    around_hint,
    interval_refusal,
    ungrouped,
    written_name,
)
from keyfold.sql.ordered import ticks_sql
from keyfold.sql.relation import Relation
from keyfold.sql.scope import WRITTEN
from keyfold.view import expression as ex
from keyfold.view.cast import common_type
from keyfold.view.moment import TICKS
from keyfold.view.plan import Column
from keyfold.view.types import TIMESTAMP, TIMESTAMPTZ, ColumnType, Physical, column_type

Called = TypeVar("Called", ex.Call, ex.Fold)
_GROUPS = "groups"  # the relation that expressions over keys and answers are described in
_FUNCTIONS_HINT = "docs/sql.md lists what can stand around aggregates; the rest are DuckDB's"
_HUGE_HINT = "cast it inside the aggregate, to DECIMAL(38,0): MAX(CAST(h AS DECIMAL(38,0)))"
_OPERATORS: dict[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.IntDiv: "//",
    exp.Mod: "%",
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.And: "and",
    exp.Or: "or",
    exp.DPipe: "||",
}
_EXACT_TEXTS = ("BOOLEAN", "UHUGEINT", "UUID")
_MOMENTS = ("DATE", TIMESTAMP, TIMESTAMPTZ)
_COMPARING = frozenset({"=", "<>", "<", "<=", ">", ">=", "nullif"})


class Expressions:
    """Lowers the expressions of one view."""

    def __init__(
        self,
        relation: Relation,
        leaf: Callable[[exp.Expr], ex.Expression | None],
        groups: Callable[[], tuple[list[str], list[str]]],
    ) -> None:
        """Prepare.

        Args:
            relation: What the view reads.
            leaf: Node → the key or the answer that it is, or None.
            groups: Returns the types of (keys, answers) so far.
        """
        self._relation = relation
        self._text = relation.text
        self._binder = relation.binder
        self._leaf = leaf
        self._groups = groups
        self._folds = Folds(relation)

    def lower(self, node: exp.Expr) -> ex.Expression:
        """Return the expression of a node.

        Raises:
            SqlError: It is no expression over keys and aggregates, or one that readers lack.
        """
        self._folds.refuse_in_aggregate(node)
        leaf = self._folds.item(node) or self._leaf(node)
        if leaf is not None:
            return leaf
        if isinstance(node, exp.Paren):
            return self._lower_paren(node)
        if constant(node) and not self._folds.reads(node):
            return self._lower_constant(node)
        return self._lower_call(node)

    def _lower_paren(self, node: exp.Paren) -> ex.Expression:
        try:
            return self.lower(node.this)
        except SqlError:
            if WRITTEN in node.meta:  # a column of a subquery: the reader knows it by that name
                raise self._not_grouped(node) from None
            raise

    def _lower_constant(self, node: exp.Expr) -> ex.Expression:
        try:
            text, kind = self._binder.constant(sql_text(node))
            if kind == '"NULL"':
                return ex.Literal(None, "INTEGER")
            column = self._relation.kept_type(node, kind)
            if text is None:
                return ex.Literal(None, kind)
            value: bool | int | float | str | None = None
            match column.physical:
                case Physical.BOOL:
                    value = text == "true"
                case Physical.F64:
                    value = float(text)
                case Physical.I64 | Physical.I128 if column.integer:
                    value = int(text)
                case _ if column.decimal or column.physical is Physical.TEXT:
                    value = text
                case Physical.U128:
                    value = int(text)
                case _ if column.enum:
                    value = column.labels.index(text)
                case _ if kind.startswith("TIMESTAMP") or kind in ("DATE", "TIME"):
                    value = self._moment(node, kind)
        except duckdb.Error as problem:
            raise self._text.duckdb_error(node, problem) from problem
        if value is None:
            raise self._text.error(node, f"a constant of type {kind} cannot stand here", "cast it")
        literal = ex.Literal(value, kind)
        plain = isinstance(node, exp.Literal) or isinstance(node, exp.Neg | exp.Boolean)
        if plain or not (column.integer or column.decimal):
            return literal
        # 5 takes the type of what it meets, CAST(5 AS BIGINT) does not.
        return ex.Call("cast", (literal,), kind)

    def _moment(self, node: exp.Expr, kind: str) -> int | None:
        sql = sql_text(node)
        unit = " // 86400000000" if kind == "DATE" else ""
        ticks = ticks_sql(sql, kind) if kind in TICKS else f"epoch_us({sql}){unit}"
        text, _ = self._binder.constant(ticks)
        return None if text is None else int(text)

    # --- calls -------------------------------------------------------------------------------

    def _lower_call(self, node: exp.Expr) -> ex.Expression:  # noqa: PLR0912  # a dispatch
        match node:
            case exp.Column() | exp.Dot() | exp.Bracket():
                raise self._not_grouped(node)
            case exp.Cast():
                return self._lower_cast(node)
            case exp.Case():
                return self._lower_case(node)
            case exp.If():
                otherwise = node.args.get("false") or exp.Null()
                return self._call("case", node, [node.this, node.args["true"], otherwise])
            case exp.Is():
                return self._lower_is(node)
            case exp.Between() if not node.args.get("symmetric"):
                low = exp.GTE(this=node.this.copy(), expression=node.args["low"].copy())
                high = exp.LTE(this=node.this.copy(), expression=node.args["high"].copy())
                return self._call("and", node, [low, high])
            case exp.In() if node.expressions and not node.args.get("query"):
                equals: list[exp.Expr] = [
                    exp.EQ(this=node.this.copy(), expression=e.copy()) for e in node.expressions
                ]
                return self._call("or", node, equals) if len(equals) > 1 else self.lower(equals[0])
            case exp.NullSafeEQ():
                return self._lower_null_safe(node, exp.EQ, both_null=True)
            case exp.NullSafeNEQ():
                return self._lower_null_safe(node, exp.NEQ, both_null=False)
            case exp.Neg():
                return self._call("negate", node, [node.this])
            case exp.Not():
                return self._call("not", node, [node.this])
            case exp.Coalesce():
                return self._call("coalesce", node, [node.this, *node.expressions])
        if type(node) in _OPERATORS:
            return self._call(_OPERATORS[type(node)], node, [node.this, node.expression])
        fold = self._folds.fold(node, self.lower)
        if fold is not None:
            return self._checked(node, fold)
        named = spelled(node)
        if named is not None:
            return self._call(named[0], node, named[1])
        name = call_name(node)
        if isinstance(node, exp.Anonymous) and not self._binder.has_function(name):
            raise self._text.error(
                node,
                f"there is no function {name}",
                elsewhere.FUNCTIONS.get(name)
                or did_you_mean(name, [*NAMES, "if", *AGGREGATES], _FUNCTIONS_HINT),
            )
        raise self._text.error(
            node,
            f"{written_name(node)} cannot stand around aggregates or key columns",
            around_hint(node),
        )

    def _not_grouped(self, node: exp.Expr) -> SqlError:
        nested = isinstance(node, exp.Column) and (
            column_type(self._relation.type_of(node)).physical is Physical.JSON
        )
        return self._text.error(node, *ungrouped(node, nested=nested))

    def _lower_case(self, node: exp.Case) -> ex.Expression:
        parts: list[exp.Expr] = []
        for branch in node.args["ifs"]:
            condition = branch.this
            if node.this is not None:
                condition = exp.EQ(this=node.this.copy(), expression=condition.copy())
            parts += [condition, branch.args["true"]]
        return self._call("case", node, [*parts, node.args.get("default") or exp.Null()])

    def _lower_is(self, node: exp.Is) -> ex.Expression:
        match node.expression:
            case exp.Null():
                return self._call("is_null", node, [node.this])
            case exp.Boolean():
                wanted: exp.Expr = node.this.copy()
                if not node.expression.this:
                    wanted = exp.Not(this=exp.Paren(this=wanted))
                branches = [wanted, exp.Boolean(this=True), exp.Boolean(this=False)]
                return self._call("case", node, branches)
        raise self._text.error(
            node,
            "only IS NULL, IS TRUE and IS FALSE can stand around aggregates",
            "compare with = or <>",
        )

    def _lower_null_safe(
        self, node: exp.Binary, compare: type[exp.Binary], *, both_null: bool
    ) -> ex.Expression:
        """Lower IS [NOT] DISTINCT FROM: NULL is a value that equals NULL."""
        a, b = node.this, node.expression
        null_a = exp.Is(this=exp.Paren(this=a.copy()), expression=exp.Null())
        null_b = exp.Is(this=exp.Paren(this=b.copy()), expression=exp.Null())
        both: exp.Expr = exp.And(this=null_a.copy(), expression=null_b.copy())
        if not both_null:
            both = exp.Not(this=exp.Paren(this=both))
        either = exp.Or(this=null_a, expression=null_b)
        return self._call("case", node, [either, both, compare(this=a.copy(), expression=b.copy())])

    def _lower_cast(self, node: exp.Cast) -> ex.Expression:
        lowered = self.lower(node.this)
        kind = self._describe(node, "cast", (lowered,))
        source = column_type(lowered.type)
        target = column_type(kind)
        fine = (
            source.name == target.name
            or (source.numeric and target.numeric and target.name != "FLOAT")
            or (target.name == "VARCHAR" and _exact_text(source))
            or (source.name in _MOMENTS and target.name in _MOMENTS)
        )
        if isinstance(node, exp.TryCast) or not fine:
            try_ = "TRY_CAST" if isinstance(node, exp.TryCast) else "a cast"
            raise self._text.error(
                node,
                f"{try_} from {source.name} to {target.name} cannot stand around aggregates",
                "cast inside the aggregate, or group by the cast",
            )
        return self._checked(node, ex.Call("cast", (lowered,), kind))

    def _call(self, function: str, node: exp.Expr, arguments: Sequence[exp.Expr]) -> ex.Expression:
        if any(isinstance(bare(argument), exp.Interval) for argument in arguments):
            return self._interval(node)
        lowered = _huge(tuple(self.lower(argument) for argument in arguments))
        if function in _COMPARING:
            lowered = self._comparable(node, arguments, lowered)
        kind = self._describe(node, function, lowered)
        if function in ex.JOINS:
            self._refuse_joined(node, function, lowered)
        return self._checked(node, ex.Call(function, lowered, kind))

    def _refuse_joined(
        self, node: exp.Expr, function: str, operands: tuple[ex.Expression, ...]
    ) -> None:
        """Refuse to join what readers have no text of."""
        for operand in operands:
            if operand.type != "VARCHAR" and not _exact_text(column_type(operand.type)):
                raise self._text.error(
                    node,
                    f"{function} of {operand.type} cannot stand around aggregates",
                    "make a text of it inside the aggregate, or group by that: "
                    "MAX(CAST(… AS VARCHAR))",
                )

    def _interval(self, node: exp.Expr) -> ex.Expression:
        """Lower a moment plus or minus a constant interval; refuse any other use of one."""
        try:
            moved = interval_sum(node, self._binder)
        except duckdb.Error as problem:
            raise self._text.duckdb_error(node, problem) from problem
        if moved is not None:
            return self._call(moved[0], node, moved[1])
        raise self._text.error(node, *interval_refusal(node))

    def _checked(self, node: exp.Expr, call: Called) -> Called:
        """Have readers compile a call, so that a conversion they lack shows here."""
        try:
            ex.compile_expression(call, len(self._groups()[0]))
        except SqlError as problem:
            raise self._text.error(node, problem.message, problem.hint) from problem
        except KeyError as problem:  # the function has no form for operands of that type
            kinds = ", ".join(one.type for one in getattr(call, "arguments", ()))
            raise self._text.error(
                node,
                f"{call.function} of {kinds} cannot stand around aggregates",
                PATTERN_HINT if call.function in ("like", "ilike") else AROUND_HINT,
            ) from problem
        return call

    def _comparable(
        self, node: exp.Expr, arguments: Sequence[exp.Expr], lowered: tuple[ex.Expression, ...]
    ) -> tuple[ex.Expression, ...]:
        """Return the operands, a text literal turned into the type that it is compared with.

        Beside an ENUM it stays a text, and the ENUM becomes one: so DuckDB compares them.
        """
        operands = list(lowered)
        for i, other in ((0, 1), (1, 0)):
            literal = arguments[i]
            kind = operands[other].type
            text = kind == "VARCHAR" or column_type(kind).enum
            if isinstance(literal, exp.Literal) and literal.is_string and not text:
                operands[i] = self._lower_constant_as(literal, kind)
        kinds = [
            column_type(operand.type)
            for operand in operands
            if not (isinstance(operand, ex.Literal) and operand.value is None)
        ]
        if len(kinds) == 2:
            try:
                common_type(kinds[0], kinds[1])
            except SqlError as problem:
                names = f"{kinds[0].name} with {kinds[1].name}"
                huge = any(kind.physical is Physical.U128 for kind in kinds)
                hint = _HUGE_HINT if huge else "cast one side to the other's type"
                raise self._text.error(node, f"this compares {names}", hint) from problem
        return tuple(operands)

    def _lower_constant_as(self, literal: exp.Literal, kind: str) -> ex.Expression:
        cast = exp.Cast(this=literal.copy(), to=exp.DataType.build(kind, dialect="duckdb"))
        return self._lower_constant(cast)

    def _describe(self, node: exp.Expr, function: str, arguments: tuple[ex.Expression, ...]) -> str:
        """Return the type of a call over keys and answers, as DuckDB binds it."""
        keys, answers = self._groups()
        columns = [Column(f"k{i}", kind) for i, kind in enumerate(keys)]
        columns += [Column(f"a{i}", kind) for i, kind in enumerate(answers)]
        self._binder.table(_GROUPS, columns or [Column("none", "INTEGER")])
        try:
            kind = self._binder.type_of(call_sql(function, arguments, node), _GROUPS)
        except duckdb.Error as problem:
            raise self._text.duckdb_error(node, problem) from problem
        if kind == "INTERVAL":
            raise self._text.error(
                node,
                "a view cannot hold a value of type INTERVAL",
                INTERVAL_HINT,
            )
        return self._relation.kept_type(node, kind).name


def _exact_text(kind: ColumnType) -> bool:
    """Say whether readers make the text of a value that DuckDB makes."""
    return kind.integer or kind.decimal or kind.enum or kind.name in _EXACT_TEXTS


def _huge(operands: tuple[ex.Expression, ...]) -> tuple[ex.Expression, ...]:
    """Return operands in which a whole number beside a UHUGEINT is one, as in DuckDB."""
    if not any(operand.type == "UHUGEINT" for operand in operands):
        return operands
    return tuple(
        ex.Literal(operand.value, "UHUGEINT")
        if isinstance(operand, ex.Literal)
        and column_type(operand.type).integer
        and isinstance(operand.value, int)
        and operand.value >= 0
        else operand
        for operand in operands
    )


def constant(node: exp.Expr) -> bool:
    """Say whether an expression reads neither columns nor rows."""
    return not any(node.find_all(exp.Column, exp.AggFunc, exp.Star)) and not any(
        call_name(call) in _COUNTS for call in node.find_all(exp.Anonymous)
    )


_COUNTS = ("count", "count_star")  # aggregates that need no column
