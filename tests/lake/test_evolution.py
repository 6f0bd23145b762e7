"""A changed view widens its table or is refused; a table never loses a column."""

import asyncio
import json

import msgspec
import pytest

from keyfold.errors import LakeError
from keyfold.view import expression as ex
from keyfold.view.aggregate import Aggregate, Final
from keyfold.view.plan import Output, Window
from lake.verify import verify_view
from serving.lookup import ViewLookup
from tests.lake.state import COUNT, SPEND, SUM, LakeState, plan

SMALL_SUM = (Aggregate("sum_int", "amount", "INTEGER"), Final("sum", "DECIMAL(20,2)"))
WIDE_SUM = (Aggregate("sum_int", "amount", "INTEGER"), Final("sum", "DECIMAL(38,2)"))


def change(lake, view):
    """Stop the writer, change the SQL, and start it again with --rebuild."""
    lake.state.close()
    lake.state = LakeState(lake.directory, view, rebuild=[view.name])
    lake.state.put(view.name, {("al",): [1] * len(view.slots)})
    lake.state.commit()


def test_a_new_column_is_added_and_old_snapshots_stay_readable(house):
    lake = house(plan("spend", {"user_id": "VARCHAR"}, {"orders": COUNT}))
    lake.state.put("spend", {("al",): (7,)})
    lake.state.commit()
    first = lake.snapshot().table.current_snapshot().snapshot_id
    change(lake, SPEND)
    lake.snapshot()
    assert lake.rows() == [{"user_id": "al", "orders": 1, "total": 1}]
    old = lake.table().scan(snapshot_id=first).to_arrow().to_pylist()
    assert old == [{"user_id": "al", "orders": 7}]


def test_a_column_is_widened_and_a_narrower_view_goes_on_in_the_wider_type(house):
    key = {"user_id": "VARCHAR"}
    lake = house(plan("spend", key, {"total": SMALL_SUM}))
    lake.state.put("spend", {("al",): (1, 5)})
    lake.state.commit()
    lake.snapshot()
    for answer, kind in [(WIDE_SUM, "decimal(38, 2)"), (SMALL_SUM, "decimal(38, 2)")]:
        change(lake, plan("spend", key, {"total": answer}))
        lake.snapshot()
        assert str(lake.table().schema().find_field("total").field_type) == kind
        assert [str(row["total"]) for row in lake.rows()] == ["0.01"]


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (plan("spend", {"user_id": "VARCHAR"}, {"orders": COUNT}), "column total is gone"),
        (
            plan("spend", {"user_id": "BIGINT"}, {"orders": COUNT, "total": SUM}),
            "column user_id was string and is long",
        ),
    ],
)
def test_a_column_that_is_gone_or_means_something_else_is_refused(house, view, reason):
    lake = house(SPEND)
    lake.state.put("spend", {("al",): (1, 1, 1)})
    lake.state.commit()
    lake.snapshot()
    change(lake, view) if view.keys[0].type == "VARCHAR" else _change_key(lake, view)
    with pytest.raises(LakeError, match=reason) as refusal:
        lake.snapshot()
    command = f"`keyfold lake drop spend --data-dir {lake.directory}`"
    assert refusal.value.hint.endswith(f"stop `keyfold run` and drop its table with {command}")
    verdict = verify(lake)
    assert verdict.state == "refused"
    assert verdict.detail == str(refusal.value)
    assert lake.rows() == [{"user_id": "al", "orders": 1, "total": 1}]


def _change_key(lake, view):
    lake.state.close()
    lake.state = LakeState(lake.directory, view, rebuild=[view.name])
    lake.state.put("spend", {(1,): (1, 1, 1)})
    lake.state.commit()


NOBODY = ex.Call("is_null", (ex.Key(0, "VARCHAR"),), "BOOLEAN")


