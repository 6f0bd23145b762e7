"""One row, lookups and lists over HTTP."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import threading
import types
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pytest

from serving.formats import arrow_answer
from serving.lookup import Label
from tests.serving.conftest import Server, problem, read_all, until
from tests.serving.state import TS, TS_US, State, now_ms, spend

ODD_KEYS = ["a/b", "a+b", "", "ü %", "a\0b", '"quoted"\n', "..", "."]
HOUR_US = 3_600_000_000
GLOBAL = """
CREATE SOURCE orders (item BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW everyone AS SELECT COUNT(*) AS orders, MAX(item) AS most FROM orders;
"""

DAYS = """
CREATE SOURCE orders (u VARCHAR, ts TIMESTAMPTZ, WATERMARK FOR ts AS ts)
WITH (connector = 'events');
CREATE MATERIALIZED VIEW days AS SELECT u, window_start, COUNT(*) AS n
FROM HOP(orders, ts, INTERVAL '1' MINUTE, INTERVAL '1' DAY) GROUP BY u, window_start;
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    state = State(tmp_path_factory.mktemp("rows") / "data")
    state.put("spend", {("AA",): spend(), (None,): spend(9), **{(k,): spend() for k in ODD_KEYS}})
    state.put("often", {(f"u{i:02}",): (i % 3,) for i in range(30)})
    regions = [("eu", i) for i in range(-5, 5)] + [("us", 1), ("eu", None), (None, 7), ("e", 0)]
    state.put("by_region", {key: (at + 1,) for at, key in enumerate(regions)})
    state.put("by_region", {("eu\0x", 3): (99,)})
    state.put("per_minute", {("AA", TS_US - hours * HOUR_US): (hours + 1,) for hours in range(6)})
    state.record.views["per_minute"].stream_time_us = TS_US + 60_000_000
    # Panes: the window that starts a minute or two before has them too.
    minute = 60_000_000
    panes = {("eu", TS_US, "a"): (1,), ("eu", TS_US + minute, "a"): (2,), ("eu", TS_US, "b"): (5,)}
    panes |= {("us", TS_US - HOUR_US, "a"): (7,), ("us", None, "a"): (8,)}
    state.put("hops", panes)
    state.record.views["hops"].stream_time_us = TS_US + 2 * minute
    groups = {"eu": (5, 4, 3), "eu\0x": (7,), None: (9, 8)}
    for region, items in groups.items():
        lines = [f"[[{TS_US}],0,{item}]\t[{item},{TS_US}]" for item in items]
        state.put("latest", {(region, 1): ("\n".join(lines).encode(),)})
    state.record.sources["orders"].watermark_us = TS_US
    state.commit()
    server = Server(state.directory, rows_limit_max=50, lookup_keys_max=20)
    server.up().at(state.record.sequence)
    yield server
    server.close()
    state.close()


def test_one_row_with_its_freshness(server: Server) -> None:
    answer = server.get("/v1/views/spend/rows/AA")
    assert answer.headers["content-type"] == "application/json"
    body = json.loads(answer.text, parse_float=Decimal)
    assert body["row"] == {
        "user_id": "AA", "orders": 2, "total": Decimal("3.50"), "last_seen": TS,
    }  # fmt: skip
    freshness = body["freshness"]
    assert list(freshness) == ["as_of", "staleness_ms", "watermark", "state"]
    assert freshness["state"] in ("live", "stale")
    assert freshness["watermark"] == TS
    assert set(body) == {"row", "freshness"}


def test_the_row_of_a_view_without_a_key_is_there_before_any_event(
    tmp_path: Path, serve: Callable[..., Server]
) -> None:
    state = State(tmp_path / "data", GLOBAL)
    server = serve(state.directory)
    server.up().at(state.record.sequence)
    nothing = {"orders": 0, "most": None}
    assert server.get("/v1/views/everyone/rows/").json()["row"] == nothing
    state.put("everyone", {(): (3, True, 7)})
    server.at(state.commit())
    row = {"orders": 3, "most": 7}
    assert server.get("/v1/views/everyone/rows/").json()["row"] == row
    assert server.get("/v1/views/everyone/rows").json()["rows"] == [row]
    body = b'{"keys": [[], []]}'
    assert server.client.post("/v1/views/everyone/lookup", content=body).json()["rows"] == [row] * 2
    told = problem(server.get("/v1/views/everyone/rows/x"), 400, "bad_request")
    assert told["hint"] == "it has one row: ask /rows/ with nothing behind it"
    problem(server.get("/v1/views/everyone/rows?orders=3"), 400, "bad_request")
    state.close()


def test_the_clock_runs_on_while_nothing_is_committed(server: Server) -> None:
    first = server.get("/v1/views/spend/rows/AA").json()["freshness"]
    began = now_ms()
    while now_ms() < began + 5:
        pass
    second = server.get("/v1/views/spend/rows/AA").json()["freshness"]
    assert second["staleness_ms"] > first["staleness_ms"]
    assert second["as_of"] == first["as_of"]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_any_text_can_be_a_key(server: Server, key: str) -> None:
    raw = quote(key, safe="+").replace("..", "%2E%2E") if key.strip(".") == "" else quote(key, "+")
    connection = server.raw(
        f"GET /v1/views/spend/rows/{raw} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode()
    )
    answer = b""
    while part := connection.recv(65_536):
        answer += part
    connection.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), answer
    assert json.loads(body)["row"]["user_id"] == key


