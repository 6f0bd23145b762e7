"""``keyfold run``, and one role each: ``ingest``, ``serve``, ``lake``, all under the supervisor."""

from __future__ import annotations

import logging
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from keyfold.cli.check import compile_file, file_text
from keyfold.errors import SettingsError, StateError, did_you_mean
from keyfold.process import role_environment, set_up_logging
from keyfold.settings import Settings
from keyfold.sql.compile import compile_known, known_schemas, unbound_sources
from keyfold.state.adopt import Wish, adopt
from keyfold.state.layout import (
    CATALOG_KEY,
    COMMIT_KEY,
    FORMAT_KEY,
    replica_directory,
    state_directory,
)
from keyfold.state.reader import check_format
from keyfold.state.record import catalog_decoder, record_decoder
from keyfold.state.rocks import RocksReplica, refuse_if_locked
from keyfold.supervise import (
    Role,
    Supervisor,
    address_url,
    ingest_role,
    lake_role,
    listen,
    serving_roles,
    stop_on_signals,
)

_BLOCK_CACHE_BYTES = 1 << 20

_logger = logging.getLogger("keyfold.run")


def run_pipeline(settings: Settings, file: Path, rebuild: Sequence[str], *, lake: bool) -> NoReturn:
    """Run all three roles until a signal, then exit."""
    _check_pipeline(file, rebuild)
    _check_state(settings.data_dir, file, rebuild)
    roles = [ingest_role(file, rebuild), *([lake_role()] if lake else [])]
    _supervise("run", settings, roles, serve=True)


def run_ingest(settings: Settings, file: Path, rebuild: Sequence[str]) -> NoReturn:
    """Run the writer until a signal, then exit."""
    _check_pipeline(file, rebuild)
    _check_state(settings.data_dir, file, rebuild)
    _supervise("run", settings, [ingest_role(file, rebuild)], serve=False)


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


def _supervise(name: str, settings: Settings, roles: list[Role], *, serve: bool) -> NoReturn:
    set_up_logging(name, settings)
    stop = threading.Event()
    stop_on_signals(stop)
    with ExitStack() as stack:
        if serve:
            door = stack.enter_context(listen(settings.host, settings.port))
            settings = settings.model_copy(update={"port": door.getsockname()[1]})
            roles = [*roles, *serving_roles(door, settings.workers)]
            url = address_url(door)
            _logger.info("serving on %s", url, extra={"docs": f"{url}/docs"})
        code = Supervisor(settings, roles).run(stop)
    _logger.info("stopped", extra={"exit_code": code})
    sys.exit(code)


def _check_pipeline(file: Path, rebuild: Sequence[str]) -> None:
    """Refuse a wrong file here, with its caret, rather than in the log of a child."""
    # Views over sources without columns are checked by the writer, once it has detected them.
    compiled = compile_file(file, look=False)
    catalog = compiled.catalog
    # A source stands for all its views.
    names = [*compiled.views, *(source.name for source in catalog.sources)]
    for name in rebuild:
        if name not in names:
            raise SettingsError(
                f"--rebuild names {name}, which {file} does not define",
                hint=did_you_mean(name, names),
            )


def _check_state(data_dir: Path, file: Path, rebuild: Sequence[str]) -> None:
    """Refuse here what the writer would refuse of a stored state, before old rows are served.

    What cannot be read here is left to the writer, which has the last word anyhow.
    """
    refuse_if_locked(state_directory(data_dir))
    raw_format, raw_catalog, raw_record = _stored(data_dir)
    if not raw_format or not raw_catalog or not raw_record:
        return
    check_format(raw_format)
    stored = catalog_decoder.decode(raw_catalog)
    text = file_text(file)
    schemas = known_schemas(unbound_sources(text, str(file)), stored.catalog)
    known = compile_known(text, str(file), schemas, told=stored.wrong)
    aside = {name: one.source for name, one in known.aside.items()}
    # The record is a copy: what becomes of it, the writer finds for itself.
    adopt(stored, known.catalog, record_decoder.decode(raw_record), Wish(rebuild, aside=aside))


def _stored(data_dir: Path) -> list[bytes | None]:
    """Return format, catalog and commit record as they lie in the state, None where they do not."""
    keys = [FORMAT_KEY, CATALOG_KEY, COMMIT_KEY]
    own = replica_directory(data_dir, f"{os.getpid()}-{secrets.token_hex(4)}")
    try:
        replica = RocksReplica(state_directory(data_dir), own, block_cache_bytes=_BLOCK_CACHE_BYTES)
    except (StateError, OSError):
        return [None] * len(keys)
    try:
        return replica.get_many(keys)
    finally:
        replica.close()
