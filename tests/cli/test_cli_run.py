"""``keyfold run`` and the single roles, as processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import time

import httpx
import pytest

from keyfold.state.layout import COMMIT_KEY, FORMAT_KEY, state_directory
from keyfold.state.rocks import RocksStore
from tests.cli.scene import PIPELINE, Keyfold, until


def row(url: str, *key: str) -> httpx.Response:
    return httpx.get("/".join([url, "v1/views/spend/rows", *key]))


def test_a_run_stops_cleanly_and_the_next_one_goes_on(keyfold: Keyfold) -> None:
    first = keyfold.start("run", "pipeline.sql", "--port", "0")
    try:
        url = first.url()
        until(lambda: ready(url))
        body = '{"user_id": "a", "amount": 1, "region": "eu"}'
        pushed = httpx.post(f"{url}/v1/sources/orders/events", content=body)
        assert pushed.json()["accepted"] == 1
    finally:
        assert first.end(signal.SIGINT) == 0
    stopped = [one["message"] for one in first.log() if one["message"].endswith(" stopped")]
    assert stopped == ["ingest stopped", "lake stopped", "serving-0 stopped"]
    second = keyfold.start("run", "pipeline.sql", "--port", "0", "--no-lake", "--workers", "2")
    try:
        url = second.url()
        until(lambda: ready(url))
        until(lambda: row(url, "a", "eu").status_code == 200)
        assert row(url, "a", "eu").json()["row"]["orders"] == 1
    finally:
        assert second.end() == 0


def ready(url: str) -> bool:
    return httpx.get(f"{url}/readyz").status_code == 200


def test_a_killed_role_is_restarted_and_no_connection_is_refused(keyfold: Keyfold) -> None:
    running = keyfold.start("run", "pipeline.sql", "--port", "0", "--no-lake")
    try:
        url = running.url()
        until(lambda: ready(url))
        for role in ("serving-0", "ingest"):
            pid = running.pid(role)
            os.kill(pid, signal.SIGKILL)
            running.logged(f"{role} died (signal SIGKILL): restarting in")
            assert httpx.get(f"{url}/healthz", timeout=20).status_code == 200
            until(lambda role=role, pid=pid: running.pid(role) != pid)
        until(lambda: ready(url))
    finally:
        assert running.end() == 0


def test_wrong_sql_is_refused_with_its_place_before_anything_starts(keyfold: Keyfold) -> None:
    (keyfold.directory / "bad.sql").write_text(PIPELINE.replace("SUM(", "MEDIAN("))
    told = keyfold("run", "bad.sql")
    assert told.returncode == 2
    assert told.stderr.startswith("bad.sql:5:")
    assert not (keyfold.directory / "keyfold-data").exists()


def test_a_file_that_is_gone_while_it_runs_costs_the_writer_and_not_the_lookups(
    keyfold: Keyfold,
) -> None:
    running = keyfold.start("run", "pipeline.sql", "--port", "0", "--no-lake")
    try:
        url = running.url()
        until(lambda: ready(url))
        (keyfold.directory / "pipeline.sql").unlink()
        os.kill(running.pid("ingest"), signal.SIGKILL)
        running.logged("ingest refused to start again")
        assert ready(url)
        (keyfold.directory / "pipeline.sql").write_text(PIPELINE)
        kept = "keeping 2 views of 1 source"
        until(lambda: [one["message"] for one in running.log()].count(kept) == 2)
    finally:
        assert running.end() == 0


def test_a_role_that_refuses_to_start_ends_the_run_with_exit_2(keyfold: Keyfold) -> None:
    state = keyfold.directory / "keyfold-data" / "state"
    state.mkdir(parents=True)
    (state / "CURRENT").write_text("damaged")
    told = keyfold("run", "pipeline.sql", "--port", "0", "--no-lake")
    assert told.returncode == 2
    assert "bad_state" in told.stderr
    assert "ingest refused to start: stopping" in told.stderr


@pytest.mark.parametrize("command", [("run", "--port", "0", "--no-lake"), ("ingest",)])
def test_a_state_that_another_run_keeps_is_refused_before_anything_starts(
    keyfold: Keyfold, command: tuple[str, ...]
) -> None:
    first = keyfold.start("ingest", "pipeline.sql")
    try:
        first.logged("keeping 2 views")
        told = keyfold(command[0], "pipeline.sql", *command[1:])
        assert first.process.poll() is None
    finally:
        assert first.end() == 0
    assert told.returncode == 2
    assert told.stderr == (
        "error: another process is writing to keyfold-data/state\n"
        "hint: stop it first; one ingest process owns a data directory\n"
    )


def state_of_another_release(keyfold: Keyfold) -> None:
    data = keyfold.directory / "keyfold-data"
    kept(keyfold, "keeping 2 views")
    store = RocksStore(state_directory(data))
    record = store.get(COMMIT_KEY)
    assert record is not None
    store.write([(FORMAT_KEY, b"99")], [], [], (COMMIT_KEY, record))
    store.close()


@pytest.mark.parametrize(
    "command", [("serve", "--port", "0"), ("lake",), ("ingest", "pipeline.sql")]
)
def test_a_state_of_another_release_is_refused_and_not_waited_for(
    keyfold: Keyfold, command: tuple[str, ...]
) -> None:
    state_of_another_release(keyfold)
    began_s = time.monotonic()
    told = keyfold(*command)
    assert told.returncode == 2
    assert "the state has format version 99, this release reads 1 (hint: the CHANGELOG" in (
        told.stderr.replace("\nhint: the CHANGELOG", " (hint: the CHANGELOG")
    )
    assert time.monotonic() - began_s < 20, "the lake tries for longer what may pass"


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("lake",)])
def test_a_state_that_is_not_there_yet_is_waited_for_and_the_log_says_so_once(
    keyfold: Keyfold, command: tuple[str, ...]
) -> None:
    running = keyfold.start(*command)
    try:
        running.logged("waiting for the state")
        kept(keyfold, "keeping 2 views")
        if command[0] == "serve":
            running.logged("the state is open")
    finally:
        assert running.end() == 0
    waits = [one for one in running.log() if one["message"].startswith("waiting for the state")]
    assert len(waits) == 1


FOUND = """CREATE SOURCE found WITH (connector = 'file', path = 'found.ndjson');
CREATE MATERIALIZED VIEW seen AS SELECT user_id, COUNT(*) AS n FROM found GROUP BY user_id;
"""
WAITING = """CREATE SOURCE late WITH (connector = 'events');
CREATE MATERIALIZED VIEW later AS SELECT a, COUNT(*) AS n FROM late GROUP BY a;
"""


def test_a_file_that_does_not_fit_the_state_is_refused_before_anything_starts(
    keyfold: Keyfold,
) -> None:
    """Of a source whose columns were detected, too, and of one that still waits nothing is."""
    pipeline = keyfold.directory / "pipeline.sql"
    (keyfold.directory / "found.ndjson").write_text('{"user_id": "a"}\n')
    written = PIPELINE + FOUND + WAITING
    pipeline.write_text(written)
    kept(keyfold, "keeping 3 views")
    for old, new, what in [
        ("SUM(amount)", "MAX(amount)", "view spend differs from the one that the state was built"),
        ("region VARCHAR", "region TEXT, x INT", "source orders differs from the one that"),
        ("COUNT(*) AS n FROM found", "MAX(user_id) AS n FROM found", "view seen differs from"),
        ("found.ndjson", "other.ndjson", "source found differs from the one that the state"),
    ]:
        assert old in written
        pipeline.write_text(written.replace(old, new))
        told = keyfold("run", "pipeline.sql", "--port", "0", "--no-lake")
        assert told.returncode == 2
        assert told.stderr.startswith(f"error: {what}")
        assert "--rebuild" in told.stderr.splitlines()[1]
        assert len(told.stderr.splitlines()) == 2
    assert list((keyfold.directory / "keyfold-data" / "replicas").iterdir()) == []
    pipeline.write_text(written.replace("COUNT(*) AS n FROM late", "MAX(a) AS n FROM late"))
    kept(keyfold, "keeping 3 views")
    pipeline.write_text(written.replace("SUM(amount)", "MAX(amount)"))
    kept(keyfold, "keeping 3 views", "--rebuild", "spend")


def kept(keyfold: Keyfold, message: str, *flags: str) -> None:
    running = keyfold.start("ingest", "pipeline.sql", *flags)
    try:
        running.logged(message)
    finally:
        assert running.end() == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "pipeline.sql", "--workers", "0"), "setting workers: "),
        (("run", "pipeline.sql", "--log-level", "loud"), "setting log_level: "),
        (("run", "pipeline.sql", "--rebuild", "spent"), "--rebuild names spent"),
        (("run", "pipeline.sql", "--drop", "spend"), "--drop names spend"),
        (("serve", "--host", "no-such-host.invalid"), "is not known"),
    ],
)
def test_a_wrong_flag_is_an_error_with_a_hint(
    keyfold: Keyfold, words: tuple[str, ...], message: str
) -> None:
    told = keyfold(*words)
    assert told.returncode == 2
    assert message in told.stderr
    assert "hint: " in told.stderr


@pytest.mark.parametrize(
    ("toml", "environment", "message", "hint"),
    [
        ("data_dri = 'x'", {}, "unknown setting data_dri in keyfold.toml", "did you mean data_dir"),
        ("qq = 1", {}, "unknown setting qq in keyfold.toml", "docs/operating.md lists"),
        ("port =", {}, "keyfold.toml cannot be read: ", ""),
        (
            "",
            {"KEYFOLD_API_TOKENS": "abc"},
            "the environment variable KEYFOLD_API_TOKENS is no JSON: ",
            "write lists as",
        ),
    ],
)
def test_a_wrong_setting_says_where_it_stands(
    keyfold: Keyfold, toml: str, environment: dict[str, str], message: str, hint: str
) -> None:
    (keyfold.directory / "keyfold.toml").write_text(toml)
    told = keyfold("serve", **environment)
    assert told.returncode == 2
    assert told.stderr.startswith(f"error: {message}")
    assert hint in told.stderr


def test_an_address_in_use_is_refused(keyfold: Keyfold) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        told = keyfold("run", "pipeline.sql", "--port", str(other.getsockname()[1]))
    assert told.returncode == 2
    assert "is in use by another process" in told.stderr


def test_lake_verify_and_drop_end_as_the_lake_says(keyfold: Keyfold) -> None:
    running = keyfold.start("run", "pipeline.sql", "--port", "0")
    try:
        until(lambda: ready(running.url()))
    finally:
        assert running.end() == 0
    verified = keyfold("lake", "verify")
    assert verified.returncode == 0, verified.stderr
    verdicts = [json.loads(line) for line in verified.stdout.splitlines()]
    assert [(one["view"], one["state"]) for one in verdicts] == [
        ("everyone", "same"),
        ("spend", "same"),
    ]
    mistyped = keyfold("lake", "verify", "spnd")
    assert (mistyped.returncode, mistyped.stdout) == (2, "")
    assert mistyped.stderr == (
        "error: there is no view spnd in keyfold-data\nhint: did you mean spend?\n"
    )
    assert keyfold("lake", "drop", "spend").returncode == 0
    uncompared = keyfold("lake", "verify")
    assert uncompared.returncode == 3
    states = [json.loads(line)["state"] for line in uncompared.stdout.splitlines()]
    assert states == ["same", "no_snapshot"]
    assert "not compared: spend; ask again" in uncompared.stderr
    assert keyfold("lake", "drop", "spend").returncode == 1