def test_null_is_percent_00_in_a_path_and_null_in_a_lookup(server: Server) -> None:
    assert server.get("/v1/views/spend/rows/%00").json()["row"]["orders"] == 9
    found = server.client.post("/v1/views/spend/lookup", json={"keys": [None, [None]]}).json()
    assert [row["user_id"] for row in found["rows"]] == [None, None]


def test_another_spelling_of_the_path_finds_the_same_row(server: Server) -> None:
    assert server.get("/v1/%76iews/spend/%72ows/AA").json()["row"]["user_id"] == "AA"
    assert server.get("/v1/views/s%70end/rows/%41A").json()["row"]["user_id"] == "AA"


def test_a_key_of_several_columns(server: Server) -> None:
    assert server.get("/v1/views/by_region/rows/eu/-3").json()["row"] == {
        "region": "eu", "item": -3, "orders": 3,
    }  # fmt: skip
    assert server.get("/v1/views/by_region/rows/eu/%00").json()["row"]["item"] is None


def test_offsets_state_the_commit(server: Server) -> None:
    body = server.get("/v1/views/spend/rows/AA?offsets=1").json()
    assert body["commit"]["offsets"] == {"0": 10}
    assert body["commit"]["sequence"] >= 2
    body = server.client.post("/v1/views/spend/lookup?offsets=1", json={"keys": ["AA"]}).json()
    assert body["commit"]["offsets"] == {"0": 10}
    body = server.get("/v1/views/spend/rows?offsets=1").json()
    assert body["commit"]["offsets"] == {"0": 10}


@pytest.mark.parametrize("path", ["spend/rows/nobody", "often/rows/u01", "s%70end/rows/nobody"])
def test_that_a_row_is_not_there_says_how_fresh_that_is(server: Server, path: str) -> None:
    body = problem(server.get(f"/v1/views/{path}"), 404, "no_such_key")
    assert "/rows?user_id.gte=… lists the keys from there on" in body["hint"]
    assert list(body["freshness"]) == ["as_of", "staleness_ms", "watermark", "state"]
    assert body["freshness"]["watermark"] == TS
    assert "commit" not in body
    body = problem(server.get(f"/v1/views/{path}?offsets=1"), 404, "no_such_key")
    assert body["commit"]["sequence"] >= 2
    problem(server.get(f"/v1/views/{path}?offset=1"), 400, "bad_request")


@pytest.mark.parametrize(("source", "said"), [("live", "stale"), ("stopped", "failed")])
def test_a_missing_row_of_a_stale_or_failed_view_is_labelled_so(
    state: State, serve: Callable[..., Server], source: str, said: str
) -> None:
    state.status.sources["orders"].state = source
    server = serve(state.directory, stale_after_ms=1).up().at(state.commit())

    def label() -> str:
        body = problem(server.get("/v1/views/spend/rows/nobody"), 404, "no_such_key")
        return str(body["freshness"]["state"])

    until(lambda: label() == said, said)


