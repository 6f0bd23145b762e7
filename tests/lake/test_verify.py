"""Verification compares a table with the state, and finds what was tampered with."""

import pytest

from keyfold.view.plan import Window
from lake.verify import verify_view
from tests.delta import delta_of
from tests.lake.state import COUNT, SPEND, SUM, plan


def verify(lake, view="spend", **options):
    lake.reader.refresh()
    table = lake.table(view) if lake.catalog.table_exists(("keyfold", view)) else None
    return verify_view(lake.settings, lake.reader, lake.reader.view(view), table, **options)


@pytest.mark.parametrize("chunk_rows", [1, 7, 1_000])
def test_a_snapshot_is_the_state_at_its_offsets(house, chunk_rows):
    lake = house(SPEND)
    lake.state.put("spend", {(f"user{at}",): (1, 1, at) for at in range(50)})
    lake.state.commit()
    lake.snapshot(chunk_rows=8)
    verdict = verify(lake, chunk_rows=chunk_rows)
    assert (verdict.state, verdict.rows, verdict.missing, verdict.extra) == ("same", 50, 0, 0)


def test_before_the_first_snapshot_and_at_other_offsets_there_is_nothing_to_compare(house):
    lake = house(SPEND)
    assert verify(lake).state == "no_snapshot"
    lake.snapshot()
    lake.state.put("spend", {("al",): (1, 1, 1)})
    lake.state.commit()
    verdict = verify(lake)
    assert verdict.state == "other_offsets"
    assert verdict.detail == "the snapshot is at {}, the state at {0: 1}"


def test_a_table_of_a_view_that_stopped_stays_the_state_though_its_source_goes_on(house):
    minutes = plan(
        "minutes",
        {"window_end": "TIMESTAMP WITH TIME ZONE"},
        {"orders": COUNT},
        window=Window("tumble", "ts", 10),
        retention_us=100,
        window_key=0,
    )
    lake = house(minutes)
    lake.state.put("minutes", {(10,): (5,), (20,): (5,)})
    lake.state.writer.record.views["minutes"].stream_time_us = 115
    lake.state.commit()
    lake.snapshot("minutes")
    lake.state.writer.fail_view("minutes", "a reason")
    lake.state.source.partitions[0].offset = 9
    lake.state.source.stream_time_us = 900
    lake.state.commit()
    verdict = verify(lake, "minutes")
    assert (verdict.state, verdict.rows) == ("same", 1)
    assert lake.snapshot("minutes") is None


def test_the_table_has_the_windows_that_the_panes_make(house):
    hops = plan(
        "hops",
        {"user_id": "VARCHAR", "window_end": "TIMESTAMP WITH TIME ZONE"},
        {"orders": COUNT},
        window=Window("hop", "ts", 30, 0, 10),
        retention_us=100,
        window_key=1,
    )
    lake = house(hops)
    lake.state.put("hops", {("a", 30): (1,), ("a", 50): (2,), ("b", 100): (4,)})
    lake.state.writer.record.views["hops"].stream_time_us = 130
    lake.state.commit()
    lake.snapshot("hops", chunk_rows=2)
    rows = [
        (row["user_id"], row["window_end"].microsecond, row["orders"]) for row in lake.rows("hops")
    ]
    # The window that ends at 30 has expired; its pane is in the one that ends at 40.
    assert rows == [("a", 40, 2), ("a", 50, 2), ("b", 80, 4), ("b", 90, 4), ("b", 100, 4)]
    verdict = verify(lake, "hops", chunk_rows=3)
    assert (verdict.state, verdict.rows) == ("same", 5)


def test_rows_that_differ_are_counted_and_shown(house):
    lake = house(SPEND)
    lake.state.put("spend", {(f"user{at}",): (1, 1, at) for at in range(9)})
    lake.state.commit()
    lake.snapshot()
    table = lake.table()
    rows = table.scan().to_arrow()
    told = {name: table.current_snapshot().summary[name] for name in [
        "keyfold.offsets", "keyfold.plan-fingerprint", "keyfold.output-fingerprint",
    ]}  # fmt: skip
    with table.transaction() as transaction:
        transaction.overwrite(rows.slice(1), snapshot_properties=told)
        transaction.append(rows.slice(8), snapshot_properties=told)
    verdict = verify(lake, chunk_rows=4)
    assert (verdict.state, verdict.rows, verdict.missing, verdict.extra) == ("different", 9, 1, 1)
    assert verdict.examples == [
        "- {'user_id': 'user0', 'orders': 1, 'total': Decimal('0')}",
        "+ {'user_id': 'user8', 'orders': 1, 'total': Decimal('8')}",
    ]


def test_nan_and_times_beyond_the_calendar_are_equal_to_themselves(house):
    view = plan("odd", {"x": "DOUBLE", "at": "TIMESTAMP"}, {"orders": COUNT, "total": SUM})
    lake = house(view)
    lake.state.put("odd", {(float("nan"), 2**63 - 1): (1, 1, 1), (None, None): (1, 1, 1)})
    lake.state.commit()
    lake.snapshot("odd")
    assert verify(lake, "odd").state == "same"


FAR = '"12026-01-01 00:00:00"'
FAR_KEYS = {
    "TIMESTAMP": (0, 400_000_000_000 * 1_000_000),
    "DATE": (0, 2**31 - 1),
    "TIMESTAMP[]": ('["2026-01-01 00:00:00"]', f"[{FAR},null]"),
    "STRUCT(a TIMESTAMP, d DATE)": ('{"a":null,"d":"2026-01-01"}', '{"a":null,"d":"infinity"}'),
    "MAP(TIMESTAMP, DATE)": ('{"2026-01-01 00:00:00":null}', f"{{{FAR}:null}}"),
}


@pytest.mark.parametrize("chunk_rows", [1, 1_000])
@pytest.mark.parametrize("kind", FAR_KEYS)
def test_a_row_that_differs_is_found_among_times_beyond_the_calendar(house, kind, chunk_rows):
    lake = house(plan("spend", {"at": kind, "n": "BIGINT"}, {"orders": COUNT}))
    near, far = FAR_KEYS[kind]
    rows = {(at, n): (1,) for at in (near, far) for n in range(3)}
    lake.state.put("spend", rows)
    lake.state.commit()
    lake.snapshot()
    state = lake.state.writer.views["spend"]
    changed = delta_of(state.plan, state.prefix, {(near, 0): (2,)})
    lake.state.writer.merge("spend", *changed)  # a row more than the offsets say
    lake.state.commit()
    verdict = verify(lake, chunk_rows=chunk_rows)
    assert (verdict.state, verdict.missing, verdict.extra) == ("different", 1, 1)
