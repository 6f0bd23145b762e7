"""``keyfold demo``: replays, shows commands that work, and resumes."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess

import duckdb
import httpx

from keyfold.demo.flights import flight_events, load_flights
from tests.cli.scene import Keyfold, until

EVENTS = 6_000


def test_the_flights_become_events_day_by_day_with_null_for_what_is_absent() -> None:
    flights = load_flights()
    assert flights.num_rows == 336_776
    first = next(flight_events(flights, 0, 1))
    assert first == [
        '{"year":2013,"month":1,"day":1,"dep_time":517,"sched_dep_time":515,"dep_delay":2,'
        '"arr_time":830,"sched_arr_time":819,"arr_delay":11,"carrier":"UA","flight":1545,'
        '"tailnum":"N14228","origin":"EWR","dest":"IAH","air_time":227,"distance":1400,"hour":5,'
        '"minute":15,"time_hour":"2013-01-01T10:00:00Z"}'
    ]
    last = [event for batch in flight_events(flights, 336_000, 500) for event in batch]
    assert len(last) == 776
    assert '"dep_time":null' in last[-1]
    days = duckdb.from_arrow(flights).query("f", "SELECT month * 100 + day FROM f").fetchnumpy()
    assert (next(iter(days.values()))[1:] >= next(iter(days.values()))[:-1]).all()


def test_a_directory_in_use_or_of_other_views_is_refused_at_once(keyfold: Keyfold) -> None:
    running = keyfold.start("ingest", "pipeline.sql")
    try:
        running.logged("keeping 2 views")
        in_use = keyfold("demo", "--port", "0", "--data-dir", "keyfold-data")
    finally:
        assert running.end() == 0
    others = keyfold("demo", "--port", "0", "--data-dir", "keyfold-data")
    for told, message in [
        (in_use, "another process is writing to keyfold-data/state"),
        (others, "the state has what the SQL file has not: view spend, view everyone"),
    ]:
        assert (told.returncode, told.stdout) == (2, "")
        first, second = told.stderr.splitlines()
        assert first == f"error: {message}"
        assert second.startswith("hint: ")


def test_the_demo_shows_commands_that_work_and_resumes(keyfold: Keyfold) -> None:
    words = ("demo", "--port", "0", "--events", str(EVENTS))
    first = keyfold.start(*words)
    try:
        until(lambda: "Ctrl-C stops it" in "".join(first.stdout), 90)
        shown = "".join(first.stdout)
        assert f"{EVENTS:,} flights pushed, all {EVENTS:,} applied" in shown
        lines = [line.strip() for line in shown.splitlines()]
        curls = [line for line in lines if line.startswith("curl ")]
        assert len(curls) == 3
        for line in curls:
            done = subprocess.run(shlex.split(line), capture_output=True, text=True, check=True)
            assert '"row' in done.stdout, line
        pythons = [line for line in lines if ' -c "from pyiceberg' in line]
        assert len(pythons) == 2
        for line in pythons:
            done = subprocess.run(
                shlex.split(line),
                cwd=keyfold.directory,
                capture_output=True,
                text=True,
                check=True,
            )
            assert "carrier" in done.stdout
        url = re.search(r"starting on (\S+),", shown)[1]
        kept = httpx.get(f"{url}/v1/views/carrier_delays/rows").json()["rows"]
        second = keyfold(*words)
        assert (second.returncode, second.stdout) == (2, "")
        assert "another demo is running in keyfold-data/demo" in second.stderr
        assert "--data-dir" in second.stderr
    finally:
        assert first.end() == 0
    expected = duckdb.from_arrow(load_flights().slice(0, EVENTS)).query(
        "f",
        "SELECT carrier, count(*) AS flights, count(*) FILTER (dep_time IS NULL) AS cancelled "
        "FROM f GROUP BY 1 ORDER BY 1",
    )
    assert [(r["carrier"], r["flights"], r["cancelled"]) for r in kept] == expected.fetchall()
    again = keyfold(*words, "--exit")
    assert again.returncode == 0, again.stderr
    assert f"all {EVENTS:,} flights were accepted before: nothing to push" in again.stdout
    more = keyfold(*words[:-1], str(EVENTS + 100), "--exit")
    assert more.returncode == 0, more.stderr
    assert f"100 flights pushed, all {EVENTS + 100:,} applied" in more.stdout


def test_kills_while_it_replays_lose_no_event_and_count_none_twice(keyfold: Keyfold) -> None:
    words = ("demo", "--port", "0", "--events", str(EVENTS), "--speed", "1500", "--exit")
    demo = keyfold.start(*words, KEYFOLD_LOG_LEVEL="info")
    try:
        for role in ("serving-0", "ingest"):
            until(lambda: "of 6,000 flights" in "".join(demo.stdout))
            demo.stdout.clear()
            os.kill(demo.pid(role), signal.SIGKILL)
        assert demo.process.wait(90) == 0
    finally:
        demo.end()
    died = [one["message"] for one in demo.log() if " died " in one["message"]]
    assert [told.split()[0] for told in died] == ["serving-0", "ingest"]
    again = keyfold.start(*words[:5])
    try:
        until(lambda: "Ctrl-C stops it" in "".join(again.stdout), 90)
        shown = "".join(again.stdout)
        assert "were accepted before: nothing to push" in shown
        url = re.search(r"starting on (\S+),", shown)[1]
        kept = httpx.get(f"{url}/v1/views/carrier_delays/rows").json()["rows"]
    finally:
        assert again.end() == 0
    assert sum(row["flights"] for row in kept) == EVENTS