def test_pipelined_requests_are_answered_in_their_order(server: Server) -> None:
    paths = ["/v1/views/spend/rows/AA", "/v1/views/spend/rows/nobody", "/healthz"] * 10
    paths += ["/v1/views/spend/rows/AA"] * 70
    requests = [f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n" for path in paths]
    requests += ["GET /v1/views/spend/rows/AA HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"]
    text = read_all(server.raw("".join(requests).encode())).decode()
    answers = text.split("HTTP/1.1 ")[1:]
    found = [(answer[:3], "as_of" in answer, '"worker"' in answer) for answer in answers]
    row, absent, health = ("200", True, False), ("404", True, False), ("200", False, True)
    assert found == [row, absent, health] * 10 + [row] * 71


def test_a_body_with_a_get_is_read_past(server: Server) -> None:
    page = b"GET /v1/views/spend/rows/AA HTTP/1.1\r\nhost: x\r\n"
    body = b"GET /v1/views/nope HTTP/1.1\r\n\r\n"
    first = page + b"content-length: %d\r\n\r\n" % len(body) + body
    last = page + b"connection: close\r\n\r\n"
    answer = read_all(server.raw(page + b"\r\n" + first + last))
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert answer.count(b"date: ") == 3


def test_head_says_what_get_would(server: Server) -> None:
    for path in ("/v1/views/spend/rows/AA", "/v1/views", "/healthz"):
        answer = server.client.head(path)
        assert answer.status_code == 200
        assert int(answer.headers["content-length"]) > 10
        assert answer.content == b""


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/views/nope/rows/AA", 404, "no_such_view"),
        ("/v1/views/spend/rows/nobody", 404, "no_such_key"),
        ("/v1/views/spend/rows/a/b", 400, "bad_request"),
        ("/v1/views/by_region/rows/eu", 400, "bad_request"),
        ("/v1/views/by_region/rows/eu/abc", 400, "bad_request"),
        ("/v1/views/by_region/rows/eu/99999999999999999999999", 400, "bad_request"),
        ("/v1/views/spend/rows/%FF", 400, "bad_request"),
        ("/v1/views/spend/rows/AA?x=1", 400, "bad_request"),
        ("/v1/views/often/rows/u01", 404, "no_such_key"),
        ("/v1/views/per_minute/rows/AA/2026-01-01T10:00:00Z", 404, "no_such_key"),
        ("/v1/views/nope/rows", 404, "no_such_view"),
        ("/v1/views/nope", 404, "no_such_view"),
        ("/v1/sources/nope", 404, "no_such_source"),
        ("/v1/nothing", 404, "no_such_route"),
        ("/", 404, "no_such_route"),
        ("/v1/views/spend/rows?limit=0", 400, "bad_request"),
        ("/v1/views/spend/rows?limit=51", 400, "bad_request"),
        ("/v1/views/spend/rows?limit=1&limit=2", 400, "bad_request"),
        ("/v1/views/spend/rows?orders=1", 400, "bad_request"),
        ("/v1/views/by_region/rows?item=1", 400, "bad_request"),
        ("/v1/views/by_region/rows?region.gt=a&item=1", 400, "bad_request"),
        ("/v1/views/by_region/rows?region=eu&item.gt=x", 400, "bad_request"),
        ("/v1/views/by_region/rows?region=eu&item.gt=%00", 400, "bad_request"),
        ("/v1/views/by_region/rows?region=eu&item.like=1", 400, "bad_request"),
        ("/v1/views/spend/rows?cursor=AAAA", 400, "bad_request"),
        ("/v1/views/spend/rows?cursor=%C3%BC", 400, "bad_request"),
    ],
)
def test_refusals(server: Server, path: str, status: int, code: str) -> None:
    problem(server.get(path), status, code)


def test_too_few_key_values_point_to_the_list(server: Server) -> None:
    assert (
        "/rows?region="
        in problem(server.get("/v1/views/by_region/rows/eu"), 400, "bad_request")["hint"]
    )


