"""The WITH options of a Kafka source: what is taken, and what is refused in which words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from confluent_kafka import Consumer

from ingest.source.kafka import KafkaOptions, KafkaSource, kafka_options
from keyfold.errors import SettingsError, SourceError

_LEAST = {"topic": "orders", "properties.bootstrap.servers": "localhost:9092"}


def options(**more: str) -> KafkaOptions:
    given = _LEAST | {key.replace("_", "."): value for key, value in more.items()}
    return kafka_options("orders", given, frozenset())


def test_a_topic_and_an_address_are_enough() -> None:
    assert options() == KafkaOptions(
        name="orders",
        topic="orders",
        startup_mode="earliest",
        properties={"bootstrap.servers": "localhost:9092"},
    )


def test_all_options_are_read() -> None:
    given = {
        "connector": "kafka",
        "topic": "orders",
        "properties.bootstrap.server": "a:1,b:2",
        "properties.fetch.wait.max.ms": "500",
        "properties.group.id": "mine",
        "scan.startup.mode": "timestamp",
        "scan.startup.timestamp.millis": "1700000000000",
        "partitions.refresh.interval.ms": "1000",
    }
    assert kafka_options("o", given, frozenset({"key", "header", "offset"})) == KafkaOptions(
        name="o",
        topic="orders",
        startup_mode="timestamp",
        startup_timestamp_ms=1_700_000_000_000,
        properties={"fetch.wait.max.ms": "500", "bootstrap.servers": "a:1,b:2"},
        include_key=True,
        include_headers=True,
        partitions_refresh_ms=1_000,
        group_id="mine",
    )


@pytest.mark.parametrize(
    "spelling", ["bootstrap.server", "bootstrap.servers", "metadata.broker.list"]
)
def test_every_spelling_of_the_address_works(spelling: str) -> None:
    given = {"topic": "t", f"properties.{spelling}": "h:1"}
    assert kafka_options("o", given, frozenset()).properties == {"bootstrap.servers": "h:1"}


def test_a_time_alone_means_to_start_there() -> None:
    assert options(scan_startup_timestamp_millis="5").startup_mode == "timestamp"


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        ({"topic": ""}, "option 'topic' is missing", "add topic"),
        ({"properties_bootstrap_servers": " "}, "bootstrap.servers' is missing", "add properties"),
        ({"properties_bootstrap_server": "x:1"}, "given twice, and differs", "keep"),
        ({"topics": "x"}, "unknown option 'topics'", "did you mean topic?"),
        ({"scan_startup_mod": "x"}, "unknown option", "did you mean scan.startup.mode?"),
        ({"bootstrap_servers": "x:1"}, "unknown", "did you mean properties.bootstrap.servers?"),
        ({"sasl_username": "x"}, "unknown", "did you mean properties.sasl.username?"),
        ({"colour": "red"}, "unknown option 'colour'", "known: connector, topic"),
        ({"scan_startup_mode": "latest-offset"}, "cannot be", "did you mean latest?"),
        ({"scan_startup_mode": "timestamp"}, "timestamp.millis is missing", "go together"),
        (
            {"scan_startup_mode": "latest", "scan_startup_timestamp_millis": "1"},
            "does not go with scan.startup.mode = 'latest'",
            "go together",
        ),
        ({"scan_startup_timestamp_millis": "noon"}, "cannot be 'noon'", "a whole number"),
        ({"partitions_refresh_interval_ms": "0"}, "cannot be '0'", "at least 100"),
        ({"properties_enable_auto_commit": "true"}, "'enable.auto.commit' cannot", "keeps"),
        ({"properties_auto_offset_reset": "latest"}, "cannot be set", "scan.startup.mode"),
        ({"properties_enable_partition_eof": "false"}, "cannot be set", "markers"),
        ({"properties_isolation_level": "read_uncommitted"}, "'isolation.level' cannot", "aborted"),
        ({"properties_plugin_library_paths": "x.so"}, "cannot be set", "code"),
        ({"properties_error_cb": "x"}, "cannot be set", "librdkafka"),
    ],
)
def test_a_wrong_option_is_refused_with_what_to_do(
    change: dict[str, str], message: str, hint: str
) -> None:
    given = _LEAST | {key.replace("_", "."): value for key, value in change.items()}
    if "properties.error.cb" in given:
        given["properties.error_cb"] = given.pop("properties.error.cb")
    with pytest.raises(SettingsError) as caught:
        kafka_options("orders", given, frozenset())
    assert "source 'orders'" in caught.value.message
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_properties_go_before_defaults_and_after_laws() -> None:
    config = options(properties_fetch_wait_max_ms="77").consumer_config()
    assert config["fetch.wait.max.ms"] == "77"
    assert config["isolation.level"] == "read_committed"
    assert config["group.id"] == "keyfold-orders"
    assert config["auto.offset.reset"] == "error"
    assert config["enable.auto.commit"] is False


def test_reading_what_is_committed_may_be_said() -> None:
    given = _LEAST | {"properties.isolation.level": "read_committed"}
    config = kafka_options("orders", given, frozenset()).consumer_config()
    assert config["isolation.level"] == "read_committed"


def test_properties_for_tls_and_passwords_reach_librdkafka() -> None:
    config = options(
        properties_security_protocol="SASL_SSL",
        properties_sasl_mechanism="SCRAM-SHA-512",
        properties_sasl_username="alice",
        properties_sasl_password="secret",  # noqa: S106
        properties_ssl_endpoint_identification_algorithm="https",
    ).consumer_config()
    assert config["security.protocol"] == "SASL_SSL"
    del config["bootstrap.servers"]
    Consumer(config | {"log_level": 0}).close()


def test_a_broker_that_is_not_there_is_said_to_be_unreachable() -> None:
    nowhere = options(properties_bootstrap_servers="127.0.0.1:1")
    source = KafkaSource(replace(nowhere, open_timeout_ms=500))
    with pytest.raises(SourceError, match=r"no answer from the Kafka broker at 127\.0\.0\.1:1"):
        source.open({}, {})
