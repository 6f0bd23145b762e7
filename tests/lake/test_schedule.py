"""When snapshots are taken, and what a failing one costs."""

import logging

import msgspec
import pytest

from lake.schedule import RETRY_S_MIN
from lake.status import data_files, status_path
from tests.lake.state import COUNT, SPEND, plan, status_of

OTHER = plan("other", {"id": "BIGINT"}, {"orders": COUNT})


def put(lake, user="al"):
    lake.state.put("spend", {(user,): (1, 1, 1)})
    lake.state.commit()


def test_a_changed_view_is_snapshotted_once_per_interval(house):
    lake = house(SPEND, lake_interval_s=10.0)
    schedule = lake.schedule()
    taken = []
    for second in range(30):
        put(lake)
        schedule.step()
        taken.append(schedule.status.views["spend"].snapshots)
        lake.now_s += 1
        assert taken[-1] == second // 10 + 1


def test_an_unchanged_view_is_not_snapshotted_again(house):
    lake = house(SPEND, lake_interval_s=10.0)
    schedule = lake.schedule()
    for _ in range(5):
        schedule.step()
        lake.now_s += 10
    assert schedule.status.views["spend"].snapshots == 1


def test_a_clean_stop_takes_one_more_snapshot_of_what_changed(house):
    lake = house(SPEND, OTHER, lake_interval_s=3_600.0)
    schedule = lake.schedule()
    schedule.step()
    put(lake)
    schedule.finish()
    assert lake.rows() == [{"user_id": "al", "orders": 1, "total": 1}]
    status = status_of(lake.directory)
    assert status.stopped
    assert {name: told.snapshots for name, told in status.views.items()} == {"spend": 2, "other": 1}


def test_the_status_leads_to_the_rows(house):
    lake = house(SPEND)
    put(lake)
    put(lake, "bea")
    lake.schedule().step()
    told = msgspec.json.decode(status_path(lake.directory).read_bytes())["views"]["spend"]
    table = lake.table()
    assert told | {"seconds": 0} == {
        "table": "keyfold.spend",
        "location": table.location(),
        "metadata_location": table.metadata_location,
        "snapshot_id": table.current_snapshot().snapshot_id,
        "time_ms": table.current_snapshot().timestamp_ms,
        "commit": lake.reader.record.sequence,
        "rows": 2,
        "seconds": 0,
        "offsets": {"0": 2},
        "snapshots": 1,
        "error": "",
        "error_time_ms": 0,
        "retry_ms": 0,
    }
    assert len(data_files(told["metadata_location"])) == 1


def test_duckdb_reads_a_snapshot_by_its_status(house):
    import duckdb  # noqa: PLC0415
    from pyiceberg.table import StaticTable  # noqa: PLC0415

    lake = house(SPEND)
    put(lake)
    lake.schedule().step()
    told = status_of(lake.directory).views["spend"]
    rows = StaticTable.from_metadata(told.metadata_location).scan().to_arrow()
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        assert connection.sql("SELECT user_id, total FROM rows").fetchall() == [("al", 1)]
        files = [name.removeprefix("file://") for name in data_files(told.metadata_location)]
        assert connection.read_parquet(files).fetchall() == [("al", 1, 1)]


def test_a_failing_view_costs_that_view_only_and_is_tried_again(house, caplog):
    lake = house(SPEND, OTHER, lake_interval_s=4.0)
    put(lake)
    schedule = lake.schedule()
    schedule.step()
    lake.state.source.identity = {"log_id": "second"}  # both tables know the first
    lake.state.writer.record.views["other"].offsets = {0: 1}
    put(lake)
    lake.catalog.drop_table(("keyfold", "other"))  # the other's is new again
    waits = []
    with caplog.at_level(logging.ERROR):
        for _ in range(6):
            lake.now_s += 4.0 if not waits else waits[-1]
            schedule.step()
            told = schedule.status.views["spend"]
            waits.append((told.retry_ms - told.error_time_ms) / 1000)
    assert waits == [RETRY_S_MIN, 2.0, 4.0, 4.0, 4.0, 4.0]
    assert "written from another log" in told.error
    assert told.rows == 1  # the last good snapshot is still told
    assert len(caplog.records) == 1
    assert schedule.status.views["other"].error == ""
    assert schedule.status.views["other"].offsets == {0: 1}
    lake.state.source.identity = {"log_id": "first"}
    put(lake)
    lake.now_s += 4.0
    schedule.step()
    told = schedule.status.views["spend"]
    assert (told.error, told.retry_ms, told.rows) == ("", 0, 1)
    assert lake.rows()[0]["orders"] == 3


def test_a_restarted_process_goes_on_and_shows_the_last_snapshot(house):
    lake = house(SPEND)
    put(lake)
    lake.schedule().step()
    again = lake.schedule()
    again.step()
    told = again.status.views["spend"]
    assert (told.snapshots, told.rows, told.offsets) == (0, 1, {0: 1})


def test_old_snapshots_go_as_new_ones_come(house):
    lake = house(SPEND, lake_interval_s=1.0, lake_snapshots_keep=2)
    schedule = lake.schedule()
    for _ in range(5):
        put(lake)
        schedule.step()
        lake.now_s += 1
    assert len(lake.table().snapshots()) == 2
    assert len(lake.files("*.parquet")) == 2


@pytest.mark.parametrize("locked_s", [0.5])
def test_a_locked_catalog_is_waited_for(house, locked_s):
    import sqlite3  # noqa: PLC0415
    import threading  # noqa: PLC0415

    lake = house(SPEND)
    put(lake)
    other = sqlite3.connect(
        lake.directory / "lake" / "catalog.db", isolation_level=None, check_same_thread=False
    )
    other.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(locked_s, lambda: other.execute("COMMIT"))
    release.start()
    lake.snapshot()
    release.join()
    other.close()
    assert len(lake.rows()) == 1
