"""What a view cannot be: every clause and function that is not kept, each with its own words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from sqlglot import Token, TokenType, exp

from keyfold.errors import SqlError
from keyfold.sql.bind import Binder
from keyfold.sql.dialect import call_name, sql_text
from keyfold.sql.location import SqlText
from keyfold.sql.numbered import refuse_window
from keyfold.sql.otherclauses import refuse_group_window

_KEPT = frozenset(
    {"expressions", "from_", "from", "where", "group", "having", "distinct", "with_", "with"}
)
_QUERIES_IN = frozenset({"from_", "from", "with_", "with", "joins"})
"""Clauses that may hold a query that works row by row."""
_ROW_BY_ROW: dict[str, str] = {"group": "GROUP BY", "having": "HAVING", "distinct": "DISTINCT"}
"""Clauses that work on many rows: a view has them, a subquery has not."""
_CLAUSES: dict[str, tuple[str, str, str]] = {
    # Key of the tree → (the clause, the words that it starts with, what to do instead).
    "joins": ("JOIN", "JOIN", "views read one source; join when you look up, or before the stream"),
    "laterals": ("LATERAL", "LATERAL", "views read one source"),
    "qualify": ("QUALIFY", "QUALIFY", "filter with WHERE or HAVING, or number rows in a subquery"),
    "windows": ("WINDOW", "WINDOW", "write it inline: OVER (PARTITION BY … ORDER BY …)"),
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
    "ago current_catalog current_database current_localtime current_localtimestamp current_query "
    "current_role current_schema current_schemas current_user get_block_size get_current_time "
    "get_current_timestamp getenv inet_client_addr inet_client_port inet_server_addr "
    "inet_server_port pg_conf_load_time pg_get_constraintdef pg_get_expr pg_get_viewdef "
    "pg_my_temp_schema pg_postmaster_start_time pg_sleep session_user user version".split()
)
_MANY_ROWS = frozenset(
    "unnest unlist explode generate_subscripts regexp_split_to_table json_each json_tree".split()
)
_JSON_ROWS = {
    "json_array_elements": "JSON[]",
    "jsonb_array_elements": "JSON[]",
    "json_array_elements_text": "VARCHAR[]",
    "jsonb_array_elements_text": "VARCHAR[]",
}
"""Functions of PostgreSQL that make a row of each element, and what to cast their argument to."""


@cache
def volatile_functions() -> frozenset[str]:
    """Return the functions whose value is not a function of their arguments."""
    return Binder().volatile_functions() | _SESSION_WORDS


def refuse_unkept(
    text: SqlText, query: exp.Expr, tokens: Sequence[Token], *, inner: bool = False
) -> exp.Select:
    """Return a query as a SELECT, once nothing in it is of a kind that cannot be kept.

    Args:
        text: The file.
        query: The query of a view, or one in its FROM or WITH. The queries within it are not
            looked at where they may stand.
        tokens: Its tokens.
        inner: It is a subquery, which works row by row.

    Raises:
        SqlError: At the word that starts what is refused.
    """
    if not isinstance(query, exp.Select):
        name = query.key.upper()
        raise _at_word(
            text,
            tokens,
            name,
            f"{name} cannot be kept",
            "a view is one SELECT … GROUP BY …; write one view per part",
        )
    distinct = query.args.get("distinct")
    if distinct is not None and distinct.args.get("on") is not None:
        raise _at_word(
            text,
            tokens,
            "DISTINCT",
            "DISTINCT ON cannot be kept",
            "number the rows of its columns in a subquery with ROW_NUMBER(), and keep the first",
        )
    for key, value in query.args.items():
        if value and inner and key in _ROW_BY_ROW:
            raise _at_word(
                text,
                tokens,
                _ROW_BY_ROW[key],
                f"{_ROW_BY_ROW[key]} in a subquery cannot be kept",
                "a subquery works row by row: aggregate in the SELECT of the view",
            )
        if not value or key in _KEPT:
            continue
        if key == "joins" and all(_unnests(join) for join in value):
            continue
        name, word, hint = _CLAUSES.get(key, (key.strip("_").upper(), "", "leave it out"))
        if key == "joins":
            word, name = _join_words(tokens)
            hint = next(filter(None, map(_elements_hint, value)), hint)
        raise _at_word(text, tokens, word, f"{name} cannot be kept", hint)
    clause = query.args.get("with_") or query.args.get("with")
    if clause is not None and clause.args.get("recursive"):
        raise _at_word(
            text, tokens, "WITH", "WITH RECURSIVE cannot be kept", "a view reads each event once"
        )
    for node in query.walk(prune=lambda one: _nested_query(query, one)):
        _refuse_node(text, tokens, query, node, inner=inner)
    _refuse_groupings(text, tokens, query)
    for token in tokens:
        # In DuckDB a distance of lists; the parser takes it for MySQL's comparison.
        if token.text == "<=>" and token.token_type is TokenType.NULLSAFE_EQ:
            raise SqlError(
                "<=> means different things in different databases",
                hint="write IS NOT DISTINCT FROM, or list_cosine_distance(a, b)",
                location=text.token(token),
            )
    return query


def inner_tokens(tokens: Sequence[Token], query: exp.Expr) -> Sequence[Token]:
    """Return the tokens of a query in parentheses, without these; all where it has no place."""
    starts = [part.meta["start"] for part in query.walk() if "start" in part.meta]
    opened: int | None = None
    depth = 0
    for i, token in enumerate(tokens):
        if token.token_type is TokenType.L_PAREN:
            if opened is None and _starts_query(tokens, i):
                opened, depth = i, 0
            depth += 1
        elif token.token_type is TokenType.R_PAREN:
            depth -= 1
            if opened is not None and depth == 0:
                if starts and tokens[opened].start < min(starts) < token.start:
                    return inner_tokens_of(tokens[opened : i + 1])
                opened = None
    return tokens


def inner_tokens_of(tokens: Sequence[Token]) -> Sequence[Token]:
    """Return the tokens within the parentheses around a query."""
    while tokens and tokens[0].token_type is TokenType.L_PAREN:
        tokens = tokens[1:-1]
    return tokens


def _starts_query(tokens: Sequence[Token], at: int) -> bool:
    """Say whether the parenthesis at a place is one around a query."""
    kinds = (TokenType.SELECT, TokenType.VALUES, TokenType.FROM, TokenType.WITH)
    first = next((t for t in tokens[at:] if t.token_type is not TokenType.L_PAREN), None)
    return first is not None and first.token_type in kinds


def _elements_hint(join: exp.Expr) -> str:
    """Return what to write for PostgreSQL's functions that make rows of a JSON array."""
    called = join.this.this
    name = call_name(called) if isinstance(called, exp.Expr) else ""
    if name not in _JSON_ROWS or len(called.expressions) != 1:
        return ""
    array = f"CAST({sql_text(called.expressions[0])} AS {_JSON_ROWS[name]})"
    return f"write UNNEST({array}) AS t({join.this.alias or 'element'})"


