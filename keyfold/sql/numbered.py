"""ROW_NUMBER() in the SELECT of a subquery: which rows are numbered apart, and in which order."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from keyfold.sql.calls import BOUND_MAX
from keyfold.sql.dialect import bare, call_name, sql_text
from keyfold.sql.location import SqlText
from keyfold.sql.relation import Relation
from keyfold.sql.scope import Scope
from keyfold.view.types import Physical

NUMBER = "__row_number"
"""The column that stands for the number, which no relation has."""
_LIKE = {"rank": "RANK", "dense_rank": "DENSE_RANK", "rank_dense": "DENSE_RANK"}


@dataclass(frozen=True, slots=True)
class Numbered:
    """How rows are numbered.

    Attributes:
        place: The call.
        name: The name of the number.
        partition: What PARTITION BY lists, bound.
        ranks: What ORDER BY lists, bound.
        order: A letter per rank, as keyfold/view/family/best.py has them.
    """

    place: exp.Expr
    name: str
    partition: tuple[exp.Expr, ...]
    ranks: tuple[exp.Expr, ...]
    order: str

    @property
    def trees(self) -> tuple[exp.Expr, ...]:
        """All that numbering reads."""
        return self.partition + self.ranks


def refuse_window(text: SqlText, node: exp.Window, *, column: bool) -> None:
    """Refuse a window function, unless it is a ROW_NUMBER() that a view can keep the first of.

    Args:
        text: The file.
        node: The call.
        column: Whether it is a column of a subquery, by itself.

    Raises:
        SqlError: At the call.
    """
    name = call_name(node.this)
    if name in _LIKE:
        raise text.error(
            node,
            f"{_LIKE[name]} gives rows that tie one number, so a group has any number of them",
            "write ROW_NUMBER(), which numbers them in the order of their partitions and offsets",
        )
    if name != "row_number":
        raise text.error(
            node,
            "window functions cannot be kept",
            "group by the columns of PARTITION BY; of window functions there is ROW_NUMBER()",
        )
    if not column:
        raise text.error(
            node,
            "ROW_NUMBER() is a column of a subquery, and nothing else",
            "SELECT … FROM (SELECT *, ROW_NUMBER() OVER (…) AS rn FROM …) WHERE rn <= 10",
        )
    if node.this.expressions or node.args.get("spec"):
        raise text.error(
            node, "ROW_NUMBER() takes no arguments and no frame", "write ROW_NUMBER() OVER (…)"
        )
    if node.args.get("alias"):
        raise text.error(
            node, "a named window cannot be kept", "write it out: ROW_NUMBER() OVER (…)"
        )
    if node.args.get("order") is None:
        raise text.error(
            node,
            "ROW_NUMBER() without ORDER BY depends on the batches",
            "add ORDER BY column, or ORDER BY column DESC for the last one first",
        )


def numbers_rows(item: exp.Expr) -> bool:
    """Say whether a SELECT item numbers the rows."""
    return isinstance(item.unalias(), exp.Window)


def row_numbers(text: SqlText, select: exp.Select, scope: Scope, over: Relation) -> Numbered | None:
    """Return how a subquery numbers the rows that it reads, None where it does not.

    Args:
        text: The file.
        select: The subquery, which has ``ROW_NUMBER() OVER (…) AS name`` among its columns.
        scope: Its names.
        over: What it reads.

    Raises:
        SqlError: It does so twice, without a name, or by what has no order that is kept.
    """
    items = [item for item in select.expressions if numbers_rows(item)]
    if not items:
        return None
    if len(items) > 1:
        raise text.error(items[1], "the rows are numbered twice", "keep one ROW_NUMBER()")
    (item,) = items
    call = item.unalias()
    if not item.alias:
        raise text.error(call, "ROW_NUMBER() has no name", "write ROW_NUMBER() OVER (…) AS rn")
    partition = [bare(scope.resolve(part)) for part in call.args.get("partition_by") or ()]
    ranks: list[exp.Expr] = []
    order = ""
    for by in call.args["order"].expressions:
        rank = bare(scope.resolve(by.this))
        over.refuse_shared_window(rank, "order rows")
        kind = over.type_of(rank)
        if over.kept_type(by, kind).physical is Physical.JSON:
            raise text.error(by, f"{kind} has no order that is kept", "order by one of its fields")
        letter = "d" if by.args.get("desc") else "a"
        ranks.append(rank)
        order += letter.upper() if by.args.get("nulls_first") else letter
    return Numbered(call, item.alias, tuple(partition), tuple(ranks), order)


def reads_number(node: exp.Expr) -> bool:
    """Say whether a bound expression reads the number."""
    return any(column.name == NUMBER for column in node.find_all(exp.Column))


def refuse_over_numbers(text: SqlText, read: Numbered | None, what: str) -> None:
    """Refuse what works on rows that are numbered, where only the view's own SELECT can.

    Raises:
        SqlError: The rows are numbered; at ROW_NUMBER().
    """
    if read is not None:
        raise text.error(
            read.place,
            f"{what} numbered rows cannot be kept",
            "the SELECT of the view reads them, keeps the first with WHERE "
            f"{read.name} <= 10, and that is all",
        )


def rows_kept(text: SqlText, scope: Scope, query: exp.Select, rows: Numbered) -> int:
    """Return how many rows of a group WHERE keeps.

    Raises:
        SqlError: It says something else.
    """
    where = query.args.get("where")
    if where is None:
        raise text.error(
            rows.place, "nothing says how many rows of a group are kept", f"add {_hint(rows)}"
        )
    kept: int | None = None
    conditions = [where.this]
    while conditions:
        written = conditions.pop(0)
        if isinstance(written, exp.Paren):
            conditions.insert(0, written.this)
            continue
        if isinstance(written, exp.And):
            conditions[:0] = [written.this, written.expression]
            continue
        tree = scope.resolve(written)
        if not reads_number(tree):
            raise text.error(
                written,
                "a condition on rows that are numbered already cannot be kept",
                "put it into the WHERE of the subquery, so that other rows are not numbered",
            )
        if kept is not None:
            raise text.error(written, "two conditions bound the rows of a group", "keep one")
        kept = _bound(text, tree, written, rows)
    assert kept is not None
    return kept


def _bound(text: SqlText, tree: exp.Expr, written: exp.Expr, rows: Numbered) -> int:
    """Return n of ``rn <= n``, or of what says the same."""
    bound: int | None = None
    match tree:
        case exp.EQ(this=exp.Column(), expression=n) | exp.EQ(this=n, expression=exp.Column()):
            bound = 1 if _number(n) == 1 else None
        case exp.LTE(this=exp.Column(), expression=n) | exp.GTE(this=n, expression=exp.Column()):
            bound = _number(n)
        case exp.LT(this=exp.Column(), expression=n) | exp.GT(this=n, expression=exp.Column()):
            number = _number(n)
            bound = None if number is None else number - 1
        case exp.Between(this=exp.Column(), args=args) if _number(args["low"]) == 1:
            bound = _number(args["high"])
    if bound is None or not 1 <= bound <= BOUND_MAX:
        raise text.error(
            written,
            f"the rows from the first to at most the {BOUND_MAX}th are kept",
            f"write {_hint(rows)}",
        )
    return bound


def _number(node: exp.Expr) -> int | None:
    plain = isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit()
    return int(node.name) if plain else None


def _hint(rows: Numbered) -> str:
    return f"WHERE {rows.name} <= 10, or {rows.name} = 1"


def number_stands_alone(text: SqlText, written: exp.Expr, tree: exp.Expr) -> bool:
    """Say whether an item of SELECT is the number.

    Raises:
        SqlError: It computes with it.
    """
    if isinstance(tree, exp.Column) and tree.name == NUMBER:
        return True
    if reads_number(tree):
        raise text.error(
            written,
            f"{sql_text(written.unalias())} computes with the number of a row",
            "select the number itself, and compute when you read",
        )
    return False
