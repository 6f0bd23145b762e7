"""A snapshot holds the state of one commit, replaces the one before in one step, and says so."""

import json

import msgspec
import pyarrow.parquet as pq
import pytest
from pyiceberg.exceptions import ValidationException
from pyiceberg.table import StaticTable

from keyfold.errors import LakeError
from keyfold.view import expression as ex
from keyfold.view.plan import Window
from lake.snapshot import take_snapshot
from lake.table import (
    current_data_files,
    offsets_in,
    output_fingerprint,
    stage_replacement,
    told_by,
)
from tests.lake.state import COUNT, SPEND, SUM, plan

ALL = plan("all", {}, {"orders": COUNT, "total": SUM})


def test_a_snapshot_has_the_rows_of_the_state_in_key_order(house):
    lake = house(SPEND)
    lake.state.put("spend", {("bea",): (2, 2, 30), ("al",): (1, 1, -5)})
    lake.state.commit()
    assert lake.snapshot().rows == 2
    assert lake.rows() == [
        {"user_id": "al", "orders": 1, "total": -5},
        {"user_id": "bea", "orders": 2, "total": 30},
    ]


def test_rows_are_written_in_chunks_and_stay_in_order(house):
    lake = house(SPEND)
    users = [f"user{at:04}" for at in range(1_000)]
    lake.state.put("spend", {(user,): (1, 1, at) for at, user in enumerate(users)})
    lake.state.commit()
    assert lake.snapshot(chunk_rows=64).rows == 1_000
    assert [row["user_id"] for row in lake.rows()] == users


def test_only_columns_whose_values_repeat_have_a_dictionary(house):
    lake = house(SPEND)
    rows = {(f"user{at:04}",): (at % 3, 1, at * 7) for at in range(1_000)}
    lake.state.put("spend", rows)
    lake.state.commit()
    lake.snapshot()
    (file,) = current_data_files(lake.table())
    with lake.table().io.new_input(file.file_path).open() as stream:
        group = pq.read_metadata(stream).row_group(0)
    columns = [group.column(at) for at in range(group.num_columns)]
    assert {column.path_in_schema: column.has_dictionary_page for column in columns} == {
        "user_id": False,
        "orders": True,
        "total": False,
    }


def test_a_view_without_rows_gives_a_table_without_rows(house):
    lake = house(SPEND)
    assert lake.snapshot().rows == 0
    assert lake.rows() == []
    assert lake.table().current_snapshot() is not None


def test_the_one_row_of_a_view_without_a_key_is_there_before_any_event(house):
    lake = house(msgspec.structs.replace(ALL, standing_keys=((),)))
    assert lake.snapshot("all").rows == 1
    assert lake.rows("all") == [{"orders": 0, "total": None}]
    lake.state.put("all", {(): (2, 2, 30)})
    lake.state.commit()
    lake.snapshot("all")
    assert lake.rows("all") == [{"orders": 2, "total": 30}]


def test_a_view_that_became_empty_gives_an_empty_table(house):
    having = plan("spend", {"user_id": "VARCHAR"}, {"orders": COUNT, "total": SUM})
    lake = house(having)
    lake.state.put("spend", {("al",): (1, 1, 1)})
    lake.state.commit()
    lake.snapshot()
    prefix = lake.state.writer.views["spend"].prefix
    lake.state.store.write([], [], [(prefix, prefix[:-1] + b"\xff")], (b"\x00other", b""))
    lake.state.advance("spend", 1)
    lake.state.commit()
    assert lake.snapshot().rows == 0
    assert lake.rows() == []


