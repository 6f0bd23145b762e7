"""The ``nexmark`` source: the events of the Nexmark benchmark, made as they are read.

Event i, from 0, lies in partition ``i % partitions`` at offset ``i // partitions``: with one
partition, offsets are the numbers of events. Every event can be made by itself, so the source can
be opened at any offset; nothing is kept of what was read. What would give other events at the same
offsets is its identity.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from ingest.source.message import BATCH_BYTES_MAX, MessageBatch
from ingest.source.nexmark_lines import NexmarkLines
from ingest.source.nexmark_rules import times_ms
from ingest.source.protocol import SourceProgress
from keyfold.connector.nexmark_options import NexmarkOptions
from keyfold.errors import SourceError

RULES_VERSION: Final = "1"
"""Another version gives other events."""
_EVENT_BYTES_MAX: Final = 1_024
_WAIT_S_MIN: Final = 0.005
_BATCH_EVENTS_MAX: Final = BATCH_BYTES_MAX // _EVENT_BYTES_MAX


class NexmarkSource:
    """Generated events. Implements ``Source``.

    Args:
        options: The source's options.
        monotonic_s: A clock in seconds that never goes back.
        sleep_s: Waits for so many seconds.
    """

    def __init__(
        self,
        options: NexmarkOptions,
        monotonic_s: Callable[[], float] = time.monotonic,
        sleep_s: Callable[[float], None] = time.sleep,
    ) -> None:
        self._options = options
        self._monotonic_s = monotonic_s
        self._sleep_s = sleep_s
        self._lines: NexmarkLines | None = None
        self._positions = np.zeros(options.partitions, np.int64)
        # With a rate: from which event on, and since when.
        self._begin, self._began_s = 0, 0.0

    def open(self, offsets: Mapping[int, int], identity: Mapping[str, str]) -> None:
        """Go to the offsets.

        Raises:
            SourceError: They are offsets of other events, or there is no such offset.
        """
        self.close()
        for key, now in self.identity().items():
            before = identity.get(key, now)
            if before != now:
                raise SourceError(
                    f"the events that were read have {key} {before}, these have {key} {now}",
                    hint=f"put {key} back as it was, or rebuild the state",
                )
        ends = self._partition_ends(self._options.events)
        for partition, offset in offsets.items():
            if partition >= len(ends) or offset > ends[partition]:
                raise SourceError(
                    f"offset {offset} of partition {partition} is behind the last event",
                    hint="give the source as many events as before, or rebuild the state",
                )
            self._positions[partition] = offset
        self._lines = NexmarkLines(self._options.seed)
        self._begin, self._began_s = self._next_number(), self._monotonic_s()

    def start_offsets(self) -> Mapping[int, int]:
        """Return the positions, see ``Source.start_offsets``."""
        return _by_partition(self._positions)

    def poll(self, messages_max: int, timeout_ms: int) -> MessageBatch | None:
        """Return the next events by their number, those of partitions that lie behind first."""
        deadline_s = self._monotonic_s() + timeout_ms / 1_000
        while True:
            first, due = self._next_number(), self._due()
            if first < due:
                return self._batch(first, min(due, first + min(messages_max, _BATCH_EVENTS_MAX)))
            left_s = deadline_s - self._monotonic_s()
            if left_s <= 0:
                return None
            rate = self._options.rate
            complete = first >= self._options.events
            wait_s = left_s if complete or rate is None else max(1 / rate, _WAIT_S_MIN)
            self._sleep_s(min(left_s, wait_s))

    def progress(self) -> SourceProgress:
        """Say how many events there are by now, and whether all were read."""
        ends = np.maximum(self._partition_ends(self._due()), self._positions)
        complete = self._next_number() >= self._options.events
        return SourceProgress(_by_partition(ends), complete=complete)

    def identity(self) -> Mapping[str, str]:
        """Return what decides which event lies at an offset."""
        return {
            "rules version": RULES_VERSION,
            "seed": str(self._options.seed),
            "partitions": str(self._options.partitions),
        }

    def committed(self, offsets: Mapping[int, int]) -> None:
        """Ignore it: nobody else reads these events."""

    def close(self) -> None:
        """Release the texts. Safe to call twice."""
        self._lines = None
        self._positions = np.zeros(self._options.partitions, np.int64)

    def _batch(self, first: int, end: int) -> MessageBatch:
        """Return the events from ``first`` to ``end`` that were not read yet; at least one."""
        assert self._lines is not None, "it is open"
        numbers = np.arange(first, end)
        offsets, partitions = np.divmod(numbers, self._options.partitions)
        unread = offsets >= self._positions[partitions]
        numbers, offsets, partitions = numbers[unread], offsets[unread], partitions[unread]
        self._positions = np.maximum(self._positions, self._partition_ends(end))
        return MessageBatch(
            values=self._lines.lines(numbers),
            partitions=partitions.astype(np.int32),
            offsets=offsets,
            timestamps_ms=times_ms(numbers),
            next_offsets=_by_partition(self._positions),
            cut_short=end < self._due(),
        )

    def _next_number(self) -> int:
        """Return the first event that was not read."""
        count = self._options.partitions
        return int((self._positions * count + np.arange(count)).min())

    def _due(self) -> int:
        """Return how many events there are by now."""
        rate, events = self._options.rate, self._options.events
        if rate is None:
            return events
        return min(events, self._begin + int((self._monotonic_s() - self._began_s) * rate))

    def _partition_ends(self, number: int) -> np.ndarray:
        """Return the offset in each partition of its first event from ``number`` on."""
        count = self._options.partitions
        return np.maximum(0, -(-(number - np.arange(count)) // count))


def _by_partition(offsets: np.ndarray) -> dict[int, int]:
    return dict(enumerate(offsets.tolist()))
