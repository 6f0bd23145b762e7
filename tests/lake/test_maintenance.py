"""Expiry keeps what it must, and really deletes the rest."""

import os

import pytest

from lake.maintenance import ORPHAN_AGE_S_MIN, expire, referenced, remove_orphans
from lake.status import data_files
from tests.lake.state import SPEND


def take(lake, times):
    for _ in range(times):
        lake.state.put("spend", {("al",): (1, 1, 1)})
        lake.state.commit()
        lake.snapshot()


def totals(table):
    return [
        table.scan(snapshot_id=one.snapshot_id).to_arrow().column("total").to_pylist()[0]
        for one in sorted(table.snapshots(), key=lambda one: one.sequence_number)
    ]


def on_disk(lake):
    root = lake.directory / "lake" / "warehouse"
    return {f"file://{path}" for path in root.rglob("*") if path.is_file()}


def test_snapshots_beyond_the_count_go_with_their_files_and_the_others_stay(house):
    lake = house(SPEND, lake_snapshots_keep=3)
    take(lake, 6)
    assert len(lake.files("*.parquet")) == 6
    table = lake.table()
    gone = expire(table, lake.settings, now_ms=table.metadata.last_updated_ms)
    assert totals(lake.table()) == [4, 5, 6]
    assert len(lake.files("*.parquet")) == 3
    assert {location.rpartition(".")[2] for location in gone} == {"parquet", "avro"}
    left = on_disk(lake) - referenced(lake.table())
    assert {location.rpartition("/")[2] for location in left} == {"version-hint.text"}
    assert data_files(lake.table().location()) == data_files(lake.table().metadata_location)


def test_snapshots_beyond_the_age_go_and_the_current_one_never_does(house):
    lake = house(SPEND, lake_snapshot_age_s_max=60.0)
    take(lake, 3)
    table = lake.table()
    assert expire(table, lake.settings, now_ms=table.metadata.last_updated_ms) == []
    expire(table, lake.settings, now_ms=table.metadata.last_updated_ms + 61_000)
    assert totals(lake.table()) == [3]


def test_a_snapshot_that_a_tag_names_stays(house):
    lake = house(SPEND, lake_snapshots_keep=1)
    take(lake, 3)
    table = lake.table()
    first = min(table.snapshots(), key=lambda one: one.sequence_number)
    table.manage_snapshots().create_tag(first.snapshot_id, "audit").commit()
    expire(table, lake.settings, now_ms=0)
    assert totals(lake.table()) == [1, 3]


def test_old_metadata_files_go_by_themselves(house):
    lake = house(SPEND)
    take(lake, 25)
    assert len(lake.files("*.metadata.json")) == 21


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("age_s", [0.0, ORPHAN_AGE_S_MIN])
def test_files_that_nothing_references_go_and_foreign_ones_stay(house, age_s, exclusive):
    lake = house(SPEND)
    take(lake, 2)
    before = on_disk(lake)
    root = next((lake.directory / "lake" / "warehouse").rglob("metadata"))
    ours = root.parent / "data" / f"keyfold-{'0' * 32}-00000.parquet"
    theirs = [
        root / "01234567-0123-0123-0123-0123456789ab-m0.avro",
        root / "00099-01234567-0123-0123-0123-0123456789ab.metadata.json",
        root / "snap-1-0-01234567-0123-0123-0123-0123456789ab.avro",
    ]
    foreign = root.parent / "data" / "notes.txt"
    for path in [ours, *theirs, foreign]:
        path.write_bytes(b"x")
        os.utime(path, (1_000, 1_000))
    removed = set(remove_orphans(lake.table(), 1_000 + age_s, exclusive=exclusive))
    gone = {ours, *theirs} if age_s else {ours} if exclusive else set()
    assert removed == gone
    left = {ours, *theirs, foreign} - gone
    assert on_disk(lake) == before | {f"file://{path}" for path in left}
    assert totals(lake.table()) == [1, 2]
