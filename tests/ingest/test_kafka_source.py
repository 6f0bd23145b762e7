"""The Kafka source against a real broker: nothing lost, nothing twice, nothing in silence."""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic, OffsetSpec

from ingest.source.kafka import KafkaSource, kafka_options
from ingest.source.message import BATCH_BYTES_MAX, MessageBatch
from ingest.source.protocol import OffsetGoneError
from keyfold.errors import SettingsError, SourceError
from tests.kafka_broker import SASL_PASSWORD, SASL_USER, KafkaBroker

pytestmark = pytest.mark.kafka

_DEADLINE_S = 30.0
_numbers = itertools.count()


@pytest.fixture
def admin(kafka_bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka_bootstrap, "log_level": 0})


@pytest.fixture
def topic(admin: AdminClient) -> str:
    return create(admin, f"t{next(_numbers)}-{time.time_ns()}", 4)


def create(admin: AdminClient, name: str, partitions: int) -> str:
    """Create a topic and wait until each of its partitions has a leader that answers."""
    admin.create_topics([NewTopic(name, partitions, 1)])[name].result()
    ends = {TopicPartition(name, number): OffsetSpec.latest() for number in range(partitions)}

    def answered() -> bool:
        return all(found.exception() is None for found in admin.list_offsets(ends).values())

    until(answered)
    return name


def grow(admin: AdminClient, topic: str, partitions: int) -> None:
    """Add partitions and wait until the broker tells clients of them."""
    admin.create_partitions([NewPartitions(topic, partitions)])[topic].result()

    def told() -> bool:
        found = admin.describe_topics(TopicCollection([topic]))[topic].result()
        return len(found.partitions) == partitions

    until(told)


def topic_id(admin: AdminClient, name: str) -> str | None:
    try:
        return str(admin.describe_topics(TopicCollection([name]))[name].result().topic_id)
    except KafkaException:
        return None


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"


def send(
    bootstrap: str,
    topic: str,
    bodies: Mapping[int, list[bytes | None]],
    *,
    end: str | None = None,
    **fields: object,
) -> None:
    """Produce messages by partition, in one transaction where ``end`` is "commit" or "abort"."""
    config: dict[str, object] = {"bootstrap.servers": bootstrap, "log_level": 0}
    # Or what a new topic's leader refuses at first is sent again behind what came after it.
    config["enable.idempotence"] = True
    if end is not None:
        config["transactional.id"] = f"{topic}-{next(_numbers)}"
    producer = Producer(config)
    if end is not None:
        producer.init_transactions(_DEADLINE_S)
        producer.begin_transaction()
    refused: list[object] = []
    for partition, values in bodies.items():
        for value in values:
            producer.produce(
                topic,
                value,
                partition=partition,
                on_delivery=lambda error, _: refused.append(error) if error else None,
                **fields,
            )
    assert producer.flush(_DEADLINE_S) == 0
    assert not refused
    if end == "commit":
        producer.commit_transaction(_DEADLINE_S)
    elif end == "abort":
        producer.abort_transaction(_DEADLINE_S)


def texts(prefix: str, count: int) -> list[bytes | None]:
    return [f"{prefix}{number}".encode() for number in range(count)]


def new_source(
    bootstrap: str,
    topic: str,
    include: frozenset[str] = frozenset(),
    batch_bytes_max: int = BATCH_BYTES_MAX,
    **more: str,
) -> KafkaSource:
    options = {
        "connector": "kafka",
        "topic": topic,
        "properties.bootstrap.server": bootstrap,
        "partitions.refresh.interval.ms": "200",
    } | {key.replace("_", "."): value for key, value in more.items()}
    return KafkaSource(kafka_options("s", options, include), batch_bytes_max)


@contextlib.contextmanager
def opened(
    source: KafkaSource,
    offsets: Mapping[int, int] | None = None,
    identity: Mapping[str, str] | None = None,
) -> Iterator[KafkaSource]:
    try:
        source.open(offsets or {}, identity or {})
        yield source
    finally:
        source.close()


