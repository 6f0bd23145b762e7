"""Views, sources, dead letters, metrics, health and the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from keyfold.state.counter import MissingView, PartitionStatus, Sample
from keyfold.state.layout import lake_directory, members_span
from keyfold.state.reader import StateReader
from keyfold.view.distinct import Members
from serving.size import view_size
from tests.serving.conftest import Server, problem, until
from tests.serving.state import TS_US, State, now_ms, spend


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    state = State(tmp_path_factory.mktemp("catalog") / "data")
    state.put("spend", {("AA",): spend(), ("BB",): spend()})
    state.bury(30)
    state.bury(3, view="spend", reason="no number", value=b"\xff", field="amount")
    state.writer.fail_view("often", "it divides by zero")
    state.record.sources["orders"].watermark_us = TS_US
    state.commit()
    orders = state.status.sources["orders"]
    orders.partitions = {0: PartitionStatus(2, 5)}
    orders.events_per_second = 12.5
    orders.state = "catching_up"
    state.status.metrics = [
        Sample("keyfold_commits_total", 7),
        Sample("keyfold_hot_keys", 2, ("spend",)),
        Sample("keyfold_hot_keys", 3, ('a"b',)),
        Sample("keyfold_hot_keys", 4),
        Sample("unknown_metric", 1),
    ]
    state.publish()
    yield state
    state.close()


@pytest.fixture(scope="module")
def server(made: State) -> Iterator[Server]:
    server = Server(made.directory)
    server.up().at(made.record.sequence)
    yield server
    server.close()


def test_the_catalog_lists_all_views(server: Server) -> None:
    views = server.get("/v1/views").json()["views"]
    assert [view["name"] for view in views] == [
        "spend", "by_region", "often", "per_minute", "hops", "latest", "carriers",
    ]  # fmt: skip
    spend_view = views[0]
    assert spend_view["source"] == "orders"
    assert spend_view["key"] == ["user_id"]
    assert spend_view["columns"][2] == {"name": "total", "type": "DECIMAL(38,2)"}
    assert spend_view["freshness"]["watermark"] == "2026-01-01T12:00:00Z"
    assert (views[2]["state"], views[2]["error"]) == ("failed", "it divides by zero")


def test_one_view_says_all_that_is_known(server: Server) -> None:
    view = server.get("/v1/views/spend").json()
    assert view["sql"].startswith("CREATE MATERIALIZED VIEW spend")
    assert view["key_types"] == ["VARCHAR"]
    assert view["ready"] is True
    applied = {"in": 2, "applied": 2, "filtered": 0, "late": 0, "dead_lettered": 0}
    assert view["ledger"] == {"total": applied, "partitions": {"0": applied}}
    assert view["offsets"] == {"0": 2}
    assert view["size"]["rows"] == 2
    assert view["size"]["approximate"] is False
    assert (view["window"], view["retention_ms"]) == (None, None)
    windowed = server.get("/v1/views/per_minute").json()
    assert windowed["window"] == {"kind": "tumble", "column": "ts", "size_ms": 60_000}
    assert windowed["retention_ms"] == 3_600_000
    assert isinstance(windowed["window"]["size_ms"], int), "a whole number, as freshness_slo_ms is"
    assert isinstance(windowed["retention_ms"], int)
    hops = server.get("/v1/views/hops").json()["window"]
    assert hops == {"kind": "hop", "column": "ts", "size_ms": 180_000, "step_ms": 60_000}


def test_a_source_says_how_far_it_is(server: Server, made: State) -> None:
    made.publish()
    source = server.get("/v1/sources/orders").json()
    assert source == {
        "name": "orders",
        "connector": "events",
        "state": "catching_up",
        "error": None,
        "lag": 3,
        "partitions": [{"partition": 0, "offset": 2, "end_offset": 5, "lag": 3}],
        "events_per_second": 12.5,
        "ledger": {"in": 2, "dead_lettered": 0},
    }
    sources = server.get("/v1/sources").json()["sources"]
    assert [one["name"] for one in sources] == ["orders", "flights"]


def test_a_dead_ingest_process_is_said_to_be_stopped(server: Server, made: State) -> None:
    made.counter.publish(made.record.sequence, now_ms() - 60_000, made.status)
    source = server.get("/v1/sources/orders").json()
    assert source["state"] == "stopped"
    assert "nothing was heard of the ingest process for 60 s" in source["error"]
    ingest = server.get("/healthz").json()["ingest"]
    assert ingest["advancing"] is False
    assert "nothing was heard of the ingest process for 60 s" in ingest["stopped"]["orders"]


def test_an_ingest_process_that_died_before_the_clock_was_set_back_is_stopped(
    server: Server, made: State
) -> None:
    made.counter.publish(made.record.sequence, now_ms() + 60_000, made.status)
    source = server.get("/v1/sources/orders").json()
    assert source["state"] == "stopped"
    assert "since the clock was set back" in source["error"]
    made.status.stopped = True
    made.publish()
    assert "was stopped" in server.get("/v1/sources/orders").json()["error"]
    made.status.stopped = False
    made.publish()
    assert server.get("/v1/sources/orders").json()["state"] == "catching_up"


def test_dead_letters_come_newest_first_in_pages(server: Server) -> None:
    numbers: list[int] = []
    query = "limit=20"
    while query:
        body = server.get(f"/v1/dead-letters?{query}").json()
        numbers += [letter["number"] for letter in body["dead_letters"]]
        cursor = body["next_cursor"]
        query = f"limit=20&cursor={cursor}" if cursor else ""
    assert numbers == list(range(32, -1, -1))
    assert body["kept"] == 33


def test_dead_letters_of_one_view(server: Server) -> None:
    body = server.get("/v1/dead-letters?view=spend&source=orders").json()
    assert [letter["reason"] for letter in body["dead_letters"]] == (
        ["no number"] * 3 + ["no JSON"] * 2  # up to offset 2, where the view is
    )
    assert body["dead_letters"][0]["value"] == {"base64": "/w=="}
    assert body["next_cursor"] is None
    problem(server.get("/v1/dead-letters?source=nope"), 404, "no_such_source")
    problem(server.get("/v1/dead-letters?view=nope"), 404, "no_such_view")
    assert server.get("/v1/dead-letters?source=nope&all=1").json()["dead_letters"] == []
    first = server.get("/v1/dead-letters?limit=4").json()["dead_letters"][3]
    assert (first["view"], first["value"]) == (None, "{oops")


@pytest.mark.parametrize(
    "query", ["all=yes", "limit=x", "cursor=x", "cursor=-1", "what=1", "limit=1&limit=2"]
)
def test_dead_letter_refusals(server: Server, query: str) -> None:
    problem(server.get(f"/v1/dead-letters?{query}"), 400, "bad_request")


def test_metrics_of_state_and_requests(server: Server, made: State) -> None:
    status = lake_directory(made.directory) / "status.json"
    status.parent.mkdir()
    status.write_text('{"views": {"spend": {"error": "a column is gone"}, "often": {}}}')
    server.get("/v1/views/spend/rows/AA")
    server.get("/v1/views/spend/rows/nobody")
    server.get("/v1/views/spend")
    text = server.get("/metrics").text
    for line in (
        'keyfold_lookup_duration_seconds_count{view="spend"}',
        'keyfold_lookup_duration_seconds_bucket{le="+Inf",view="spend"}',
        'keyfold_http_requests_total{route="/v1/views/{view}/rows/{key}",status="200"}',
        'keyfold_http_requests_total{route="/v1/views/{view}/rows/{key}",status="404"} 1.0',
        'keyfold_http_requests_total{route="/v1/views/{view}",status="200"}',
        'keyfold_view_staleness_seconds{view="spend"}',
        'keyfold_view_messages_total{outcome="applied",view="spend"} 2.0',
        'keyfold_view_up{view="often"} 0.0',
        'keyfold_view_up{view="spend"} 1.0',
        'keyfold_source_lag_messages{source="orders"} 3.0',
        "keyfold_commits_total 7.0",
        'keyfold_hot_keys{view="spend"} 2.0',
        'keyfold_hot_keys{view="a\\"b"} 3.0',
        "keyfold_replica_commit ",
        'keyfold_lake_up{view="spend"} 0.0',
        'keyfold_lake_up{view="often"} 1.0',
    ):
        assert line in text, line
    assert "unknown_metric" not in text


def test_counts_survive_the_worker_and_are_summed_over_workers(state: State) -> None:
    name = 'keyfold_http_requests_total{route="/v1/views/{view}",status="200"} '

    def counted(server: Server) -> float:
        text = server.get("/metrics").text
        return float(text.partition(name)[2].partition("\n")[0] or 0)

    before = Server(state.directory, worker=1)
    before.up()
    base = counted(before)
    before.get("/v1/views/spend")
    before.close()
    after, other = (Server(state.directory, worker=number) for number in (1, 2))
    assert counted(after.up()) == base + 1
    assert counted(other.up()) == base + 1
    after.close()
    other.close()


def test_health_says_whether_the_replica_advances(server: Server, made: State) -> None:
    body = server.get("/healthz").json()
    assert body["status"] == "ok"
    assert body["replica"]["open"] is True
    assert body["replica"]["advancing"] is True
    assert body["replica"]["commit"] == made.record.sequence
    assert body["ingest"].keys() == {"advancing", "stopped"}


def test_the_hot_route_stands_in_the_openapi_document(server: Server) -> None:
    document = server.get("/openapi.json").json()
    paths = document["paths"]
    assert {
        "/v1/views", "/v1/views/{view}", "/v1/views/{view}/rows", "/v1/views/{view}/rows/{key}",
        "/v1/views/{view}/lookup", "/v1/sources", "/v1/sources/{source}",
        "/v1/sources/{source}/events", "/v1/dead-letters", "/healthz", "/readyz", "/metrics",
    } == set(paths)  # fmt: skip
    row = paths["/v1/views/{view}/rows/{key}"]["get"]
    assert {one["name"] for one in row["parameters"]} == {"view", "key", "offsets"}
    for path, methods in paths.items():
        for method in methods.values():
            names = [one["name"] for one in method.get("parameters", [])]
            assert len(names) == len(set(names)), path
    assert server.get("/docs").status_code == 200


def test_readyz_lists_what_has_not_caught_up(server: Server, made: State) -> None:
    assert server.get("/readyz").json() == {"ready": True, "missing": []}
    made.record.views["by_region"].ready = False
    server.at(made.commit())
    answer = server.get("/readyz")
    assert answer.status_code == 503
    behind = "has not caught up with its source orders"
    assert answer.json()["missing"] == [f"view by_region: {behind} yet"]
    refused = server.get("/v1/views/by_region/rows/eu/1")
    problem(refused, 503, "not_caught_up")
    assert refused.headers["retry-after"] == "1"
    lookup = server.client.post("/v1/views/by_region/lookup", json={"keys": [["eu", 1]]})
    problem(lookup, 503, "not_caught_up")
    for query in ("", "?region=eu"):  # nothing is there yet, which is not the same as no row
        problem(server.get(f"/v1/views/by_region/rows{query}"), 503, "not_caught_up")
    gone = "source 'orders': topic 'ordres' is not on the Kafka broker"
    made.status.sources["orders"].error = gone
    made.publish()
    assert server.get("/readyz").json()["missing"] == [
        f"view by_region: {behind}, which stopped: {gone}"
    ]
    for path in ("rows/eu/1", "rows"):
        told = problem(server.get(f"/v1/views/by_region/{path}"), 503, "not_caught_up")
        assert told["detail"] == f"view by_region {behind}, which stopped: {gone}"
    made.status.sources["orders"].error = ""
    made.put("by_region", {("eu", 1): (1,)})
    server.at(made.commit())
    early = server.get("/v1/views/by_region/rows/eu/1").json()
    assert (early["row"]["orders"], early["freshness"]["state"]) == (1, "catching_up")
    page = server.get("/v1/views/by_region/rows").json()
    assert (len(page["rows"]), page["freshness"]["state"]) == (1, "catching_up")
    problem(server.get("/v1/views/by_region/rows?region=us"), 503, "not_caught_up")
    made.record.views["by_region"].ready = True
    made.commit()
    until(lambda: server.get("/readyz").status_code == 200, "ready again")


def test_what_waits_for_columns_is_said_to_wait_and_not_to_be_absent(
    server: Server, made: State
) -> None:
    made.status.sources["orders"].state = "waiting"
    made.status.sources["orders"].error = "none of 5 sampled messages is a JSON object"
    made.status.missing = {
        "clicked": MissingView("clicks"),
        "pages": MissingView("clicks", "pipeline.sql:5:42: there is no column page"),
    }
    made.publish()
    assert server.get("/readyz").json()["missing"] == [
        "source orders: its columns are not known yet, it waits for its first events; none of 5 "
        "sampled messages is a JSON object",
        "view clicked: it waits for the columns of source clicks",
        "view pages: stopped: pipeline.sql:5:42: there is no column page",
    ]
    assert server.get("/v1/sources/orders").json()["state"] == "waiting"
    row = problem(server.get("/v1/views/clicked/rows/a"), 503, "not_caught_up")
    assert row["detail"] == (
        "view clicked is not kept yet: it waits for the columns of source clicks"
    )
    one = problem(server.get("/v1/views/pages"), 503, "not_caught_up")
    assert "there is no column page" in one["detail"]
    problem(server.get("/v1/views/click"), 404, "no_such_view")
    text = server.get("/metrics").text
    assert 'keyfold_view_up{view="pages"} 0.0' in text
    assert 'keyfold_view_up{view="clicked"}' not in text
    made.status.missing = {}
    made.status.sources["orders"].state = "live"
    made.status.sources["orders"].error = ""
    made.publish()


def test_dead_letters_of_what_was_dropped_come_only_when_asked_for(
    server: Server, made: State
) -> None:
    assert not any(
        letter["earlier_build"] for letter in server.get("/v1/dead-letters").json()["dead_letters"]
    )
    made.bury(1, source="gone")
    server.at(made.commit())
    problem(server.get("/v1/dead-letters?source=gone"), 404, "no_such_source")
    (letter,) = server.get("/v1/dead-letters?source=gone&all=1").json()["dead_letters"]
    assert letter["earlier_build"] is True


def test_the_members_of_sets_are_bytes_of_a_view_and_no_rows(tmp_path: Path) -> None:
    made = State(
        tmp_path / "data",
        "CREATE SOURCE s (x BIGINT) WITH (connector = 'events');"
        "CREATE MATERIALIZED VIEW v AS SELECT COUNT(DISTINCT x) AS n FROM s;",
    )
    prefix = made.writer.views["v"].prefix
    keys = [members_span(prefix)[0] + b"%030d" % number for number in range(20_000)]
    found = Members(np.zeros(len(keys), np.int64), keys, np.zeros(len(keys), np.int64))
    made.writer.merge("v", [prefix], [np.zeros(1, np.int64)], [found])
    made.commit()
    reader = StateReader.open(made.directory, 1, block_cache_bytes=1 << 20)
    size = view_size(reader, reader.view("v"))
    assert (size["rows"], size["approximate"]) == (1, True)
    assert size["bytes"] > 20_000
    reader.close()
    made.close()


def test_a_large_view_is_sized_from_the_books(state: State) -> None:
    state.put("by_region", {("eu", i): (1,) for i in range(3_000)})
    state.put("spend", {("AA",): spend()})
    state.commit()
    reader = StateReader.open(state.directory, 1, block_cache_bytes=1 << 20)
    size = view_size(reader, reader.view("by_region"))
    assert size["approximate"] is True
    assert 1_001 <= size["rows"] <= 3_100
    small = view_size(reader, reader.view("spend"))
    assert (small["rows"], small["approximate"]) == (1, False)
    reader.close()