@pytest.mark.parametrize(
    ("changes", "rows"),
    [
        (
            {"outputs": (*SPEND.outputs, Output("sum", "HUGEINT", ex.Answer(1, "HUGEINT")))},
            [{"user_id": "al", "orders": 1, "total": 1, "sum": 1}],
        ),
        ({"having": NOBODY}, []),
    ],
)
def test_a_change_that_keeps_the_state_reaches_the_table_too(house, changes, rows):
    lake = house(SPEND)
    lake.state.put("spend", {("al",): (1, 1, 1)})
    lake.state.commit()
    lake.snapshot()
    assert lake.snapshot() is None
    changed = msgspec.structs.replace(SPEND, **changes)
    lake.state.close()
    lake.state = LakeState(lake.directory, changed)
    lake.reader.refresh()
    assert verify(lake).state == "outdated"
    assert lake.snapshot() is not None
    assert lake.snapshot() is None
    assert lake.rows() == rows
    assert verify(lake).state == "same"


COUNT_SQUARED = Output(
    "squared", "BIGINT", ex.Call("*", (ex.Answer(0, "BIGINT"), ex.Answer(0, "BIGINT")), "BIGINT")
)
TWICE = ex.Call(">", (ex.Answer(0, "BIGINT"), ex.Literal(1, "BIGINT")), "BOOLEAN")


@pytest.mark.parametrize(
    ("selected", "having", "rows"),
    [
        ((), None, [{"n": 2}, {"n": 1}]),
        ((COUNT_SQUARED,), None, [{"n": 2, "squared": 4}, {"n": 1, "squared": 1}]),
        ((), TWICE, [{"n": 2}]),
    ],
    ids=["as it was", "with a new column", "with another having"],
)
@pytest.mark.parametrize("window_key", [0, 1])
def test_after_a_shorter_retention_table_and_rest_both_leave_the_expired_rows_out(
    house, window_key, selected, having, rows
):
    names = ["user_id", "window_end"] if window_key else ["window_end", "user_id"]
    types = {"user_id": "VARCHAR", "window_end": "BIGINT"}
    long = plan(
        "spend",
        {name: types[name] for name in names},
        {"n": COUNT},
        window=Window("tumble", "ts", 10),
        retention_us=100,
        window_key=window_key,
    )
    lake = house(long)
    orders = {10: 3, 50: 3, 51: 2, 90: 1}
    lake.state.put(
        "spend",
        {tuple({"user_id": "al", "window_end": end}[name] for name in names): (n,)
         for end, n in orders.items()},
    )  # fmt: skip
    lake.state.writer.record.views["spend"].stream_time_us = 100
    lake.state.commit()
    assert lake.snapshot().rows == 4
    assert lake.rows() == served(lake)
    lake.state.close()
    short = msgspec.structs.replace(
        long, retention_us=50, outputs=(*long.outputs, *selected), having=having
    )
    lake.state = LakeState(lake.directory, short)
    lake.reader.refresh()
    assert verify(lake).state == "outdated"
    assert lake.snapshot().rows == len(rows)
    ends = [51, 90][: len(rows)]
    expected = [{"user_id": "al", "window_end": end} | row
                for end, row in zip(ends, rows, strict=True)]  # fmt: skip
    assert lake.rows() == expected
    assert served(lake) == expected
    assert verify(lake).state == "same"
    # What is hidden is deleted later, which changes neither.
    lake.state.writer.reclaim(1_000)
    lake.state.commit()
    assert lake.snapshot() is None
    assert served(lake) == lake.rows() == expected
    assert len(list(lake.reader.replica.scan(*span(lake)))) == 2


def served(lake):
    """What REST answers to a request for all rows, at the reader's commit."""
    view = lake.reader.view("spend")
    lookup = ViewLookup(lake.reader, view, 0)
    wanted = lookup.key_range({}, {})
    page = asyncio.run(lookup.page(wanted, None, 100, 0, view.compiled.json_row))
    assert page.next_cursor is None
    return [json.loads(row) for row in page.rows]


def span(lake):
    view = lake.reader.view("spend")
    return view.prefix, view.end


def verify(lake):
    return verify_view(lake.settings, lake.reader, lake.reader.view("spend"), lake.table())
