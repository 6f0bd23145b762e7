"""Mending a partition when a writer opens it, so that appends can go on where they were.

The law: after ``recover``, every record that was acknowledged or that a reader has seen is there
once, at its offset, and the offsets run on without a gap. What a crash can leave, and what becomes
of it:

- a torn index entry: cut. Each entry is synced before the next is written, so only the last can
  be torn; anything else is damage, and refused;
- data beyond the last entry: its complete lines are kept under a new entry, at the same offsets (a
  reader may have seen them, if power failed before their entry was synced); a last line without
  its end is cut, and so is everything from the first NUL on, which nobody wrote (see ``lines``);
- a segment that was being made or removed: swept away.
"""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from keyfold.errors import StateError
from keyfold.eventlog.format import (
    DATA_SUFFIX,
    INDEX_DTYPE,
    INDEX_ENTRY,
    INDEX_HEADER,
    INDEX_SUFFIX,
    chain_length,
    check_header,
    data_path,
    encode_entry,
    entry_whole,
    file_offsets,
    index_path,
    write_all,
)

_logger = logging.getLogger("keyfold.eventlog")
_RESTORE = "restore the file from a copy, or remove the event log"


@dataclass(frozen=True, slots=True)
class CommittedEnd:
    """Where the active segment ends.

    Attributes:
        segment: Its first offset, which names it.
        end_offset: The offset that the next record gets.
        byte_end: Where that record goes in the data file.
        index_end: Where its entry goes in the index file.
    """

    segment: int
    end_offset: int
    byte_end: int
    index_end: int


def recover(directory: Path, sync: Callable[[int], None]) -> CommittedEnd | None:
    """Mend the partition, which no one else writes; None when it has no segment yet.

    Raises:
        StateError: Files are missing, damaged, or of another format.
    """
    _sweep(directory)
    segments = file_offsets(directory, INDEX_SUFFIX)
    for first in segments:
        if not data_path(directory, first).exists():
            raise StateError(f"{data_path(directory, first)} is missing", hint=_RESTORE)
    for first, after in itertools.pairwise(segments):
        entry = last_entry(directory, first)
        end = int(entry["first_offset"]) + int(entry["count"])
        if end != after:
            raise StateError(
                f"{directory} has a gap: the segment of {first} ends at {end}, "
                f"the next starts at {after}",
                hint="restore the missing files from a copy, or remove the event log",
            )
    if not segments:
        return None
    committed = _mend_index(directory, segments[-1], sync)
    return _mend_data(directory, committed, sync)


def last_entry(directory: Path, first_offset: int) -> np.void:
    """Return the last index entry of a sealed segment, which is whole if nobody touched it.

    Raises:
        StateError: It is not.
    """
    path = index_path(directory, first_offset)
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - INDEX_ENTRY.size))
        entry = file.read()
    if (size - INDEX_HEADER.size) % INDEX_ENTRY.size or not entry_whole(entry):
        raise StateError(f"{path} is damaged", hint=_RESTORE)
    return cast("np.void", np.frombuffer(entry, INDEX_DTYPE)[0])


def _sweep(directory: Path) -> None:
    """Remove what a crash left of a segment that was being made or removed."""
    for aside in directory.glob(f"*{INDEX_SUFFIX}.new"):
        aside.unlink()
    indexed = file_offsets(directory, INDEX_SUFFIX)
    for first in set(file_offsets(directory, DATA_SUFFIX)) - set(indexed):
        path = data_path(directory, first)
        # A segment is made empty, and removed from the front: other data has lost its index.
        if path.stat().st_size and not (indexed and first < indexed[0]):
            raise StateError(f"{path} has no index", hint=_RESTORE)
        path.unlink()


def _mend_index(directory: Path, segment: int, sync: Callable[[int], None]) -> CommittedEnd:
    path = index_path(directory, segment)
    content = path.read_bytes()
    check_header(content[: INDEX_HEADER.size], path)
    width = INDEX_ENTRY.size
    whole = (len(content) - INDEX_HEADER.size) // width
    entries = np.frombuffer(content, INDEX_DTYPE, whole, INDEX_HEADER.size)
    chained = chain_length(entries, segment, 0)
    raw = entries[:chained].tobytes()
    good = next((i for i in range(chained) if not entry_whole(raw[i * width :][:width])), chained)
    if good < whole - 1:
        raise StateError(f"{path} is damaged at entry {good} of {whole}", hint=_RESTORE)
    committed = CommittedEnd(segment, segment, 0, INDEX_HEADER.size + good * width)
    if good:
        last = entries[good - 1]
        end_offset = int(last["first_offset"]) + int(last["count"])
        committed = CommittedEnd(segment, end_offset, int(last["byte_end"]), committed.index_end)
    if len(content) > committed.index_end:
        with path.open("r+b") as file:
            file.truncate(committed.index_end)
            sync(file.fileno())
        _log_cut(path, len(content) - committed.index_end)
    return committed


def _log_cut(path: Path, cut_bytes: int) -> None:
    _logger.warning(
        "cut a torn end off, which a crash left and nobody was told is there",
        extra={"file": str(path), "bytes": cut_bytes},
    )


def _mend_data(
    directory: Path, committed: CommittedEnd, sync: Callable[[int], None]
) -> CommittedEnd:
    path = data_path(directory, committed.segment)
    byte_end = committed.byte_end
    with path.open("r+b") as file:
        status = os.fstat(file.fileno())
        if status.st_size < byte_end:
            raise StateError(
                f"{path} has {status.st_size} bytes, but {byte_end} were acknowledged",
                hint=_RESTORE,
            )
        tail = os.pread(file.fileno(), status.st_size - byte_end, byte_end)
        if not tail:
            return committed
        written = tail.partition(b"\0")[0]
        kept = written[: written.rfind(b"\n") + 1]
        file.truncate(byte_end + len(kept))
        sync(file.fileno())
    if len(tail) > len(kept):
        _log_cut(path, len(tail) - len(kept))
    if not kept:
        return committed
    count = kept.count(b"\n")
    entry = encode_entry(
        committed.end_offset,
        byte_end,
        status.st_mtime_ns // 1_000_000,
        byte_end + len(kept),
        count,
    )
    with index_path(directory, committed.segment).open("r+b") as file:
        write_all(file.fileno(), entry, committed.index_end)
        sync(file.fileno())
    return CommittedEnd(
        committed.segment,
        committed.end_offset + count,
        byte_end + len(kept),
        committed.index_end + len(entry),
    )
