"""The WITH options of a Kafka source, and the librdkafka configuration that they come to.

What a property may not change is what the laws rest on: where reading starts, who commits, and
that a lost offset is an error. What SQL may not do at all is name code to be run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from keyfold.errors import SettingsError, did_you_mean

StartupMode = Literal["earliest", "latest", "timestamp"]

_PROPERTY_PREFIX = "properties."
_OPTIONS = (
    "connector",
    "topic",
    "scan.startup.mode",
    "scan.startup.timestamp.millis",
    "partitions.refresh.interval.ms",
    "properties.bootstrap.servers",
)
_BOOTSTRAP_SPELLINGS = ("bootstrap.server", "bootstrap.servers", "metadata.broker.list")

_BY_KEYFOLD = "Keyfold itself keeps the offsets, with the state"
_NO_CODE = "SQL may not name code to be run"
_REFUSED = {
    "enable.auto.commit": _BY_KEYFOLD,
    "enable.auto.offset.store": _BY_KEYFOLD,
    "auto.commit.enable": _BY_KEYFOLD,
    "auto.offset.reset": "a lost offset must stop the source; for the start of a new source use "
    "scan.startup.mode",
    "enable.partition.eof": "it is how a position passes transaction markers",
    "offset.store.method": _BY_KEYFOLD,
    "group.protocol": "Keyfold assigns the partitions itself",
    "group.instance.id": "Keyfold assigns the partitions itself",
    "plugin.library.paths": _NO_CODE,
    "ssl.engine.location": _NO_CODE,
    "sasl.kerberos.kinit.cmd": _NO_CODE,
    # Not librdkafka's but its Python binding's, which expects objects here.
    "logger": "it is not a librdkafka property",
    "on_commit": "it is not a librdkafka property",
    "default.topic.config": "it is not a librdkafka property",
}

_COMMITTED = "read_committed"
_DEFAULTS: dict[str, str | int | bool] = {
    # The default of a second makes consume() ten times slower once the queue was full.
    "fetch.queue.backoff.ms": 1,
    # A fetch in flight keeps a partition waiting that has just got room or was just assigned.
    "fetch.wait.max.ms": 10,
    "queued.min.messages": 100_000,
    "queued.max.messages.kbytes": 65_536,
    "reconnect.backoff.max.ms": 2_000,
    "socket.keepalive.enable": True,
    # We are never a member of the group; but closing waits this long for a commit in an outage.
    "session.timeout.ms": 2_000,
    "heartbeat.interval.ms": 500,
}
_LAWS: dict[str, str | int | bool] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
    "isolation.level": _COMMITTED,
}


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """How to read one topic.

    Attributes:
        name: Name of the source.
        topic: Name of the topic.
        startup_mode: Where a source begins that has no offsets yet.
        startup_timestamp_ms: For ``timestamp``: the first message at or after it (ms since epoch).
        properties: librdkafka properties, ``bootstrap.servers`` among them.
        include_key: Whether batches carry the keys.
        include_headers: Whether batches carry the headers.
        partitions_refresh_ms: How often to look for new partitions and a re-created topic.
        open_timeout_ms: How long ``open`` waits for each answer of the broker.
        group_id: Where the courtesy commits go; None stands for ``keyfold-<name>``.
    """

    name: str
    topic: str
    startup_mode: StartupMode = "earliest"
    startup_timestamp_ms: int | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    include_key: bool = False
    include_headers: bool = False
    partitions_refresh_ms: int = 5_000
    open_timeout_ms: int = 10_000
    group_id: str | None = None

    def consumer_config(self) -> dict[str, str | int | bool]:
        """Compose the librdkafka configuration: defaults, then properties, then the laws."""
        group = {"group.id": self.group_id or f"keyfold-{self.name}"}
        return _DEFAULTS | group | dict(self.properties) | _LAWS


def kafka_options(
    name: str, with_options: Mapping[str, str], include: frozenset[str]
) -> KafkaOptions:
    """Read the WITH options of a CREATE SOURCE whose connector is ``kafka``.

    Args:
        name: Name of the source.
        with_options: Key → value, as written; ``properties.*`` go to librdkafka.
        include: What the INCLUDE clauses name; ``key`` and ``header`` (or ``headers``) matter here.

    Raises:
        SettingsError: An option is unknown, missing, or has a value that cannot be.
    """
    properties = {}
    for key, value in with_options.items():
        if key.startswith(_PROPERTY_PREFIX):
            properties[key.removeprefix(_PROPERTY_PREFIX)] = value
        elif key not in _OPTIONS:
            raise _unknown(name, key)
    topic = with_options.get("topic", "").strip()
    if not topic:
        raise SettingsError(
            f"source '{name}': option 'topic' is missing", hint="add topic = '…' to WITH"
        )
    mode, timestamp_ms = _startup(name, with_options)
    properties = _checked_properties(name, properties)
    group_id = properties.pop("group.id", None)
    return KafkaOptions(
        name=name,
        topic=topic,
        startup_mode=mode,
        startup_timestamp_ms=timestamp_ms,
        properties=properties,
        include_key="key" in include,
        include_headers=bool(include & {"header", "headers"}),
        partitions_refresh_ms=_whole_number(
            name, with_options, "partitions.refresh.interval.ms", least=100, otherwise=5_000
        ),
        group_id=group_id,
    )


def _unknown(name: str, key: str) -> SettingsError:
    prefixed = f"{_PROPERTY_PREFIX}{key}"
    otherwise = f"known: {', '.join(_OPTIONS)}, and properties.* for librdkafka"
    if prefixed.startswith(
        ("properties.bootstrap.", "properties.security.", "properties.sasl.", "properties.ssl.")
    ):
        otherwise = f"did you mean {prefixed}?"
    return SettingsError(
        f"source '{name}': unknown option '{key}'",
        hint=did_you_mean(key, _OPTIONS, otherwise),
        option=key,
    )


def _startup(name: str, with_options: Mapping[str, str]) -> tuple[StartupMode, int | None]:
    stamped = "scan.startup.timestamp.millis" in with_options
    text = with_options.get("scan.startup.mode", "timestamp" if stamped else "earliest")
    modes: tuple[StartupMode, ...] = get_args(StartupMode)
    mode = next((each for each in modes if each == text.strip().lower()), None)
    if mode is None:
        raise SettingsError(
            f"source '{name}': option 'scan.startup.mode' cannot be '{text}'",
            hint=did_you_mean(text, modes),
            option="scan.startup.mode",
        )
    if (mode == "timestamp") != stamped:
        raise SettingsError(
            f"source '{name}': scan.startup.timestamp.millis "
            + (f"does not go with scan.startup.mode = '{mode}'" if stamped else "is missing"),
            hint="scan.startup.mode = 'timestamp' and scan.startup.timestamp.millis go together",
            option="scan.startup.timestamp.millis" if stamped else "scan.startup.mode",
        )
    if not stamped:
        return mode, None
    return mode, _whole_number(name, with_options, "scan.startup.timestamp.millis", 0, 0)


def _whole_number(
    name: str, with_options: Mapping[str, str], key: str, least: int, otherwise: int
) -> int:
    text = with_options.get(key)
    if text is None:
        return otherwise
    number = int(text) if text.strip().isascii() and text.strip().isdigit() else -1
    if number < least:
        raise SettingsError(
            f"source '{name}': option '{key}' cannot be '{text}'",
            hint=f"it is a whole number, at least {least}",
            option=key,
        )
    return number


def _checked_properties(name: str, properties: Mapping[str, str]) -> dict[str, str]:
    """Refuse what breaks a law, and bring the spellings of the address to one."""
    for key in properties:
        reason = _REFUSED.get(key) or (
            "it is not a librdkafka property" if key.endswith("_cb") else None
        )
        if reason is not None:
            raise SettingsError(
                f"source '{name}': property '{key}' cannot be set",
                hint=f"leave it out: {reason}",
                option=f"{_PROPERTY_PREFIX}{key}",
            )
    isolation = properties.get("isolation.level", _COMMITTED)
    if isolation != _COMMITTED:
        raise SettingsError(
            f"source '{name}': property 'isolation.level' cannot be '{isolation}'",
            hint=f"leave it out, or write {_COMMITTED}: aborted transactions are never counted",
            option=f"{_PROPERTY_PREFIX}isolation.level",
        )
    spelled = [key for key in _BOOTSTRAP_SPELLINGS if key in properties]
    given = [properties[key] for key in spelled]
    if not given or not given[0].strip():
        raise SettingsError(
            f"source '{name}': option 'properties.bootstrap.servers' is missing",
            hint="add properties.bootstrap.servers = 'host:9092' to WITH",
            option=f"{_PROPERTY_PREFIX}bootstrap.servers",
        )
    if len(set(given)) > 1:
        raise SettingsError(
            f"source '{name}': the address of the broker is given twice, and differs",
            hint="keep properties.bootstrap.servers only",
            option=f"{_PROPERTY_PREFIX}{spelled[-1]}",
        )
    rest = {key: value for key, value in properties.items() if key not in _BOOTSTRAP_SPELLINGS}
    return rest | {"bootstrap.servers": given[0]}
