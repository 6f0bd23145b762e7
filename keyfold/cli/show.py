"""How the command line speaks: errors with a caret, tables, and plain lines without a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from keyfold.errors import KeyfoldError, SqlLocation

_PIPE_COLUMNS = 160  # a file has no width; tables in it should not be cut to 80


def out() -> Console:
    """Return the console of stdout."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_COLUMNS)


def err() -> Console:
    """Return the console of stderr."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def print_error(error: KeyfoldError) -> None:
    """Print an error, the source line it points at, and the hint, on stderr."""
    console = err()
    where = f"{error.location}: " if error.location else ""
    console.print(where, style="bold", end="", markup=False)
    console.print("error: ", style="bold red", end="")
    console.print(error.message, markup=False)
    if error.location and error.location.text:
        for line in caret_lines(error.location):
            console.print(line, markup=False)
    if error.hint:
        console.print("hint: ", style="bold cyan", end="")
        console.print(error.hint, markup=False)


def caret_lines(location: SqlLocation) -> tuple[str, str]:
    """Return the source line and the line that underlines the place, both indented."""
    text = location.text.rstrip("\n")
    before = text[: location.column - 1]
    # Tabs stay tabs, so that the caret stands below its place at any tab width.
    padding = "".join("\t" if character == "\t" else " " for character in before)
    room = max(1, len(text) - len(before))
    return f"  {text}", f"  {padding}{'^' * max(1, min(location.length, room))}"


def table(*columns: str, title: str = "") -> Table:
    """Return an empty table in the house's look; columns that start with ``#`` are numbers."""
    made = Table(box=SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False)
    for column in columns:
        number = column.startswith("#")
        made.add_column(column.lstrip("#"), justify="right" if number else "left", overflow="fold")
    return made


def add_row(made: Table, values: Sequence[object]) -> None:
    """Add a row of plain values: nothing in them is markup."""
    made.add_row(*(str(value).replace("[", "\\[") for value in values))
