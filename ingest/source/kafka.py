"""Kafka as a source: partitions assigned by us, offsets told by the state.

Law 2 in Kafka's terms: the consumer group is never asked where to start, and what is committed to
it is a courtesy for lag tools. What the log cannot give any more (a trimmed offset, a re-created
topic) stops the source; what passes by itself (a broker that restarts, a new leader) does not.

A position passes what is not a message (transaction markers, aborted messages) with the next
message or, at the end of a partition, with librdkafka's end-of-partition event.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import OffsetSpec

from ingest.source import kafka_errors as errors
from ingest.source.kafka_batch import GrowingBatch
from ingest.source.kafka_ends import PartitionEnds
from ingest.source.kafka_topic import KafkaTopic, LibrdkafkaLog, TopicFacts, facts_of
from ingest.source.message import BATCH_BYTES_MAX, MessageBatch
from ingest.source.protocol import SourceProgress
from keyfold.connector.kafka_options import KafkaOptions, kafka_options
from keyfold.errors import SourceError

__all__ = ["KafkaOptions", "KafkaSource", "kafka_options"]

_log = logging.getLogger("keyfold.ingest")

_REFRESH_TIMEOUT_S = 5.0
_COMMIT_INTERVAL_S = 1.0
# An outage is over when the broker has answered for this long and nothing spoke against it.
_CALM_S = 2.5
# A broker that has just started may not know its topics yet: believe the third answer.
_MISSING_ANSWERS_MAX = 3
_MISSING_RETRY_S = 0.5
# How often a poll that waits for messages looks after the topic.
_LOOK_UP_S = 0.05
# The objects of one consume() should stay in the CPU's cache until they are columns: asking for
# 2,000 at a time is half as fast again as asking for 10,000.
_CHUNK_MESSAGES = 2_000


class KafkaSource:
    """One topic as a source. Not thread-safe.

    Attributes:
        options: Which topic, and how it is read.
    """

    def __init__(self, options: KafkaOptions, batch_bytes_max: int = BATCH_BYTES_MAX) -> None:
        """Prepare the source; ``open`` connects it.

        Args:
            options: Which topic, and how it is read.
            batch_bytes_max: A batch ends with the piece that reaches this.
        """
        self.options = options
        self._batch_bytes_max = batch_bytes_max
        self._names = (options.name, options.topic)
        self._consumer: Any = None
        self._topic: KafkaTopic | None = None
        self._topic_id = ""
        self._refresh: Future[Any] | None = None
        self._refresh_at_s = 0.0
        self._missing_answers = 0
        self._outage = ""  # what librdkafka says of one that has not ended yet
        self._calm_since_s: float | None = None
        self._stopped: SourceError | None = None
        self._ends = PartitionEnds(options.name, {}, 0.0)
        # By partition: what to hand to librdkafka, and the next offset to read.
        self._assigned: dict[int, TopicPartition] = {}
        self._positions: dict[int, int] = {}
        # Positions that the caller has not been told yet.
        self._news: dict[int, int] = {}
        self._courtesy: Mapping[int, int] = {}
        self._courtesy_at_s = 0.0

    def open(self, offsets: Mapping[int, int], identity: Mapping[str, str]) -> None:
        """Connect and start reading, see ``Source.open``.

        Raises:
            SourceError: The broker is not reached or refuses us, the topic is not there or is not
                the one that ``identity`` names, or a log does not have the offset to start from.
            SettingsError: librdkafka does not take the properties.
        """
        self.close()
        options = self.options
        config = options.consumer_config()
        timeout_s = options.open_timeout_ms / 1000
        topic = KafkaTopic(options.name, options.topic, config)
        try:
            facts = topic.describe(timeout_s)
        except KafkaException as error:
            raise errors.not_described(*self._names, error.args[0]) from error
        self._topic, self._topic_id = topic, identity.get("topic_id") or facts.topic_id
        if identity.get("topic", options.topic) != options.topic:
            raise errors.another_topic(
                *self._names, f"the state was built from topic '{identity['topic']}'"
            )
        self._check_same_topic(facts, known=offsets)
        earliest = topic.offsets(facts.partitions, OffsetSpec.earliest(), timeout_s)
        asked_s = time.monotonic()
        latest = topic.offsets(facts.partitions, OffsetSpec.latest(), timeout_s)
        self._ends = PartitionEnds(options.name, latest, asked_s)
        # A partition that a known source does not know yet appeared since, and is read whole.
        starts = {} if offsets else topic.start_offsets(facts, options, timeout_s)
        positions = {each: starts.get(each, offsets.get(each, 0)) for each in facts.partitions}
        self._positions.update(positions)  # so that progress tells the ends, whatever comes now
        for partition, position in positions.items():
            low, high = earliest.get(partition), latest.get(partition)
            if low is not None and high is not None and not low <= position <= high:
                begins = {p: at for p, at in earliest.items() if positions[p] < at}
                raise errors.gone(*self._names, partition, position, (low, high), begins)
        try:
            self._consumer = Consumer(
                config | {"error_cb": self._heard, "on_commit": self._courtesy_done},
                logger=LibrdkafkaLog(),
            )
        except (KafkaException, TypeError, ValueError) as error:
            raise errors.refused_properties(options.name, error) from error
        self._refresh_at_s = time.monotonic() + options.partitions_refresh_ms / 1000
        self._assign(positions)

    def start_offsets(self) -> Mapping[int, int]:
        """Return the positions, see ``Source.start_offsets``."""
        return dict(self._positions)

    def poll(self, messages_max: int, timeout_ms: int) -> MessageBatch | None:
        """Return the next messages, see ``Source.poll``."""
        deadline_s = time.monotonic() + timeout_ms / 1000
        while True:
            now_s = time.monotonic()
            self._follow_topic(now_s)
            assert self._topic is not None
            self._ends.confirm(self._topic, self._assigned, now_s)
            self._commit_courtesy(now_s)
            if self._stopped is not None:
                raise self._stopped
            wait_s = max(0.0, min(_LOOK_UP_S, deadline_s - now_s))
            gathered = self._gather(messages_max, wait_s)
            if gathered or self._news:
                news, self._news = self._news, {}
                return gathered.batch(news)
            if self._stopped is None and time.monotonic() >= deadline_s:
                return None

    def progress(self) -> SourceProgress:
        """Say where the partitions end, from what the last answers said; asks nobody."""
        ends = {
            partition: self._ends.end(partition, position, self._high_watermark(partition))
            for partition, position in self._positions.items()
        }
        return SourceProgress(
            {p: self._positions[p] if end is None else end for p, end in ends.items()},
            age_ms=self._ends.age_ms(time.monotonic()),
            known=None not in ends.values(),
            trouble=self._outage,
        )

    def identity(self) -> Mapping[str, str]:
        """Name the topic, and its id where the broker has one."""
        known = {"topic_id": self._topic_id} if self._topic_id else {}
        return {"topic": self.options.topic} | known

    def committed(self, offsets: Mapping[int, int]) -> None:
        """Commit to the consumer group, at most once a second, and never wait for it."""
        self._courtesy = offsets
        self._commit_courtesy(time.monotonic())

    def close(self) -> None:
        """Let go of the broker."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            if self._courtesy:
                self._send_courtesy(consumer)
            consumer.close()
        self._topic = self._refresh = self._stopped = None
        self._ends = PartitionEnds(self.options.name, {}, 0.0)
        self._missing_answers, self._courtesy = 0, {}
        self._outage, self._calm_since_s = "", None
        for each in (self._assigned, self._positions, self._news):
            each.clear()

    # -- reading ----------------------------------------------------------------------------------

    def _gather(self, messages_max: int, wait_s: float) -> GrowingBatch:
        gathered = GrowingBatch(self.options)
        room = messages_max
        # consume() waits until it has all that it was asked for: wait for the first message alone,
        # and then take what is there.
        asked = 1
        while room > 0:
            messages = self._consumer.consume(asked, wait_s)
            count = len(messages)
            events: list[Message] = []
            if any(map(Message.error, messages)):
                events = [each for each in messages if each.error() is not None]
                messages = [each for each in messages if each.error() is None]
            if messages:
                for partition, position in gathered.add(messages).items():
                    self._advance(partition, position)
            for event in events:
                self._act_on(event)
            if count < asked:
                break
            room -= count
            # The next consume() can then take up the memory that these lay in.
            del messages
            if room == 0 or gathered.nbytes >= self._batch_bytes_max:
                gathered.cut_short = True
                break
            asked, wait_s = min(room, _CHUNK_MESSAGES), 0.0
        return gathered

    def _advance(self, partition: int, position: int) -> None:
        if position > self._positions[partition]:
            self._positions[partition] = self._news[partition] = position
            self._ends.pass_by(partition)

    def _high_watermark(self, partition: int) -> int:
        """The cached high watermark; negative before the first fetch of the partition."""
        if self._consumer is None:
            return -1
        tail = self._consumer.get_watermark_offsets(self._assigned[partition], cached=True)
        return int(tail[1])

    # -- what else the broker tells us ------------------------------------------------------------

    def _act_on(self, event: Message) -> None:
        """Act on an event, once the messages that came with it are counted."""
        error, partition, offset = event.error(), event.partition(), event.offset()
        if error.code() == KafkaError._PARTITION_EOF:
            # It lies behind us where messages followed it.
            if offset >= self._positions[partition]:
                self._advance(partition, offset)
                self._ends.settle(partition, self._high_watermark(partition))
        elif error.code() in errors.GONE:
            self._stop(self._why_gone(partition))
        elif error.code() in errors.DAMAGED:
            self._stop(errors.damaged(*self._names, partition, offset, error))
        else:
            self._heard(error)

    def _heard(self, error: KafkaError) -> None:
        """Sort an error that librdkafka reports: it stops us, it is none of ours, or it passes."""
        if error.code() in errors.REFUSED:
            self._stop(errors.refused(*self._names, error))
        elif error.fatal():
            self._stop(errors.gave_up(self.options.name, error))
        elif error.code() in errors.MISSING:
            self._refresh_at_s = 0.0
        elif error.code() in errors.HARMLESS:
            _log.debug("source '%s': %s", self.options.name, error.str())
        else:
            self._calm_since_s = None
            self._ends.doubt(time.monotonic())
            if not self._outage:
                self._outage = (
                    f"source '{self.options.name}': the Kafka broker does not answer, going on "
                    f"trying: {error.str()}"
                )
                _log.warning("%s", self._outage)

    def _answered(self, now_s: float) -> None:
        # The consumer may still try old connections, and say so, when this answer is there already.
        if self._outage and self._calm_since_s is None:
            self._calm_since_s = now_s
        elif self._calm_since_s is not None and now_s - self._calm_since_s > _CALM_S:
            self._outage, self._calm_since_s = "", None
            _log.info("source '%s': the Kafka broker answers again", self.options.name)

    def _stop(self, error: SourceError) -> None:
        # What was read before the error is still delivered; the next poll raises it.
        if self._stopped is None:
            self._stopped = error

    # -- the topic --------------------------------------------------------------------------------

    def _follow_topic(self, now_s: float) -> None:
        """Notice new partitions and a re-created topic; never waits."""
        assert self._topic is not None
        if self._refresh is None:
            if now_s >= self._refresh_at_s:
                self._refresh = self._topic.ask(_REFRESH_TIMEOUT_S)
            return
        if not self._refresh.done():
            return
        answer, self._refresh = self._refresh, None
        self._refresh_at_s = now_s + self.options.partitions_refresh_ms / 1000
        try:
            facts = facts_of(answer)
            self._check_same_topic(facts, known=self._assigned)
        except KafkaException as error:
            if error.args[0].code() not in errors.MISSING:
                self._heard(error.args[0])
                return
            self._missing_answers += 1
            self._refresh_at_s = now_s + _MISSING_RETRY_S
            if self._missing_answers >= _MISSING_ANSWERS_MAX:
                self._stop(errors.not_described(*self._names, error.args[0]))
        except SourceError as error:
            self._stop(error)
        else:
            self._missing_answers = 0
            self._answered(now_s)
            grown = [each for each in facts.partitions if each not in self._assigned]
            if grown:
                _log.info("source '%s': new partitions %s", self.options.name, grown)
                self._assign(dict.fromkeys(grown, 0))

    def _assign(self, positions: Mapping[int, int]) -> None:
        topic = self.options.topic
        for partition, position in positions.items():
            self._assigned[partition] = TopicPartition(topic, partition, position)
            self._positions[partition] = self._news[partition] = position
        self._consumer.incremental_assign([self._assigned[partition] for partition in positions])

    def _check_same_topic(self, facts: TopicFacts, known: Iterable[int]) -> None:
        lost = sorted(set(known) - set(facts.partitions))
        if facts.topic_id and self._topic_id and facts.topic_id != self._topic_id:
            how = f"its id is {facts.topic_id}, not {self._topic_id}"
        elif lost:
            how = f"partitions {lost} that were read are not there any more"
        else:
            return
        raise errors.another_topic(*self._names, how)

    def _why_gone(self, partition: int) -> SourceError:
        """Tell a trimmed log from a re-created topic, which looks the same to a fetch."""
        assert self._topic is not None
        there = None
        try:
            self._check_same_topic(self._topic.describe(_REFRESH_TIMEOUT_S), known=self._assigned)
            low = self._topic.offsets([partition], OffsetSpec.earliest(), _REFRESH_TIMEOUT_S)
            high = self._topic.offsets([partition], OffsetSpec.latest(), _REFRESH_TIMEOUT_S)
            if low and high:
                there = (low[partition], high[partition])
        except SourceError as error:
            return error
        except KafkaException as error:
            return errors.not_described(*self._names, error.args[0])
        return errors.gone(*self._names, partition, self._positions[partition], there)

    # -- the courtesy commit ----------------------------------------------------------------------

    def _commit_courtesy(self, now_s: float) -> None:
        if self._courtesy and now_s >= self._courtesy_at_s and self._consumer is not None:
            self._courtesy_at_s = now_s + _COMMIT_INTERVAL_S
            self._send_courtesy(self._consumer)

    def _send_courtesy(self, consumer: Any) -> None:
        offsets, self._courtesy = self._courtesy, {}
        try:
            consumer.commit(
                offsets=[
                    TopicPartition(self.options.topic, partition, offset)
                    for partition, offset in offsets.items()
                ],
                asynchronous=True,
            )
        except KafkaException as error:
            _log.debug("source '%s': no courtesy commit: %s", self.options.name, error)

    def _courtesy_done(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        del partitions
        if error is not None:
            _log.debug("source '%s': no courtesy commit: %s", self.options.name, error.str())
