"""Whether a state can be kept with an SQL file, before any process starts."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from keyfold.errors import StateError
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

_BLOCK_CACHE_BYTES = 1 << 20


def check_fit(data_dir: Path, text: str, file: str, wish: Wish) -> None:
    """Refuse here what the writer would refuse of a stored state, before old rows are served.

    What cannot be read here is left to the writer, which has the last word anyhow.

    Args:
        data_dir: The data directory; there need be no state in it.
        text: The SQL file's text.
        file: Its path, for locations in errors.
        wish: What the writer will be asked to build again and to drop.

    Raises:
        StateError: Another process writes to the state, or it is of another format or SQL.
        SettingsError: The wish does not fit the file.
        SqlError: The file cannot be run.
    """
    refuse_if_locked(state_directory(data_dir))
    raw_format, raw_catalog, raw_record = _stored(data_dir)
    if not raw_format or not raw_catalog or not raw_record:
        return
    check_format(raw_format)
    stored = catalog_decoder.decode(raw_catalog)
    schemas = known_schemas(unbound_sources(text, file), stored.catalog)
    known = compile_known(text, file, schemas, told=stored.wrong)
    aside = {name: one.source for name, one in known.aside.items()}
    wish = Wish(wish.rebuild, drop=wish.drop, aside=aside)
    # The record is a copy: what becomes of it, the writer finds for itself.
    adopt(stored, known.catalog, record_decoder.decode(raw_record), wish)


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
