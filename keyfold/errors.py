"""Every error that Keyfold shows to a person, under one root.

An error says what happened (``message``: lower case, no period), where (``location``, for SQL) and
what to do next (``hint``). ``code`` is stable: problem+json bodies, logs and tests name it.
The table of codes stands in docs/operating.md; the HTTP status of each in serving/problem.py.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

_NEAR_CHARACTERS_MAX = 200  # comparing takes time that grows with the square of it


@dataclass(frozen=True, slots=True)
class SqlLocation:
    """A place in an SQL file.

    Attributes:
        file: Path as the user gave it, or ``<sql>`` for text without a file.
        line: 1-based line.
        column: 1-based column, in characters.
        text: The whole source line, for the caret.
        length: Characters to underline, at least 1.
    """

    file: str
    line: int
    column: int
    text: str = ""
    length: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class KeyfoldError(Exception):
    """Root of all errors that are the world's fault and not a bug of ours."""

    code = "keyfold_error"

    def __init__(
        self, message: str, *, hint: str = "", location: SqlLocation | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.location = location

    def __str__(self) -> str:
        where = f"{self.location}: " if self.location else ""
        hint = f" (hint: {self.hint})" if self.hint else ""
        return f"{where}{self.message}{hint}"


class SettingsError(KeyfoldError):
    """A setting is wrong; the process refuses to start.

    ``option`` is the key of WITH that it is about; empty where it is about none.
    """

    code = "bad_settings"

    def __init__(self, message: str, *, hint: str = "", option: str = "") -> None:
        super().__init__(message, hint=hint)
        self.option = option


class SqlError(KeyfoldError):
    """An SQL file cannot be read, bound or kept incrementally."""

    code = "bad_sql"


class StateError(KeyfoldError):
    """The state directory is locked, of another format, or damaged."""

    code = "bad_state"


class StateFormatError(StateError):
    """The state is of another release: no waiting helps."""


class ViewChangedError(StateError):
    """The SQL of a view or source differs from what the state was built with."""

    code = "view_changed"


class SourceError(KeyfoldError):
    """A source cannot go on: it stops and says so, and the others continue."""

    code = "source_stopped"


class LakeError(KeyfoldError):
    """An Iceberg table cannot be written or read."""

    code = "lake_failed"


class RequestError(KeyfoldError):
    """A request is malformed or breaks a limit."""

    code = "bad_request"


class NotFoundError(KeyfoldError):
    """Nothing is there by that name or key; ``code`` tells views, sources, and keys apart."""

    code = "not_found"

    def __init__(self, message: str, *, code: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class NotReadyError(KeyfoldError):
    """The state that would answer is not there yet; ask again later."""

    code = "not_caught_up"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it takes that."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return the hint for a name that is not there.

    Args:
        name: What was asked for.
        known: What there is.
        otherwise: What to say when nothing is near; else all known names are listed.

    Returns:
        The nearest known name, without regard to case, as a question; or ``otherwise``; or the
        list; or nothing where there is nothing to list.
    """
    words = sorted(known)
    by_lower = {word.lower(): word for word in words}
    asked = name.lower()[:_NEAR_CHARACTERS_MAX]
    near = difflib.get_close_matches(asked, by_lower, 1)
    if near:
        return f"did you mean {by_lower[near[0]]}?"
    return otherwise or (f"known: {', '.join(words)}" if words else "")