class Reading:
    """What was read so far: bodies by partition, and the offsets to go on from."""

    def __init__(self) -> None:
        self.bodies: dict[int, list[bytes | None]] = defaultdict(list)
        self.offsets: dict[int, list[int]] = defaultdict(list)
        self.next_offsets: dict[int, int] = {}
        self.batches: list[MessageBatch] = []

    def take(self, batch: MessageBatch | None) -> None:
        if batch is None:
            return
        self.batches.append(batch)
        for value, partition, offset in zip(
            batch.values.to_pylist(),
            batch.partitions.tolist(),
            batch.offsets.tolist(),
            strict=True,
        ):
            self.bodies[partition].append(value)
            self.offsets[partition].append(offset)
            assert batch.next_offsets[partition] > offset
        self.next_offsets |= batch.next_offsets

    def __len__(self) -> int:
        return sum(map(len, self.bodies.values()))


def read(
    source: KafkaSource,
    enough: Callable[[Reading], bool],
    into: Reading | None = None,
    messages_max: int = 1_000,
) -> Reading:
    reading = Reading() if into is None else into

    def step() -> bool:
        reading.take(source.poll(messages_max, 50))
        return enough(reading)

    until(step)
    return reading


def error_of(source: KafkaSource) -> SourceError:
    """Poll until the source stops, and return why."""
    with pytest.raises(SourceError) as caught:
        until(lambda: source.poll(1_000, 50) is None and False)
    return caught.value


def lag(source: KafkaSource, reading: Reading) -> int:
    ends = source.progress().end_offsets
    return sum(end - reading.next_offsets[partition] for partition, end in ends.items())


def test_all_messages_of_all_partitions_come_once_and_in_order(
    kafka_bootstrap: str, topic: str
) -> None:
    sent = {partition: texts(f"{partition}:", 5_000) for partition in range(4)}
    send(kafka_bootstrap, topic, sent)
    with opened(new_source(kafka_bootstrap, topic)) as source:
        reading = read(source, lambda so_far: len(so_far) == 20_000)
        assert reading.bodies == sent
        assert all(reading.offsets[each] == list(range(5_000)) for each in range(4))
        assert reading.next_offsets == dict.fromkeys(range(4), 5_000)
        assert lag(source, reading) == 0
    assert max(len(batch) for batch in reading.batches) <= 1_000
    assert all((batch.timestamps_ms > 0).all() for batch in reading.batches)
    assert all(batch.keys is None and batch.headers is None for batch in reading.batches)


def test_a_batch_ends_where_it_has_bytes_enough(kafka_bootstrap: str, admin: AdminClient) -> None:
    topic, count = create(admin, f"bytes-{time.time_ns()}", 1), 6_000
    send(kafka_bootstrap, topic, {0: [b"x" * 100] * count})
    # One answer to one fetch has them all, so that nothing but the bound ends a batch before.
    whole = {"properties_fetch_message_max_bytes": str(8 << 20)}
    with opened(new_source(kafka_bootstrap, topic, batch_bytes_max=150_000, **whole)) as source:
        reading = read(source, lambda so_far: len(so_far) == count, messages_max=count + 1)
    batches = [(len(batch), batch.cut_short) for batch in reading.batches if len(batch)]
    # The first message of a batch is waited for alone.
    assert batches == [(2_001, True), (2_001, True), (1_998, False)]
    assert reading.offsets == {0: list(range(count))}


def test_reading_goes_on_from_the_offsets_given_to_open(kafka_bootstrap: str, topic: str) -> None:
    send(kafka_bootstrap, topic, {0: texts("a", 100), 1: texts("b", 100)})
    with opened(new_source(kafka_bootstrap, topic)) as source:
        identity = source.identity()
    offsets = {0: 40, 1: 100, 2: 0}
    with opened(new_source(kafka_bootstrap, topic), offsets, identity) as source:
        reading = read(source, lambda so_far: len(so_far) == 60)
        assert reading.bodies == {0: texts("a", 100)[40:]}
        assert reading.next_offsets == {0: 100, 1: 100, 2: 0, 3: 0}


def test_a_closed_source_opens_again_from_the_offsets_it_is_given(
    kafka_bootstrap: str, topic: str
) -> None:
    send(kafka_bootstrap, topic, {0: texts("a", 10)})
    source = new_source(kafka_bootstrap, topic)
    for _ in range(2):
        with opened(source, {0: 3}):
            assert read(source, lambda so_far: len(so_far) == 7).offsets == {0: [*range(3, 10)]}
    source.close()


