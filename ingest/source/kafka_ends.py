"""Where the partitions of a topic end, for who reads committed messages, and how old that is.

Three things tell of it: what the broker said when the source was opened, the high watermark that
comes with every fetch, and an answer that is asked for now and then. The answer matters where no
fetch tells anything: it confirms that what is known is up to date, and after an outage it may tell
of messages before they are fetched. While the broker is silent or says that something is wrong,
what is known grows old (law 5).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaException

from ingest.source.kafka_topic import KafkaTopic

_log = logging.getLogger("keyfold.ingest")

# The ends are asked for this often; an answer confirms that what the fetches say is up to date.
_ASK_INTERVAL_S = 0.5
_ASK_TIMEOUT_S = 5.0
_CONFIRMED_S = 2.0


class PartitionEnds:
    """The ends of one topic's partitions. Asks, and never waits for the answer."""

    def __init__(self, source: str, known: Mapping[int, int], now_s: float) -> None:
        """Begin with what the broker said at ``now_s``.

        Args:
            source: Name of the source, for the log.
            known: Partition → end offset.
            now_s: When it was asked for, on the clock that all methods are given.
        """
        self._source = source
        self._known = known
        self._answered: dict[int, int] = {}
        # Where the last thing read was the end of a partition: the high watermark of then.
        self._settled: dict[int, int] = {}
        # What was asked for and not answered yet: when, and the answers to come.
        self._asked: tuple[float, dict[int, Future[Any]]] | None = None
        self._ask_at_s = self._troubled_s = 0.0
        self._confirmed_s = now_s

    def confirm(self, topic: KafkaTopic, partitions: Collection[int], now_s: float) -> None:
        """Ask when it is time, or take in the answers that are there."""
        if self._asked is None:
            if now_s >= self._ask_at_s and partitions:
                self._asked = now_s, topic.ask_ends(partitions, _ASK_TIMEOUT_S)
            return
        asked_s, answers = self._asked
        if not all(answer.done() for answer in answers.values()):
            return
        self._asked, self._ask_at_s = None, now_s + _ASK_INTERVAL_S
        try:
            self._answered = {each: answer.result().offset for each, answer in answers.items()}
        except KafkaException as error:
            _log.debug("source '%s': no end offsets: %s", self._source, error)
        else:
            self._confirmed_s = asked_s

    def doubt(self, now_s: float) -> None:
        """Hear that something is wrong with the broker: only a later answer confirms again."""
        self._troubled_s = now_s

    def age_ms(self, now_s: float) -> int:
        """Return how long ago the ends were known to be these; 0 while the broker answers."""
        silent_s = now_s - self._confirmed_s
        current = silent_s < _CONFIRMED_S and self._confirmed_s > self._troubled_s
        return 0 if current else int(silent_s * 1000)

    def settle(self, partition: int, high: int) -> None:
        """Hear that the end of what can be read was reached, at this high watermark."""
        self._settled[partition] = high

    def pass_by(self, partition: int) -> None:
        """Hear that reading went on past what was the end."""
        self._settled.pop(partition, None)

    def end(self, partition: int, position: int, high: int) -> int | None:
        """Return the end of a partition, as far as it can be read; None while nobody has told.

        A partition that had no leader when the source was opened is one of those.

        The high watermark counts the messages of an open transaction, which nobody may read yet.
        So where we stand at the end of what can be read, and the watermark is still that of the
        moment when we came there, the position is the end.

        Args:
            partition: Which one.
            position: The next offset to read.
            high: The high watermark of the last fetch; negative before the first one.
        """
        # After an outage, the broker may tell of new messages before they are fetched.
        reached = max(position, self._answered.get(partition, 0))
        if high < 0:
            if partition not in self._known and partition not in self._answered:
                return None
            return max(reached, self._known.get(partition, reached))
        return reached if self._settled.get(partition) == high else max(reached, high)
