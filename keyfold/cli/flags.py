"""The arguments and flags that several commands have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

_NEGATIVE = re.compile(r"-(\.?\d|$)")  # and "-" alone, which is no option either

SqlFile = Annotated[Path, typer.Argument(metavar="FILE", help="The SQL file.")]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="State, event log and lake. [keyfold-data]"),
]
Host = Annotated[str | None, typer.Option(metavar="HOST", help="Address to serve on. [127.0.0.1]")]
Port = Annotated[
    int | None, typer.Option(metavar="PORT", help="Port to serve on; 0 picks one. [8080]")
]
Workers = Annotated[int | None, typer.Option(metavar="N", help="Serving processes. [1]")]
Rebuild = Annotated[
    list[str] | None,
    typer.Option(
        metavar="VIEW",
        help="Forget this view's rows and build it anew (a source: all its views); repeatable.",
    ),
]
Drop = Annotated[
    list[str] | None,
    typer.Option(
        metavar="VIEW",
        help="Delete the rows of this view, which the file no longer has (a source: of all its "
        "views); repeatable.",
    ),
]
LogLevel = Annotated[
    str | None, typer.Option(metavar="LEVEL", help="debug, info, warning or error. [info]")
]
LogFormat = Annotated[str | None, typer.Option(metavar="FORM", help="auto, human or json. [auto]")]
Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="KEYFOLD_URL",
        show_envvar=False,
        help="The running server; also KEYFOLD_URL. [host and port of the settings]",
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        metavar="TOKEN",
        envvar="KEYFOLD_TOKEN",
        show_envvar=False,
        help="Bearer token of a server that asks for one; also KEYFOLD_TOKEN.",
    ),
]


class NegativeNumbers(TyperCommand):
    """A command whose arguments may be negative numbers, which click takes for options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let what starts like a negative number pass, and no other unknown option."""
        known = {spelling for each in self.get_params(ctx) for spelling in each.opts}
        options = args[: args.index("--")] if "--" in args else args
        mistyped = [
            one
            for one in options
            if one.startswith("-") and not (one.partition("=")[0] in known or _NEGATIVE.match(one))
        ]
        ctx.ignore_unknown_options = not mistyped
        return super().parse_args(ctx, mistyped or args)  # the mistyped ones alone: it names them