@pytest.mark.parametrize("path", ["/v1/views/spend/rows/AA", "/v1/views", "/healthz"])
def test_other_methods_are_405_and_say_what_is_allowed(server: Server, path: str) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        answer = server.client.request(method, path)
        problem(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == "GET, HEAD"
    answer = server.get("/v1/views/spend/lookup")
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


def test_lookup_keeps_the_order_and_says_null_where_absent(server: Server) -> None:
    body = server.client.post(
        "/v1/views/by_region/lookup", json={"keys": [["us", 1], ["us", 2], ["eu", "4"], [None, 7]]}
    ).json()
    assert [row and row["orders"] for row in body["rows"]] == [11, None, 10, 13]
    assert body["next_cursor"] is None
    assert "state" in body["freshness"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_request"),
        (b"{}", 400, "bad_request"),
        (b"[1]", 400, "bad_request"),
        (b'{"keys": 1}', 400, "bad_request"),
        (b'{"keys": [], "x": 1}', 400, "bad_request"),
        (b'{"keys": [["a", "b"]]}', 400, "bad_request"),
        (b'{"keys": [{"a": 1}]}', 400, "bad_request"),
        (b'{"keys": ["\\ud800"]}', 400, "bad_request"),
        (b'{"keys": ' + b"[" * 5000 + b"]" * 5000 + b"}", 400, "bad_request"),
        (json.dumps({"keys": list("x" * 21)}).encode(), 413, "too_large"),
    ],
)
def test_lookup_refusals(server: Server, body: bytes, status: int, code: str) -> None:
    problem(server.client.post("/v1/views/spend/lookup", content=body), status, code)


def test_a_lookup_is_bounded_by_the_panes_that_it_reads(
    tmp_path: Path, serve: Callable[..., Server]
) -> None:
    state = State(tmp_path / "data", DAYS)
    state.put("days", {("a", TS_US): (3,)})
    state.commit()
    server = serve(state.directory).up().at(state.record.sequence)
    keys = [["a", TS]] * 694
    answer = server.client.post("/v1/views/days/lookup", json={"keys": keys})
    assert [row["n"] for row in answer.json()["rows"]] == [3] * 694
    answer = server.client.post("/v1/views/days/lookup", json={"keys": [*keys, ["a", TS]]})
    problem(answer, 413, "too_large")
    assert "1440 panes" in answer.json()["detail"]
    state.close()


def test_expired_rows_are_never_seen(server: Server) -> None:
    page = server.get("/v1/views/per_minute/rows").json()
    assert [row["window_start"] for row in page["rows"]] == [TS]
    keys = [["AA", TS], ["AA", "2026-01-01T11:00:00Z"]]
    found = server.client.post("/v1/views/per_minute/lookup", json={"keys": keys}).json()["rows"]
    assert [row and row["orders"] for row in found] == [1, None]


HOPS = [
    ("eu", "2026-01-01T11:58:00Z", "b", 5),
    ("eu", "2026-01-01T11:59:00Z", "a", 3),
    ("eu", "2026-01-01T11:59:00Z", "b", 5),
    ("eu", "2026-01-01T12:00:00Z", "a", 3),
    ("eu", "2026-01-01T12:00:00Z", "b", 5),
    ("eu", "2026-01-01T12:01:00Z", "a", 2),
    ("us", "2026-01-01T11:00:00Z", "a", 7),
    ("us", None, "a", 8),
]
"""Of 11:58 user a has one order, which HAVING hides; windows that ended by 11:02 have expired."""


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_windows_made_of_panes_are_rows_like_others(server: Server, limit: int) -> None:
    def pages(query: str) -> list[tuple[object, ...]]:
        rows, cursor = [], ""
        while cursor is not None:
            page = server.get(f"/v1/views/hops/rows?{query}&limit={limit}{cursor}").json()
            rows += [tuple(row.values()) for row in page["rows"]]
            cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
        return rows

    assert pages("") == HOPS
    assert pages("region=eu") == HOPS[:6]
    assert pages("region=eu&window_start.gte=2026-01-01T11:59:00Z") == HOPS[1:6]
    assert pages("region=eu&window_start.gt=2026-01-01T11:59:00Z") == HOPS[3:6]
    assert pages("region=eu&window_start.lt=2026-01-01T12:00:00Z") == HOPS[:3]
    assert pages("region=eu&window_start=2026-01-01T12:00:00Z&user_id.gt=a") == HOPS[4:5]
    assert pages("region=us&window_start=%00") == HOPS[7:]
    stream = {"accept": "application/vnd.apache.arrow.stream"}
    arrow = server.get("/v1/views/hops/rows", headers=stream)
    assert pa.ipc.open_stream(arrow.content).read_all().num_rows == len(HOPS)
    for region, start, user, orders in HOPS[:-1]:
        row = server.get(f"/v1/views/hops/rows/{region}/{start}/{user}").json()["row"]
        assert row["orders"] == orders
    absent = ["2026-01-01T11:58:00Z", "2026-01-01T12:02:00Z", "2026-01-01T12:00:30Z"]
    for start in absent:
        problem(server.get(f"/v1/views/hops/rows/eu/{start}/a"), 404, "no_such_key")
    problem(server.get("/v1/views/hops/rows/us/2026-01-01T10:59:00Z/a"), 404, "no_such_key")
    keys = [["eu", "2026-01-01T11:59:00Z", "a"], ["eu", absent[0], "a"], ["us", None, "a"]]
    found = server.client.post("/v1/views/hops/lookup", json={"keys": keys}).json()["rows"]
    assert [row and row["orders"] for row in found] == [3, None, 8]