def _unnests(join: exp.Expr) -> bool:
    """Say whether a join adds rows of the event itself, and of nothing else."""
    joined = join.this
    within = joined.this if isinstance(joined, exp.Lateral) else joined
    lateral = isinstance(within, exp.Subquery) and isinstance(joined, exp.Lateral)
    if not isinstance(within, exp.Unnest) and not lateral:
        return False
    plain = not any(join.args.get(key) for key in ("using", "method", "hint", "global_"))
    if join.args.get("side"):
        on = join.args.get("on")
        always = isinstance(on, exp.Boolean) and bool(on.this)
        return plain and join.args["side"] == "LEFT" and always and not lateral
    return plain


def _nested_query(query: exp.Expr, node: exp.Expr) -> bool:
    return node is not query and isinstance(node, exp.Query) and not isinstance(node, exp.Table)


def _stands_in(query: exp.Expr, node: exp.Expr) -> str:
    """Return the clause of a query that a node stands in."""
    while node.parent is not None and node.parent is not query:
        node = node.parent
    return str(node.arg_key)


def _refuse_groupings(text: SqlText, tokens: Sequence[Token], query: exp.Select) -> None:
    group = query.args.get("group")
    if group is None:
        return
    words = [word for _, word in _top_words(tokens)]
    if group.args.get("all") or not group.expressions:
        word = "ALL" if "ALL" in words else "GROUP BY"
        raise _at_word(
            text,
            tokens,
            word,
            "GROUP BY ALL names no key order",
            "list the key columns in their order",
        )
    if group.args.get("totals"):
        raise _at_word(text, tokens, "TOTALS", "TOTALS cannot be kept", "sum when you read")


