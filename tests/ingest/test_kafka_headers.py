"""Headers of Kafka whose names are no UTF-8: any client may send them, few can make them."""

from __future__ import annotations

import ctypes
import time
from importlib.metadata import distribution

from confluent_kafka import Consumer, Message, Producer, TopicPartition

from ingest.source.kafka_batch import GrowingBatch
from keyfold.connector.kafka_options import kafka_options

LATIN_1 = "trace-ä".encode("latin-1")
DEADLINE_S = 30.0
# Arguments of librdkafka's rd_kafka_producev, as in its enum rd_kafka_vtype_t.
END, TOPIC, PARTITION, VALUE, FLAGS, HEADERS, COPY = 0, 1, 3, 4, 7, 10, 2


def test_a_header_name_that_is_no_utf8_costs_the_headers_of_its_message_only() -> None:
    broker = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    (first,) = broker.list_topics(timeout=DEADLINE_S).brokers.values()
    bootstrap = f"{first.host}:{first.port}"
    good = [("trace", b"x")]
    broker.produce("t", b"0", partition=0, headers=good)
    assert broker.flush(DEADLINE_S) == 0
    send_raw(bootstrap, b"1")
    send_raw(bootstrap, b"2")
    broker.produce("t", b"3", partition=0)
    broker.produce("t", b"4", partition=0, headers=good)
    assert broker.flush(DEADLINE_S) == 0
    given = {"connector": "kafka", "topic": "t", "properties.bootstrap.server": bootstrap}
    options = kafka_options("s", given, frozenset({"header"}))
    growing = GrowingBatch(options)
    assert growing.add(consume(bootstrap, 5)) == {0: 5}
    batch = growing.batch({0: 5})
    assert batch.values.to_pylist() == [b"0", b"1", b"2", b"3", b"4"]
    assert batch.headers == [good, False, False, None, good]


def consume(bootstrap: str, count: int) -> list[Message]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "g", "log_level": 0})
    consumer.assign([TopicPartition("t", 0, 0)])
    messages: list[Message] = []
    end_s = time.monotonic() + DEADLINE_S
    while len(messages) < count and time.monotonic() < end_s:
        messages += [one for one in consumer.consume(count, 0.1) if not one.error()]
    consumer.close()
    return messages


def send_raw(bootstrap: str, value: bytes) -> None:
    """Send a message with a header name that confluent-kafka would not take."""
    files = distribution("confluent-kafka").files or []
    (path,) = (one for one in files if one.name.startswith("librdkafka-"))
    library = ctypes.CDLL(str(path.locate()))
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_headers_new"):
        getattr(library, name).restype = ctypes.c_void_p
    error = ctypes.create_string_buffer(512)
    config = ctypes.c_void_p(library.rd_kafka_conf_new())
    for key, setting in ((b"bootstrap.servers", bootstrap.encode()), (b"log_level", b"0")):
        assert library.rd_kafka_conf_set(config, key, setting, error, 512) == 0, error.value
    producer = ctypes.c_void_p(library.rd_kafka_new(0, config, error, 512))
    assert producer.value, error.value
    size = ctypes.c_ssize_t
    headers = ctypes.c_void_p(library.rd_kafka_headers_new(size(1)))
    library.rd_kafka_header_add(headers, LATIN_1, size(-1), b"x", size(1))
    given = (
        (TOPIC, b"t"),
        (PARTITION, ctypes.c_int32(0)),
        (VALUE, value, ctypes.c_size_t(len(value))),
        (FLAGS, COPY),
        (HEADERS, headers),
    )
    assert library.rd_kafka_producev(producer, *(one for each in given for one in each), END) == 0
    assert library.rd_kafka_flush(producer, int(DEADLINE_S * 1_000)) == 0
    library.rd_kafka_destroy(producer)
