"""Files on this machine's disk: atomic replacement, and the one lake process per directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from keyfold.errors import StateError


def local_path(location: str) -> Path | None:
    """Return the path of a table location on this machine's disk, or None for any other.

    PyIceberg writes local locations as ``file://`` before a plain path, or as a plain path.
    """
    if location.startswith("file:"):
        return Path(location.removeprefix("file:").removeprefix("//"))
    return Path(location) if "://" not in location else None


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, even across a crash."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(path)


def lock_directory(directory: Path) -> IO[bytes]:
    """Become the one lake process of a directory; the lock goes with the process.

    Raises:
        StateError: Another process is.
    """
    directory.mkdir(parents=True, exist_ok=True)
    stream = (directory / "lock").open("ab")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        stream.close()
        raise StateError(
            f"another lake process is writing to {directory}",
            hint="stop `keyfold run` or `keyfold lake` first: one process commits to the tables of "
            "a data directory",
        ) from problem
    return stream
