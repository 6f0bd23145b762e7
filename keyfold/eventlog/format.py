"""How the event log lies on disk, and the law that makes it safe.

The law: **a record that was acknowledged or seen by a reader is on the disk, and stays at its
offset.** Data is written and synced, then the index entry is written and synced, then the append
is acknowledged. The index is the commit marker: readers read up to the last whole index entry.

::

    <data-dir>/events/<source>/
        log_id                              32 hex digits, drawn once: which log this is
        <partition>/                        one writer each, held by an flock on ``lock``
            lock
            00000000000000000000.ndjson     records, one per line, each ended by \\n
            00000000000000000000.index      one entry per append
            00000000000000052100.ndjson     the next segment, named by its first offset
            00000000000000052100.index

Offsets are record numbers within the partition, from 0, without gaps. A segment exists if its
``.index`` does: that file is born whole (written aside, synced, renamed), and dies first.

An index file is a header and then entries of fixed width, little-endian::

    header, 16 bytes:  magic "KEYFLDIX" (8) | version u16 | entry width u16 | zero u32
    entry,  40 bytes:  first offset i64 | byte start i64 | append time ms i64 | byte end i64
                       | record count u32 | CRC-32 of the 36 bytes before u32

Entries chain: each starts at the offset and the byte where the one before ended. The byte end and
the count stand near the end of an entry, so that an entry of which only a part arrived (the rest
being zeros) breaks the chain; the CRC settles it.
"""

from __future__ import annotations

import os
import secrets
import struct
import zlib
from pathlib import Path
from typing import Final
from urllib.parse import quote

import numpy as np

from keyfold.errors import StateError

INDEX_MAGIC: Final = b"KEYFLDIX"
INDEX_VERSION: Final = 1
INDEX_HEADER: Final = struct.Struct("<8sHHI")
INDEX_ENTRY: Final = struct.Struct("<qqqqII")
INDEX_ENTRY_BODY: Final = struct.Struct("<qqqqI")
INDEX_DTYPE: Final = np.dtype(
    [
        ("first_offset", "<i8"),
        ("byte_start", "<i8"),
        ("append_ms", "<i8"),
        ("byte_end", "<i8"),
        ("count", "<u4"),
        ("crc", "<u4"),
    ]
)
DATA_SUFFIX: Final = ".ndjson"
INDEX_SUFFIX: Final = ".index"
LOCK_NAME: Final = "lock"
LOG_ID_NAME: Final = "log_id"
OFFSET_DIGITS: Final = 20


def source_directory(data_directory: Path, source: str) -> Path:
    """Return where the log of ``source`` lies; any name makes one safe directory name."""
    name = quote(source, safe="")
    return data_directory / "events" / (f"%2E{name[1:]}" if name.startswith(".") else name)


def partition_directories(directory: Path) -> dict[int, Path]:
    """Return partition → directory of all partitions below a source's directory, in order."""
    try:
        names = [entry.name for entry in os.scandir(directory) if entry.is_dir()]
    except FileNotFoundError:
        return {}
    # "007" is nobody's partition: only the one spelling that we write is ours.
    numbers = sorted(int(name) for name in names if name.isdecimal() and str(int(name)) == name)
    return {number: directory / str(number) for number in numbers}


def data_path(directory: Path, first_offset: int) -> Path:
    """Return the path of the records of the segment that starts at ``first_offset``."""
    return directory / f"{first_offset:0{OFFSET_DIGITS}d}{DATA_SUFFIX}"


def index_path(directory: Path, first_offset: int) -> Path:
    """Return the path of the index of the segment that starts at ``first_offset``."""
    return directory / f"{first_offset:0{OFFSET_DIGITS}d}{INDEX_SUFFIX}"


def file_offsets(directory: Path, suffix: str) -> list[int]:
    """Return the first offsets named by the files with ``suffix``, ascending."""
    return sorted(
        int(name[: -len(suffix)])
        for name in os.listdir(directory)
        if name.endswith(suffix)
        and len(name) == OFFSET_DIGITS + len(suffix)
        and name[:OFFSET_DIGITS].isdecimal()
    )


