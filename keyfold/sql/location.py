"""Where in the text something stands: nodes and words to locations, DuckDB's words to ours."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import exp

from keyfold.errors import SqlError, SqlLocation


@dataclass(frozen=True, slots=True)
class SqlText:
    """A whole SQL file, and how positions in it are named.

    Attributes:
        text: The file's text.
        file: Its path as the user gave it.
    """

    text: str
    file: str

    def at(self, start: int, length: int = 1) -> SqlLocation:
        """Return the location of ``length`` characters from the 0-based offset ``start``."""
        start = min(max(start, 0), len(self.text))
        line = self.text.count("\n", 0, start) + 1
        line_start = self.text.rfind("\n", 0, start) + 1
        line_end = self.text.find("\n", start)
        whole = self.text[line_start : len(self.text) if line_end < 0 else line_end]
        column = start - line_start + 1
        return SqlLocation(
            self.file, line, column, whole, max(1, min(length, len(whole) - column + 1))
        )

    def of(self, node: exp.Expr) -> SqlLocation:
        """Return where a parsed node starts: its first word that kept its place."""
        spans = [
            (part.meta["start"], part.meta["end"]) for part in node.walk() if "start" in part.meta
        ]
        if not spans and node.parent is not None:
            return self.of(node.parent)
        if not spans:
            return self.at(0)
        start, end = min(spans)
        return self.at(start, end - start + 1)

    def error(self, node: exp.Expr, message: str, hint: str = "") -> SqlError:
        """Return an error at a node."""
        return SqlError(message, hint=hint, location=self.of(node))

    def duckdb_error(self, node: exp.Expr, problem: Exception) -> SqlError:
        """Return DuckDB's complaint about a node as an error of ours, at the word it names."""
        first, *rest = str(problem).split("\n")
        message = first.split("Error: ", 1)[-1].strip().rstrip(".!")
        message = message[:1].lower() + message[1:]
        hint = next(
            (line.strip() for line in rest if line.startswith(("Did you mean", "Candidate bind"))),
            "",
        )
        hint = re.sub(r', "__\w+"', "", hint)  # columns of ours that no view can read
        named = re.search(r'column "([^"]+)"|name (\w+)|\'(\w+)\(', first)
        name = next((group for group in named.groups() if group), "") if named else ""
        for part in node.walk():
            word = part.name if isinstance(part, (exp.Identifier, exp.Anonymous)) else part.key
            if name and word.lower() == name.lower() and "start" in part.meta:
                return self.error(part, message, hint)
        return self.error(node, message, hint)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest known word, or lists them all."""
    words = sorted(known)
    near = difflib.get_close_matches(name, words, 1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(words)}"
