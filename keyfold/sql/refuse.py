"""What a view cannot be: every clause and function that is not kept, each with its own words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

from sqlglot import Token, TokenType, exp

from keyfold.errors import SqlError
from keyfold.sql.bind import Binder
from keyfold.sql.dialect import call_name
from keyfold.sql.location import SqlText
from keyfold.sql.parse import UnboundView

_KEPT = frozenset({"expressions", "from_", "from", "where", "group", "having", "distinct"})
_CLAUSES: dict[str, tuple[str, str, str]] = {
    # Key of the tree → (the clause, the words that it starts with, what to do instead).
    "with_": ("WITH", "WITH", "write one view per subquery"),
    "with": ("WITH", "WITH", "write one view per subquery"),
    "joins": ("JOIN", "JOIN", "views read one source; join when you look up, or before the stream"),
    "laterals": ("LATERAL", "LATERAL", "views read one source"),
    "qualify": ("QUALIFY", "QUALIFY", "filter with WHERE or HAVING"),
    "windows": ("WINDOW", "WINDOW", "group by the columns of PARTITION BY"),
    "order": ("ORDER BY", "ORDER BY", "rows are kept in key order; GROUP BY sets it"),
    "sort": ("SORT BY", "SORT BY", "rows are kept in key order; GROUP BY sets it"),
    "limit": ("LIMIT", "LIMIT", "ask for a page with ?limit= when you read"),
    "offset": ("OFFSET", "OFFSET", "ask for a page with ?cursor= when you read"),
    "sample": ("a sample", "USING", "filter with WHERE"),
    "into": ("INTO", "INTO", "the view itself is the output"),
    "locks": ("FOR UPDATE", "FOR", "leave it out"),
    "pivots": ("PIVOT", "PIVOT", "group by the column, one row per value"),
}
_SESSION_NODES = (
    exp.CurrentTimestamp,
    exp.CurrentDate,
    exp.CurrentTime,
    exp.CurrentDatetime,
    exp.Localtime,
    exp.Localtimestamp,
    exp.CurrentUser,
    exp.SessionUser,
    exp.CurrentSchema,
    exp.CurrentCatalog,
    exp.CurrentRole,
    exp.Rand,
    exp.Uuid,
)
_SESSION_WORDS = frozenset(
    "ago current_catalog current_database current_query current_role current_schema "
    "current_schemas current_user get_block_size get_current_time get_current_timestamp "
    "getenv inet_client_addr inet_client_port inet_server_addr inet_server_port pg_conf_load_time "
    "pg_get_constraintdef pg_get_expr pg_get_viewdef pg_my_temp_schema pg_postmaster_start_time "
    "pg_sleep session_user user version".split()
)
_MANY_ROWS = frozenset(
    "unnest unlist explode generate_subscripts regexp_split_to_table json_each json_tree".split()
)


@cache
def volatile_functions() -> frozenset[str]:
    """Return the functions whose value is not a function of their arguments."""
    return Binder().volatile_functions() | _SESSION_WORDS


def refuse_unkept(text: SqlText, view: UnboundView) -> exp.Select:
    """Return a view's SELECT, once nothing in it is of a kind that cannot be kept.

    Raises:
        SqlError: At the word that starts what is refused.
    """
    query = view.query
    if not isinstance(query, exp.Select):
        name = query.key.upper()
        raise _at_word(
            text,
            view.tokens,
            name,
            f"{name} cannot be kept",
            "a view is one SELECT … GROUP BY …; write one view per part",
        )
    for key, value in query.args.items():
        if not value or key in _KEPT:
            continue
        name, word, hint = _CLAUSES.get(key, (key.strip("_").upper(), "", "leave it out"))
        if key == "joins":
            word, name = _join_words(view.tokens)
        raise _at_word(text, view.tokens, word, f"{name} cannot be kept", hint)
    distinct = query.args.get("distinct")
    if distinct is not None and distinct.args.get("on") is not None:
        raise _at_word(
            text,
            view.tokens,
            "DISTINCT",
            "DISTINCT ON cannot be kept",
            "GROUP BY its columns, and take MIN or MAX of the others",
        )
    for node in query.walk():
        _refuse_node(text, view, query, node)
    _refuse_groupings(text, view, query)
    for token in view.tokens:
        # In DuckDB a distance of lists; the parser takes it for MySQL's comparison.
        if token.text == "<=>" and token.token_type is TokenType.NULLSAFE_EQ:
            raise SqlError(
                "<=> means different things in different databases",
                hint="write IS NOT DISTINCT FROM, or list_cosine_distance(a, b)",
                location=text.token(token),
            )
    return query


def _refuse_groupings(text: SqlText, view: UnboundView, query: exp.Select) -> None:
    group = query.args.get("group")
    if group is None:
        return
    words = [word for _, word in _top_words(view.tokens)]
    for node, word in (
        (exp.GroupingSets, "GROUPING SETS"),
        (exp.Rollup, "ROLLUP"),
        (exp.Cube, "CUBE"),
    ):
        if group.find(node) is not None:
            shown = next((w for w in words if w == word or word.startswith(f"{w} ")), "GROUP BY")
            raise _at_word(
                text, view.tokens, shown, f"{word} cannot be kept", "write one view per grouping"
            )
    if group.args.get("all") or not group.expressions:
        word = "ALL" if "ALL" in words else "GROUP BY"
        raise _at_word(
            text,
            view.tokens,
            word,
            "GROUP BY ALL names no key order",
            "list the key columns in their order",
        )
    if group.args.get("totals"):
        raise _at_word(text, view.tokens, "TOTALS", "TOTALS cannot be kept", "sum when you read")


def _join_words(tokens: Sequence[Token]) -> tuple[str, str]:
    """Return (the word of the first join, its name): a comma joins too."""
    words = _top_words(tokens)
    return ("JOIN", "JOIN") if any(w == "JOIN" for _, w in words) else ("", "a second source")


def _refuse_node(text: SqlText, view: UnboundView, query: exp.Select, node: exp.Expr) -> None:
    if isinstance(node, exp.Query) and node is not query:
        if not isinstance(node, exp.Table):
            raise SqlError(
                "a subquery cannot be kept",
                hint="a view reads a source: compute over one event in WHERE and GROUP BY, and "
                "combine rows of views when you read",
                location=text.token(_inner_select(view.tokens)),
            )
    elif isinstance(node, exp.Columns) or (
        isinstance(node, exp.Star) and not (call_name(node.parent) == "count" if node.parent else 0)
    ):
        raise text.error(node, "* names no columns", "list the columns")
    elif isinstance(node, exp.Window):
        raise text.error(
            node, "window functions cannot be kept", "group by the columns of PARTITION BY"
        )
    elif isinstance(node, exp.Parameter | exp.Placeholder | exp.SessionParameter):
        kinds = (TokenType.PARAMETER, TokenType.PLACEHOLDER, TokenType.COLON)
        token = next((t for t in view.tokens if t.token_type in kinds), view.tokens[0])
        raise SqlError(
            "a view has no parameters", hint="write the value", location=text.token(token)
        )
    elif isinstance(node, exp.Collate):
        raise text.error(node, "COLLATE cannot be kept", "group by lower(column) instead")
    _refuse_call(text, view, node)


def _refuse_call(text: SqlText, view: UnboundView, node: exp.Expr) -> None:
    name = call_name(node)
    single = name == "age" and len(node.expressions) == 1
    if isinstance(node, _SESSION_NODES) or name in volatile_functions() or single:
        name = name or node.key
        raise _at_node(
            text,
            view.tokens,
            node,
            name,
            f"{name} is not a function of the events",
            "a view reads its events and nothing else: use a column of the event instead",
        )
    if isinstance(node, exp.Unnest | exp.Explode) or name in _MANY_ROWS:
        name = name or "unnest"
        raise _at_node(
            text,
            view.tokens,
            node,
            name,
            f"{name} makes many rows of one event",
            "send one event per element, or fold the list: list_sum, list_max, len, …",
        )


def _inner_select(tokens: Sequence[Token]) -> Token:
    """Return the token where the first query within the query starts."""
    kinds = (TokenType.SELECT, TokenType.VALUES, TokenType.FROM)
    inner = (
        token
        for before, token in pairwise(tokens)
        if before.token_type is TokenType.L_PAREN and token.token_type in kinds
    )
    return next(inner, tokens[0])


def _at_node(
    text: SqlText, tokens: Sequence[Token], node: exp.Expr, word: str, message: str, hint: str
) -> SqlError:
    """Return an error at a node, or at its word where sqlglot kept no place for it."""
    if any("start" in part.meta for part in node.walk()):
        return text.error(node, message, hint)
    token = next((t for t in tokens if t.text.lower() == word.lower()), tokens[0])
    return SqlError(message, hint=hint, location=text.token(token))


def _at_word(
    text: SqlText, tokens: Sequence[Token], word: str, message: str, hint: str
) -> SqlError:
    """Return an error at the first token of that word that stands in no parentheses."""
    token = next((t for t, w in _top_words(tokens) if w == word), None)
    if token is None and not word:  # the comma of FROM a, b
        words = _top_words(tokens)
        start = next((i for i, (_, w) in enumerate(words) if w == "FROM"), 0)
        token = next((t for t, w in words[start:] if w == ","), None)
    return SqlError(message, hint=hint, location=text.token(token or tokens[0]))


def _top_words(tokens: Sequence[Token]) -> list[tuple[Token, str]]:
    depth = 0
    words = []
    for token in tokens:
        depth -= token.token_type is TokenType.R_PAREN
        if depth == 0 and token.token_type not in (TokenType.STRING, TokenType.IDENTIFIER):
            words.append((token, " ".join(token.text.upper().split())))
        depth += token.token_type is TokenType.L_PAREN
    return words
