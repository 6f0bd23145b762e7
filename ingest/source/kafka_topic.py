"""What a Kafka broker says of one topic: its id, its partitions, the range of each log.

The questions go through an admin client of their own, so that none of them ever waits in the queue
of messages, and all have a time limit.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Any

from confluent_kafka import (
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from ingest.source import kafka_errors as errors
from keyfold.connector.kafka_options import KafkaOptions

_log = logging.getLogger("keyfold.ingest")

# str() of the id that a broker older than topic ids (Kafka 2.8) answers with: sixteen zero bytes.
_NO_TOPIC_ID = "AAAAAAAAAAAAAAAAAAAAAA"
# The admin client warns of properties that only a consumer has; these concern the connection.
_CONNECTION_PREFIXES = (
    "bootstrap.",
    "broker.",
    "client.",
    "connections.",
    "enable.sasl.",
    "enable.ssl.",
    "https.",
    "reconnect.",
    "sasl.",
    "security.",
    "socket.",
    "ssl.",
)


class LibrdkafkaLog:
    """Turns librdkafka's own lines, dozens a second in an outage, into debug records."""

    def log(self, level: int, message: str, *arguments: object) -> None:
        """Take one line; its level is dropped, since errors reach us as errors too."""
        del level
        _log.debug(message, *arguments)


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """A topic as the broker describes it.

    Attributes:
        topic_id: The id that a re-created topic does not share; empty where the broker has none.
        partitions: The partition numbers, ascending.
    """

    topic_id: str
    partitions: tuple[int, ...]


class KafkaTopic:
    """Asks a broker about one topic."""

    def __init__(self, source: str, topic: str, properties: Mapping[str, str | int | bool]) -> None:
        """Prepare the client; nothing is sent yet.

        Args:
            source: Name of the source, for errors.
            topic: Name of the topic.
            properties: librdkafka properties; those that concern the connection are used.
        """
        self._source = source
        self._topic = topic
        self._bootstrap = str(properties.get("bootstrap.servers", ""))
        self._error: KafkaError | None = None
        connection = {
            name: value
            for name, value in properties.items()
            if name.startswith(_CONNECTION_PREFIXES)
        }
        try:
            self._admin = AdminClient(
                connection | {"error_cb": self._heard}, logger=LibrdkafkaLog()
            )
        except (KafkaException, TypeError, ValueError) as error:
            raise errors.refused_properties(source, error) from error

    def ask(self, timeout_s: float) -> Future[Any]:
        """Ask for the facts without waiting; ``facts_of`` reads the answer once it is done."""
        asked = self._admin.describe_topics(
            TopicCollection([self._topic]), request_timeout=timeout_s
        )
        answer: Future[Any] = asked[self._topic]
        return answer

    def ask_ends(self, partitions: Iterable[int], timeout_s: float) -> dict[int, Future[Any]]:
        """Ask where partitions end for who reads committed messages, without waiting."""
        answers = self._admin.list_offsets(
            {TopicPartition(self._topic, each): OffsetSpec.latest() for each in partitions},
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=timeout_s,
        )
        return {each.partition: answer for each, answer in answers.items()}

    def describe(self, timeout_s: float) -> TopicFacts:
        """Ask for the facts and wait.

        Raises:
            SourceError: The broker refuses us, or is not reached in time.
            KafkaException: Any other failure, an unknown topic among them.
        """
        answer = self.ask(timeout_s)
        self._wait(answer, time.monotonic() + timeout_s)
        return facts_of(answer)

    def offsets(
        self,
        partitions: Iterable[int],
        spec: OffsetSpec,
        timeout_s: float,
        *,
        committed: bool = False,
    ) -> dict[int, int]:
        """Look up one offset of each partition.

        Args:
            partitions: Which ones.
            spec: Earliest, latest, or the first at a time (-1 where there is none).
            timeout_s: Limit for all of them together.
            committed: Whether the log ends before the first open transaction, or after it.

        Returns:
            Partition → offset; a partition that has no leader at the moment is left out.

        Raises:
            SourceError: The broker refuses us, or is not reached in time.
        """
        level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        answers = self._admin.list_offsets(
            {TopicPartition(self._topic, partition): spec for partition in partitions},
            isolation_level=level,
            request_timeout=timeout_s,
        )
        deadline = time.monotonic() + timeout_s
        found: dict[int, int] = {}
        for partition, answer in answers.items():
            try:
                found[partition.partition] = self._wait(answer, deadline).offset
            except KafkaException as error:
                _log.debug("%s: no offset of %s: %s", self._source, partition, error)
        return found

    def start_offsets(
        self, facts: TopicFacts, options: KafkaOptions, timeout_s: float
    ) -> dict[int, int]:
        """Resolve the startup mode to offsets, so that a restart goes on from the same ones.

        Raises:
            SourceError: A partition does not answer, or the broker does not.
        """

        def found(spec: OffsetSpec) -> dict[int, int]:
            return self.offsets(facts.partitions, spec, timeout_s, committed=True)

        starts = found(
            OffsetSpec.earliest() if options.startup_mode == "earliest" else OffsetSpec.latest()
        )
        if options.startup_mode == "timestamp":
            since = found(OffsetSpec.for_timestamp(options.startup_timestamp_ms))
            starts = {
                partition: since[partition] if since[partition] >= 0 else end
                for partition, end in starts.items()
                if partition in since
            }
        silent = sorted(set(facts.partitions) - set(starts))
        if silent:
            raise errors.leaderless(self._source, self._topic, silent)
        return starts

    def _wait(self, answer: Future[Any], deadline: float) -> Any:
        while True:
            self._admin.poll(0)
            if self._error is not None and self._error.code() in errors.REFUSED:
                raise errors.refused(self._source, self._topic, self._error)
            try:
                return answer.result(timeout=0.05)
            except FutureTimeoutError:
                if time.monotonic() > deadline:
                    raise errors.unreachable(self._source, self._bootstrap, self._error) from None
            except KafkaException as exception:
                error = exception.args[0]
                if error.code() in errors.REFUSED:
                    raise errors.refused(self._source, self._topic, error) from exception
                if error.code() in {KafkaError._TIMED_OUT, KafkaError._TRANSPORT}:
                    raise errors.unreachable(
                        self._source, self._bootstrap, self._error
                    ) from exception
                raise

    def _heard(self, error: KafkaError) -> None:
        # The last one is kept to explain a timeout; "all brokers down" would explain nothing.
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._error = error


def facts_of(answer: Future[Any]) -> TopicFacts:
    """Read the answer to ``ask``.

    Raises:
        KafkaException: The broker did not answer, or does not know the topic.
    """
    described = answer.result()
    topic_id = str(described.topic_id or "")
    return TopicFacts(
        topic_id="" if topic_id == _NO_TOPIC_ID else topic_id,
        partitions=tuple(sorted(each.id for each in described.partitions)),
    )
