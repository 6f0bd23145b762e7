"""Where in the text something stands: nodes and words to locations, DuckDB's words to ours."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlglot import Token, exp

from keyfold.errors import SqlError, SqlLocation
from keyfold.sql.elsewhere import FUNCTIONS, LAMBDA_HINT


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
        whole = self.text[line_start : len(self.text) if line_end < 0 else line_end].rstrip("\r")
        column = start - line_start + 1
        return SqlLocation(
            self.file, line, column, whole, max(1, min(length, len(whole) - column + 1))
        )

    def token(self, token: Token) -> SqlLocation:
        """Return where a token stands."""
        return self.at(token.start, token.end - token.start + 1)

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

    def word_after(self, node: exp.Expr, word: str, count: int = 1) -> SqlLocation:
        """Return where a word stands for the ``count``-th time after a node, else the node."""
        starts = [part.meta["start"] for part in node.walk() if "start" in part.meta]
        found = re.finditer(rf"(?i)\b{word}\b", self.text[min(starts, default=0) :])
        place = next((match for i, match in enumerate(found, 1) if i == count), None)
        if place is None:
            return self.of(node)
        return self.at(min(starts, default=0) + place.start(), len(word))

    def error(self, node: exp.Expr, message: str, hint: str = "") -> SqlError:
        """Return an error at a node."""
        return SqlError(message, hint=hint, location=self.of(node))

    def duckdb_error(self, node: exp.Expr, problem: Exception) -> SqlError:
        """Return DuckDB's complaint about a node as an error of ours, at the word it names."""
        first, *rest = str(problem).split("\n")
        message, _, advice = first.split("Error: ", 1)[-1].strip().partition(". ")
        message = message.rstrip(".!")
        message = re.sub(
            r".*Function with name (\w+) does not exist", r"there is no function \1", message
        )
        message = lowered(message)
        hint = next((line.strip() for line in rest if line.startswith("Did you mean")), "")
        hint = hint.replace('"', "") or advice.strip().rstrip(".")
        hint = _better_hint(message) or hint
        hint = hint or "these are DuckDB's words; its documentation has the functions and types"
        named = re.search(r"name (\w+)|'(\w+)\(", first)
        name = next((group for group in named.groups() if group), "") if named else ""
        for part in node.walk():
            word = part.name if isinstance(part, exp.Anonymous) else part.key
            if name and word.lower() == name.lower() and "start" in part.meta:
                return self.error(part, message, lowered(hint))
        if message.startswith("division by zero"):
            for division in node.find_all(exp.Div, exp.IntDiv, exp.Mod):
                if isinstance(division.expression, exp.Literal) and not float(
                    division.expression.name or 0
                ):
                    return self.error(division, message, hint)
        for literal in node.find_all(exp.Literal):
            # Where a text is wrong for its type, DuckDB shows the text.
            if literal.is_string and re.search(rf"['\"]{re.escape(literal.name)}['\"]", first):
                return self.error(literal, message, lowered(hint))
        return self.error(node, message, lowered(hint))


def _better_hint(message: str) -> str:
    """Return what to write instead where DuckDB's own advice is of no use in a view."""
    if message.startswith("there is no function "):
        return FUNCTIONS.get(message.rsplit(maxsplit=1)[-1].lower(), "")
    if message.startswith("division by zero"):
        return "divide by nullif(x, 0): what is divided by NULL is NULL"
    if message.startswith("deprecated lambda arrow"):
        return LAMBDA_HINT
    if "'@>(JSON" in message:
        return "write json_contains(column, '…')"
    return ""


def lowered(words: str) -> str:
    """Return a sentence as our errors start: in lower case, but for a name in capitals."""
    return words if words[1:2].isupper() else words[:1].lower() + words[1:]
