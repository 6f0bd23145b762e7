"""``keyfold push``, ``get`` and ``dead-letters`` against a running pipeline."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from keyfold.cli.client import ServerError
from keyfold.cli.push import BATCH_BYTES_MAX, Accepted, batches, stopped
from tests.cli.scene import Keyfold, until

Door = tuple[Keyfold, str]


def events(*rows: tuple[str | None, str, str | None]) -> str:
    return "".join(
        json.dumps({"user_id": user, "amount": amount, "region": region}) + "\n"
        for user, amount, region in rows
    )


def applied(url: str) -> Callable[[], bool]:
    def look() -> bool:
        told = httpx.get(f"{url}/v1/sources/orders").json()
        return told["state"] == "live" and told["lag"] == 0

    return look


def test_what_is_pushed_can_be_looked_up(running: Door) -> None:
    keyfold, url = running
    rows = [("ann/1", "1.10", "eu"), ("ann/1", "2.20", "eu"), ("bob", "3.00", None)]
    pushed = keyfold("push", "orders", "--url", url, "--batch", "2", stdin=events(*rows) + "\n\n")
    assert pushed.returncode == 0, pushed.stderr
    assert "3 events accepted by orders: partition 0, offsets" in pushed.stdout
    until(applied(url))
    found = keyfold("get", "spend", "ann/1", "eu", "--url", url)
    assert found.returncode == 0, found.stderr
    answer = json.loads(found.stdout, parse_float=str)
    assert answer["row"] == {"user_id": "ann/1", "region": "eu", "orders": 2, "total": "3.30"}
    assert answer["freshness"]["state"] == "live"


def test_a_null_in_a_key_can_be_asked_for(running: Door) -> None:
    keyfold, url = running
    assert (
        keyfold("push", "orders", stdin=events(("nul", "4", None)), KEYFOLD_URL=url).returncode == 0
    )
    until(applied(url))
    found = keyfold("get", "spend", "nul", r"\N", KEYFOLD_URL=url)
    assert json.loads(found.stdout)["row"]["region"] is None


@pytest.mark.parametrize("user", ["-5", "-0.5", "-2026-01-01", "-"])
def test_a_negative_number_is_a_key_and_no_option(running: Door, user: str) -> None:
    keyfold, url = running
    keyfold("push", "orders", stdin=events((user, "1", "eu")), KEYFOLD_URL=url)
    until(applied(url))
    for words in ((user, "eu", "--url", url), ("--url", url, "--", user, "eu")):
        found = keyfold("get", "spend", *words)
        assert found.returncode == 0, found.stderr
        assert json.loads(found.stdout)["row"]["user_id"] == user


def test_a_mistyped_option_of_get_is_no_key(keyfold: Keyfold) -> None:
    told = keyfold("get", "spend", "-5", "eu", "--ulr", "http://127.0.0.1:9")
    assert told.returncode == 2
    assert "No such option: --ulr" in told.stderr
    assert "--url" in told.stderr


def test_the_one_row_of_a_view_without_a_key_needs_none(running: Door) -> None:
    keyfold, url = running
    before = json.loads(keyfold("get", "everyone", "--url", url).stdout)["row"]["orders"]
    assert keyfold("push", "orders", "--url", url, stdin=events(("one", "4", "eu"))).returncode == 0
    until(applied(url))
    assert json.loads(keyfold("get", "everyone", "--url", url).stdout)["row"]["orders"] > before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("spend",), "has 2 values, 1 given"),
        (("everyone", "a"), "has 0 values, 1 given"),
        (("spend", "nobody", "eu"), "has no such key"),
        (("spent", "ann", "eu"), "there is no view 'spent'"),
        (("spend", "ann"), "key"),
    ],
)
def test_a_row_that_is_not_there_is_the_servers_problem_and_exit_1(
    running: Door, words: tuple[str, ...], told: str
) -> None:
    keyfold, url = running
    found = keyfold("get", *words, "--url", url)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith("error: ")
    assert told in found.stderr


def test_a_push_of_a_file_that_is_named_says_how_to_send_it(running: Door) -> None:
    keyfold, _ = running
    pushed = keyfold("push", "orders", "my orders.ndjson")
    assert (pushed.returncode, pushed.stdout) == (2, "")
    assert "hint: write `keyfold push orders < 'my orders.ndjson'`" in pushed.stderr
    usage = keyfold("push", "--help").stdout.splitlines()[0]
    assert "file" not in usage.lower()
    assert "SOURCE" in usage


def test_one_event_is_one_event(running: Door) -> None:
    keyfold, url = running
    pushed = keyfold("push", "orders", "--url", url, stdin=events(("one", "1", "eu")))
    assert pushed.stdout.startswith("1 event accepted by orders: ")
    assert pushed.stderr == ""


def test_a_push_into_no_source_is_the_servers_problem_and_exit_1(running: Door) -> None:
    keyfold, url = running
    pushed = keyfold("push", "oders", "--url", url, stdin=events(("a", "1", "eu")))
    assert pushed.returncode == 1
    assert "there is no source 'oders'; 0 events accepted by oders" in pushed.stderr
    assert pushed.stderr.endswith("hint: sources: orders\n")
    assert "tail -n" not in pushed.stderr  # nothing was taken, so there is no rest


def test_a_push_that_stops_says_what_is_left_of_the_input() -> None:
    accepted = Accepted()
    accepted.add({"accepted": 2, "partition": 0, "first_offset": 7, "last_offset": 8}, lines=3)
    refused = stopped(ServerError("it is full", hint="wait", code="busy"), accepted, "orders", 1)
    assert refused.message == "it is full; 2 events accepted by orders: partition 0, offsets 7 to 8"
    assert refused.hint == "wait; the rest is `tail -n +4` of the input"
    unsure = stopped(ServerError("no answer", code="no_answer"), Accepted(), "orders", 1)
    assert unsure.hint.endswith("what was not answered is `tail -n +1` of the input")


def test_a_message_that_cannot_be_used_is_shown_among_the_dead_letters(running: Door) -> None:
    keyfold, url = running
    pushed = keyfold("push", "orders", "--url", url, stdin='{"amount": "much"}\nno json\n')
    assert pushed.returncode == 0, pushed.stderr
    warning, hint = pushed.stderr.splitlines()
    assert warning.startswith("warning: 1 line is no JSON object, and a dead letter now: `keyfold ")
    assert "jq -c" in hint
    until(applied(url))
    told = keyfold("dead-letters", "--source", "orders", "--limit", "2")
    assert told.returncode == 0, told.stderr
    letters = [json.loads(line) for line in told.stdout.splitlines()]
    assert {letter["value"]: letter["field"] for letter in letters} == {
        '{"amount": "much"}': "amount",
        "no json": None,
    }
    of_view = keyfold("dead-letters", "--view", "everyone", "--limit", "2").stdout.splitlines()
    assert {json.loads(line)["value"] for line in of_view} >= {"no json"}
    assert {json.loads(line)["field"] for line in of_view} == {None}, "it does not read amount"
    for flag, name, meant in [("source", "odrers", "orders"), ("view", "spent", "spend")]:
        other = keyfold("dead-letters", f"--{flag}", name)
        assert (other.returncode, other.stdout) == (2, "")
        assert f"there is no {flag} {name} in keyfold-data" in other.stderr
        assert f"did you mean {meant}?" in other.stderr


@pytest.mark.parametrize("words", [("get", "spend", "a", "b"), ("push", "orders")])
def test_without_a_server_there_is_an_error_and_a_way_out(
    keyfold: Keyfold, words: tuple[str, ...]
) -> None:
    told = keyfold(*words, "--url", "http://127.0.0.1:9", stdin=events(("a", "1", "b")))
    assert told.returncode == 1
    assert "http://127.0.0.1:9 does not answer" in told.stderr
    assert "hint: start it with `keyfold run`, or give its address with --url\n" in told.stderr
    assert "Traceback" not in told.stderr


def test_an_address_that_is_none_is_refused(keyfold: Keyfold) -> None:
    assert keyfold("get", "spend", "a", "--url", "localhost").returncode == 2


@pytest.mark.parametrize("words", [("dead-letters",), ("lake", "verify")])
def test_without_a_state_there_is_an_error_that_says_what_makes_one(
    keyfold: Keyfold, words: tuple[str, ...]
) -> None:
    told = keyfold(*words)
    assert told.returncode == 2
    assert "--data-dir, or start `keyfold run` first" in told.stderr


def test_batches_are_cut_by_number_and_by_bytes_and_count_the_lines_of_the_input() -> None:
    assert list(batches([b"1\n", b"\n", b"2\n", b"3"], 2)) == [
        (b"1\n2\n", 2, 3),
        (b"3\n", 1, 4),
    ]
    big = b"x" * (BATCH_BYTES_MAX // 2 + 1)
    assert [count for _, count, _ in batches([big, big, b"1"], 100)] == [1, 2]
    assert list(batches([b"\n", b" \n"], 2)) == []
