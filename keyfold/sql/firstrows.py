"""A SELECT that keeps the first numbered rows of each group → the parts of a plan.

The key is what PARTITION BY lists, and where a group has several rows or nothing is listed, the
number of the row. The other columns are of one event, so any expression is evaluated with the
batch, and kept as it came out.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from keyfold.sql.bind import HIDDEN_OFFSET
from keyfold.sql.dialect import bare, find_aggregate, sql_text, without_parens
from keyfold.sql.items import Item, key_column, select_items, selected_item
from keyfold.sql.lowered import Lowered
from keyfold.sql.numbered import Numbered, number_stands_alone, rows_kept
from keyfold.sql.ordered import rank_json
from keyfold.sql.relation import Relation
from keyfold.sql.scope import Scope
from keyfold.sql.valueform import kept_value
from keyfold.view import expression as ex
from keyfold.view.aggregate import Aggregate, Final, Operand
from keyfold.view.family.best import BEST, VALUES_MAX, value_final, values_at
from keyfold.view.family.listing import known_rank
from keyfold.view.family.rows import rows_name
from keyfold.view.plan import ROW_NUMBER, Answer, KeyColumn, Output, Top
from keyfold.view.types import Physical, column_type

_CLAUSES = {"group": "GROUP BY", "having": "HAVING", "distinct": "DISTINCT"}


def lower_first_rows(
    relation: Relation, rows: Numbered, scope: Scope, query: exp.Select
) -> Lowered:
    """Return the parts of the plan of a SELECT over numbered rows.

    Args:
        relation: What is read.
        rows: How it is numbered.
        scope: The names of the SELECT.
        query: The SELECT.

    Raises:
        SqlError: It does more than to choose rows and columns; at the word.
    """
    text = relation.text
    _refuse_clauses(relation, query)
    kept = rows_kept(text, scope, query, rows)
    items = select_items(scope, query)
    keys, trees = _keys(relation, rows, items)
    numbers = [item for item in items if number_stands_alone(text, item.written, item.resolved)]
    if kept > 1 or not rows.partition:
        if not numbers:
            raise text.error(
                rows.place,
                f"{rows.name} is a part of the key, and it is not selected",
                f"add {rows.name} to SELECT: the key columns are part of every row",
            )
        keys.append(KeyColumn(_named(relation, numbers[0]), "BIGINT", ROW_NUMBER))
    values: dict[tuple[str, str], None] = {}
    found: list[tuple[str, ex.Key | ex.Literal | tuple[str, str]]] = []
    for item in items:
        name = _named(relation, item)
        if any(name.lower() == other.lower() for other, _ in found):
            raise text.error(
                item.written, f"two columns are named {name}", "give one another name with AS"
            )
        tree = without_parens(item.resolved)
        if item in numbers:
            found.append((name, _number(keys)))
        elif tree in trees:
            index = trees.index(tree)
            found.append((name, ex.Key(index, keys[index].type)))
        else:
            value = _value(relation, item)
            values[value] = None
            found.append((name, value))
    # In an order of their own, so that a SELECT whose columns change places has the same state.
    order = sorted(values)
    if len(order) > VALUES_MAX:
        raise text.error(
            items[VALUES_MAX].written,
            f"a row of more than {VALUES_MAX} columns cannot be kept",
            "keep the columns that applications read",
        )
    outputs = []
    for name, what in found:
        expression: ex.Expression = (
            ex.Answer(order.index(what), what[1]) if isinstance(what, tuple) else what
        )
        outputs.append(Output(name, expression.type, expression))
    answers = tuple(Answer(0, Final(value_final(i), kind)) for i, (_, kind) in enumerate(order))
    row = _row(relation, rows, order)
    if kept == 1:
        return Lowered(keys, (row,), answers, outputs)
    group = _group(rows, row, kept)
    return Lowered(keys, (group,), answers, outputs, top=Top(kept, row))


def _refuse_clauses(relation: Relation, query: exp.Select) -> None:
    if relation.session and relation.call is not None:
        raise relation.text.error(
            relation.call,
            "numbered rows of sessions cannot be kept",
            "take ARG_MAX(column, ts) and its kin of each session, or number rows of TUMBLE",
        )
    for key, word in _CLAUSES.items():
        clause = query.args.get(key)
        if clause is not None:
            raise relation.text.error(
                next(clause.find_all(exp.Column, exp.Literal), query.expressions[0]),
                f"{word} over numbered rows cannot be kept",
                "the rows of the view are the numbered ones; write a second view for the groups",
            )
    for item in query.expressions:
        aggregate = find_aggregate(item)
        if aggregate is not None:
            raise relation.text.error(
                aggregate,
                "an aggregate over numbered rows cannot be kept",
                "the rows of the view are the numbered ones; write a second view for the groups",
            )


def _keys(
    relation: Relation, rows: Numbered, items: list[Item]
) -> tuple[list[KeyColumn], list[exp.Expr]]:
    """Return the key columns that PARTITION BY lists, and their trees."""
    keys: list[KeyColumn] = []
    trees: list[exp.Expr] = []
    for node in rows.partition:
        tree, sql = without_parens(node), sql_text(node)
        if not isinstance(tree, exp.Column):
            relation.refuse_shared_window(node, "be part of a key")
        if tree in trees:
            raise relation.text.error(rows.place, f"{sql} stands twice in PARTITION BY", "keep one")
        selected = selected_item(items, tree)
        if selected is None:
            raise relation.text.error(
                rows.place,
                f"PARTITION BY column {sql} is not selected",
                "add it to SELECT: the key columns are part of every row",
            )
        keys.append(key_column(relation, node, node, selected))
        trees.append(tree)
    return keys, trees


def _number(keys: list[KeyColumn]) -> ex.Key | ex.Literal:
    """Return the number of a row: a part of its key, or always the first."""
    last = len(keys) - 1
    numbered = bool(keys) and keys[last].sql == ROW_NUMBER
    return ex.Key(last, "BIGINT") if numbered else ex.Literal(1, "BIGINT")


def _named(relation: Relation, item: Item) -> str:
    if not item.name:
        sql = sql_text(item.resolved)
        raise relation.text.error(item.written, f"{sql} has no name", f"write {sql} AS name")
    return item.name


def _value(relation: Relation, item: Item) -> tuple[str, str]:
    """Return (SQL, type) of a column as it is kept."""
    node = bare(item.resolved)
    relation.refuse_shared_window(node, "be a column of a row")
    kind = relation.type_of(node)
    return kept_value(relation, node, sql_text(node), kind, listed=False), kind


def _row(relation: Relation, rows: Numbered, values: list[tuple[str, str]]) -> Aggregate:
    """Return the partial of one row of a group."""
    operands = [Operand(sql_text(rank), relation.type_of(rank)) for rank in rows.ranks]
    operands += [relation.place, Operand(HIDDEN_OFFSET, "BIGINT")]
    # Lists make several rows of an event: which comes first must not depend on DuckDB's threads.
    listed = ", ".join(f"{sql}, 'ASC NULLS LAST'" for sql, _ in values)
    apart = f"hex(create_sort_key({listed}))" if relation.lists and values else "''"
    operands.append(Operand(apart, "VARCHAR"))
    operands += [Operand(sql, kind) for sql, kind in values]
    first, *more = operands
    return Aggregate(f"{BEST}{rows.order}", first.sql, first.type, more=tuple(more))


def _group(rows: Numbered, row: Aggregate, kept: int) -> Aggregate:
    """Return the partial of the first rows of a group."""
    ranks, values = row.operands[: len(rows.order)], row.operands[values_at(rows.order) :]
    place = row.operands[len(rows.order)]
    line = (
        f"concat('[[', {_listed(ranks)}, '],', {place.sql}, ',', {HIDDEN_OFFSET}, ']', "
        f"chr(9), '[', {_listed(values)}, ']')"
    )
    operands = (*(row.more or ()), Operand(line, "VARCHAR"))
    return Aggregate(rows_name(kept, rows.order), row.argument, row.argument_type, more=operands)


def _listed(operands: Sequence[Operand]) -> str:
    """Return physical values as JSON, a comma between them."""
    texts = [_json(operand) for operand in operands]
    return ", ',', ".join(texts) or "''"


def _json(operand: Operand) -> str:
    nested = column_type(operand.type).physical is Physical.JSON  # which is kept as its text
    plain = Operand(operand.sql, "VARCHAR") if nested else operand
    known = known_rank(plain.sql, rank_json(plain))
    return f"CASE WHEN ({plain.sql}) IS NULL THEN 'null' ELSE {known} END"