def test_the_summary_says_what_the_snapshot_was_made_from(house):
    lake = house(SPEND)
    lake.state.put("spend", {("al",): (1, 1, 1), ("bea",): (1, 1, 1)})
    lake.state.source.watermark_us = 1_700_000_000_000_000
    lake.state.commit()
    snapshot = lake.snapshot().table.current_snapshot()
    assert snapshot.summary.operation.value == "append"
    told = {name: told_by(snapshot, f"keyfold.{name}") for name in [
        "offsets", "watermark", "commit", "plan-fingerprint", "output-fingerprint", "source",
        "source-identity", "rows",
    ]}  # fmt: skip
    assert told == {
        "offsets": '{"0":2}',
        "watermark": "2023-11-14T22:13:20Z",
        "commit": str(lake.reader.record.sequence),
        "plan-fingerprint": SPEND.fingerprint,
        "output-fingerprint": output_fingerprint(SPEND),
        "source": "orders",
        "source-identity": '{"log_id":"first"}',
        "rows": "2",
    }
    assert told_by(snapshot, "total-records") == "2"


def test_a_snapshot_of_a_half_built_view_states_no_watermark(house):
    lake = house(SPEND)
    lake.state.put("spend", {("al",): (1, 1, 1)})
    lake.state.source.watermark_us = 1_700_000_000_000_000
    lake.state.source.partitions[0].offset = 600  # as far as other views have had it
    lake.state.commit()
    snapshot = lake.snapshot().table.current_snapshot()
    assert told_by(snapshot, "keyfold.offsets") == '{"0":1}'
    assert "keyfold.watermark" not in snapshot.summary.additional_properties
    lake.state.advance("spend", 599)
    lake.state.commit()
    snapshot = lake.snapshot().table.current_snapshot()
    assert told_by(snapshot, "keyfold.watermark") == "2023-11-14T22:13:20Z"


def test_there_is_a_snapshot_only_where_the_view_changed(house):
    lake = house(SPEND)
    lake.state.put("spend", {("al",): (1, 1, 1)})
    lake.state.commit()
    assert lake.snapshot() is not None
    assert lake.snapshot() is None
    lake.state.commit()  # a commit that brings nothing for this view
    assert lake.snapshot() is None
    lake.state.put("spend", {("al",): (1, 1, 1)})
    lake.state.commit()
    assert lake.snapshot() is not None
    assert lake.rows() == [{"user_id": "al", "orders": 2, "total": 2}]


def test_each_snapshot_is_one_iceberg_commit_that_replaces_all_files(house):
    lake = house(SPEND)
    for at in range(4):
        lake.state.put("spend", {(f"user{at}",): (1, 1, 1)})
        lake.state.commit()
        taken = lake.snapshot()
        assert [s.sequence_number for s in taken.table.snapshots()] == list(range(1, at + 2))
        assert len(list(taken.table.scan().plan_files())) == 1
    manifests = taken.table.current_snapshot().manifests(taken.table.io)
    assert len(manifests) == 2  # the file that came and the one that went: no trail of old ones
    assert taken.table.current_snapshot().summary.operation.value == "overwrite"
    assert told_by(taken.table.current_snapshot(), "total-data-files") == "1"


def test_a_commit_during_the_scan_is_not_in_the_snapshot(house):
    lake = house(SPEND)
    lake.state.put("spend", {("al",): (1, 1, 1)})
    lake.state.commit()
    lake.reader.refresh()
    lake.state.put("spend", {("bea",): (1, 1, 1), ("al",): (1, 1, 1)})
    lake.state.commit()
    view = lake.reader.view("spend")
    taken = take_snapshot(lake.catalog, lake.settings, lake.reader, view)
    assert lake.rows() == [{"user_id": "al", "orders": 1, "total": 1}]
    assert offsets_in(taken.table.current_snapshot()) == {0: 1}


def test_an_older_snapshot_can_still_be_read(house):
    lake = house(SPEND)
    for amount in (1, 10, 100):
        lake.state.put("spend", {("al",): (1, 1, amount)})
        lake.state.commit()
        lake.snapshot()
    table = lake.table()
    totals = [
        table.scan(snapshot_id=one.snapshot_id).to_arrow().column("total").to_pylist()
        for one in table.snapshots()
    ]
    assert totals == [[1], [11], [111]]


