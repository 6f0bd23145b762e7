"""A changed view widens its table or is refused; a table never loses a column."""

import pytest

from keyfold.errors import LakeError
from keyfold.view.aggregate import Aggregate, Final
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
    assert "python -m lake drop spend" in refusal.value.hint
    assert lake.rows() == [{"user_id": "al", "orders": 1, "total": 1}]


def _change_key(lake, view):
    lake.state.close()
    lake.state = LakeState(lake.directory, view, rebuild=[view.name])
    lake.state.put("spend", {(1,): (1, 1, 1)})
    lake.state.commit()
