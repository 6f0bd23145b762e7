"""A lake process that dies at a chosen moment: ``python -m tests.lake.dying DIRECTORY MOMENT``."""

from __future__ import annotations

import inspect
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyiceberg.catalog import MetastoreCatalog
from pyiceberg.table import Table, Transaction

import lake.snapshot
from keyfold.state.reader import StateReader
from lake.datafiles import DataFilesWriter
from lake.snapshot import take_snapshot
from lake.table import open_catalog
from tests.lake.state import settings_for


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def then_die(action: Callable[..., Any]) -> Callable[..., Any]:
    def both(*given: Any, **named: Any) -> None:
        action(*given, **named)
        die()

    return both


MOMENTS: dict[str, tuple[Any, str, bool]] = {
    "a data file is open": (DataFilesWriter, "_finish", False),
    "data files are written": (lake.snapshot, "stage_replacement", False),
    "manifests are written": (Transaction, "commit_transaction", False),
    "the metadata file is written": (MetastoreCatalog, "_write_metadata", True),
    "the catalog is updated": (Table, "_do_commit", True),
    "the version hint is written": (lake.snapshot, "write_version_hint", True),
}

if __name__ == "__main__":
    settings = settings_for(Path(sys.argv[1]))
    owner, name, after = MOMENTS[sys.argv[2]]
    reader = StateReader.open(settings.data_dir, os.getpid(), block_cache_bytes=1 << 20)
    catalog = open_catalog(settings)
    static = isinstance(inspect.getattr_static(owner, name), staticmethod)
    fatal = then_die(getattr(owner, name)) if after else die
    setattr(owner, name, staticmethod(fatal) if static else fatal)
    take_snapshot(catalog, settings, reader, reader.view("spend"))
