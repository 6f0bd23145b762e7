"""The writing end of one partition of the event log; one writer per partition.

The append protocol, each step done before the next (the layout stands in ``format``):

1. write the lines of all waiting pushes behind the data file's committed end;
2. sync the data file;
3. write one index entry for them: this commits them, readers see them from here on;
4. sync the index file;
5. acknowledge each push with its offsets.

So a reader never sees a record that is not durable. What a crash between the steps leaves behind is
mended by ``recovery`` when the next writer opens the partition. A push that was not acknowledged
may be there all the same: pushing is at least once.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from keyfold.errors import StateError
from keyfold.eventlog.format import (
    INDEX_HEADER,
    INDEX_SUFFIX,
    LOCK_NAME,
    create_directory,
    data_path,
    encode_entry,
    encode_header,
    ensure_log_id,
    file_offsets,
    index_path,
    sync_directory,
    write_all,
    write_synced,
)
from keyfold.eventlog.lines import LineBlock, block_of
from keyfold.eventlog.recovery import CommittedEnd, last_entry, recover

# macOS has no fdatasync.
_SYNC: Final[Callable[[int], None]] = getattr(os, "fdatasync", os.fsync)


@dataclass(frozen=True, slots=True)
class AppendResult:
    """Where a push lies, once it is durable.

    Attributes:
        partition: The partition.
        first_offset: Offset of its first record.
        last_offset: Offset of its last record; ``first_offset - 1`` for a push of no records.
    """

    partition: int
    first_offset: int
    last_offset: int


class EventLogWriter:
    """Appends to one partition. Not thread-safe; one thread owns it.

    Args:
        directory: The partition's directory, named by its number; made where it is missing.
        segment_bytes_max: A new segment starts before one grows beyond this; a single group of
            pushes larger than this has a segment of its own.
        sync: Makes the content of a file descriptor durable.

    Raises:
        StateError: Another writer holds the partition, or its files are damaged.
    """

    def __init__(
        self, directory: Path, segment_bytes_max: int, sync: Callable[[int], None] = _SYNC
    ) -> None:
        self.partition = int(directory.name)
        self._directory = directory
        self._segment_bytes_max = segment_bytes_max
        self._sync = sync
        self._broken = ""
        self._descriptors: set[int] = set()
        try:
            create_directory(directory)
            ensure_log_id(directory.parent)
            self._lock()
            active = recover(directory, sync)
            if active:
                self._open_segment(active)
            else:
                self._create_segment(0)
        except OSError as error:
            self.close()
            raise StateError(
                f"cannot open {error.filename or directory} for writing: {error.strerror}",
                hint="check the event log's directory, its owner and its disk",
            ) from error
        except BaseException:
            self.close()
            raise

    @property
    def end_offset(self) -> int:
        """The offset that the next record gets."""
        return self._end_offset

    def append(self, lines: Sequence[bytes] | LineBlock, now_ms: int) -> AppendResult:
        """Append one push; durable when this returns.

        Args:
            lines: Records without their line ends, or a block of them.
            now_ms: The append time, ms since the epoch.

        Raises:
            StateError: The disk refused; nothing of the push is in the log.
        """
        block = lines if isinstance(lines, LineBlock) else block_of(lines)
        return self.append_many([block], now_ms)[0]

    def append_many(self, blocks: Sequence[LineBlock], now_ms: int) -> list[AppendResult]:
        """Append several pushes with one pair of syncs; all durable when this returns.

        Returns:
            One result per block, in order; offsets run on from block to block.

        Raises:
            StateError: The disk refused; nothing of the pushes is acknowledged.
        """
        if self._broken:
            raise StateError(
                f"partition {self.partition} of the event log is closed: {self._broken}",
                hint="open it again to mend it",
            )
        results, next_offset = [], self._end_offset
        for block in blocks:
            results.append(AppendResult(self.partition, next_offset, next_offset + block.count - 1))
            next_offset += block.count
        count = next_offset - self._end_offset
        if count:
            data = blocks[0].data if len(blocks) == 1 else b"".join(b.data for b in blocks)
            self._commit(data, count, now_ms)
        return results

    def retain(self, bytes_max: int, age_ms_max: int, applied_offset: int, now_ms: int) -> int:
        """Remove the oldest segments that are too much or too old, and applied.

        Never a part of a segment, never the active one, and never a record at or after
        ``applied_offset``: until the state holds it, this log is its only home.

        Args:
            bytes_max: Data bytes of the partition to keep at most.
            age_ms_max: A segment whose last record is older than this goes.
            applied_offset: The offset up to which the state has durably applied.
            now_ms: Now, ms since the epoch.

        Returns:
            How many segments were removed.
        """
        segments = file_offsets(self._directory, INDEX_SUFFIX)
        sizes = [data_path(self._directory, first).stat().st_size for first in segments]
        excess = sum(sizes) - bytes_max
        removed = 0
        for first, after, size in zip(segments, segments[1:], sizes, strict=False):
            expired = int(last_entry(self._directory, first)["append_ms"]) < now_ms - age_ms_max
            if after > applied_offset or not (excess > 0 or expired):
                break
            # The index dies first: without it the segment is not there, whatever happens next.
            index_path(self._directory, first).unlink()
            data_path(self._directory, first).unlink()
            excess -= size
            removed += 1
        if removed:
            sync_directory(self._directory)
        return removed

    def close(self) -> None:
        """Release the partition. Safe to call twice."""
        self._broken = self._broken or "the writer was closed"
        while self._descriptors:
            os.close(self._descriptors.pop())

    def _lock(self) -> None:
        descriptor = self._open(self._directory / LOCK_NAME, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateError(
                f"another writer holds {self._directory}",
                hint="stop the other process, or give this one a partition of its own",
            ) from error

    def _open(self, path: Path, flags: int) -> int:
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o644)
        self._descriptors.add(descriptor)
        return descriptor

    def _create_segment(self, first_offset: int) -> None:
        """Make an empty segment durable: data file first, then the index, whole."""
        write_synced(data_path(self._directory, first_offset), b"")
        index = index_path(self._directory, first_offset)
        aside = index.with_suffix(f"{INDEX_SUFFIX}.new")
        write_synced(aside, encode_header())
        aside.rename(index)
        sync_directory(self._directory)
        self._open_segment(CommittedEnd(first_offset, first_offset, 0, INDEX_HEADER.size))

    def _open_segment(self, committed: CommittedEnd) -> None:
        first_offset = committed.segment
        self._data = self._open(data_path(self._directory, first_offset), os.O_RDWR)
        self._index = self._open(index_path(self._directory, first_offset), os.O_RDWR)
        self._end_offset = committed.end_offset
        self._byte_end = committed.byte_end
        self._index_end = committed.index_end

    def _commit(self, data: bytes, count: int, now_ms: int) -> None:
        if self._byte_end and self._byte_end + len(data) > self._segment_bytes_max:
            self._roll()
        try:
            # Step 1
            write_all(self._data, data, self._byte_end)
        except OSError as error:
            self._withdraw(error)
        try:
            # Step 2
            self._sync(self._data)
        except OSError as error:
            # After a failed sync nobody knows what is on the disk: this writer is done.
            self._broken = f"sync failed: {error}"
            self._withdraw(error)
        self._write_entry(len(data), count, now_ms)

    def _write_entry(self, data_bytes: int, count: int, append_ms: int) -> None:
        byte_end = self._byte_end + data_bytes
        entry = encode_entry(self._end_offset, self._byte_end, append_ms, byte_end, count)
        try:
            # Step 3
            write_all(self._index, entry, self._index_end)
        except OSError as error:
            self._withdraw(error)
        try:
            # Step 4
            self._sync(self._index)
        except OSError as error:
            # Readers may have seen the entry, and its data is durable: it stays for recovery.
            self._broken = f"sync failed: {error}"
            raise self._refusal(error) from error
        # Step 5
        self._end_offset += count
        self._byte_end = byte_end
        self._index_end += len(entry)

    def _withdraw(self, cause: OSError) -> NoReturn:
        """Cut what was not committed, and refuse.

        Raises:
            StateError: Always.
        """
        try:
            os.ftruncate(self._index, self._index_end)
            os.ftruncate(self._data, self._byte_end)
        except OSError as error:
            self._broken = f"cannot cut back a failed append: {error}"
        raise self._refusal(cause) from cause

    def _refusal(self, cause: OSError) -> StateError:
        return StateError(
            f"partition {self.partition} of the event log cannot be written: {cause.strerror}",
            hint=f"check the space and the health of the disk of {self._directory}",
        )

    def _roll(self) -> None:
        sealed = {self._data, self._index}
        try:
            self._create_segment(self._end_offset)
        except OSError as error:
            # The new segment may be there by half: only opening the partition anew can tell.
            self._broken = f"cannot start a segment: {error}"
            raise self._refusal(error) from error
        for descriptor in sealed:
            os.close(descriptor)
        self._descriptors -= sealed
