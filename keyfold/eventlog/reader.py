"""The reading end of one partition of the event log; any number of readers per partition.

A reader follows the index, which commits (see ``format``), and never looks at data beyond it. It
reads the data with ``pread`` into memory of its own, so neither a removed segment nor a writer
that cuts a torn tail can pull the ground from under an array that was handed out.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from keyfold.errors import SourceError, StateError
from keyfold.eventlog.format import (
    INDEX_DTYPE,
    INDEX_ENTRY,
    INDEX_HEADER,
    INDEX_SUFFIX,
    chain_length,
    check_header,
    data_path,
    entry_whole,
    file_offsets,
    index_path,
)
from keyfold.eventlog.lines import array_of_lines

READ_BYTES: Final = 4 << 20
READ_BYTES_MAX: Final = 1 << 30
INDEX_READ_ENTRIES: Final = 16_384


class EventLogReader:
    """Reads one partition from an offset on, and goes on as it grows. Not thread-safe.

    Args:
        directory: The partition's directory; it may be still empty.
        read_bytes: Data to read at once, at most, unless one record is longer.
    """

    def __init__(self, directory: Path, read_bytes: int = READ_BYTES) -> None:
        self._directory = directory
        self._read_bytes = read_bytes
        self._segment: int | None = None
        self._data = self._index = -1
        # Index entries that were read and not used up yet, and where the next ones must chain on.
        self._entries = np.empty(0, INDEX_DTYPE)
        self._index_position = 0
        self._chain_offset = self._chain_byte = 0
        self._next_of, self._next_path = -1, ""
        # Memory that was touched before is several times faster to read into than fresh memory.
        self._scratch = np.empty(0, np.uint8)
        # Where to load the next lines, and the lines that were loaded and not handed out yet.
        self._load_offset = self._load_byte = 0
        self._lines = pa.array([], pa.binary())
        self._timestamps_ms = np.empty(0, np.int64)

    def open(self, offset: int) -> None:
        """Go to ``offset``: the next ``read`` starts with that record.

        Raises:
            SourceError: That record was removed, or cannot be there yet.
        """
        self.close()
        self._load_offset = offset
        if not self._enter(offset):
            if offset:
                raise self._past_the_end(offset, 0)
            return
        while self._more_entries() and self._chain_offset <= offset:
            self._entries = self._entries[:0]
        if self._chain_offset < offset:
            raise self._past_the_end(offset, self._chain_offset)
        if not len(self._entries):
            self._load_byte = self._chain_byte
            return
        at = int(np.searchsorted(self._entries["first_offset"], offset, "right")) - 1
        self._entries = self._entries[at:]
        self._load_offset = int(self._entries["first_offset"][0])
        self._load_byte = int(self._entries["byte_start"][0])
        # Within an append the index does not help: count lines.
        while self._load_offset < offset:
            self._load(offset - self._load_offset + 1)
            surplus = self._load_offset - offset
            self._lines = self._lines[max(0, len(self._lines) - surplus) :]
            self._timestamps_ms = self._timestamps_ms[len(self._timestamps_ms) - len(self._lines) :]

    def read(self, messages_max: int) -> tuple[pa.Array, int, np.ndarray] | None:
        """Return the next records, at most ``messages_max``; None when there are none now.

        Returns:
            Binary array of n records without line ends, the offset of the first, and int64[n]
            append times in ms since the epoch.

        Raises:
            SourceError: The next record was removed, or the log is damaged.
        """
        while not len(self._lines):
            if not len(self._entries) and not self._more_entries() and not self._next_segment():
                return None
            if len(self._entries):
                self._load(messages_max)
        first_offset = self._load_offset - len(self._lines)
        lines, timestamps_ms = self._lines[:messages_max], self._timestamps_ms[:messages_max]
        self._lines = self._lines[messages_max:]
        self._timestamps_ms = self._timestamps_ms[messages_max:]
        return lines, first_offset, timestamps_ms

    def ready(self) -> bool:
        """Say whether ``read`` may have something. Cheap: two stat calls at most."""
        if len(self._lines) or len(self._entries):
            return True
        if self._segment is None:
            return index_path(self._directory, self._load_offset).exists()
        status = os.fstat(self._index)
        grown = status.st_size >= self._index_position + INDEX_ENTRY.size
        return grown or status.st_nlink == 0 or self._next_segment_there()

    def start_offset(self) -> int:
        """Return the first offset that is still there."""
        segments = self._segments()
        return segments[0] if segments else 0

    def end_offset(self) -> int:
        """Return the offset after the last record that is there."""
        segments = self._segments()
        if not segments:
            return 0
        path = index_path(self._directory, segments[-1])
        with path.open("rb") as file:
            whole = (file.seek(0, os.SEEK_END) - INDEX_HEADER.size) // INDEX_ENTRY.size
            # The last entry may be still on its way; the one before it is not.
            for entry_number in range(whole - 1, max(-1, whole - 3), -1):
                file.seek(INDEX_HEADER.size + entry_number * INDEX_ENTRY.size)
                raw = file.read(INDEX_ENTRY.size)
                if len(raw) == INDEX_ENTRY.size and entry_whole(raw):
                    entry = INDEX_ENTRY.unpack(raw)
                    return int(entry[0] + entry[4])
        return segments[-1]

    def close(self) -> None:
        """Release the files. Safe to call twice."""
        if self._segment is not None:
            os.close(self._data)
            os.close(self._index)
        self._segment = None
        self._entries = self._entries[:0]
        self._lines, self._timestamps_ms = self._lines[:0], self._timestamps_ms[:0]

    def _segments(self) -> list[int]:
        try:
            return file_offsets(self._directory, INDEX_SUFFIX)
        except FileNotFoundError:
            return []

    def _enter(self, offset: int) -> bool:
        """Open the segment that has ``offset``, or ends there; False when there is none at all."""
        segments = self._segments()
        if not segments:
            return False
        if offset < segments[0]:
            raise SourceError(
                f"{self._directory} starts at offset {segments[0]}, but {offset} is next to read",
                hint="the records between were removed; rebuild the state to start without them",
            )
        segment = max(first for first in segments if first <= offset)
        path = index_path(self._directory, segment)
        data = index = -1
        try:
            data = os.open(data_path(self._directory, segment), os.O_RDONLY | os.O_CLOEXEC)
            index = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            check_header(os.pread(index, INDEX_HEADER.size, 0), path)
        except (OSError, StateError) as error:
            for descriptor in (data, index):
                if descriptor >= 0:
                    os.close(descriptor)
            raise SourceError(f"cannot read the event log: {error}") from error
        if self._segment is not None:
            os.close(self._data)
            os.close(self._index)
        self._segment, self._data, self._index = segment, data, index
        self._index_position = INDEX_HEADER.size
        self._chain_offset, self._chain_byte = segment, 0
        self._load_byte = 0
        return True

    def _more_entries(self) -> bool:
        """Read the next index entries of this segment; False when there are none yet."""
        if self._segment is None:
            return False
        raw = os.pread(self._index, INDEX_READ_ENTRIES * INDEX_ENTRY.size, self._index_position)
        whole = len(raw) // INDEX_ENTRY.size
        entries = np.frombuffer(raw, INDEX_DTYPE, whole)
        good = chain_length(entries, self._chain_offset, self._chain_byte)
        if good == whole and whole and not entry_whole(entries[-1].tobytes()):
            good -= 1
        # The last entry may be still on its way into the file; those before it are not.
        if good < whole - 1:
            raise self._damaged(f"the index entry after offset {self._chain_offset} does not fit")
        if not good:
            return False
        last = entries[good - 1]
        self._entries = entries[:good]
        self._index_position += good * INDEX_ENTRY.size
        self._chain_offset = int(last["first_offset"]) + int(last["count"])
        self._chain_byte = int(last["byte_end"])
        return True

    def _next_segment_there(self) -> bool:
        """Say whether this segment is sealed: the next one bears the number of its end."""
        if self._chain_offset == self._segment:
            return False
        # Asked every millisecond while there is nothing, so the path is not made anew each time.
        if self._next_of != self._chain_offset:
            self._next_of = self._chain_offset
            self._next_path = str(index_path(self._directory, self._chain_offset))
        return os.path.exists(self._next_path)

    def _next_segment(self) -> bool:
        """Go on to the segment that follows; False when this one is still the active one."""
        if self._segment is None:
            return self._enter(self._load_offset)
        removed = os.fstat(self._index).st_nlink == 0
        if not removed and not self._next_segment_there():
            return False
        # An entry may have come in between the look at the index and the look at the directory.
        if self._more_entries():
            return True
        if not self._enter(self._load_offset) or self._segment != self._load_offset:
            raise SourceError(
                f"{self._directory} was removed or replaced while it was read",
                hint="restore the event log, or rebuild the state without it",
            )
        return True

    def _load(self, messages_max: int) -> None:
        """Load the lines of the next entries: about ``messages_max``, at most ``read_bytes``."""
        ends = self._entries["first_offset"] + self._entries["count"].astype(np.int64)
        wanted = int(np.searchsorted(ends, self._load_offset + messages_max))
        byte_limit = int(self._entries["byte_end"][min(wanted, len(ends) - 1)])
        size = min(byte_limit - self._load_byte, self._read_bytes)
        while True:
            lines, consumed = array_of_lines(self._read_data(size))
            if consumed:
                break
            if size >= min(byte_limit - self._load_byte, READ_BYTES_MAX):
                raise self._damaged(f"record {self._load_offset} has no end")
            size = min(byte_limit - self._load_byte, 2 * size, READ_BYTES_MAX)
        start, stop = self._load_offset, self._load_offset + len(lines)
        byte_stop = self._load_byte + consumed
        done = int(np.searchsorted(ends, stop, "right"))
        at_entry_end = done > 0 and ends[done - 1] == stop
        if (byte_stop == byte_limit) > at_entry_end or stop > ends[-1]:
            raise self._damaged(f"the records after offset {start} are not as the index says")
        spans = np.minimum(ends, stop) - np.maximum(self._entries["first_offset"], start)
        self._timestamps_ms = np.repeat(self._entries["append_ms"], np.maximum(spans, 0))
        self._lines = lines
        self._entries = self._entries[done:]
        self._load_offset, self._load_byte = stop, byte_stop

    def _read_data(self, size: int) -> np.ndarray:
        """Return uint8[size] from where to load, valid until the next call."""
        if len(self._scratch) < size:
            self._scratch = np.empty(size, np.uint8)
        content = self._scratch[:size]
        view, done = content.data, 0
        while done < size:
            got = os.preadv(self._data, [view[done:]], self._load_byte + done)
            if not got:
                raise self._damaged(f"the data ends before offset {self._chain_offset}")
            done += got
        return content

    def _damaged(self, what: str) -> SourceError:
        return SourceError(
            f"the segment {data_path(self._directory, self._segment or 0)} is damaged: {what}",
            hint="restore the segment's two files from a copy",
        )

    def _past_the_end(self, offset: int, end_offset: int) -> SourceError:
        return SourceError(
            f"{self._directory} ends at offset {end_offset}, but {offset} is next to read",
            hint="the event log is older than the state; restore it, or rebuild the state",
        )