def test_aborted_messages_are_left_out_and_the_position_passes_the_markers(
    kafka_bootstrap: str, topic: str
) -> None:
    send(kafka_bootstrap, topic, {0: texts("kept", 3)}, end="commit")
    send(kafka_bootstrap, topic, {0: texts("aborted", 2)}, end="abort")
    with opened(new_source(kafka_bootstrap, topic)) as source:
        # 3 messages, a marker, 2 aborted messages, a marker.
        reading = read(source, lambda so_far: so_far.next_offsets.get(0) == 7)
        assert reading.bodies == {0: texts("kept", 3)}
        until(lambda: source.poll(10, 0) is None and lag(source, reading) == 0)


def test_messages_of_an_open_transaction_are_not_lag_until_it_ends(
    kafka_bootstrap: str, topic: str
) -> None:
    send(kafka_bootstrap, topic, {0: texts("a", 2)})
    producer = Producer({"bootstrap.servers": kafka_bootstrap, "transactional.id": topic})
    producer.init_transactions(_DEADLINE_S)
    producer.begin_transaction()
    producer.produce(topic, b"open", partition=0)
    producer.flush(_DEADLINE_S)
    with opened(new_source(kafka_bootstrap, topic)) as source:
        reading = read(source, lambda so_far: so_far.next_offsets.get(0) == 2)
        read(source, lambda so_far: lag(source, so_far) == 0, reading)
        producer.commit_transaction(_DEADLINE_S)
        read(source, lambda so_far: so_far.next_offsets[0] == 4, reading)
        assert reading.bodies == {0: [*texts("a", 2), b"open"]}


def test_a_partition_that_appears_in_mid_run_is_read_from_its_beginning(
    kafka_bootstrap: str, topic: str, admin: AdminClient
) -> None:
    send(kafka_bootstrap, topic, {0: texts("a", 5)})
    with opened(new_source(kafka_bootstrap, topic)) as source:
        reading = read(source, lambda so_far: len(so_far) == 5)
        grow(admin, topic, 5)
        send(kafka_bootstrap, topic, {4: texts("new", 3), 0: texts("old", 1)})
        read(source, lambda so_far: len(so_far) == 9, reading)
        assert reading.bodies[4] == texts("new", 3)
        assert set(source.progress().end_offsets) == set(range(5))


def test_a_partition_that_appeared_while_we_were_away_is_read_from_its_beginning(
    kafka_bootstrap: str, topic: str
) -> None:
    send(kafka_bootstrap, topic, {2: texts("b", 4)})
    known = {0: 0, 1: 0, 3: 0}
    source = new_source(kafka_bootstrap, topic, scan_startup_mode="latest")
    with opened(source, known):
        assert read(source, lambda so_far: len(so_far) == 4).offsets == {2: [0, 1, 2, 3]}


def re_create(admin: AdminClient, topic: str) -> None:
    admin.delete_topics([topic])[topic].result()
    until(lambda: topic_id(admin, topic) is None)
    create(admin, topic, 4)


def test_a_re_created_topic_is_refused_at_open(
    kafka_bootstrap: str, topic: str, admin: AdminClient
) -> None:
    with opened(new_source(kafka_bootstrap, topic)) as source:
        identity = source.identity()
    assert identity == {"topic": topic, "topic_id": topic_id(admin, topic)}
    re_create(admin, topic)
    with (
        pytest.raises(SourceError, match="was re-created") as caught,
        opened(new_source(kafka_bootstrap, topic), dict.fromkeys(range(4), 0), identity),
    ):
        pass
    assert "rebuild" in caught.value.hint


def test_a_topic_re_created_in_mid_run_stops_the_source(
    kafka_bootstrap: str, topic: str, admin: AdminClient
) -> None:
    send(kafka_bootstrap, topic, {0: texts("a", 5)})
    with opened(new_source(kafka_bootstrap, topic)) as source:
        read(source, lambda so_far: len(so_far) == 5)
        re_create(admin, topic)
        assert "was re-created" in error_of(source).message


def test_a_topic_deleted_in_mid_run_stops_the_source(
    kafka_bootstrap: str, topic: str, admin: AdminClient
) -> None:
    with opened(new_source(kafka_bootstrap, topic)) as source:
        admin.delete_topics([topic])[topic].result()
        assert "is not on the Kafka broker" in error_of(source).message


def trim(admin: AdminClient, topic: str, offset: int) -> None:
    for answer in admin.delete_records([TopicPartition(topic, 0, offset)]).values():
        answer.result()


