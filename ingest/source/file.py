"""The ``file`` source: files as logs, one partition per file.

Files are numbered in the order of discovery, sorted by path within one look. What a file was when
it got its number (path, size, hash of its first bytes) is the source's identity, so a file that
was changed is refused: its record numbers would mean something else. A new file gets the next
number; so a growing data set is many files, each of which appears whole. A file may be taken away
once it was read to its end; a view that is new then begins behind it, as in any log whose beginning
is gone.

``progress`` must be exact, so each file is counted when it is discovered: Parquet files from their
metadata, others by a pass over their bytes (plain NDJSON at about a gigabyte per second, compressed
files at the speed of their codec). The count is part of the identity and not taken again. Where a
source watches, a thread looks and counts, so that reading goes on: its own, and other sources'.
What it finds is known once it is done; until then the source is known as it was when the look
before it began, and that grows old (law 5).
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa

from ingest.background import in_background
from ingest.source.file_records import BrokenFileError, count_records, field_names, read_messages
from ingest.source.message import BATCH_BYTES_MAX, MessageBatch
from ingest.source.protocol import OffsetGoneError, SourceProgress
from keyfold.connector.file_options import FileOptions, matching_files
from keyfold.errors import SourceError, counted

_log = logging.getLogger("keyfold.ingest")
WATCH_INTERVAL_S: Final = 1.0
FINGERPRINT_BYTES: Final = 64 << 10
NAMES_SHOWN_MAX: Final = 20
_EMPTY: Final = pa.array([], pa.binary())
_REBUILD: Final = "restore the file as it was, or rebuild the state from the files as they are"


class KnownFile(msgspec.Struct, frozen=True):
    """One file as it was when it got its number.

    Attributes:
        path: As globbed, so relative to the source's directory unless the pattern was absolute.
        size_bytes: Its size.
        sha256: Of its first 64 KiB.
        records: How many records can be read.
        whole: False where the file is broken behind them.
    """

    path: str
    size_bytes: int
    sha256: str
    records: int
    whole: bool


class FileSource:
    """All files that match a pattern. Implements ``Source``.

    Args:
        options: The source's options.
        directory: What a relative pattern is relative to.
        monotonic_s: A clock in seconds that never goes back.
        sleep_s: Waits for so many seconds.
        columns: The source's columns; a file with names of which none is among them is refused.
        blobs: Which of them hold bytes.
    """

    def __init__(
        self,
        options: FileOptions,
        directory: Path = Path(),
        monotonic_s: Callable[[], float] = time.monotonic,
        sleep_s: Callable[[float], None] = time.sleep,
        columns: Collection[str] = (),
        blobs: Collection[str] = (),
    ) -> None:
        self._options = options
        self._columns = columns
        self._blobs = blobs
        self._directory = directory
        self._monotonic_s = monotonic_s
        self._sleep_s = sleep_s
        self._files: list[KnownFile] = []
        self._positions: list[int] = []
        # Partitions that start elsewhere than they were told to, until a batch has told so.
        self._starts: dict[int, int] = {}
        # The file being read, its stream, and what the stream gave beyond the last batch.
        self._current = 0
        self._stream: Iterator[pa.Array] | None = None
        self._values = _EMPTY
        self._look_at_s = 0.0
        # When the last look that is done began, and the one that is under way.
        self._looked_s = self._began_s = 0.0
        self._looking: Future[list[KnownFile]] | None = None

    def open(self, offsets: Mapping[int, int], identity: Mapping[str, str]) -> None:
        """Check the files we knew, and find the new ones.

        Raises:
            OffsetGoneError: A file is gone that was not read to its end.
            SourceError: A known file was changed, or no file matches and none is waited for.
        """
        self.close()
        known = [
            msgspec.json.decode(identity[str(number)], type=KnownFile)
            for number in range(len(identity))
        ]
        for partition, offset in offsets.items():
            if partition >= len(known) or offset > known[partition].records:
                raise SourceError(
                    f"offset {offset} of file {partition} is not one that this source gave out",
                    hint="rebuild the state",
                )
        gone = {
            partition: file.records
            for partition, file in enumerate(known)
            if file.whole and not self._absolute(file).exists()
        }
        if gone and not offsets:  # who begins anew begins with what is there
            self._starts = dict(gone)
            _log.warning(
                "of %s, %s gone: new views begin without what was there",
                self._options.path,
                counted(len(gone), "file"),
            )
        for partition, file in enumerate(known):
            position = self._starts.get(partition, offsets.get(partition, 0))
            if partition not in gone:
                self._check(file)
            elif position < file.records:
                raise OffsetGoneError(
                    f"{file.path} cannot be read to its end: it is gone",
                    hint=_REBUILD,
                    begins=gone,
                )
            self._files.append(file)
            self._positions.append(position)
        self._began_s = self._monotonic_s()
        self._take_over(_look(self._options, self._directory, {file.path for file in known}))
        if not self._files and not self._options.watch:
            raise SourceError(
                f"no file matches {self._options.path}",
                hint="correct the path, or add watch = 'true' to wait for files",
            )

    def start_offsets(self) -> Mapping[int, int]:
        """Return the positions, see ``Source.start_offsets``."""
        return dict(enumerate(self._positions))

    def poll(self, messages_max: int, timeout_ms: int) -> MessageBatch | None:
        """Return the next messages, file after file.

        Raises:
            SourceError: A file is broken or was changed; all before that place was returned.
        """
        deadline_s = self._monotonic_s() + timeout_ms / 1000
        while True:
            if self._options.watch:
                self._watch()
            batch = self._take(messages_max)
            left_s = deadline_s - self._monotonic_s()
            if batch is not None or left_s <= 0:
                return batch
            if self._looking is not None:
                wait([self._looking], left_s)
            else:
                until_look_s = self._look_at_s - self._monotonic_s()
                self._sleep_s(
                    min(left_s, max(0.0, until_look_s)) if self._options.watch else left_s
                )

    def progress(self) -> SourceProgress:
        """Say how many records each file has, and whether all were read."""
        watch = self._options.watch
        read = all(map(self._finished, range(len(self._files))))
        return SourceProgress(
            {partition: file.records for partition, file in enumerate(self._files)},
            complete=read and not watch,
            age_ms=int((self._monotonic_s() - self._looked_s) * 1_000) if watch else 0,
        )

    def identity(self) -> Mapping[str, str]:
        """Return what each file was when it got its number."""
        return {
            str(partition): msgspec.json.encode(file).decode()
            for partition, file in enumerate(self._files)
        }

    def committed(self, offsets: Mapping[int, int]) -> None:
        """Ignore it: files have no one to tell."""

    def close(self) -> None:
        """Release the file being read. Safe to call twice."""
        self._stream = self._looking = None  # a thread that still looks ends by itself
        self._values = self._values[:0]
        self._files, self._positions, self._starts = [], [], {}
        self._current = 0

    def _absolute(self, file: KnownFile) -> Path:
        return self._directory / file.path

    def _finished(self, partition: int) -> bool:
        file = self._files[partition]
        return file.whole and self._positions[partition] >= file.records

    def _watch(self) -> None:
        """Look for new files when it is time, and take over what the last look found."""
        if self._looking is None and self._monotonic_s() >= self._look_at_s:
            known = {file.path for file in self._files}
            self._began_s = self._monotonic_s()
            self._looking = in_background(
                "file-look", lambda: _look(self._options, self._directory, known)
            )
        if self._looking is not None and self._looking.done():
            looking, self._looking = self._looking, None
            self._take_over(looking.result())

    def _take_over(self, found: list[KnownFile]) -> None:
        """Give each new file the next number."""
        self._looked_s = self._began_s
        self._look_at_s = self._monotonic_s() + WATCH_INTERVAL_S
        self._files += found
        self._positions += [0] * len(found)

    def _check(self, file: KnownFile) -> None:
        try:
            now = _fingerprint(self._absolute(file))
        except OSError as error:
            raise SourceError(
                f"{file.path} cannot be read: {error.strerror}", hint=_REBUILD
            ) from error
        if now != (file.size_bytes, file.sha256):
            raise SourceError(
                f"{file.path} has changed since its first record was read", hint=_REBUILD
            )

    def _check_columns(self, file: KnownFile) -> None:
        """Refuse a file that would give nothing but NULLs."""
        try:
            names = field_names(str(self._absolute(file)), self._options) if self._columns else ()
        except BrokenFileError as error:
            raise SourceError(
                f"{file.path} cannot be read: {error}",
                hint="put a whole file in its place, and rebuild the state",
            ) from error
        if names and not set(names) & set(self._columns):
            raise SourceError(
                f"{file.path} has none of the source's columns: it has {_listed(names)}, the "
                f"source has {_listed(self._columns)}",
                hint="correct the column list; names must be equal in case too, and CSV files "
                "without a header need header = 'false' and columns = 'a, b, c'",
            )

    def _take(self, messages_max: int) -> MessageBatch | None:
        pieces: list[tuple[int, int, pa.Array]] = []
        left, left_bytes = messages_max, BATCH_BYTES_MAX
        while left and left_bytes > 0 and self._current < len(self._files):
            partition = self._current
            try:
                if not self._fill():
                    self._current += 1
                    continue
            except SourceError:
                # Read anew, the same place fails again: at the next poll, after what came before.
                self._stream = None
                if not pieces:
                    raise
                break
            values = self._values[:left]
            self._values = self._values[left:]
            pieces.append((partition, self._positions[partition], values))
            self._positions[partition] += len(values)
            left -= len(values)
            left_bytes -= values.nbytes
        if not pieces and not self._starts:
            return None
        starts, self._starts = self._starts, {}
        return _batch(pieces, starts, cut_short=not left or left_bytes <= 0)

    def _fill(self) -> bool:
        """See that there are values of the current file; False at its end."""
        partition, position = self._current, self._positions[self._current]
        file = self._files[partition]
        if self._stream is None:
            if self._finished(partition):
                return False
            self._check(file)
            self._check_columns(file)
            path = str(self._absolute(file))
            self._stream = read_messages(path, self._options, position, self._blobs)
        try:
            while not len(self._values):
                values = next(self._stream, None)
                if values is None:
                    break
                self._values = values
        except BrokenFileError as error:
            raise SourceError(
                f"{file.path} cannot be read after record {position}: {error}",
                hint="put a whole file in its place, and rebuild the state",
            ) from error
        at_end = not len(self._values)
        if position + len(self._values) > file.records or (
            at_end and not self._finished(partition)
        ):
            raise SourceError(f"{file.path} was changed while it was read", hint=_REBUILD)
        if at_end:
            self._stream = None
        return not at_end


def _look(options: FileOptions, directory: Path, known: Collection[str]) -> list[KnownFile]:
    """Return the files that match and are not known, and count their records."""
    files = []
    for path in matching_files(options, directory):
        if path in known:
            continue
        absolute = directory / path
        try:
            size_bytes, sha256 = _fingerprint(absolute)
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}") from error
        records, whole = count_records(str(absolute), options)
        files.append(KnownFile(path, size_bytes, sha256, records, whole))
    return files


def _listed(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:NAMES_SHOWN_MAX])
    return shown if len(names) <= NAMES_SHOWN_MAX else f"{shown}, … ({len(names)} in all)"


def _fingerprint(path: Path) -> tuple[int, str]:
    """Return the size of a file and the hash of its first bytes."""
    with path.open("rb") as file:
        size_bytes = os.fstat(file.fileno()).st_size
        return size_bytes, hashlib.sha256(file.read(FINGERPRINT_BYTES)).hexdigest()


def _batch(
    pieces: list[tuple[int, int, pa.Array]], starts: dict[int, int], *, cut_short: bool
) -> MessageBatch:
    """Join pieces (partition, first offset, values) into one batch."""
    lengths = [len(values) for _, _, values in pieces]
    return MessageBatch(
        values=pa.concat_arrays([_EMPTY, *(values for _, _, values in pieces)]),
        partitions=np.repeat(np.array([p for p, _, _ in pieces], np.int32), lengths),
        offsets=np.concatenate(
            [np.empty(0, np.int64), *(np.arange(first, first + len(v)) for _, first, v in pieces)]
        ),
        timestamps_ms=np.full(sum(lengths), -1, np.int64),
        next_offsets=starts | {p: first + len(values) for p, first, values in pieces},
        cut_short=cut_short,
    )
