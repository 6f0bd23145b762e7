"""The commands that start roles, and the jobs of the lake role: their flags and their help.

They are given to the command line in keyfold/cli/commands.py; what they do lies in
keyfold/cli/run.py, which is imported when one of them runs.
"""

# ruff: noqa: PLC0415 (see above)

from __future__ import annotations

from typing import Annotated

import typer

from keyfold.cli.flags import (
    DataDir,
    Drop,
    Host,
    LogFormat,
    LogLevel,
    Port,
    Rebuild,
    SqlFile,
    Workers,
)
from keyfold.settings import load_settings

lake_app = typer.Typer(rich_markup_mode=None)


def run(
    file: SqlFile,
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    rebuild: Rebuild = None,
    drop: Drop = None,
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
    from keyfold.state.adopt import Wish

    settings = load_settings(
        data_dir=data_dir,
        host=host,
        port=port,
        workers=workers,
        log_level=log_level,
        log_format=log_format,
    )
    wish = Wish(rebuild or [], drop=drop or [])
    run_pipeline(settings, file, wish, lake=not no_lake)


def ingest(
    file: SqlFile,
    data_dir: DataDir = None,
    rebuild: Rebuild = None,
    drop: Drop = None,
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
    from keyfold.state.adopt import Wish

    settings = load_settings(data_dir=data_dir, log_level=log_level, log_format=log_format)
    run_ingest(settings, file, Wish(rebuild or [], drop=drop or []))


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

    A view is compared where its last snapshot stands at the offsets of the state. Where it does
    not, its "state" says why: other_offsets, outdated (the view changed since), refused (the table
    cannot take the changed view) or no_snapshot.

    \b
    Example:
      keyfold lake verify spend_1m --data-dir /var/lib/keyfold

    \b
    Exit codes: 0 they agree, 1 they do not, 2 wrong settings or state, or no such view,
    3 not one differs, but not all were compared.
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
