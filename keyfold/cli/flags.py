"""The arguments and flags that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
