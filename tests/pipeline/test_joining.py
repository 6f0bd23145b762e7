"""A source without a column list holds up nobody, and joins when its first events come (law 7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.pipeline.kit import Run, assert_books_balance, keyfold, pipeline, until

ORDERS = "CREATE SOURCE orders (who VARCHAR) WITH (connector = 'events');\n"
CLICKS = "CREATE SOURCE clicks WITH (connector = 'events');\n"
SPEND = "CREATE MATERIALIZED VIEW spend AS SELECT who, COUNT(*) AS n FROM orders GROUP BY who;\n"
CLICKED = (
    "CREATE MATERIALIZED VIEW clicked AS SELECT who, COUNT(*) AS n, SUM(weight) AS weight "
    "FROM clicks GROUP BY who;\n"
)
WRONG = "CREATE MATERIALIZED VIEW pages AS SELECT page, COUNT(*) AS n FROM clicks GROUP BY page;\n"
SQL = ORDERS + CLICKS + SPEND + CLICKED
SETTINGS: dict[str, object] = {"restart_backoff_ms_min": 10, "restart_backoff_ms_max": 100}


def events(first: int, count: int) -> list[dict[str, Any]]:
    return [{"who": f"w{i % 7}", "weight": i} for i in range(first, first + count)]


def counted(pushed: Sequence[dict[str, Any]]) -> dict[str, int]:
    return dict(Counter(one["who"] for one in pushed))


def found(run: Run, view: str) -> dict[str, int]:
    return {row["who"]: row["n"] for row in run.rows(view)}


def served(run: Run, view: str) -> bool:
    """Say whether a view is kept and has caught up."""
    answer = httpx.get(f"{run.url}/v1/views/{view}", timeout=30.0)
    return answer.status_code == 200 and bool(answer.json()["ready"])


def missing(run: Run) -> list[str]:
    return list(httpx.get(f"{run.url}/readyz", timeout=30.0).json()["missing"])


def killed(run: Run) -> None:
    died = run.kill("ingest")
    until(lambda: run.pid("ingest") != died, what="the restart of ingest")


def detected(run: Run) -> int:
    """Count how often columns were detected."""
    return sum(text.startswith("detected columns") for text in run.messages())


def check(run: Run, view: str, source: str, pushed: Sequence[dict[str, Any]]) -> None:
    until(lambda: served(run, view) and run.caught_up(source, len(pushed)), what="catching up")
    assert found(run, view) == counted(pushed)
    assert run.get(f"/sources/{source}")["ledger"]["in"] == len(pushed)
    assert_books_balance(run.ledger(view), len(pushed))
    assert run.ledger(view)["applied"] == len(pushed)


def test_a_silent_source_holds_up_its_own_views_alone_and_joins_without_loss(
    tmp_path: Path,
) -> None:
    orders, clicks = events(0, 500), events(0, 300)
    with pipeline(tmp_path, SQL, "--no-lake", **SETTINGS) as run:
        until(run.ready_to_answer, what="an answer")
        run.push("orders", orders)
        check(run, "spend", "orders", orders)
        assert run.get("/views/spend")["state"] == "live"
        told = run.get("/sources/clicks")
        assert (told["state"], told["error"], told["partitions"]) == ("waiting", None, [])
        assert missing(run) == [
            "source clicks: its columns are not known yet, it waits for its first events",
            "view clicked: it waits for the columns of source clicks",
        ]
        answer = httpx.get(f"{run.url}/v1/views/clicked/rows/w1", timeout=30.0)
        assert (answer.status_code, answer.json()["code"]) == (503, "not_caught_up")
        assert "waits for the columns of source clicks" in answer.json()["detail"]
        # Killed while it waits, it waits again, and the others go on from where they were.
        killed(run)
        run.push("orders", events(500, 100))
        orders += events(500, 100)
        check(run, "spend", "orders", orders)
        assert run.get("/sources/clicks")["state"] == "waiting"
        # The first events come; ingest is killed before they have told anything, or just then.
        run.push("clicks", clicks[:100])
        killed(run)
        run.push("orders", events(600, 100))
        orders += events(600, 100)
        check(run, "clicked", "clicks", clicks[:100])
        pid = run.pid("ingest")
        run.push("clicks", clicks[100:200])
        check(run, "clicked", "clicks", clicks[:200])
        check(run, "spend", "orders", orders)
        assert run.ready()
        assert run.pid("ingest") == pid
        # Killed after it has joined, its columns are known from the start.
        waits = run.messages().count("waiting for events to detect the columns")
        killed(run)
        run.push("clicks", clicks[200:])
        run.push("orders", events(700, 100))
        orders += events(700, 100)
        check(run, "clicked", "clicks", clicks)
        check(run, "spend", "orders", orders)
        assert run.messages().count("waiting for events to detect the columns") == waits
        assert run.stop() == 0


def test_sources_join_one_after_the_other_without_a_restart_while_others_are_pushed_to(
    tmp_path: Path,
) -> None:
    sql = SQL + (CLICKS + CLICKED).replace("click", "tick")
    orders: list[dict[str, Any]] = []
    ticks, clicks = events(0, 50), events(50, 70)
    with pipeline(tmp_path, sql, "--no-lake", **SETTINGS) as run:
        until(run.ready_to_answer, what="an answer")

        def joined(view: str) -> bool:
            run.push("orders", events(len(orders), 10))
            orders.extend(events(len(orders), 10))
            return served(run, view)

        run.push("ticks", ticks)
        until(lambda: joined("ticked"), what="the first to join")
        assert run.get("/sources/clicks")["state"] == "waiting"
        assert not run.ready()
        assert run.messages().count("ingest started") == 1
        assert detected(run) == 1
        run.push("clicks", clicks)
        until(lambda: detected(run) == 2, what="detection")
        killed(run)  # while the second one joins, or a moment before or after
        until(lambda: joined("clicked"), what="the second to join")
        check(run, "ticked", "ticks", ticks)
        check(run, "clicked", "clicks", clicks)
        check(run, "spend", "orders", orders)
        until(run.ready, what="ready views")
        assert run.stop() == 0


def test_sql_that_turns_out_wrong_late_costs_its_view_and_stays_visible(tmp_path: Path) -> None:
    orders, clicks = events(0, 100), events(0, 40)
    place = "pipeline.sql:5:42: there is no column page"
    with pipeline(tmp_path, SQL + WRONG, "--no-lake", **SETTINGS) as run:
        until(run.ready_to_answer, what="an answer")
        run.push("orders", orders)
        run.push("clicks", clicks)
        for _ in range(2):  # a crash does not turn it into a refusal to start
            check(run, "clicked", "clicks", clicks)
            check(run, "spend", "orders", orders)
            (told,) = missing(run)
            assert told.startswith(f"view pages: stopped: {place}")
            answer = httpx.get(f"{run.url}/v1/views/pages", timeout=30.0)
            assert answer.status_code == 503
            assert place in answer.json()["detail"]
            metrics = httpx.get(f"{run.url}/metrics", timeout=30.0).text
            assert 'keyfold_view_up{view="pages"} 0.0' in metrics
            assert any(text.startswith(f"view stopped: {place}") for text in run.messages())
            killed(run)
            run.push("clicks", events(len(clicks), 10))
            clicks += events(len(clicks), 10)
        assert run.stop() == 0
    # Corrected, it is a new view; another mistake is refused, now that the columns are known.
    other = SQL + WRONG.replace("page,", "pag,").replace("BY page", "BY pag")
    (tmp_path / "pipeline.sql").write_text(other)
    with keyfold(tmp_path, "ingest", "pipeline.sql", "--data-dir", "data") as run:
        assert run.process.wait(60) == 2
        assert "there is no column pag\n" in run.log_path.read_text()
    mended = SQL + WRONG.replace("page,", "who,").replace("BY page", "BY who")
    with pipeline(tmp_path, mended, "--no-lake") as run:
        until(run.ready, what="ready views")
        check(run, "pages", "clicks", clicks)


def test_columns_that_do_not_fit_their_source_cost_that_source(tmp_path: Path) -> None:
    timed = CLICKS.replace("clicks WITH", "clicks (WATERMARK FOR ts AS ts) WITH")
    orders = events(0, 100)
    with pipeline(tmp_path, ORDERS + timed + SPEND + CLICKED, "--no-lake") as run:
        until(run.ready_to_answer, what="an answer")
        run.push("clicks", events(0, 10))
        until(lambda: run.get("/sources/clicks")["state"] == "stopped", what="the stop")
        told = run.get("/sources/clicks")["error"]
        assert told.startswith("pipeline.sql:2:37: WATERMARK FOR ts: there is no column ts")
        assert f"source clicks: stopped: {told}" in missing(run)
        run.push("orders", orders)
        check(run, "spend", "orders", orders)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (SPEND.replace("who", "whom"), "whom"),
        (CLICKED.replace("FROM clicks", "FROM click"), "there is no source click"),
        (CLICKED + CLICKED, "clicked is defined twice"),
    ],
)
def test_what_is_wrong_whatever_comes_is_a_refusal_to_start(
    tmp_path: Path, wrong: str, words: str
) -> None:
    (tmp_path / "pipeline.sql").write_text(ORDERS + CLICKS + wrong)
    with keyfold(tmp_path, "ingest", "pipeline.sql", "--data-dir", "data") as run:
        assert run.process.wait(60) == 2
        assert words in run.log_path.read_text()