def encode_header() -> bytes:
    """Return the 16 bytes that start an index file."""
    return INDEX_HEADER.pack(INDEX_MAGIC, INDEX_VERSION, INDEX_ENTRY.size, 0)


def check_header(header: bytes, path: Path) -> None:
    """Refuse an index file that is not of this format.

    Raises:
        StateError: Another magic, version or entry width.
    """
    if header == encode_header():
        return
    if len(header) == INDEX_HEADER.size and header.startswith(INDEX_MAGIC):
        version = INDEX_HEADER.unpack(header)[1]
        raise StateError(
            f"{path} is an event log index of version {version}, not {INDEX_VERSION}",
            hint="run the keyfold release that wrote it",
        )
    raise StateError(
        f"{path} is not an event log index", hint="restore the file, or remove the event log"
    )


def encode_entry(
    first_offset: int, byte_start: int, append_ms: int, byte_end: int, count: int
) -> bytes:
    """Return the 40 bytes of one index entry."""
    body = INDEX_ENTRY_BODY.pack(first_offset, byte_start, append_ms, byte_end, count)
    return body + struct.pack("<I", zlib.crc32(body))


def entry_whole(entry: bytes) -> bool:
    """Say whether the CRC of one entry of 40 bytes holds."""
    crc = int.from_bytes(entry[INDEX_ENTRY_BODY.size :], "little")
    return zlib.crc32(entry[: INDEX_ENTRY_BODY.size]) == crc


def chain_length(entries: np.ndarray, first_offset: int, byte_start: int) -> int:
    """Count the leading entries that chain on from an offset and a byte position.

    Args:
        entries: ``INDEX_DTYPE``[n].
        first_offset: Where the first of them must start.
        byte_start: Likewise in the data file.
    """
    if not len(entries):
        return 0
    offset_ends = entries["first_offset"] + entries["count"].astype(np.int64)
    linked = (entries["count"] > 0) & (entries["byte_end"] > entries["byte_start"])
    linked[0] &= entries["first_offset"][0] == first_offset
    linked[0] &= entries["byte_start"][0] == byte_start
    linked[1:] &= entries["first_offset"][1:] == offset_ends[:-1]
    linked[1:] &= entries["byte_start"][1:] == entries["byte_end"][:-1]
    return len(entries) if linked.all() else int(np.argmin(linked))


def read_log_id(directory: Path) -> str | None:
    """Return the id of the log in a source's directory, None where there is no log yet."""
    try:
        return (directory / LOG_ID_NAME).read_text("ascii").strip()
    except FileNotFoundError:
        return None


def ensure_log_id(directory: Path) -> str:
    """Return the id of the log in a source's directory; draw one where there is none yet.

    Safe when several processes start at once: the file appears whole, and the first one wins.
    """
    if log_id := read_log_id(directory):
        return log_id
    create_directory(directory)
    drawn = secrets.token_hex(16)
    aside = directory / f"{LOG_ID_NAME}.{drawn}"
    write_synced(aside, f"{drawn}\n".encode("ascii"))
    try:
        os.link(aside, directory / LOG_ID_NAME)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
    sync_directory(directory)
    return (directory / LOG_ID_NAME).read_text("ascii").strip()


def write_synced(path: Path, content: bytes) -> None:
    """Write a small new file and sync it; its name is not durable before its directory is."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_all(descriptor: int, content: bytes, position: int) -> None:
    """Write all of ``content`` at ``position``."""
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, position)
        view, position = view[written:], position + written


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create_directory(directory: Path) -> None:
    """Create a directory with its parents, each durable in the one above."""
    if directory.is_dir():
        return
    create_directory(directory.parent)
    directory.mkdir(exist_ok=True)
    sync_directory(directory.parent)
