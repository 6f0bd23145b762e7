"""How far behind a source is: ``as_of``, lag and rate, from samples of its end offsets.

``as_of`` is the latest moment such that everything that was in the source then has been committed.
While the source is caught up that is now; while it is not, it is the time of the latest sample of
end offsets that the committed offsets have reached. So the worst partition counts, an idle one is
fresh, and the clock runs on while ingestion stands still (law 5).

The clock may be set back: then all moments that were taken down go back with it, or they would be
in the future, and read as fresh until the clock comes there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

SAMPLES_MAX = 4_096
SAMPLE_INTERVAL_MS = 20
RATE_WINDOW_MS = 5_000


class Progress:
    """Samples of one source. Times are ms since the epoch.

    Attributes:
        end_offsets: Partition → end offset, as last sampled.
        as_of_ms: See the module's docstring; 0 while not known. Goes back with the clock only.
    """

    def __init__(self, as_of_ms: int) -> None:
        """Begin with the ``as_of`` of an earlier life."""
        self.end_offsets: dict[int, int] = {}
        self.as_of_ms = as_of_ms
        self._now_ms = 0
        self._sampled = False
        self._samples: deque[tuple[int, dict[int, int]]] = deque()
        self._counts: deque[tuple[int, int]] = deque()

    def follow_clock(self, now_ms: int) -> None:
        """Hear what time it is, at every turn."""
        back_ms, self._now_ms = self._now_ms - now_ms, now_ms
        if back_ms > 0:
            self.as_of_ms = max(0, self.as_of_ms - back_ms)
            self._samples = deque((at_ms - back_ms, ends) for at_ms, ends in self._samples)
            self._counts = deque((at_ms - back_ms, n) for at_ms, n in self._counts)
        if self.as_of_ms > now_ms:
            self.as_of_ms = 0  # a clock that was ahead in an earlier life: nobody knows by how much

    def sample(self, now_ms: int, end_offsets: Mapping[int, int]) -> None:
        """Take in where the source ends now."""
        self._sampled = True
        ends = dict(end_offsets)
        self.end_offsets = ends
        last = self._samples[-1] if self._samples else None
        if last is not None and last[1] == ends:
            return  # the earlier moment says the same, and is reached no later
        if last is not None and now_ms - last[0] < SAMPLE_INTERVAL_MS:
            return
        self._samples.append((now_ms, ends))
        if len(self._samples) > SAMPLES_MAX:
            # Far behind: a coarser history loses nothing that a reader could tell apart.
            self._samples = deque(list(self._samples)[::2])

    def committed(self, now_ms: int, offsets: Mapping[int, int]) -> int:
        """Take in what is committed at ``now_ms``, and return ``as_of_ms``."""
        while self._samples and _reached(offsets, self._samples[0][1]):
            self.as_of_ms = max(self.as_of_ms, self._samples.popleft()[0])
        if self.caught_up(offsets):
            self.as_of_ms = max(self.as_of_ms, now_ms)
        return self.as_of_ms

    def caught_up(self, offsets: Mapping[int, int]) -> bool:
        """Say whether ``offsets`` have reached the end of every partition as last sampled."""
        return self._sampled and _reached(offsets, self.end_offsets)

    def lag(self, offsets: Mapping[int, int]) -> int:
        """Return how many messages are between ``offsets`` and the end."""
        return sum(max(0, end - offsets.get(p, 0)) for p, end in self.end_offsets.items())

    def count(self, now_ms: int, messages: int) -> None:
        """Take in that messages were read."""
        self._counts.append((now_ms, messages))

    def rate(self, now_ms: int) -> float:
        """Return messages per second over the last seconds."""
        while self._counts and self._counts[0][0] < now_ms - RATE_WINDOW_MS:
            self._counts.popleft()
        if not self._counts:
            return 0.0
        span_ms = max(1_000, now_ms - self._counts[0][0])
        return 1_000.0 * sum(messages for _, messages in self._counts) / span_ms


def _reached(offsets: Mapping[int, int], ends: Mapping[int, int]) -> bool:
    return all(offsets.get(partition, 0) >= end for partition, end in ends.items())