LATEST = [("eu", 1, 5), ("eu", 2, 4), ("eu", 3, 3), ("eu\0x", 1, 7), (None, 1, 9), (None, 2, 8)]


@pytest.mark.parametrize("limit", [1, 2, 50])
def test_several_rows_of_a_group_are_rows_like_others(server: Server, limit: int) -> None:
    def pages(query: str) -> list[tuple[object, ...]]:
        rows, cursor = [], ""
        while cursor is not None:
            page = server.get(f"/v1/views/latest/rows?{query}&limit={limit}{cursor}").json()
            rows += [(row["region"], row["rn"], row["item"]) for row in page["rows"]]
            cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
        return rows

    assert pages("") == LATEST
    assert pages("region=eu") == LATEST[:3]
    assert pages("region=eu&rn.lte=2") == LATEST[:2]
    assert pages("region=eu&rn.gt=1") == LATEST[1:3]
    assert pages("region=eu&rn=2") == LATEST[1:2]
    assert pages("region.gte=eu") == LATEST[:4]
    assert pages("region.gt=eu") == LATEST[3:4]
    assert pages("region=%00&rn.gte=2") == LATEST[5:]
    assert pages("region=nowhere") == []
    stream = {"accept": "application/vnd.apache.arrow.stream"}
    arrow = server.get("/v1/views/latest/rows", headers=stream)
    table = pa.ipc.open_stream(arrow.content).read_all()
    assert table.column("item").to_pylist() == [item for _, _, item in LATEST]
    assert server.get("/v1/views/latest/rows/eu/3").json()["row"] == {
        "region": "eu", "rn": 3, "item": 3, "ts": "2026-01-01T12:00:00Z",
    }  # fmt: skip
    for key in ("eu/0", "eu/4", "eu/%00", "eu/-1", "nowhere/1"):
        problem(server.get(f"/v1/views/latest/rows/{key}"), 404, "no_such_key")
    keys = [["eu", 2], ["eu", 4], [None, 2], ["eu", None], ["eu", 2]]
    found = server.client.post("/v1/views/latest/lookup", json={"keys": keys}).json()["rows"]
    assert [row and row["item"] for row in found] == [4, None, 8, None, 4]


