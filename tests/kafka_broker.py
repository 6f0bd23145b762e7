"""A real Apache Kafka broker for tests and benchmarks: one KRaft node on loopback.

The jars come from Maven Central (tests/kafka/pom.xml) and stay in tests/kafka/target. As a pytest
plugin this module gives the fixtures ``kafka_bootstrap`` (any broker) and ``kafka_server`` (a
broker of ours, which a test may stop and start again); elsewhere:

    with kafka_broker(Path("somewhere/empty")) as bootstrap:
        ...

``KEYFOLD_TEST_KAFKA=host:port`` names a broker to use instead of starting one. Where there is
neither that nor a JDK with Maven the tests are skipped; ``KEYFOLD_REQUIRE_KAFKA=1`` makes that a
failure, so that a build which is meant to have a broker cannot pass without.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.ports import free_ports

_HOME = Path(__file__).parent / "kafka"
_NO_BROKER = "no Kafka broker: neither a JDK with Maven nor KEYFOLD_TEST_KAFKA=host:port"
_START_TIMEOUT_S = 120.0  # how long to wait under load; what a broker must do is not said by it
_STOP_TIMEOUT_S = 30.0
_MAVEN_TIMEOUT_S = 600.0
_LOG_LINES = 60

SASL_USER = "alice"
SASL_PASSWORD = "alice-secret"  # noqa: S105 - for a broker on loopback that lives for one test run

_SERVER_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{plain},SASL_PLAINTEXT://127.0.0.1:{sasl},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SASL_PLAINTEXT://127.0.0.1:{sasl}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
log.dirs={directory}/log
auto.create.topics.enable=false
num.partitions=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
log.cleaner.enable=false
"""


def kafka_unavailable() -> str | None:
    """Say why no broker can be started here; None where one can."""
    return None if shutil.which("java") and shutil.which("mvn") else _NO_BROKER


def _jars() -> Path:
    """Fetch the jars once per pom; safe when several test runs start together."""
    target = _HOME / "target"
    target.mkdir(exist_ok=True)
    pom = _HOME / "pom.xml"
    digest = hashlib.sha256(pom.read_bytes()).hexdigest()
    with (target / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        complete = target / "complete"
        if not complete.exists() or complete.read_text() != digest:
            shutil.rmtree(target / "dependency", ignore_errors=True)
            subprocess.run(
                ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"],
                check=True,
                timeout=_MAVEN_TIMEOUT_S,
            )
            complete.write_text(digest)
    return target / "dependency"


class KafkaBroker:
    """One broker; its ports and its log survive ``stop`` and ``start``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._jars = _jars()
        plain, sasl, controller = free_ports(3)
        self.bootstrap = f"127.0.0.1:{plain}"
        self.sasl_bootstrap = f"127.0.0.1:{sasl}"
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        self._properties = directory / "server.properties"
        self._properties.write_text(
            _SERVER_PROPERTIES.format(
                plain=plain,
                sasl=sasl,
                controller=controller,
                directory=directory,
                user=SASL_USER,
                password=SASL_PASSWORD,
            )
        )
        storage = ["format", "-t", "a2V5Zm9sZC10ZXN0cy0wMQ", "-c", str(self._properties)]
        subprocess.run(
            self._java("kafka.tools.StorageTool", *storage),
            check=True,
            capture_output=True,
            timeout=_START_TIMEOUT_S,
        )

    def start(self) -> None:
        """Start the broker and wait until it answers."""
        assert self._process is None
        with (self.directory / "broker.out").open("ab") as out:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(self._properties)),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        client = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        while True:
            try:
                client.list_topics(timeout=1.0)
            except KafkaException:
                ended = self._process.poll() is not None
                if ended or time.monotonic() > deadline:
                    self.stop()
                    why = "it ended" if ended else f"no answer in {_START_TIMEOUT_S:g} s"
                    raise RuntimeError(
                        f"the broker did not start: {why}\n{self._last_lines()}"
                    ) from None
            else:
                return

    def stop(self) -> None:
        """End the broker; safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _last_lines(self) -> str:
        logs = [self.directory / name for name in ("broker.out", "broker.log")]
        text = "\n".join(log.read_text(errors="replace") for log in logs if log.exists())
        return "\n".join(text.splitlines()[-_LOG_LINES:])

    def _java(self, main: str, *arguments: str) -> list[str]:
        return [
            "java",
            "-Xmx512m",
            "-XX:+UseSerialGC",
            f"-Dlog4j.configuration={(_HOME / 'log4j.properties').as_uri()}",
            f"-Dkafka.log.file={self.directory / 'broker.log'}",
            "-cp",
            f"{self._jars}/*",
            main,
            *arguments,
        ]


@contextlib.contextmanager
def kafka_broker(directory: Path) -> Iterator[str]:
    """Run a broker with its log in ``directory`` (empty or absent); give its bootstrap address."""
    broker = KafkaBroker(directory)
    try:
        broker.start()
        yield broker.bootstrap
    finally:
        broker.stop()


def _no_broker(reason: str) -> None:
    if os.environ.get("KEYFOLD_REQUIRE_KAFKA") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A broker of ours, up at the start of each test that leaves it up at its end."""
    reason = kafka_unavailable()
    if reason is not None and os.environ.get("KEYFOLD_TEST_KAFKA"):
        pytest.skip("the broker that KEYFOLD_TEST_KAFKA names is not ours to stop")
    if reason is not None:
        _no_broker(reason)
    broker = KafkaBroker(tmp_path_factory.mktemp("kafka"))
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@pytest.fixture(scope="session")
def kafka_bootstrap(request: pytest.FixtureRequest) -> str:
    """The address of a broker: that of ``KEYFOLD_TEST_KAFKA``, or of one that we start."""
    given = os.environ.get("KEYFOLD_TEST_KAFKA")
    if given:
        return given
    server: KafkaBroker = request.getfixturevalue("kafka_server")
    return server.bootstrap
