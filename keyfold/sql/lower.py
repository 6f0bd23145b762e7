"""A SELECT → the parts of a plan: keys, aggregates, answers, output expressions.

A view can be kept if its rows are groups: every SELECT item is built from GROUP BY columns and
aggregates. Each aggregate call becomes a partial (shared by calls that read the same one, as SUM(x)
and AVG(x) do) and an answer; what stands around it becomes an expression that readers evaluate.
Everything else is refused here, with its place and the nearest thing that works.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
from sqlglot import exp

from keyfold.errors import SqlError
from keyfold.sql.bind import Binder
from keyfold.sql.location import SqlText
from keyfold.view import expression as ex
from keyfold.view.aggregate import Aggregate, Final
from keyfold.view.plan import Answer, Column, KeyColumn, Output
from keyfold.view.types import ColumnType, Physical, column_type

_REFUSED_AGGREGATE_HINT = "aggregates that can be kept are COUNT, SUM, AVG, MIN and MAX"
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
    exp.Nullif: "nullif",
    exp.DPipe: "||",
}
_COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">=", "nullif", "greatest", "least"})
_FUNCTIONS: dict[type[exp.Expr], str] = {
    exp.Neg: "negate",
    exp.Not: "not",
    exp.Abs: "abs",
    exp.Round: "round",
    exp.Floor: "floor",
    exp.Ceil: "ceil",
    exp.Sqrt: "sqrt",
    exp.Lower: "lower",
    exp.Upper: "upper",
    exp.Length: "length",
    exp.Coalesce: "coalesce",
    exp.Greatest: "greatest",
    exp.Least: "least",
}
_GROUPS = "groups"  # the relation that expressions over keys and answers are described in


class Lowering:
    """Lowers one view's SELECT list and HAVING.

    Attributes:
        keys: The key columns, in GROUP BY order.
        aggregates: The partials, each once.
        answers: Finalized aggregates that the outputs read.
    """

    def __init__(self, text: SqlText, binder: Binder, query: exp.Select, relation: str) -> None:
        """Prepare for a query over ``relation``, which ``binder`` knows."""
        self._text = text
        self._binder = binder
        self._query = query
        self._relation = relation
        self._key_index: dict[str, int] = {}
        self._answer_index: dict[tuple[int, Final], int] = {}
        self.keys: list[KeyColumn] = []
        self.aggregates: list[Aggregate] = []
        self.answers: list[Answer] = []

    def type_of(self, node: exp.Expr) -> str:
        """Return the type of an expression over the relation, as DuckDB binds it."""
        try:
            return self._binder.type_of(node.sql("duckdb"), self._relation)
        except duckdb.Error as problem:
            raise self._text.duckdb_error(node, problem) from problem

    def _named(self) -> dict[str, exp.Expr]:
        """SELECT's expressions by their alias, in lower case."""
        return {
            item.alias.lower(): item.this
            for item in self._query.expressions
            if isinstance(item, exp.Alias)
        }

    # --- GROUP BY ----------------------------------------------------------------------------

    def lower_keys(self) -> None:
        """Read GROUP BY into ``keys``."""
        group = self._query.args.get("group")
        if group is None:
            raise self._text.error(
                self._query.expressions[0],
                "a view without GROUP BY has no key to look it up by",
                "add GROUP BY with the columns that applications look up",
            )
        for part in ("grouping_sets", "cube", "rollup", "totals"):
            if group.args.get(part):
                raise self._text.error(
                    group,
                    f"{part.replace('_', ' ').upper()} cannot be kept",
                    "write one view per grouping",
                )
        if group.args.get("all") or not group.expressions:
            raise self._text.error(
                group, "GROUP BY ALL names no key order", "list the key columns in their order"
            )
        named = self._named()
        for item in group.expressions:
            self._lower_key(self._resolve_key(item, named))

    def _resolve_key(self, item: exp.Expr, named: Mapping[str, exp.Expr]) -> exp.Expr:
        """Follow an ordinal or an alias of SELECT to its expression."""
        if isinstance(item, exp.Literal) and not item.is_string:
            position = int(item.name) if item.name.isdigit() else 0
            if not 1 <= position <= len(self._query.expressions):
                raise self._text.error(item, f"SELECT has no column {item.name}")
            selected: exp.Expr = self._query.expressions[position - 1].unalias()
            return selected
        if isinstance(item, exp.Column) and not item.table and item.name.lower() in named:
            try:
                self._binder.type_of(item.sql("duckdb"), self._relation)
            except duckdb.Error:
                return named[item.name.lower()]
        return item

    def _lower_key(self, node: exp.Expr) -> None:
        aggregate = node.find(exp.AggFunc)
        if aggregate is not None:
            raise self._text.error(aggregate, "an aggregate cannot stand in GROUP BY")
        sql = node.sql("duckdb")
        if sql in self._key_index:
            raise self._text.error(node, f"{sql} stands twice in GROUP BY")
        output = next(
            (item for item in self._query.expressions if item.unalias().sql("duckdb") == sql), None
        )
        if output is None:
            raise self._text.error(
                node,
                f"GROUP BY column {sql} is not selected",
                "add it to SELECT: the key columns are part of every row",
            )
        name = _output_name(output)
        if not name:
            raise self._text.error(
                output, f"key column {sql} has no name", f"write {sql} AS name in SELECT"
            )
        kind = self.type_of(node)
        self._check_type(node, kind)
        self._key_index[sql] = len(self.keys)
        self.keys.append(KeyColumn(name, kind, sql))

    def _check_type(self, node: exp.Expr, kind: str) -> ColumnType:
        try:
            return column_type(kind)
        except SqlError as problem:
            raise self._text.error(node, problem.message, problem.hint) from problem

    # --- SELECT and HAVING -------------------------------------------------------------------

    def lower_outputs(self) -> list[Output]:
        """Read SELECT into outputs."""
        # Answers come first: their types are what the expressions around them are described over.
        lowered = [(item, self._lower(item.unalias())) for item in self._query.expressions]
        outputs: list[Output] = []
        for item, expression in lowered:
            name = _output_name(item)
            if not name:
                raise self._text.error(
                    item,
                    f"{item.sql('duckdb')} has no name",
                    f"write {item.sql('duckdb')} AS name",
                )
            if any(name.lower() == output.name.lower() for output in outputs):
                raise self._text.error(
                    item, f"two columns are named {name}", "give one another name with AS"
                )
            outputs.append(Output(name, expression.type, expression))
        return outputs

    def lower_having(self) -> ex.Expression | None:
        """Read HAVING, if there is one."""
        having = self._query.args.get("having")
        if having is None:
            return None
        named = self._named()

        def follow_alias(node: exp.Expr) -> exp.Expr:
            if isinstance(node, exp.Column) and not node.table:
                return named.get(node.name.lower(), node)
            return node

        condition = having.this
        columns = {
            column.name.lower() for column in self._binder.describe(f"FROM {self._relation}")
        }
        named = {name: node for name, node in named.items() if name not in columns}
        expression = self._lower(condition.transform(follow_alias))
        if expression.type != "BOOLEAN":
            raise self._text.error(condition, "HAVING takes a condition")
        return expression

    def _lower(self, node: exp.Expr) -> ex.Expression:
        if isinstance(node, exp.Paren):
            return self._lower(node.this)
        key = self._key_index.get(node.sql("duckdb"))
        if key is not None:
            return ex.Key(key, self.keys[key].type)
        if isinstance(node, exp.Filter):
            return self._lower_aggregate(node.this, node.expression.this)
        if isinstance(node, exp.CountIf):
            return self._lower_aggregate(exp.Count(this=exp.Star()), node.this)
        if isinstance(node, exp.AggFunc):
            return self._lower_aggregate(node, None)
        if not any(node.find_all(exp.Column, exp.AggFunc, exp.Subquery, exp.Select, exp.Star)):
            return self._lower_constant(node)
        return self._lower_call(node)

    def _lower_constant(self, node: exp.Expr) -> ex.Expression:
        try:
            text, kind = self._binder.constant(node.sql("duckdb"))
        except duckdb.Error as problem:
            raise self._text.duckdb_error(node, problem) from problem
        if kind == '"NULL"':
            return ex.Literal(None, "INTEGER")
        column = self._check_type(node, kind)
        if text is None:
            return ex.Literal(None, kind)
        value: bool | int | float | str
        match column.physical:
            case Physical.BOOL:
                value = text == "true"
            case Physical.F64:
                value = float(text)
            case Physical.I64 | Physical.I128 if column.integer:
                value = int(text)
            case _ if column.decimal or column.physical is Physical.TEXT:
                value = text
            case _ if kind.startswith("TIMESTAMP"):
                micros, _ = self._binder.constant(f"epoch_us({node.sql('duckdb')})")
                value = int(micros or 0)
            case _ if kind == "DATE":
                days, _ = self._binder.constant(f"epoch_us({node.sql('duckdb')}) // 86400000000")
                value = int(days or 0)
            case _:
                raise self._text.error(node, f"a constant of type {kind} cannot stand here")
        return ex.Literal(value, kind)

    def _lower_aggregate(self, call: exp.Expr, where: exp.Expr | None) -> ex.Expression:
        function, argument = self._aggregate_function(call)
        kind = self.type_of(call)
        for part in (argument, where):
            inner = part.find(exp.AggFunc) if part is not None else None
            if inner is not None:
                raise self._text.error(inner, "an aggregate cannot stand in an aggregate")
        condition = where.sql("duckdb") if where is not None else ""
        if where is not None and self.type_of(where) != "BOOLEAN":
            raise self._text.error(where, "FILTER takes a condition")
        if argument is None:
            aggregate = Aggregate("count", where=condition)
        else:
            aggregate = self._partial_of(function, argument, condition)
        self._check_type(call, kind)
        if aggregate not in self.aggregates:
            self.aggregates.append(aggregate)
        index = self.aggregates.index(aggregate)
        final = Final(function, kind)
        answer = self._answer_index.setdefault((index, final), len(self.answers))
        if answer == len(self.answers):
            self.answers.append(Answer(index, final))
        return ex.Answer(answer, kind)

    def _aggregate_function(self, call: exp.Expr) -> tuple[str, exp.Expr | None]:
        """Return (function, argument or None for COUNT(*)) of a call that can be kept."""
        functions: dict[type[exp.Expr], str] = {
            exp.Count: "count",
            exp.Sum: "sum",
            exp.Avg: "avg",
            exp.Min: "min",
            exp.Max: "max",
        }
        function = functions.get(type(call))
        if function is None:
            name = call.sql("duckdb").split("(")[0].lower()
            raise self._text.error(call, f"{name} cannot be kept", _REFUSED_AGGREGATE_HINT)
        argument = call.this
        if isinstance(argument, exp.Distinct):
            if function not in ("min", "max"):
                raise self._text.error(
                    call,
                    f"{function}(DISTINCT …) cannot be kept",
                    "make the column a key and count the rows, or drop DISTINCT",
                )
            argument = argument.expressions[0]
        if call.args.get("count") or (function != "count" and call.args.get("expressions")):
            raise self._text.error(call, f"{function} takes one argument here")
        if function == "count" and (argument is None or isinstance(argument, exp.Star)):
            return function, None
        if call.args.get("expressions"):
            raise self._text.error(call, "count takes one argument", "COUNT(*) counts rows")
        if isinstance(argument, (exp.Order, exp.Limit)):
            raise self._text.error(call, f"ORDER BY changes nothing in {function}", "leave it out")
        return function, argument

    def _partial_of(self, function: str, argument: exp.Expr, where: str) -> Aggregate:
        sql = argument.sql("duckdb")
        kind = self.type_of(argument)
        if function == "count":
            # The argument's type does not matter to a count; BIGINT stands for any.
            return Aggregate("count", sql, "BIGINT", where)
        column = self._check_type(argument, kind)
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
        if column.integer or column.decimal or kind == "BOOLEAN":
            return Aggregate("sum_int", sql, kind, where)
        raise self._text.error(argument, f"{function} over {kind} cannot be kept", "cast it first")

    # --- what stands around keys and aggregates ----------------------------------------------

    def _lower_call(self, node: exp.Expr) -> ex.Expression:  # noqa: PLR0912  # a dispatch
        match node:
            case exp.Column() | exp.Dot() | exp.Bracket():
                raise self._text.error(
                    node,
                    f"column {node.sql('duckdb')} is neither in GROUP BY nor in an aggregate",
                    "add it to GROUP BY, or take MIN or MAX of it",
                )
            case exp.Window():
                raise self._text.error(
                    node, "window functions cannot be kept", "group by the columns of PARTITION BY"
                )
            case exp.Subquery() | exp.Select() | exp.Exists():
                raise self._text.error(node, "a subquery cannot be kept", "write a view of its own")
            case exp.Star():
                raise self._text.error(node, "* names no columns here", "list the columns")
            case exp.Cast():
                return self._lower_cast(node)
            case exp.Case():
                parts: list[exp.Expr] = []
                for branch in node.args["ifs"]:
                    condition = branch.this
                    if node.this is not None:
                        condition = exp.EQ(this=node.this.copy(), expression=condition)
                    parts += [condition, branch.args["true"]]
                return self._call("case", node, [*parts, node.args.get("default") or exp.Null()])
            case exp.If():
                otherwise = node.args.get("false") or exp.Null()
                return self._call("case", node, [node.this, node.args["true"], otherwise])
            case exp.Is():
                if not isinstance(node.expression, exp.Null):
                    raise self._text.error(node, "only IS NULL and IS NOT NULL can stand here")
                return self._call("is_null", node, [node.this])
            case exp.Between():
                low = exp.GTE(this=node.this.copy(), expression=node.args["low"])
                high = exp.LTE(this=node.this.copy(), expression=node.args["high"])
                return self._call("and", node, [low, high])
            case exp.In() if node.expressions:
                equals = [exp.EQ(this=node.this.copy(), expression=e) for e in node.expressions]
                return self._call("or", node, equals)
        if type(node) in _OPERATORS:
            return self._call(_OPERATORS[type(node)], node, [node.this, node.expression])
        if type(node) in _FUNCTIONS:
            arguments = [node.this, *node.expressions]
            if isinstance(node, exp.Round) and node.args.get("decimals") is not None:
                arguments.append(node.args["decimals"])
            return self._call(_FUNCTIONS[type(node)], node, arguments)
        name = node.name if isinstance(node, exp.Anonymous) else node.sql("duckdb").split("(")[0]
        raise self._text.error(
            node,
            f"{name.lower()} cannot stand around aggregates or key columns",
            "apply it inside the aggregate, or group by its result",
        )

    def _lower_cast(self, node: exp.Cast) -> ex.Expression:
        call = self._call("cast", node, [node.this])
        assert isinstance(call, ex.Call)
        source = column_type(call.arguments[0].type)
        target = column_type(call.type)
        exact_text = source.integer or source.decimal or source.physical is Physical.BOOL
        fine = (
            source.name == target.name
            or (source.numeric and target.numeric and target.name != "FLOAT")
            or (target.name == "VARCHAR" and exact_text)
        )
        if isinstance(node, exp.TryCast) or not fine:
            raise self._text.error(
                node,
                f"a cast from {source.name} to {target.name} cannot stand around aggregates",
                "cast inside the aggregate, or group by the cast",
            )
        return call

    def _call(self, function: str, node: exp.Expr, arguments: Sequence[exp.Expr]) -> ex.Expression:
        lowered = tuple(self._lower(argument) for argument in arguments)
        kind = self._describe(node, function, lowered)
        if function in _COMPARISONS:
            self._check_comparable(node, lowered)
        if function not in ex.FUNCTIONS:
            raise self._text.error(node, f"{function} cannot stand around aggregates")
        return ex.Call(function, lowered, kind)

    def _check_comparable(self, node: exp.Expr, operands: tuple[ex.Expression, ...]) -> None:
        kinds = [
            column_type(operand.type)
            for operand in operands
            if not (isinstance(operand, ex.Literal) and operand.value is None)
        ]
        if all(kind.numeric for kind in kinds) or len({kind.name for kind in kinds}) <= 1:
            return
        names = " with ".join(kind.name for kind in kinds)
        raise self._text.error(node, f"this compares {names}", "cast one side to the other's type")

    def _describe(self, node: exp.Expr, function: str, arguments: tuple[ex.Expression, ...]) -> str:
        """Return the type of a call over keys and answers, as DuckDB binds it."""
        columns = [Column(f"k{i}", key.type) for i, key in enumerate(self.keys)]
        columns += [Column(f"a{i}", answer.final.type) for i, answer in enumerate(self.answers)]
        self._binder.table(_GROUPS, columns)
        try:
            kind = self._binder.type_of(_sql(function, arguments, node), _GROUPS)
        except duckdb.Error as problem:
            raise self._text.duckdb_error(node, problem) from problem
        return self._check_type(node, kind).name