def listed(server: Server, query: str, view: str = "by_region") -> list[tuple[object, ...]]:
    answer = server.get(f"/v1/views/{view}/rows?{query}")
    assert answer.status_code == 200, answer.text
    return [tuple(row.values())[:2] for row in answer.json()["rows"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("region=us", [("us", 1)]),
        ("region=eu&item=2", [("eu", 2)]),
        ("region=eu&item.gte=2", [("eu", 2), ("eu", 3), ("eu", 4)]),
        ("region=eu&item.gt=2", [("eu", 3), ("eu", 4)]),
        ("region=eu&item.lt=-3", [("eu", -5), ("eu", -4)]),
        ("region=eu&item.lte=-4", [("eu", -5), ("eu", -4)]),
        ("region=eu&item.gt=-2&item.lte=0", [("eu", -1), ("eu", 0)]),
        ("region=eu&item.gt=3&item.lt=1", []),
        ("region=eu&item=%00", [("eu", None)]),
        ("region=%00", [(None, 7)]),
        ("region.lt=eu", [("e", 0)]),
        ("region.gt=eu", [("eu\0x", 3), ("us", 1)]),
        ("region.gt=eu&region.lt=us", [("eu\0x", 3)]),
        ("region=eu%00x", [("eu\0x", 3)]),
        ("region.eq=us", [("us", 1)]),
        ("region=none", []),
    ],
)
def test_prefix_and_range(server: Server, query: str, expected: list[tuple[object, ...]]) -> None:
    assert listed(server, query) == expected


def test_equality_on_a_prefix_has_all_of_its_rows_in_key_order(server: Server) -> None:
    assert listed(server, "region=eu") == [("eu", i) for i in range(-5, 5)] + [("eu", None)]


def test_pages_follow_each_other_and_hidden_rows_do_not_count(server: Server) -> None:
    seen: list[str] = []
    query = "limit=4"
    while True:
        body = server.get(f"/v1/views/often/rows?{query}").json()
        assert len(body["rows"]) <= 4
        seen += [row["user_id"] for row in body["rows"]]
        if body["next_cursor"] is None:
            break
        assert len(body["rows"]) == 4
        query = f"limit=4&cursor={body['next_cursor']}"
    assert seen == [f"u{i:02}" for i in range(30) if i % 3 == 2]


def test_a_cursor_belongs_to_its_view_and_predicate(server: Server) -> None:
    cursor = server.get("/v1/views/by_region/rows?region=eu&limit=2").json()["next_cursor"]
    following = server.get(f"/v1/views/by_region/rows?region=eu&limit=2&cursor={cursor}").json()
    assert [row["item"] for row in following["rows"]] == [-3, -2]
    forged = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
    for path in (
        f"/v1/views/by_region/rows?region=us&cursor={cursor}",
        f"/v1/views/often/rows?cursor={cursor}",
        f"/v1/views/by_region/rows?region=eu&cursor={forged}",
    ):
        problem(server.get(path), 400, "bad_request")


def test_lists_come_in_the_format_that_is_accepted(server: Server) -> None:
    path = "/v1/views/spend/rows?limit=50&offsets=1"
    rows = json.loads(server.get(path).text, parse_float=str)["rows"]
    nd = server.get(path, headers={"accept": "application/x-ndjson"})
    assert [json.loads(line, parse_float=str) for line in nd.text.splitlines()] == rows
    assert json.loads(nd.headers["keyfold-freshness"])["watermark"] == TS
    assert json.loads(nd.headers["keyfold-commit"])["offsets"] == {"0": 10}
    table = server.get(path, headers={"accept": "text/csv"})
    read = list(csv.DictReader(io.StringIO(table.text, newline="")))
    assert [row["user_id"] for row in read] == [row["user_id"] or "" for row in rows]
    assert [row["total"] for row in read] == [row["total"] for row in rows]
    assert {row["last_seen"] for row in read} == {TS}
    stream = server.get(path, headers={"accept": "application/vnd.apache.arrow.stream"})
    arrow = pa.ipc.open_stream(stream.content).read_all()
    assert arrow["user_id"].to_pylist() == [row["user_id"] for row in rows]
    assert [str(value) for value in arrow["total"].to_pylist()] == [row["total"] for row in rows]


NESTED = """
CREATE SOURCE ev (j JSON, t TIMESTAMPTZ[]) WITH (connector = 'events');
CREATE MATERIALIZED VIEW nested AS SELECT j, t, COUNT(*) AS n FROM ev GROUP BY j, t;
"""


