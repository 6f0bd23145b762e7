"""Where things lie in the store: one key space, one column family, so one write is atomic.

==========================================  ====================================================
key                                         value
==========================================  ====================================================
``00`` + ``format``                         the state's format version, decimal text
``00`` + ``catalog``                        ``StoredCatalog``, JSON
``00`` + ``commit``                         ``CommitRecord``, JSON: offsets, ledger, watermark
``00`` + ``flushed``                        number of the last flush; reaches readers by file only
``00`` + ``marked``                         the same, written after the flush, through the log
``01`` + number (u64 BE)                    ``DeadLetter``, MessagePack
``10`` + view id (u32 BE) + row key         the partials of a row (keyfold/view/partial.py)
``11`` + the key of a row, as above,        nothing: that this value is in a set of the row
+ set (u16 BE) + value                      (keyfold/view/distinct.py). In HOP and CUMULATE the row
                                            is the first of a tile, and the value says where the
                                            tile has it (keyfold/state/spans.py)
==========================================  ====================================================

A view that is rebuilt gets a new id, so its old rows and its new ones never mix.
"""

from __future__ import annotations

import struct
from pathlib import Path

from keyfold.view.rowkey import prefix_end

FORMAT = 1
FORMAT_KEY = b"\x00format"
CATALOG_KEY = b"\x00catalog"
COMMIT_KEY = b"\x00commit"
FLUSHED_KEY = b"\x00flushed"
MARKED_KEY = b"\x00marked"
DEAD_LETTERS = b"\x01"
MEMBERS = b"\x11"
_VIEW = struct.Struct(">BI")
_NUMBER = struct.Struct(">BQ")


def view_prefix(view_id: int) -> bytes:
    """Return what stands before every row key of a view: 5 bytes."""
    return _VIEW.pack(0x10, view_id)


def members_span(row_key: bytes) -> tuple[bytes, bytes]:
    """Return the range of the members of all sets of a row, or of the rows under a prefix.

    Args:
        row_key: With the view's prefix.
    """
    start = MEMBERS + row_key
    return start, prefix_end(start)


def dead_letter_key(number: int) -> bytes:
    """Return the key of a dead letter."""
    return _NUMBER.pack(0x01, number)


def dead_letter_number(key: bytes) -> int:
    """Return the number of the dead letter under ``key``."""
    return int(_NUMBER.unpack(key)[1])


def state_directory(data_directory: Path) -> Path:
    """Return where RocksDB lies."""
    return data_directory / "state"


def counter_path(data_directory: Path) -> Path:
    """Return the file of the commit counter."""
    return data_directory / "commit-counter"


def lake_directory(data_directory: Path) -> Path:
    """Return where the default lake catalog and warehouse lie."""
    return data_directory / "lake"


def replicas_directory(data_directory: Path) -> Path:
    """Return where the directories of all replicas lie."""
    return data_directory / "replicas"


def replica_directory(data_directory: Path, name: str) -> Path:
    """Return where a reader keeps its replica's own log files.

    Args:
        data_directory: The data directory.
        name: The reader's process id, a hyphen, and something of its own: processes in containers
            may share an id.
    """
    return replicas_directory(data_directory) / name
