"""``keyfold run``, and one role each: ``ingest``, ``serve``, ``lake``, all under the supervisor."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from keyfold.cli.check import compile_file, file_text
from keyfold.errors import SettingsError, did_you_mean
from keyfold.process import role_environment, set_up_logging
from keyfold.settings import Settings
from keyfold.state.adopt import Wish
from keyfold.state.fit import check_fit
from keyfold.supervise import (
    Role,
    Supervisor,
    address_url,
    ingest_role,
    lake_role,
    listen,
    run_name,
    serving_roles,
    stop_on_signals,
)

_logger = logging.getLogger("keyfold.run")


def run_pipeline(settings: Settings, file: Path, wish: Wish, *, lake: bool) -> NoReturn:
    """Run all three roles until a signal, then exit."""
    run = run_name()
    writer = _writer(settings, file, wish, run)
    roles = [writer, *([lake_role()] if lake else [])]
    _supervise("run", settings, roles, serve=True, run=run)


def run_ingest(settings: Settings, file: Path, wish: Wish) -> NoReturn:
    """Run the writer until a signal, then exit."""
    _supervise("run", settings, [_writer(settings, file, wish)], serve=False)


def run_serving(settings: Settings) -> NoReturn:
    """Run the serving workers until a signal, then exit."""
    _supervise("run", settings, [], serve=True)


def run_lake(settings: Settings) -> NoReturn:
    """Run the Iceberg writer until a signal, then exit."""
    _supervise("run", settings, [lake_role()], serve=False)


def lake_job(settings: Settings, *arguments: str) -> NoReturn:
    """Run one job of the lake house, and exit as it does."""
    command = [sys.executable, "-P", "-m", "lake", *arguments]
    environment = os.environ | role_environment(settings)
    sys.exit(subprocess.run(command, env=environment, check=False).returncode)  # noqa: S603


def _supervise(
    name: str, settings: Settings, roles: list[Role], *, serve: bool, run: str = ""
) -> NoReturn:
    set_up_logging(name, settings)
    stop = threading.Event()
    stop_on_signals(stop)
    with ExitStack() as stack:
        if serve:
            door = stack.enter_context(listen(settings.host, settings.port))
            settings = settings.model_copy(update={"port": door.getsockname()[1]})
            roles = [*roles, *serving_roles(door, settings.workers, run)]
            url = address_url(door)
            _logger.info("serving on %s", url, extra={"docs": f"{url}/docs"})
        code = Supervisor(settings, roles).run(stop)
    _logger.info("stopped", extra={"exit_code": code})
    sys.exit(code)


def _writer(settings: Settings, file: Path, wish: Wish, run: str = "") -> Role:
    """Return the writer; a wrong file is refused here, rather than in the log of a child."""
    # Views over sources without columns are checked by the writer, once it has detected them.
    compiled = compile_file(file, look=False)
    catalog = compiled.catalog
    # A source stands for all its views.
    names = [*compiled.views, *(source.name for source in catalog.sources)]
    for name in wish.rebuild:
        if name not in names:
            raise SettingsError(
                f"--rebuild names {name}, which {file} does not define",
                hint=did_you_mean(name, names),
            )
    for name in wish.drop:
        if name in names:
            raise SettingsError(
                f"--drop names {name}, which {file} still defines",
                hint="take it out of the file as well, or leave the flag away",
            )
    check_fit(settings.data_dir, file_text(file), str(file), wish)
    return ingest_role(file, wish.rebuild, wish.drop, run)
