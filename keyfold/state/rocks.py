"""The store in RocksDB, through rocksdict in raw mode: one primary, any number of secondaries.

The commit protocol (``RocksStore.write``):

1. Everything goes into one WriteBatch, the commit record last, so a commit is atomic.
2. A small commit is written through the write-ahead log; no fsync, since the stream is read again
   after a crash of the machine (law 2). A large one is written with the log off and then flushed:
   a secondary takes over a new file 50 times faster than as many log records.
3. After every flush the commit record is written once more, through the log. Without this a
   secondary that has applied log records keeps its copy of the memtable over the flushed file and
   answers stale rows for ever (facebook/rocksdb #14444, #15051). For the same reason it is written
   once more after opening.

A secondary reads the list of files first and the log after it, so a flush in between shows it one
without the other: rows of one commit beside the record of another. Therefore each flush has a
number, which stands in the flushed file (``flushed``) and, written after it, in the log
(``marked``). Where a secondary sees two different numbers, it has to look again, or to be opened
anew (``RocksReplica.refresh``).

Flushes never happen by themselves: the memtable is larger than any commit may be, and
``write`` flushes once the log has grown to ``wal_bytes_max``.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from collections import deque
from collections.abc import Sequence
from itertools import starmap
from pathlib import Path

from rocksdict import (
    AccessType,
    Options,
    Rdict,
    WriteBatch,
    WriteOptions,
)

from keyfold.errors import StateError
from keyfold.state.layout import FLUSHED_KEY, MARKED_KEY
from keyfold.state.linger import Lingering
from keyfold.state.protocol import Pair, Pairs
from keyfold.state.rocksreads import COLUMN_FAMILY, RocksReads, rocks_options

MEMTABLE_BYTES = 512 << 20
BULK_KEYS_MIN = 5_000
WAL_BYTES_MAX = 8 << 20
_REFRESH_S_MAX = 0.005
OPEN_S_MAX = 2.0
"""How long a reader that may wait, waits for files and log that fit each other."""
_REFRESH_PAUSE_S = 0.0002


def _replica_options(block_cache_bytes: int) -> Options:
    options = rocks_options(block_cache_bytes)
    # A secondary opens files with that many threads, which it starts and joins at every catch-up,
    # whether there are files to open or not: with RocksDB's 16 that was most of a small catch-up.
    options.set_max_file_opening_threads(1)
    return options


def _writer_options(block_cache_bytes: int) -> Options:
    options = rocks_options(block_cache_bytes)
    options.create_if_missing(True)
    options.set_write_buffer_size(MEMTABLE_BYTES)
    options.set_max_background_jobs(2)
    options.set_level_zero_file_num_compaction_trigger(12)
    options.set_level_zero_slowdown_writes_trigger(40)
    options.set_level_zero_stop_writes_trigger(64)
    options.set_max_manifest_file_size(16 << 20)
    return options


class RocksStore(RocksReads):
    """The primary. One per directory: RocksDB's lock refuses a second."""

    def __init__(
        self,
        directory: Path,
        *,
        block_cache_bytes: int = 256 << 20,
        bulk_keys_min: int = BULK_KEYS_MIN,
        wal_bytes_max: int = WAL_BYTES_MAX,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        options = _writer_options(block_cache_bytes)
        try:
            self._db = Rdict(str(directory), options, column_families={COLUMN_FAMILY: options})
        except Exception as problem:
            raise _opening_failed(directory, problem) from problem
        self._bulk_keys_min = bulk_keys_min
        self._wal_bytes_max = wal_bytes_max
        self._wal_bytes = 0
        self._no_wal = WriteOptions()
        self._no_wal.disable_wal = True
        self._open = True
        self._lingering = Lingering(directory)
        self._lingering.start()
        flushed = self._db.get(FLUSHED_KEY)
        self._flushes = int(flushed) if flushed else 0
        if flushed != self._db.get(MARKED_KEY):  # the process died between step 2 and step 3
            self._db.put(MARKED_KEY, flushed)

    def write(
        self,
        puts: Pairs,
        deletes: Sequence[bytes],
        ranges: Sequence[Pair],
        marker: Pair,
    ) -> None:
        """Apply everything in one atomic step; see the module's docstring for the protocol."""
        # Step 1: one batch.
        batch = WriteBatch(raw_mode=True)
        for start, end in ranges:
            batch.delete_range(start, end)
        for key in deletes:
            batch.delete(key)
        deque(starmap(batch.put, puts), maxlen=0)  # one pass in C over what may be many
        batch.put(*marker)
        size = batch.size_in_bytes()
        # Step 2: through the log, or around it and flushed.
        if len(puts) + len(deletes) < self._bulk_keys_min:
            self._db.write(batch)
            self._wal_bytes += size
            if self._wal_bytes < self._wal_bytes_max:
                return
            batch = WriteBatch(raw_mode=True)
        self._flush(batch, marker)

    def _flush(self, batch: WriteBatch, marker: Pair) -> None:
        self._flushes += 1
        number = str(self._flushes).encode()
        batch.put(FLUSHED_KEY, number)
        self._db.write(batch, self._no_wal)
        self._db.flush()
        # Step 3: wake the secondaries up from the memtable that was flushed.
        mark = WriteBatch(raw_mode=True)
        mark.put(*marker)
        mark.put(MARKED_KEY, number)
        self._db.write(mark)
        self._wal_bytes = 0

    def close(self) -> None:
        """Flush and release the lock. Safe to call twice."""
        if self._open:
            self._open = False
            # Closing flushes, and nothing can mark that in the log: the number alone tells the
            # secondaries, which then open anew.
            last = WriteBatch(raw_mode=True)
            last.put(FLUSHED_KEY, str(self._flushes + 1).encode())
            self._db.write(last, self._no_wal)
            self._db.close()
            self._lingering.close()


class RocksReplica(RocksReads):
    """A secondary: follows the primary's files from another process."""

    def __init__(
        self,
        directory: Path,
        own_directory: Path,
        *,
        block_cache_bytes: int = 256 << 20,
        wait_s: float = OPEN_S_MAX,
    ) -> None:
        """Open a secondary.

        Args:
            directory: Of the primary.
            own_directory: Of this replica alone; removed when it is closed.
            block_cache_bytes: Size of the block cache.
            wait_s: For how long an opening, here or in ``refresh``, is tried again until files and
                log fit each other. A few milliseconds of ``refresh`` itself are not counted.

        Raises:
            StateError: There is no state yet, or it cannot be opened (in that time).
        """
        if not (directory / "CURRENT").exists():
            raise StateError(
                f"there is no state in {directory} yet",
                hint="give the data directory of the pipeline with --data-dir, or start "
                "`keyfold run` first",
            )
        self._directory = directory
        self._own_directory = own_directory
        self._block_cache_bytes = block_cache_bytes
        self._wait_s = wait_s
        self._openings = 0
        self._own: Path | None = None  # of the instance that is read
        self._whole_though_unmarked: tuple[int, int] | None = None
        try:
            self._open_whole()
        except BaseException:
            shutil.rmtree(own_directory, ignore_errors=True)
            raise
        self._open = True

    def refresh(self) -> None:
        """Move to the latest commit. Between calls the replica stands still.

        Where files and log do not come to fit each other soon, the replica is opened anew: the
        writer ended between a flush and its mark, or flushed as it closed, and this instance
        would keep its copy of the log over the flushed files. Iterators go on over the old one.

        Raises:
            StateError: The state cannot be opened again. What is read from here on may be of two
                commits, until a refresh succeeds.
        """
        end = time.monotonic() + _REFRESH_S_MAX
        while True:
            self._db.try_catch_up_with_primary()
            flushed, marked = self._flush_numbers(self._db)
            if flushed == marked or (flushed, marked) == self._whole_though_unmarked:
                return
            if time.monotonic() > end:
                break
            time.sleep(_REFRESH_PAUSE_S)
        self._open_whole()

    def close(self) -> None:
        """Release files and remove the replica's own directory. Safe to call twice."""
        if self._open:
            self._open = False
            self._db.close()
            shutil.rmtree(self._own_directory, ignore_errors=True)

    def _open_whole(self) -> None:
        """Open until the files and the log are of one commit."""
        end = time.monotonic() + self._wait_s
        while not self._opened():
            # The list of files is older than the log.
            if time.monotonic() > end:
                raise StateError(
                    "the log of the state has a flush that its files do not have",
                    hint="open it again; if that fails, restart the ingest process",
                )
            time.sleep(_REFRESH_PAUSE_S)

    def _opened(self) -> bool:
        """Open an instance, and take it if it is whole."""
        self._openings += 1
        own = self._own_directory / str(self._openings)
        own.mkdir(parents=True, exist_ok=True)
        options = _replica_options(self._block_cache_bytes)
        try:
            database = Rdict(
                str(self._directory),
                options,
                column_families={COLUMN_FAMILY: options},
                access_type=AccessType.secondary(str(own)),
            )
            flushed, marked = self._flush_numbers(database)
        except Exception as problem:
            shutil.rmtree(own, ignore_errors=True)
            raise _opening_failed(self._directory, problem) from problem
        if flushed < marked:
            database.close()
            shutil.rmtree(own, ignore_errors=True)
            return False
        # Without its mark a flush is whole to a new instance: it has no older log records.
        self._whole_though_unmarked = (flushed, marked)
        before, self._own, self._db = self._own, own, database
        if before is not None:
            # Its notes only, nothing that is read: iterators over the old instance go on.
            shutil.rmtree(before, ignore_errors=True)
        return True

    @staticmethod
    def _flush_numbers(database: Rdict) -> tuple[int, int]:
        flushed, marked = database.get([FLUSHED_KEY, MARKED_KEY])
        return int(flushed or 0), int(marked or 0)


def refuse_if_locked(directory: Path) -> None:
    """Look whether a primary has a directory open, without opening it or writing into it.

    RocksDB holds a write lock of ``fcntl`` on the file ``LOCK``, which keeps readers' locks off.
    Not for the process that has the primary itself: closing the file would release its lock.

    Raises:
        StateError: Another process has it open.
    """
    try:
        file = (directory / "LOCK").open("rb")
    except OSError:
        return  # there is no state yet, or none that can be opened
    with file:
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as problem:  # EAGAIN or EACCES, says POSIX
            raise _locked(directory) from problem


def _opening_failed(directory: Path, problem: Exception) -> StateError:
    text = str(problem)
    if "lock" in text.lower():
        return _locked(directory)
    return StateError(f"the state in {directory} cannot be opened: {text}")


def _locked(directory: Path) -> StateError:
    return StateError(
        f"another process is writing to {directory}",
        hint="stop it first; one ingest process owns a data directory",
    )
