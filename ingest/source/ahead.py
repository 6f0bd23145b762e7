"""Reading ahead: the next batch is read while the one before it is evaluated.

With a backlog the two go on side by side, on two cores. Here the reading is done in a thread, one
batch ahead at most, and only when asked for: a source that is followed closely is read by the loop
itself, without a thread in between. That is for sources whose reading is mostly not Python's;
where it is, another process reads (ingest/source/remote.py).

While a batch is being read nobody else touches the source, so what there is to tell it waits.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from typing import Protocol

from ingest.background import in_background
from ingest.source.message import MessageBatch
from ingest.source.protocol import Source, SourceProgress


class ReadAhead(Source, Protocol):
    """A source that may be read while nobody waits for it."""

    @property
    def reading(self) -> bool:
        """Whether a batch is being read ahead, that a poll did not wait for."""

    def read_ahead(self, messages_max: int, timeout_ms: int) -> None:
        """Hear that there is a backlog: begin to read what the next ``poll`` returns."""

    def poll(
        self, messages_max: int, timeout_ms: int, gather_ms: float = 0.0
    ) -> MessageBatch | None:
        """Return the next messages, see ``Source.poll``.

        Args:
            messages_max: How many at most.
            timeout_ms: How long to wait; what comes later comes with the next poll.
            gather_ms: For so long from now the caller would rather have more messages than some
                now; a source that does not gather by itself need not keep to it.
        """


@dataclass(frozen=True, slots=True)
class _Read:
    """What a poll gave, and what the source said of itself then."""

    batch: MessageBatch | None
    progress: SourceProgress
    identity: Mapping[str, str]
    time_s: float


class AheadSource:
    """A source that is read ahead in a thread. Implements ``ReadAhead``; one thread calls it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._reading: Future[_Read] | None = None
        self._last: _Read | None = None
        self._told: Mapping[int, int] | None = None

    def open(self, offsets: Mapping[int, int], identity: Mapping[str, str]) -> None:
        """Open the source, see ``Source.open``."""
        self._let_go()
        self._source.open(offsets, identity)

    def start_offsets(self) -> Mapping[int, int]:
        """See ``Source.start_offsets``."""
        return self._source.start_offsets()

    @property
    def reading(self) -> bool:
        """Whether a batch is being read ahead."""
        return self._reading is not None

    def read_ahead(self, messages_max: int, timeout_ms: int) -> None:
        """Begin to read what the next ``poll`` returns."""
        if self._reading is None:
            self._tell()
            # What the thread changes while it reads is not for others to look at.
            self._last = self._facts(None)
            self._reading = in_background(
                "read-ahead", lambda: self._facts(self._source.poll(messages_max, timeout_ms))
            )

    def poll(
        self, messages_max: int, timeout_ms: int, gather_ms: float = 0.0
    ) -> MessageBatch | None:
        """Return what was read ahead, or what is there; see ``Source.poll``."""
        del gather_ms
        if self._reading is None:
            self._tell()
            self._last = None  # the source itself can say how things are
            return self._source.poll(messages_max, timeout_ms)
        if not wait([self._reading], timeout_ms / 1_000).done:
            return None
        reading, self._reading = self._reading, None
        read = reading.result()
        self._last = replace(read, batch=None)  # whose memory is the caller's now
        return read.batch

    def progress(self) -> SourceProgress:
        """Say how far the source could be read when it was last looked at."""
        last = self._last
        if last is None:
            return self._source.progress()
        age_ms = int((time.monotonic() - last.time_s) * 1_000)
        return replace(last.progress, age_ms=last.progress.age_ms + age_ms)

    def identity(self) -> Mapping[str, str]:
        """See ``Source.identity``; as it was with the last batch."""
        return self._source.identity() if self._last is None else self._last.identity

    def committed(self, offsets: Mapping[int, int]) -> None:
        """See ``Source.committed``; the source hears of it before it is read again."""
        self._told = offsets
        if self._reading is None:
            self._tell()

    def close(self) -> None:
        """Wait for what is being read, and close the source. Safe to call twice."""
        self._let_go()
        self._tell()
        self._source.close()

    def _facts(self, batch: MessageBatch | None) -> _Read:
        progress = self._source.progress()
        return _Read(batch, progress, dict(self._source.identity()), time.monotonic())

    def _tell(self) -> None:
        told, self._told = self._told, None
        if told is not None:
            self._source.committed(told)

    def _let_go(self) -> None:
        reading, self._reading, self._last = self._reading, None, None
        if reading is not None:
            wait([reading])
