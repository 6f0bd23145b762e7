"""The ingest peers that need nothing of their own, over a topic and a file of the same events."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from keyfold.connector.kafka_options import KafkaOptions
from loadtests.bench.events import SELECT, Stream
from loadtests.bench.topics import fill_file, fill_topic
from loadtests.peers import peer
from loadtests.peers.chunks import CONSUMER_SETTINGS

REPOSITORY = Path(__file__).parents[2]
PEERS = REPOSITORY / "loadtests" / "peers"
STREAM = Stream(events=5_000, users=300, seed=7)


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PEERS / f"{name}.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def answer_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert set(answer) == {"peer", "version", "settings", "events", "seconds", "measured"}
    assert answer["events"] == STREAM.events
    assert answer["seconds"] > 0
    return answer


@pytest.mark.kafka
def test_consume_reads_every_event_of_the_topic(kafka_bootstrap: str) -> None:
    # Another seed is another topic: the broker may outlive this run.
    stream = replace(STREAM, seed=uuid.uuid4().int >> 96)
    topic = fill_topic(kafka_bootstrap, stream, 4)
    done = run(
        "consume", "--bootstrap", kafka_bootstrap, "--topic", topic, "--events", str(STREAM.events)
    )
    assert answer_of(done)["peer"] == "consume"


def test_duckdb_writes_the_table_that_the_question_asks_for(tmp_path: Path) -> None:
    file, output = tmp_path / "orders.ndjson", tmp_path / "totals.parquet"
    fill_file(file, STREAM)
    done = run("duckdb_batch", "--file", str(file), "--output", str(output))
    assert answer_of(done)["peer"] == "duckdb_batch"
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE orders AS FROM read_json('{file}')")
        expected = connection.execute(f"{SELECT} ORDER BY user_id").fetchall()
        found = connection.execute(f"FROM '{output}' ORDER BY user_id")
        assert [column[0] for column in found.description] == list(peer.COLUMNS)
        assert [str(column[1]) for column in found.description] == ["VARCHAR", *["BIGINT"] * 3]
        assert found.fetchall() == expected


def test_a_peer_that_is_not_installed_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peer, "ENVIRONMENTS", tmp_path)
    with pytest.raises(SystemExit) as ended:
        peer.enter("pathway")
    assert ended.value.code == peer.MISSING
    said = capsys.readouterr().err
    assert "make bench-peers" in said
    assert said.count("\n") == 1


def test_hand_written_peers_read_kafka_with_the_settings_of_our_own_source() -> None:
    ours = KafkaOptions(name="orders", topic="orders").consumer_config()
    assert {key: ours[key] for key in CONSUMER_SETTINGS} == CONSUMER_SETTINGS
    # What only a source needs that stands on its own offsets.
    assert set(ours) - set(CONSUMER_SETTINGS) == {
        "group.id",
        "auto.offset.reset",
        "enable.partition.eof",
    }