@pytest.mark.parametrize(("offset", "begins"), [(5, {0: 10}), (21, {})])
def test_an_offset_that_the_log_does_not_have_is_refused_at_open(
    kafka_bootstrap: str, topic: str, admin: AdminClient, offset: int, begins: dict[int, int]
) -> None:
    send(kafka_bootstrap, topic, {0: texts("a", 20)})
    trim(admin, topic, 10)
    source = new_source(kafka_bootstrap, topic)
    with pytest.raises(OffsetGoneError) as caught:
        source.open({0: offset}, {})
    assert source.progress().end_offsets[0] == max(20, offset), "its end is known all the same"
    source.close()
    assert f"partition 0 of topic '{topic}'" in caught.value.message
    assert f"offset {offset}, the next to read; there is 10 up to 20" in caught.value.message
    assert caught.value.begins == begins
    assert caught.value.hint


def test_a_log_trimmed_past_the_position_in_mid_run_stops_the_source(
    kafka_bootstrap: str, topic: str, admin: AdminClient
) -> None:
    body = b"x" * 1_000
    send(kafka_bootstrap, topic, {0: [body] * 4_000})
    # A small queue, so that most of the log is not fetched yet when it is trimmed.
    small = {
        "properties_queued_min_messages": "1",
        "properties_queued_max_messages_kbytes": "64",
        "properties_fetch_message_max_bytes": "16384",
    }
    with opened(new_source(kafka_bootstrap, topic, **small)) as source:
        source.poll(10, 1_000)
        trim(admin, topic, 3_999)
        assert "there is 3999 up to 4000" in error_of(source).message


def test_a_source_that_starts_at_the_latest_keeps_where_that_was(
    kafka_bootstrap: str, topic: str
) -> None:
    send(kafka_bootstrap, topic, {0: texts("old", 7), 3: texts("old", 2)})
    with opened(new_source(kafka_bootstrap, topic, scan_startup_mode="latest")) as source:
        first = source.poll(1_000, 0)
        assert first is not None
        assert (len(first), first.next_offsets) == (0, {0: 7, 1: 0, 2: 0, 3: 2})
        send(kafka_bootstrap, topic, {0: texts("new", 2)})
        assert read(source, lambda so_far: len(so_far) == 2).offsets == {0: [7, 8]}


def test_a_batch_without_messages_has_columns_all_the_same(
    kafka_bootstrap: str, topic: str
) -> None:
    with opened(new_source(kafka_bootstrap, topic, frozenset({"key", "header"}))) as source:
        batch = source.poll(1_000, 0)
    assert batch is not None
    assert (len(batch), batch.keys, batch.headers) == (0, None, None)
    assert (len(batch.partitions), len(batch.offsets), len(batch.timestamps_ms)) == (0, 0, 0)


def test_a_source_can_start_at_a_time(kafka_bootstrap: str, topic: str) -> None:
    send(kafka_bootstrap, topic, {0: texts("old", 3), 1: texts("old", 2)}, timestamp=1_000)
    send(kafka_bootstrap, topic, {0: texts("new", 2)}, timestamp=5_000)
    source = new_source(kafka_bootstrap, topic, scan_startup_timestamp_millis="2000")
    with opened(source):
        reading = read(source, lambda so_far: len(so_far) == 2)
        assert reading.offsets == {0: [3, 4]}
        assert reading.next_offsets == {0: 5, 1: 2, 2: 0, 3: 0}
        assert reading.batches[-1].timestamps_ms.tolist() == [5_000, 5_000]


def test_keys_headers_and_tombstones_come_as_they_are(kafka_bootstrap: str, topic: str) -> None:
    headers = [("trace", b"\x00\xff"), ("trace", None)]
    send(kafka_bootstrap, topic, {0: [None, b""]}, key=b"k\x00", headers=headers)
    send(kafka_bootstrap, topic, {0: [b"{}"]})
    source = new_source(kafka_bootstrap, topic, frozenset({"key", "header"}))
    with opened(source):
        batches = read(source, lambda so_far: len(so_far) == 3).batches
    assert [each for batch in batches for each in batch.values.to_pylist()] == [None, b"", b"{}"]
    keys = [
        each
        for batch in batches
        for each in ([None] * len(batch) if batch.keys is None else batch.keys.to_pylist())
    ]
    assert keys == [b"k\0", b"k\0", None]
    found = [each for batch in batches for each in batch.headers or [None] * len(batch)]
    assert found == [headers, headers, None]