def _output_name(item: exp.Expr) -> str:
    """Return the name of a SELECT item: its alias, its column's, its aggregate's, or none."""
    match item:
        case exp.Alias():
            return str(item.alias)
        case exp.Column() | exp.Dot():
            return str(item.name)
        case exp.AggFunc():
            return item.key.lower()
    return ""


def _sql(function: str, arguments: tuple[ex.Expression, ...], node: exp.Expr | None = None) -> str:
    """Return a call over the columns of ``groups`` as DuckDB SQL."""
    parts = [_operand(argument) for argument in arguments]
    match function:
        case "negate":
            return f"(-{parts[0]})"
        case "not":
            return f"(NOT {parts[0]})"
        case "is_null":
            return f"({parts[0]} IS NULL)"
        case "cast":
            target = node.args["to"].sql("duckdb") if isinstance(node, exp.Cast) else ""
            return f"CAST({parts[0]} AS {target})"
        case "case":
            whens = "".join(
                f" WHEN {when} THEN {then}"
                for when, then in zip(parts[:-1:2], parts[1::2], strict=False)
            )
            return f"(CASE{whens} ELSE {parts[-1]} END)"
        case "and" | "or":
            return "(" + f" {function} ".join(parts) + ")"
        case _ if function.isalpha():
            return f"{function}({', '.join(parts)})"
    return f"({parts[0]} {function} {parts[1]})"


def _operand(expression: ex.Expression) -> str:
    match expression:
        case ex.Key(index=index):
            return f"k{index}"
        case ex.Answer(index=index):
            return f"a{index}"
        case ex.Literal(value=None):
            return "NULL"
        case ex.Literal(value=value, type=kind) if (
            column_type(kind).integer or kind[:7] == "DECIMAL"
        ):
            return f"({value})"  # as written: DuckDB types a bare number by its digits
        case ex.Literal(value=str() as text, type=kind):
            return f"CAST('{text.replace(chr(39), chr(39) * 2)}' AS {kind})"
        case ex.Literal(value=value, type=kind) if kind.startswith("TIMESTAMP"):
            return f"make_timestamp({value})::{kind}"
        case ex.Literal(value=value, type="DATE"):
            return f"(DATE '1970-01-01' + {value})"
        case ex.Literal(value=value, type=kind):
            return f"CAST('{value}' AS {kind})"
        case ex.Call(function=function, arguments=arguments, type=kind):
            inner = _sql(function, arguments) if function != "cast" else _operand(arguments[0])
            return f"CAST({inner} AS {kind})"
    raise AssertionError(expression)
