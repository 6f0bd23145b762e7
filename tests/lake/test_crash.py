"""A lake process that is killed at any moment leaves a good snapshot, and its heir goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyiceberg.table import StaticTable

from lake.localfiles import lock_directory
from lake.maintenance import ORPHAN_AGE_S_MIN, referenced, remove_orphans
from lake.schedule import LOG_AGAIN_S
from tests.lake.dying import MOMENTS
from tests.lake.state import COUNT, SPEND, SUM, LakeState, plan, status_of

ROOT = Path(__file__).parents[2]
AFTER_THE_COMMIT = {"the catalog is updated", "the version hint is written"}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_leaves_a_good_snapshot_and_the_next_process_cleans_up(house, moment):
    lake = house(SPEND)
    lake.state.put("spend", {("al",): (1, 1, 1)})
    lake.state.commit()
    lake.snapshot()
    lake.state.put("spend", {("al",): (1, 1, 10), ("bea",): (1, 1, 1)})
    lake.state.commit()
    died = subprocess.run(
        [sys.executable, "-m", "tests.lake.dying", str(lake.directory), moment],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert died.returncode == -signal.SIGKILL, died.stderr
    totals = [11, 1] if moment in AFTER_THE_COMMIT else [1]
    assert [row["total"] for row in lake.rows()] == totals
    static = StaticTable.from_metadata(lake.table().location())  # an older one, but a whole one
    assert static.scan().to_arrow().num_rows in (1, 2)

    lake.schedule().step()
    assert [row["total"] for row in lake.rows()] == [11, 1]
    remove_orphans(lake.table(), time.time() + ORPHAN_AGE_S_MIN, exclusive=True)
    root = lake.directory / "lake" / "warehouse"
    on_disk = {f"file://{path}" for path in root.rglob("*") if path.is_file()}
    (hint,) = on_disk - referenced(lake.table())
    assert hint.endswith("version-hint.text")
    static = StaticTable.from_metadata(lake.table().location())
    assert static.metadata_location == lake.table().metadata_location


def run_lake(directory, *arguments, **changes):
    environment = os.environ | {"KEYFOLD_DATA_DIR": str(directory)} | changes
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "lake", *arguments],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(condition, process):
    deadline_s = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def told(directory):
    return status_of(directory).views.get("spend")


def test_the_process_snapshots_stops_cleanly_verifies_and_drops(house):
    lake = house(SPEND)
    lake.state.put("spend", {("al",): (1, 1, 1)})
    lake.state.commit()
    process = run_lake(lake.directory)
    wait_for(lambda: (seen := told(lake.directory)) and seen.snapshots == 1, process)
    second = run_lake(lake.directory)
    assert second.wait(60) == 2
    assert "another lake process" in second.stderr.read()
    lake.state.put("spend", {("bea",): (1, 1, 1)})
    lake.state.commit()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0, process.stderr.read()
    assert status_of(lake.directory).stopped
    assert told(lake.directory).rows == 2

    verify = run_lake(lake.directory, "verify")
    out, errors = verify.communicate(timeout=60)
    assert verify.returncode == 0, errors
    assert '"state":"same","rows":2' in out

    lake.state.put("spend", {("cy",): (1, 1, 1)})
    lake.state.commit()
    behind = run_lake(lake.directory, "verify")
    out, errors = behind.communicate(timeout=60)
    assert behind.returncode == 3, errors
    assert '"state":"other_offsets"' in out
    assert "not compared: spend" in errors

    drop = run_lake(lake.directory, "drop", "spend")
    assert drop.wait(60) == 0, drop.stderr.read()
    assert not lake.catalog.table_exists(("keyfold", "spend"))
    for stream in [
        s for p in (process, second, verify, behind, drop) for s in (p.stdout, p.stderr)
    ]:
        stream.close()


def test_a_lake_that_was_down_takes_its_last_snapshots_and_ends(house):
    lake = house(SPEND)
    lake.state.put("spend", {("al",): (1, 1, 1)})
    lake.state.commit()
    once = run_lake(lake.directory, "once")
    _, errors = once.communicate(timeout=60)
    assert once.returncode == 0, errors
    assert [row["total"] for row in lake.rows()] == [1]
    assert status_of(lake.directory).stopped
    lake.state.source.identity = {"log_id": "second"}  # the table knows the first
    lake.state.put("spend", {("al",): (1, 1, 1)})
    lake.state.commit()
    failed = run_lake(lake.directory, "once")
    _, errors = failed.communicate(timeout=60)
    assert failed.returncode == 1
    assert "no last snapshot was taken of spend" in errors


def test_there_is_no_last_snapshot_to_take_of_no_state(tmp_path):
    once = run_lake(tmp_path, "once")
    _, errors = once.communicate(timeout=60)
    assert once.returncode == 0, errors
    assert not (tmp_path / "lake").exists()


def test_a_refused_table_is_told_by_verify_and_a_lasting_fault_by_the_log_again(house, caplog):
    lake = house(SPEND)
    lake.snapshot()
    lake.state.close()
    renamed = plan("spend", {"user_id": "VARCHAR"}, {"n": COUNT, "total": SUM})
    lake.state = LakeState(lake.directory, renamed, rebuild=["spend"])
    lake.state.commit()
    schedule = lake.schedule()
    for later_s, times in [(0.0, 1), (100.0, 1), (LOG_AGAIN_S, 2)]:
        lake.now_s += later_s
        schedule.step()
        assert caplog.text.count("column orders is gone") == times
    assert "column orders is gone" in told(lake.directory).error
    verify = run_lake(lake.directory, "verify")
    out, errors = verify.communicate(timeout=60)
    assert verify.returncode == 3
    assert '"state":"refused"' in out
    assert "not compared: the table of view spend cannot take its new columns" in errors
    assert "ask again" not in errors


@pytest.mark.parametrize("job", ["verify", "drop"])
def test_a_job_in_the_wrong_place_says_so_to_people_and_leaves_nothing(tmp_path, job):
    asked = run_lake(tmp_path, job, "spend")
    out, errors = asked.communicate(timeout=60)
    assert (asked.returncode, out) == (2, "")
    first, second = errors.splitlines()
    assert first.startswith("error: there is no ")
    assert second.startswith("hint: give the data directory of the pipeline with --data-dir")
    assert list(tmp_path.iterdir()) == []


def test_the_process_waits_for_a_state_and_can_be_stopped_meanwhile(tmp_path):
    process = run_lake(tmp_path)
    line = process.stderr.readline()
    assert "waiting for the state" in line
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    process.stdout.close()
    process.stderr.close()


def test_one_process_per_directory(tmp_path):
    with lock_directory(tmp_path), pytest.raises(Exception, match="another lake process"):
        lock_directory(tmp_path)
    lock_directory(tmp_path).close()
