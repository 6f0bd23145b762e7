"""A SELECT → the parts of a plan: keys, aggregates, answers, output expressions.

A view can be kept if its rows are groups: every SELECT item is built from GROUP BY columns and
aggregates. SELECT DISTINCT makes its items the key; aggregates without GROUP BY make one row, whose
key is empty. Each aggregate call becomes a partial and an answer (keyfold/sql/aggregates.py); what
stands around it becomes an expression that readers evaluate (keyfold/sql/expressions.py).
Everything else is refused here, with its place and the nearest thing that works.
"""

from __future__ import annotations

from sqlglot import exp

from keyfold.sql.aggregates import Partials
from keyfold.sql.dialect import bare, find_aggregate, sql_text, without_parens
from keyfold.sql.expressions import Expressions, constant
from keyfold.sql.folds import bound_names
from keyfold.sql.grouping import grouping_arguments, grouping_id, grouping_sets, has_sets
from keyfold.sql.items import Item, key_column, select_items, selected_item
from keyfold.sql.lowered import Lowered
from keyfold.sql.relation import WINDOW_COLUMNS, Relation
from keyfold.sql.scope import Scope
from keyfold.sql.session import END_COLUMN, key_order
from keyfold.view import expression as ex
from keyfold.view.plan import GROUPING, KeyColumn, Output