def test_the_version_hint_leads_a_reader_without_a_catalog_to_the_newest_snapshot(house):
    lake = house(SPEND)
    for amount in (1, 10):
        lake.state.put("spend", {("al",): (1, 1, amount)})
        lake.state.commit()
        lake.snapshot()
        location = lake.table().location()
        static = StaticTable.from_metadata(location)
        assert static.metadata_location == lake.table().metadata_location
    assert static.scan().to_arrow().column("total").to_pylist() == [11]


def test_a_state_that_was_built_from_another_log_is_refused(house, tmp_path):
    lake = house(SPEND)
    lake.state.put("spend", {("al",): (1, 1, 1)})
    lake.state.commit()
    lake.snapshot()
    lake.state.source.identity = {"log_id": "second"}
    lake.state.put("spend", {("al",): (1, 1, 1)})
    lake.state.commit()
    with pytest.raises(LakeError, match="written from another log: its log_id is 'first'"):
        lake.snapshot()
    assert lake.rows() == [{"user_id": "al", "orders": 1, "total": 1}]


def test_a_state_that_is_being_rebuilt_waits_until_it_has_reached_the_last_snapshot(house):
    lake = house(SPEND)
    lake.state.put("spend", {("al",): (1, 1, 1), ("bea",): (1, 1, 1)})
    lake.state.commit()
    lake.snapshot()
    lake.state.writer.record.views["spend"].offsets = {0: 1}
    lake.state.commit()
    with pytest.raises(LakeError, match="at offset 1 of partition 0, its last snapshot at 2"):
        lake.snapshot()
    assert len(lake.rows()) == 2


def test_expired_rows_and_rows_that_having_hides_are_left_out(house):
    having = ex.Call(">", (ex.Answer(0, "BIGINT"), ex.Literal(1, "BIGINT")), "BOOLEAN")
    timed = plan(
        "timed",
        {"user_id": "VARCHAR", "window_end": "TIMESTAMP WITH TIME ZONE"},
        {"orders": COUNT},
        having=having,
        window=Window("tumble", "ts", 10),
        retention_us=100,
        window_key=1,
    )
    lake = house(timed)
    lake.state.put("timed", {("al", 10): (5,), ("al", 900): (5,), ("bea", 900): (1,)})
    lake.state.writer.record.views["timed"].stream_time_us = 500
    lake.state.commit()
    assert lake.snapshot("timed").rows == 1
    assert [row["user_id"] for row in lake.rows("timed")] == ["al"]


def test_offsets_are_json_with_partitions_as_keys(house):
    lake = house(SPEND)
    lake.state.writer.record.views["spend"].offsets = {0: 7, 11: 2**62}
    lake.state.commit()
    snapshot = lake.snapshot().table.current_snapshot()
    assert json.loads(told_by(snapshot, "keyfold.offsets")) == {"0": 7, "11": 2**62}
    assert offsets_in(snapshot) == {0: 7, 11: 2**62}


def test_a_commit_over_files_that_are_gone_is_refused_and_the_next_snapshot_succeeds(house):
    lake = house(SPEND)
    lake.state.put("spend", {("al",): (1, 1, 1)})
    lake.state.commit()
    lake.snapshot()
    stale = lake.table()
    rows = stale.scan().to_arrow()
    lake.table().overwrite(rows)  # replaces the file that the next snapshot would drop
    files = current_data_files(stale)
    transaction = stale.transaction()
    stage_replacement(transaction, files, [], {})
    with pytest.raises(ValidationException):
        transaction.commit_transaction()
    lake.state.put("spend", {("al",): (1, 1, 1)})
    lake.state.commit()
    lake.snapshot()
    assert lake.rows() == [{"user_id": "al", "orders": 2, "total": 2}]
