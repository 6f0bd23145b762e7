"""Clauses of other databases that stand for windows or output: Flink's group windows, ksqlDB's.

All of them are refused; the hint has what to write instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import Token, TokenType, exp

from keyfold.errors import SqlError
from keyfold.sql.dialect import call_name, sql_text
from keyfold.sql.location import SqlText

_WINDOWS = ("tumble", "hop", "session")
_BOUNDS = {"start": "window_start", "end": "window_end", "rowtime": "window_end"}
_SIZES = {
    "TUMBLING": "TUMBLE(source, ts, INTERVAL '1' MINUTE)",
    "HOPPING": "HOP(source, ts, INTERVAL '10' SECOND, INTERVAL '1' MINUTE)",
    "SESSION": "SESSION(source, ts, INTERVAL '1' MINUTE)",
}
_EMITS = {
    "CHANGES": "leave it out: a view has each event after the next commit",
    "ON UPDATE": "leave it out: a view has each event after the next commit",
    "FINAL": "write EMIT ON WINDOW CLOSE",
}
_COMPARE = frozenset({TokenType.LT, TokenType.GT, TokenType.LTE, TokenType.GTE, TokenType.EQ})
_ENDS = frozenset(
    {
        *(TokenType.AND, TokenType.OR, TokenType.COMMA, TokenType.SELECT, TokenType.FROM),
        *(TokenType.WHERE, TokenType.HAVING, TokenType.GROUP_BY, TokenType.ON, TokenType.WHEN),
        *(TokenType.THEN, TokenType.ELSE, TokenType.CASE, TokenType.END, TokenType.NOT),
    }
)


def refuse_clauses(text: SqlText, tokens: Sequence[Token]) -> None:
    """Refuse ksqlDB's WINDOW and EMIT, which no parser here reads.

    Raises:
        SqlError: At the word.
    """
    words = [token.text.upper() for token in tokens]
    for at, word in enumerate(words):
        following = words[at + 1] if at + 1 < len(words) else ""
        if word == "WINDOW" and following in _SIZES and words[at + 2 : at + 3] == ["("]:
            raise SqlError(
                f"WINDOW {following} cannot be kept",
                hint=f"write FROM {_SIZES[following]}, and window_start in SELECT and GROUP BY",
                location=text.token(tokens[at]),
            )
        said = " ".join(words[at + 1 :][:3])
        if word == "EMIT" and said in _EMITS:
            raise SqlError(
                f"EMIT {said} cannot be kept",
                hint=_EMITS[said],
                location=text.token(tokens[at]),
            )


def refuse_group_window(text: SqlText, query: exp.Select, node: exp.Expr) -> None:
    """Refuse a call of a window outside of FROM, as ``GROUP BY TUMBLE(ts, …)``.

    Args:
        text: The file.
        query: The query that the call stands in.
        node: A node of it that stands in no FROM.

    Raises:
        SqlError: It is such a call.
    """
    name = call_name(node)
    window, _, bound = name.partition("_")
    if not isinstance(node, exp.Func) or window not in _WINDOWS or (bound and bound not in _BOUNDS):
        return
    source = next((table.name for table in query.find_all(exp.Table) if table.name), "source")
    arguments = ", ".join(sql_text(argument) for argument in node.expressions)
    column = _BOUNDS.get(bound, "window_start")
    raise text.error(
        node,
        f"{name.upper()} stands in FROM only",
        f"write FROM {window.upper()}({source}, {arguments}), and {column} in SELECT and GROUP BY",
    )


def chained_comparison(tokens: Sequence[Token]) -> Token | None:
    """Return the second comparison of one like ``1 < n < 5``."""
    compared: list[bool] = [False]
    for token in tokens:
        kind = token.token_type
        if kind is TokenType.L_PAREN:
            compared.append(False)
        elif kind is TokenType.R_PAREN and len(compared) > 1:
            compared.pop()
        elif kind in _ENDS:
            compared[-1] = False
        elif kind in _COMPARE:
            if compared[-1]:
                return token
            compared[-1] = True
    return None