class Lowering:
    """Lowers one view's SELECT."""

    def __init__(
        self, relation: Relation, scope: Scope, query: exp.Select, list_limit: int
    ) -> None:
        self._relation = relation
        self._text = relation.text
        self._scope = scope
        self._query = query
        scope.outputs = frozenset(
            item.alias.lower() for item in query.expressions if isinstance(item, exp.Alias)
        )
        self._items = select_items(scope, query)
        self._key_trees: list[exp.Expr] = []
        self._expressions = Expressions(
            relation,
            self._leaf,
            lambda: (
                [key.type for key in self._keys],
                [answer.final.type for answer in self._partials.answers],
            ),
        )
        self._keys: list[KeyColumn] = []
        self._sets: list[frozenset[int]] = []
        self._groupings: list[list[int]] = []
        self._partials = Partials(relation, list_limit)
        self._session_end: ex.Expression | None = None

    def lower(self) -> Lowered:
        """Read GROUP BY, SELECT and HAVING.

        Raises:
            SqlError: Something in them cannot be kept; at the word.
        """
        self._lower_keys()
        outputs = self._lower_outputs()
        having = self._lower_having()
        aggregates, answers = self._partials.in_order()
        return Lowered(
            self._keys,
            aggregates,
            answers,
            outputs,
            having,
            self._partials.by_place,
            self._sets,
            self._groupings,
            self._standing_keys(),
        )

    # --- GROUP BY ----------------------------------------------------------------------------

    def _lower_keys(self) -> None:
        """Read GROUP BY, or what stands for it, into key columns."""
        self._lower_group()
        if not self._relation.session:
            return
        order = key_order(self._relation, self._key_trees, sets=bool(self._sets))
        end = self._partials.lower(exp.Anonymous(this="max", expressions=[END_COLUMN.copy()]))
        if END_COLUMN in self._key_trees:
            self._session_end = end
        self._keys = [self._keys[at] for at in order]
        self._key_trees = [self._key_trees[at] for at in order]

    def _lower_group(self) -> None:
        group = self._query.args.get("group")
        if group is None:
            if not self._one_row():
                self._lower_distinct()
            return
        if has_sets(group.expressions):
            self._lower_sets(group)
            return
        for item in group.expressions:
            if isinstance(item, exp.Tuple) and not item.expressions:
                continue  # GROUP BY () is one group of everything
            if isinstance(item, exp.Tuple):
                raise self._text.error(
                    item, "GROUP BY takes columns, not a row of them", "leave the parentheses out"
                )
            self._lower_key(item)

    def _lower_sets(self, group: exp.Group) -> None:
        """Read GROUPING SETS, ROLLUP and CUBE."""
        sets = []
        for items in grouping_sets(self._text, group.expressions):
            for item in items:
                if without_parens(self._key(item)[1]) not in self._key_trees:
                    self._lower_key(item)
            places = [self._key_trees.index(without_parens(self._key(i)[1])) for i in items]
            sets.append(frozenset(places))
        groupings: list[list[int]] = []
        heads: list[KeyColumn] = []
        trees = []
        for one in self._items:
            arguments = grouping_arguments(one.resolved)
            columns = self._grouping_columns(one.written, arguments or [])
            if arguments is None or columns in groupings:
                continue
            if not one.name:
                sql = sql_text(one.resolved)
                raise self._text.error(one.written, f"{sql} has no name", f"write {sql} AS name")
            names = ", ".join(self._keys[column].sql for column in columns)
            heads.append(KeyColumn(one.name, "BIGINT", f"{GROUPING}({names})"))
            trees.append(one.resolved)
            groupings.append(columns)
        self._check_apart(group, sets, groupings)
        n = len(heads)
        self._keys = heads + self._keys
        self._key_trees = trees + self._key_trees
        self._groupings = [[n + column for column in columns] for columns in groupings]
        self._sets = [frozenset(n + column for column in one) for one in sets]

    def _grouping_columns(self, place: exp.Expr, arguments: list[exp.Expr]) -> list[int]:
        """Return the indices of the key columns that a GROUPING call names; all for none."""
        first = len(self._groupings)
        if not arguments:
            return list(range(first, len(self._keys)))
        trees = [without_parens(argument) for argument in arguments]
        for argument, tree in zip(arguments, trees, strict=True):
            if tree not in self._key_trees:
                raise self._text.error(
                    argument if argument.find(exp.Column) else place,
                    f"GROUPING takes columns of GROUP BY, and {sql_text(argument)} is none",
                    "write it as it stands there",
                )
        return [self._key_trees.index(tree) for tree in trees]

    def _check_apart(
        self, group: exp.Group, sets: list[frozenset[int]], groupings: list[list[int]]
    ) -> None:
        places = group.find_all(exp.Column, exp.Literal)
        place = next(places, self._query.expressions[0])
        if len(set(sets)) < len(sets):
            raise self._text.error(place, "two grouping sets are the same", "keep one")
        told = {tuple(grouping_id(columns, one) for columns in groupings) for one in sets}
        if len(told) < len(sets):
            names = ", ".join(key.sql for key in self._keys)
            raise self._text.error(
                place,
                "nothing tells the rows of the grouping sets apart",
                f"add GROUPING({names}) AS grouping to SELECT: it is the first part of the key",
            )

    def _standing_keys(self) -> tuple[tuple[int | None, ...], ...]:
        """Return the keys of the rows that there are over no events."""
        if not self._keys:
            return ((),)
        if frozenset() not in self._sets:
            return ()
        ids = [grouping_id(columns, frozenset()) for columns in self._groupings]
        return ((*ids, *(None for _ in self._keys[len(ids) :])),)

    def _one_row(self) -> bool:
        """Say whether a SELECT without GROUP BY is one row about all events."""
        aggregates = any(find_aggregate(item.resolved) for item in self._items)
        return aggregates or self._query.args.get("having") is not None

    def _lower_distinct(self) -> None:
        """Make the columns of SELECT DISTINCT the key."""
        if not self._query.args.get("distinct"):
            raise self._text.error(
                self._query.expressions[0],
                "a view without GROUP BY, DISTINCT or aggregates has no key to look it up by",
                "add GROUP BY with the columns that applications look up, or write SELECT DISTINCT",
            )
        for item in self._items:
            if not constant(item.resolved) and without_parens(item.resolved) not in self._key_trees:
                self._add_key(item.written, bare(item.resolved))
        if not self._keys:
            raise self._text.error(
                self._query.expressions[0],
                "SELECT DISTINCT of constants has no key",
                "select a column of the source",
            )

    def _lower_key(self, item: exp.Expr) -> None:
        aggregate = find_aggregate(item)
        if aggregate is not None:
            raise self._text.error(
                aggregate, "an aggregate cannot stand in GROUP BY", "use HAVING to filter by it"
            )
        place, node = self._key(item)
        aggregate = find_aggregate(node)
        if aggregate is not None:
            raise self._text.error(
                item, f"{sql_text(item)} is an aggregate", "GROUP BY takes columns of the source"
            )
        self._add_key(place, node)

    def _add_key(self, place: exp.Expr, node: exp.Expr) -> None:
        tree = without_parens(node)
        sql = sql_text(node)
        if not isinstance(tree, exp.Column):
            self._relation.refuse_shared_window(node, "be part of a key")
        if tree in self._key_trees:
            raise self._text.error(place, f"{sql} stands twice in GROUP BY", "keep one")
        selected = selected_item(self._items, tree)
        if selected is None:
            raise self._unselected(place, sql)
        column = key_column(self._relation, place, node, selected)
        self._key_trees.append(tree)
        self._keys.append(column)

    def _unselected(self, place: exp.Expr, sql: str) -> Exception:
        shadowed = sql.strip('"').lower() in self._scope.outputs
        return self._text.error(
            place,
            f"GROUP BY column {sql} is not selected",
            f"{sql} is the source's column here: group by the expression that SELECT calls so"
            if shadowed
            else "add it to SELECT: the key columns are part of every row",
        )

    def _key(self, item: exp.Expr) -> tuple[exp.Expr, exp.Expr]:
        """Return (where it stands, the expression) of a GROUP BY item: ordinal, alias or itself."""
        while isinstance(item, exp.Paren):
            item = item.this
        if isinstance(item, exp.Literal) and not item.is_string:
            position = int(item.name) if item.name.isdigit() else 0
            if not 1 <= position <= len(self._items):
                raise self._text.error(
                    item,
                    f"SELECT has no column {item.name}",
                    f"it has {len(self._items)}; write a position or a column",
                )
            return item, bare(self._items[position - 1].resolved)
        alias = self._by_alias(item)
        # In GROUP BY a column of the source goes before a name that SELECT gives.
        if alias is not None and not self._scope.has(item.name):
            return item, bare(alias.resolved)
        return item, bare(self._scope.resolve(item))

    def _by_alias(self, node: exp.Expr) -> Item | None:
        if not isinstance(node, exp.Column) or node.table or node.name.lower() in bound_names(node):
            return None
        name = node.name.lower()
        return next(
            (
                item
                for item in self._items
                if isinstance(item.written, exp.Alias) and item.name.lower() == name
            ),
            None,
        )

    # --- SELECT and HAVING -------------------------------------------------------------------

    def _lower_outputs(self) -> list[Output]:
        """Read SELECT into outputs."""
        outputs: list[Output] = []
        for item in self._items:
            expression = self._expressions.lower(item.resolved)
            sql = sql_text(item.resolved)
            if not item.name:
                raise self._text.error(item.written, f"{sql} has no name", f"write {sql} AS name")
            if any(item.name.lower() == output.name.lower() for output in outputs):
                raise self._text.error(
                    item.written,
                    f"two columns are named {item.name}",
                    "give one another name with AS",
                )
            outputs.append(Output(item.name, expression.type, expression))
        return outputs

    def _lower_having(self) -> ex.Expression | None:
        """Read HAVING, if there is one."""
        having = self._query.args.get("having")
        if having is None:
            return None
        followed = having.this.copy().transform(self._follow_alias)
        expression = self._expressions.lower(self._scope.resolve(followed))
        if expression.type != "BOOLEAN":
            raise self._text.error(
                having.this, "HAVING takes a condition", "compare it with something"
            )
        return expression

    def _follow_alias(self, node: exp.Expr) -> exp.Expr:
        """In HAVING a key column goes before a name that SELECT gives, and that before others."""
        alias = self._by_alias(node)
        if alias is None:
            return node
        if self._scope.has(node.name) and self._scope.resolve(node) in self._key_trees:
            return node
        expression = alias.written.unalias().copy()
        return exp.Paren(this=expression)

    def _leaf(self, node: exp.Expr) -> ex.Expression | None:
        arguments = grouping_arguments(node)
        if arguments is not None:
            return self._grouping_leaf(node, arguments)
        tree = without_parens(node)
        if tree in self._key_trees:
            index = self._key_trees.index(tree)
            return ex.Key(index, self._keys[index].type)
        if self._session_end is not None and tree == END_COLUMN:
            return self._session_end
        answer = self._partials.lower(node)
        if answer is not None:
            self._relation.refuse_shared_window(node, "stand in an aggregate")
        if answer is None and isinstance(node, exp.Column) and node.name in WINDOW_COLUMNS:
            raise self._text.error(
                node,
                f"{node.name} is not in GROUP BY",
                f"add {node.name} to GROUP BY; a window's start and end decide each other",
            )
        return answer

    def _grouping_leaf(self, node: exp.Expr, arguments: list[exp.Expr]) -> ex.Expression:
        if not self._sets:
            raise self._text.error(
                node, "GROUPING needs GROUPING SETS, ROLLUP or CUBE", "leave it out"
            )
        columns = self._grouping_columns(node, arguments)
        if columns not in self._groupings:
            raise self._text.error(
                node,
                f"{sql_text(node)} is not selected",
                "add it to SELECT, with a name: it is a part of the key",
            )
        return ex.Key(self._groupings.index(columns), "BIGINT")
