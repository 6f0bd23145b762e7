"""What the error codes of Kafka mean to a source, and the errors that it stops with.

Every code is one of: the broker refuses us, the topic is missing, the offset is gone, the log is
damaged (these stop the source); harmless, or a fault that passes.
"""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import KafkaError

from ingest.source.protocol import OffsetGoneError
from keyfold.errors import SettingsError, SourceError

REFUSED = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
    }
)
MISSING = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
    }
)
GONE = frozenset(
    {
        KafkaError._AUTO_OFFSET_RESET,
        KafkaError.OFFSET_OUT_OF_RANGE,
        KafkaError._LOG_TRUNCATION,
    }
)
# librdkafka passes over the messages that these are about: going on would lose them in silence.
DAMAGED = frozenset(
    {
        KafkaError._BAD_MSG,
        KafkaError._BAD_COMPRESSION,
        KafkaError.INVALID_MSG,
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError._NOT_IMPLEMENTED,
    }
)
# The consumer group is a courtesy, so nothing that befalls it matters. The loss of one connection
# does not matter either: if it was the last one, librdkafka says that all brokers are down.
HARMLESS = frozenset(
    {
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.NOT_COORDINATOR,
        KafkaError._MAX_POLL_EXCEEDED,
        KafkaError._TRANSPORT,
        KafkaError._RESOLVE,
    }
)


def refused_properties(source: str, error: Exception) -> SettingsError:
    """The properties are not what librdkafka takes."""
    first = error.args[0] if error.args else error
    reason = first.str() if isinstance(first, KafkaError) else str(first)
    return SettingsError(
        f"source '{source}': librdkafka does not take the properties: {reason}",
        hint="the names and values after 'properties.' are those of librdkafka's CONFIGURATION.md",
    )


def unreachable(source: str, bootstrap: str, because: KafkaError | None) -> SourceError:
    """No broker answered in time."""
    reason = f": {because.str()}" if because is not None else ""
    return SourceError(
        f"source '{source}': no answer from the Kafka broker at {bootstrap}{reason}",
        hint="check properties.bootstrap.servers and properties.security.protocol, and that the "
        "broker is up",
    )


def refused(source: str, topic: str, error: KafkaError) -> SourceError:
    """The broker does not let us in."""
    return SourceError(
        f"source '{source}': the Kafka broker refuses to let us read topic '{topic}': "
        f"{error.str()}",
        hint="check properties.security.protocol and properties.sasl.*, and that the user may "
        "DESCRIBE and READ the topic",
    )


def not_described(source: str, topic: str, error: KafkaError) -> SourceError:
    """The broker knows no such topic, or does not say what it knows."""
    if error.code() in MISSING:
        return SourceError(
            f"source '{source}': topic '{topic}' is not on the Kafka broker",
            hint="create the topic, or correct 'topic' in the WITH options of the source",
        )
    return SourceError(
        f"source '{source}': the Kafka broker does not describe topic '{topic}': {error.str()}",
        hint="see the log of the broker",
    )


def another_topic(source: str, topic: str, how: str) -> SourceError:
    """The topic has the name of the one that the state was built from, but is not it."""
    return SourceError(
        f"source '{source}': topic '{topic}' was re-created: {how}",
        hint="the state was built from another log: rebuild it from this one",
    )


def leaderless(source: str, topic: str, partitions: list[int]) -> SourceError:
    """Where to start cannot be resolved now."""
    return SourceError(
        f"source '{source}': partitions {partitions} of topic '{topic}' do not answer, so that "
        "where to start is not known",
        hint="start again when they have a leader",
    )


def gone(
    source: str,
    topic: str,
    partition: int,
    position: int,
    there: tuple[int, int] | None,
    begins: Mapping[int, int] | None = None,
) -> OffsetGoneError:
    """The next offset is not in the log: ``there`` is its first offset and its end, if known.

    ``begins`` as in ``OffsetGoneError``.
    """
    what = f"{there[0]} up to {there[1]}" if there is not None else "an unknown range"
    return OffsetGoneError(
        f"source '{source}': partition {partition} of topic '{topic}' does not have offset "
        f"{position}, the next to read; there is {what}",
        hint="messages were deleted before they were read: rebuild the state from what is there, "
        "and give the topic a longer retention",
        begins=begins or {},
    )


def damaged(source: str, topic: str, partition: int, offset: int, error: KafkaError) -> SourceError:
    """A stretch of the log cannot be read."""
    return SourceError(
        f"source '{source}': partition {partition} of topic '{topic}' cannot be read on from "
        f"offset {offset}: {error.str()}",
        hint="for a message that is too large raise properties.receive.message.max.bytes; a "
        "damaged one the broker must repair or delete",
    )


def gave_up(source: str, error: KafkaError) -> SourceError:
    """The client library is in a state that it does not come back from."""
    return SourceError(
        f"source '{source}': the Kafka client gave up: {error.str()}",
        hint="restart the process; the source goes on from its committed offsets",
    )
