"""What is stored beside the rows: its bytes, and the arithmetic of the ledger."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from keyfold.sql.compile import compile_sql
from keyfold.state.layout import COMMIT_KEY, dead_letter_key, dead_letter_number, view_prefix
from keyfold.state.memory import MemoryStore
from keyfold.state.record import (
    Begin,
    CommitRecord,
    Ledger,
    PartitionRecord,
    SourceRecord,
    StoredCatalog,
    ViewRecord,
    book,
    catalog_decoder,
    record_decoder,
    record_encoder,
)
from keyfold.state.writer import StateWriter

RECORD = CommitRecord(
    sequence=4,
    time_ms=1_000,
    catalog_version=2,
    sources={
        "orders": SourceRecord(
            {0: PartitionRecord(10, 99, 10, 1)},
            {"log_id": "x"},
            90,
            95,
            900,
            ["user"],
            {"user": {0: [(3, 7)]}},
        )
    },
    views={"spend": ViewRecord({0: 10}, {0: Ledger(10, 6, 2, 1, 1)}, True, "", 900, 95)},
    dead_letter_first=1,
    dead_letter_next=3,
    begins={"clicks": Begin("f", SourceRecord({0: PartitionRecord(7)}))},
    times_of_views=True,
)


def test_the_record_has_its_documented_bytes() -> None:
    raw = (
        b'{"sequence":4,"time_ms":1000,"catalog_version":2,"sources":{"orders":{"partitions":'
        b'{"0":{"offset":10,"event_time_us":99,"taken":10,"dead_lettered":1,"message_ms":null}},"identity":'
        b'{"log_id":"x"},"watermark_us":90,"stream_time_us":95,"as_of_ms":900,"decoded":["user"],'
        b'"unheard":{"user":{"0":[[3,7]]}}}},"views":{"spend":'
        b'{"offsets":{"0":10},"ledger":{"0":{"taken":10,"applied":6,"filtered":2,"late":1,'
        b'"dead_lettered":1}},"ready":true,"error":"","as_of_ms":900,"stream_time_us":95,'
        b'"event_times_us":{},"parts":{}}},'
        b'"dead_letter_first":1,"dead_letter_next":3,"begins":{"clicks":{"fingerprint":"f","start":{"partitions":{"0":'
        b'{"offset":7,"event_time_us":null,"taken":0,"dead_lettered":0,"message_ms":null}},"identity":{},'
        b'"watermark_us":null,"stream_time_us":null,"as_of_ms":0,"decoded":[],"unheard":{}}}},"times_of_views":true}'
    )
    assert record_encoder.encode(RECORD) == raw
    assert record_decoder.decode(raw) == RECORD


def test_a_record_of_an_earlier_release_may_say_less() -> None:
    assert record_decoder.decode(b"{}") == CommitRecord()
    assert record_decoder.decode(b'{"views":{"v":{}}}').views["v"] == ViewRecord()


def test_views_of_a_record_from_before_take_over_the_time_of_their_source() -> None:
    catalog = compile_sql(
        "CREATE SOURCE o (id BIGINT, ts TIMESTAMPTZ, WATERMARK FOR ts AS ts)"
        " WITH (connector = 'events');"
        "CREATE MATERIALIZED VIEW old AS SELECT id, COUNT(*) AS n FROM o GROUP BY id;"
        "CREATE MATERIALIZED VIEW new AS SELECT id, SUM(id) AS n FROM o GROUP BY id;"
    )
    store = MemoryStore()
    state = StateWriter(store, catalog)
    state.record.sources["o"].stream_time_us = 90
    state.record.views["old"].offsets = {0: 7}
    state.commit(0)
    before = msgspec.json.decode(store.get(COMMIT_KEY) or b"")
    del before["times_of_views"]
    for view in before["views"].values():
        del view["stream_time_us"]
    raw = msgspec.json.encode(before)
    store.write([], [], [], (COMMIT_KEY, raw))
    plan = catalog.view("old")
    assert record_decoder.decode(raw).stream_time_us(plan) == 90  # until a writer comes

    for _ in range(2):
        state = StateWriter(store, catalog)
        assert state.record.stream_time_us(plan) == 90
        assert state.record.views["new"].stream_time_us is None
        state.record.sources["o"].stream_time_us = 900
        state.commit(0)


def test_the_catalog_comes_back_as_it_was_stored() -> None:
    catalog = compile_sql(
        "CREATE SOURCE o (id BIGINT, ts TIMESTAMPTZ, WATERMARK FOR ts AS ts) INCLUDE offset AS at "
        "WITH (connector = 'events');"
        "CREATE MATERIALIZED VIEW v WITH (retention = '1 hour') AS SELECT window_start, "
        "SUM(id) / COUNT(*) AS mean FROM TUMBLE(o, ts, INTERVAL '1' MINUTE) GROUP BY window_start "
        "HAVING COUNT(*) > 1;"
    )
    stored = StoredCatalog(
        version=1, catalog=catalog, view_ids={"v": 1}, next_view_id=2, plan_format=1
    )
    assert catalog_decoder.decode(msgspec.json.encode(stored)) == stored


def test_keys_of_the_store_are_in_the_order_of_their_numbers() -> None:
    assert view_prefix(1).hex() == "1000000001"
    assert dead_letter_key(258).hex() == "010000000000000102"
    assert dead_letter_number(dead_letter_key(2**40)) == 2**40
    numbers = [0, 1, 255, 256, 2**31, 2**32 - 1]
    assert sorted(map(view_prefix, numbers)) == list(map(view_prefix, numbers))


counts = st.integers(0, 1_000)
bookings = st.lists(
    st.tuples(st.integers(0, 3), st.tuples(counts, counts, counts, counts)), max_size=10
)


@given(bookings=bookings)
def test_what_was_taken_in_is_the_sum_of_what_became_of_it(
    bookings: list[tuple[int, tuple[int, int, int, int]]],
) -> None:
    record = ViewRecord()
    for partition, (applied, filtered, late, dead) in bookings:
        book(record, partition, applied=applied, filtered=filtered, late=late, dead_lettered=dead)
    parts = [part for _, part in bookings]
    total = record.total().as_dict()
    assert total == {
        "in": sum(map(sum, parts)),
        "applied": sum(part[0] for part in parts),
        "filtered": sum(part[1] for part in parts),
        "late": sum(part[2] for part in parts),
        "dead_lettered": sum(part[3] for part in parts),
    }
    for ledger in record.ledger.values():
        told = ledger.as_dict()
        assert told.pop("in") == sum(told.values())


def test_records_do_not_share_their_dictionaries() -> None:
    ViewRecord().offsets[0] = 1
    SourceRecord().partitions[0] = PartitionRecord(1)
    assert ViewRecord().offsets == SourceRecord().partitions == {}
