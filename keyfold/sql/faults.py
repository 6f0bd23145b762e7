"""All that is wrong with an SQL file: the first error of each of its statements.

A statement that is wrong is blanked out, and the rest compiled again, so that every other place in
the file stays where it is. What reads a statement that is wrong is not judged: it may be good once
that is mended.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import Token

from keyfold.errors import SqlError, SqlLocation
from keyfold.sql.location import SqlText
from keyfold.sql.parse import statements

ERRORS_MAX = 100
"""What is reported at most: each costs another look at the whole file."""
_NO_SOURCE = re.compile(r"there is no source (\S+)")


def statement_errors(
    text: str, file: str, first: SqlError, compile_text: Callable[[str], object]
) -> list[SqlError]:
    """Return the errors of a file that has one, in the order of its statements.

    The last says so where there are more than ``ERRORS_MAX``.

    Args:
        text: The file's text.
        file: Its path.
        first: The error that was found in it.
        compile_text: Compiles a text as the file was.
    """
    try:
        parts = statements(SqlText(text, file))
    except SqlError:
        return [first]
    errors: list[SqlError] = []
    wrong: set[str] = set()
    problem: SqlError | None = first
    while problem is not None and len(errors) <= ERRORS_MAX:
        at = _statement_of(text, parts, problem.location)
        reads = _NO_SOURCE.match(problem.message)
        if reads is None or reads[1].lower() not in wrong:
            if at is None and errors:
                break  # that no source is left is the fault of those that were blanked
            errors.append(problem)
        if at is None:
            break
        tokens = parts.pop(at)
        wrong.add(_name(tokens))
        start, end = tokens[0].start, tokens[-1].end + 1
        text = text[:start] + re.sub(r"[^\r\n]", " ", text[start:end]) + text[end:]
        problem = _error_of(text, compile_text)
    found = sorted(errors[:ERRORS_MAX], key=_place)
    if len(errors) > ERRORS_MAX:
        found.append(_more(ERRORS_MAX))
    return found


def _more(shown: int) -> SqlError:
    return SqlError(
        f"… and more; these are the first {shown}", hint="mend these, and check the file again"
    )


def _error_of(text: str, compile_text: Callable[[str], object]) -> SqlError | None:
    try:
        compile_text(text)
    except SqlError as problem:
        return problem
    return None


def _place(error: SqlError) -> tuple[int, int]:
    return (error.location.line, error.location.column) if error.location else (0, 0)


def _statement_of(text: str, parts: list[list[Token]], place: SqlLocation | None) -> int | None:
    """Return which statement a place is in; None for none."""
    if place is None:
        return None
    lines = text.split("\n")
    offset = sum(len(line) + 1 for line in lines[: place.line - 1]) + place.column - 1
    for i, tokens in enumerate(parts):
        if tokens[0].start <= offset <= tokens[-1].end:
            return i
    return None


def _name(tokens: list[Token]) -> str:
    """Return the name that a CREATE gives, or nothing."""
    words = [token.text for token in tokens[:7] if token.text.upper() not in _NOT_NAMES]
    return words[0].lower() if words else ""


_NOT_NAMES = frozenset({"CREATE", "SOURCE", "MATERIALIZED", "VIEW", "IF", "NOT", "EXISTS"})
