"""Window calls as the parser takes them: what decorates them is blanked out."""

from __future__ import annotations

from sqlglot import Token, TokenType


def plain_window_calls(text: str, tokens: list[Token]) -> str:
    """Blank out the decoration of window calls: plain calls are left, at the same positions.

    Flink's ``TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), …))`` is ``TUMBLE(t, ts, …)`` then, and
    ``SESSION(t PARTITION BY k, ts, …)`` is ``SESSION(t, k, ts, …)``.
    """
    characters = list(text)

    def blank_token(token: Token) -> None:
        for position in range(token.start, token.end + 1):
            characters[position] = " "

    quoted = (TokenType.STRING, TokenType.IDENTIFIER)
    words = ["''" if token.token_type in quoted else token.text.upper() for token in tokens]
    for i, word in enumerate(words):
        following = words[i + 1] if i + 1 < len(words) else ""
        if word in ("TABLE", "DESCRIPTOR") and following == "(":
            close = _closing(words, i + 1)
            if close is not None:
                for token in (tokens[i], tokens[i + 1], tokens[close]):
                    blank_token(token)
        elif word == "TABLE" and i and words[i - 1] == "(":
            blank_token(tokens[i])
        elif word == "SESSION" and following == "(":
            at = _inside(words, i + 1, "PARTITION BY")
            if at is not None:
                blank_token(tokens[at])
                characters[tokens[at].start] = ","
    return "".join(characters)


def _inside(words: list[str], opening: int, wanted: str) -> int | None:
    """Return where a word stands between parentheses, and in no others within these."""
    depth = 0
    for i in range(opening, len(words)):
        depth += (words[i] == "(") - (words[i] == ")")
        if depth == 0:
            return None
        if depth == 1 and words[i] == wanted:
            return i
    return None


def _closing(words: list[str], opening: int) -> int | None:
    depth = 0
    for i in range(opening, len(words)):
        depth += (words[i] == "(") - (words[i] == ")")
        if depth == 0:
            return i
    return None