def _join_words(tokens: Sequence[Token]) -> tuple[str, str]:
    """Return (the word of the first join, its name): a comma joins too."""
    words = _top_words(tokens)
    return ("JOIN", "JOIN") if any(w == "JOIN" for _, w in words) else ("", "a second source")


def _refuse_node(
    text: SqlText, tokens: Sequence[Token], query: exp.Select, node: exp.Expr, *, inner: bool
) -> None:
    if _nested_query(query, node):
        if _stands_in(query, node) not in _QUERIES_IN:
            within = inner_tokens(tokens, node)
            raise SqlError(
                "a subquery that is a value cannot be kept",
                hint="only FROM and WITH take subqueries; combine rows of views when you read",
                location=text.token(within[0]),
            )
    elif isinstance(node, exp.Columns) or (
        isinstance(node, exp.Star)
        and not (call_name(node.parent) == "count" if node.parent else 0)
        and not (inner and _stands_in(query, node) == "expressions")
    ):
        raise text.error(node, "* names no columns", "list the columns")
    elif isinstance(node, exp.Window):
        column = node.parent is query or (
            isinstance(node.parent, exp.Alias) and node.parent.parent is query
        )
        refuse_window(text, node, column=inner and column)
    elif isinstance(node, exp.Parameter | exp.Placeholder | exp.SessionParameter):
        kinds = (TokenType.PARAMETER, TokenType.PLACEHOLDER, TokenType.COLON)
        token = next((t for t in tokens if t.token_type in kinds), tokens[0])
        raise SqlError(
            "a view has no parameters", hint="write the value", location=text.token(token)
        )
    elif isinstance(node, exp.Collate):
        raise text.error(node, "COLLATE cannot be kept", "group by lower(column) instead")
    if _stands_in(query, node) not in _QUERIES_IN:
        refuse_group_window(text, query, node)
    _refuse_call(text, tokens, node, rows=_stands_in(query, node) == "expressions" and inner)


def _refuse_call(text: SqlText, tokens: Sequence[Token], node: exp.Expr, *, rows: bool) -> None:
    name = call_name(node)
    single = name == "age" and len(node.expressions) == 1
    if isinstance(node, _SESSION_NODES) or name in volatile_functions() or single:
        name = name or node.key
        raise _at_node(
            text,
            tokens,
            node,
            name,
            f"{name} is not a function of the events",
            "a view reads its events and nothing else: use a column of the event instead",
        )
    joined = isinstance(node, exp.Unnest) and isinstance(node.parent, exp.Join | exp.Lateral)
    if joined or (rows and name == "unnest"):
        return
    if isinstance(node, exp.Unnest | exp.Explode) or name in _MANY_ROWS:
        name = name or "unnest"
        raise _at_node(
            text,
            tokens,
            node,
            name,
            f"{name} makes many rows of one event",
            "write FROM source, UNNEST(list) AS t(element), or fold it: list_sum, list_max, len, …",
        )


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