def test_json_columns_and_times_in_lists_are_the_same_value_in_every_format(
    tmp_path: Path, serve: Callable[..., Server]
) -> None:
    state = State(tmp_path / "data", sql=NESTED)
    kept = '["2026-01-05 10:00:00+00",null]'
    state.put("nested", {("1", kept): (1,), ('"1"', kept): (2,), ('"a,b"', None): (3,)})
    server = serve(state.directory).up().at(state.commit())
    path, times = "/v1/views/nested/rows", ["2026-01-05T10:00:00Z", None]
    rows = server.get(path).json()["rows"]
    found = {(row["j"], row["n"]): row["t"] for row in rows}
    assert found == {(1, 1): times, ("1", 2): times, ("a,b", 3): None}
    lines = server.get(path, headers={"accept": "application/x-ndjson"}).text.splitlines()
    assert [json.loads(line) for line in lines] == rows
    text = server.get(path, headers={"accept": "text/csv"}).text
    stream = server.get(path, headers={"accept": "application/vnd.apache.arrow.stream"})
    arrow = pa.ipc.open_stream(stream.content).read_all().to_pylist()
    for table in (list(csv.DictReader(io.StringIO(text, newline=""))), arrow):
        assert [json.loads(row["j"]) for row in table] == [row["j"] for row in rows]
        texts = [row["t"] or "null" for row in table]
        assert [json.loads(text) for text in texts] == [row["t"] for row in rows]
    # Each value that was printed finds its row again, in a path and in a lookup.
    keys = [[row["j"], row["t"]] for row in rows]
    assert server.client.post("/v1/views/nested/lookup", json={"keys": keys}).json()["rows"] == rows
    paths = [f"{quote(json.dumps(j))}/{quote(json.dumps(t)) if t else '%00'}" for j, t in keys]
    assert [server.get(f"{path}/{one}").json()["row"] for one in paths] == rows
    hint = problem(server.get(f"{path}/x/%00"), 400, "bad_request")["hint"]
    assert "%22x%22" in hint
    assert len(server.get(f"{path}?j.gte=2").json()["rows"]) == 0
    told = problem(server.get(f"{path}?j=1&t.gte=[]"), 400, "bad_request")
    assert told["detail"].startswith("key column t is a TIMESTAMP WITH TIME ZONE[], and its rows")
    state.close()


@pytest.mark.parametrize("media", ["text/csv", "application/vnd.apache.arrow.stream"])
def test_other_formats_page_by_header(server: Server, media: str) -> None:
    headers = {"accept": media}
    first = server.get("/v1/views/often/rows?limit=6", headers=headers)
    cursor = first.headers["keyfold-next-cursor"]
    second = server.get(f"/v1/views/often/rows?limit=6&cursor={cursor}", headers=headers)
    assert "keyfold-next-cursor" not in second.headers
    if media == "text/csv":
        assert len(first.text.splitlines()) == 7
        assert len(second.text.splitlines()) == 5
    else:
        tables = [pa.ipc.open_stream(a.content).read_all() for a in (first, second)]
        assert [table.num_rows for table in tables] == [6, 4]


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("*/*", "application/json"),
        ("text/*", "text/csv"),
        ("application/json;q=0.1, text/csv", "text/csv"),
        ("application/json;q=0, */*", "application/x-ndjson"),
        ("text/html, application/xml;q=0.9, */*;q=0.8", "application/json"),
    ],
)
def test_accept_chooses(server: Server, accept: str, media: str) -> None:
    answer = server.get("/v1/views/spend/rows", headers={"accept": accept})
    assert answer.headers["content-type"].startswith(media)


def test_a_format_that_is_not_offered_is_406(server: Server) -> None:
    answer = server.get("/v1/views/spend/rows", headers={"accept": "application/xml"})
    assert "text/csv" in problem(answer, 406, "not_acceptable")["hint"]


def test_a_page_of_columns_is_made_beside_the_loop() -> None:
    class Slow:
        def answer_table(self, pairs: object) -> pa.Table:
            made_by.append(threading.get_ident())
            return pa.table({"n": [1]})

    made_by: list[int] = []
    view = types.SimpleNamespace(compiled=Slow())
    label = Label("{}", "{}")
    answer = asyncio.run(arrow_answer(view, [], None, label, commit=False))  # type: ignore[arg-type]
    assert pa.ipc.open_stream(answer.body).read_all().to_pylist() == [{"n": 1}]
    assert made_by != [threading.get_ident()]