def test_a_broker_that_restarts_costs_no_message_and_repeats_none(
    kafka_server: KafkaBroker, caplog: pytest.LogCaptureFixture
) -> None:
    admin = AdminClient({"bootstrap.servers": kafka_server.bootstrap, "log_level": 0})
    topic = create(admin, f"restart-{time.time_ns()}", 2)
    send(kafka_server.bootstrap, topic, {0: texts("a", 500), 1: texts("b", 500)})
    caplog.set_level(logging.INFO, "keyfold.ingest")
    with opened(new_source(kafka_server.bootstrap, topic)) as source:
        reading = read(source, lambda so_far: len(so_far) == 1_000)
        kafka_server.stop()
        try:
            read(source, lambda _: "does not answer" in caplog.text, reading)
            assert source.progress().end_offsets == {0: 500, 1: 500}
        finally:
            kafka_server.start()
        send(kafka_server.bootstrap, topic, {0: texts("c", 500), 1: texts("d", 500)})
        read(source, lambda so_far: len(so_far) >= 2_000, reading)
        assert reading.bodies == {
            0: texts("a", 500) + texts("c", 500),
            1: texts("b", 500) + texts("d", 500),
        }
        read(source, lambda _: "answers again" in caplog.text, reading)
        assert len(reading) == 2_000
        levels = Counter(record.levelname for record in caplog.records)
    assert levels["WARNING"] == 1
    assert levels["INFO"] == 1


def test_closing_does_not_wait_for_a_broker_that_is_gone(kafka_server: KafkaBroker) -> None:
    admin = AdminClient({"bootstrap.servers": kafka_server.bootstrap, "log_level": 0})
    topic = create(admin, f"close-{time.time_ns()}", 1)
    source = new_source(kafka_server.bootstrap, topic)
    with opened(source):
        kafka_server.stop()
        try:
            source.committed({0: 0})
            started = time.monotonic()
            source.close()
            assert time.monotonic() - started < 10
        finally:
            kafka_server.start()


def test_committed_offsets_show_in_the_consumer_group(kafka_bootstrap: str, topic: str) -> None:
    send(kafka_bootstrap, topic, {0: texts("a", 5)})
    with opened(new_source(kafka_bootstrap, topic, properties_group_id=topic)) as source:
        source.committed({0: 2})
        source.committed({0: 5})
    consumer = Consumer({"bootstrap.servers": kafka_bootstrap, "group.id": topic})
    with contextlib.closing(consumer):
        [seen] = consumer.committed([TopicPartition(topic, 0)], timeout=_DEADLINE_S)
    assert seen.offset == 5


def test_an_unknown_topic_is_refused_at_open(kafka_bootstrap: str) -> None:
    with (
        pytest.raises(SourceError, match="topic 'no-such' is not on the Kafka broker") as caught,
        opened(new_source(kafka_bootstrap, "no-such")),
    ):
        pass
    assert "create the topic" in caught.value.hint


def sasl(password: str) -> dict[str, str]:
    return {
        "properties_security_protocol": "SASL_PLAINTEXT",
        "properties_sasl_mechanism": "PLAIN",
        "properties_sasl_username": SASL_USER,
        "properties_sasl_password": password,
    }


def test_a_broker_that_asks_for_a_password_is_read_with_it(kafka_server: KafkaBroker) -> None:
    admin = AdminClient({"bootstrap.servers": kafka_server.bootstrap, "log_level": 0})
    topic = create(admin, f"sasl-{time.time_ns()}", 1)
    send(kafka_server.bootstrap, topic, {0: texts("a", 3)})
    with opened(new_source(kafka_server.sasl_bootstrap, topic, **sasl(SASL_PASSWORD))) as source:
        assert read(source, lambda so_far: len(so_far) == 3).bodies == {0: texts("a", 3)}


def test_a_wrong_password_stops_the_source_and_says_so(kafka_server: KafkaBroker) -> None:
    source = new_source(kafka_server.sasl_bootstrap, "any", **sasl("wrong"))
    with pytest.raises(SourceError, match="refuses to let us read") as caught, opened(source):
        pass
    assert "properties.sasl" in caught.value.hint


def test_a_property_that_librdkafka_does_not_know_is_a_wrong_setting(
    kafka_bootstrap: str, topic: str
) -> None:
    with (
        pytest.raises(SettingsError, match="No such configuration property"),
        opened(new_source(kafka_bootstrap, topic, properties_no_such="1")),
    ):
        pass
