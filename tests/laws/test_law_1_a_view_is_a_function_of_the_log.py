"""Law 1: state after offsets O equals one batch run over the events up to O, for any cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from keyfold.state.layout import members_span
from keyfold.state.protocol import Store
from keyfold.view.row import CompiledView
from keyfold.view.rowkey import prefix_end
from tests.laws.stream import (
    PIPELINE,
    Event,
    Step,
    Stream,
    assert_same_rows,
    events,
    steps,
    whole_events,
)

KEYS = {
    "spend": ["user_id"],
    "busy": ["user_id", "large"],
    "per_minute": ["window_start", "user_id"],
}
slow = settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking these takes minutes
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@slow
@given(log=events, plan=steps)
def test_any_cut_and_any_crash_point_equal_one_batch_run(
    new_store: Callable[[], Callable[[], Store]], log: Sequence[Event], plan: Sequence[Step]
) -> None:
    stream = Stream(new_store(), log)
    stream.run(plan)
    for name, keys in KEYS.items():
        # Not only at the end: what is durable at any moment is what its offsets say.
        assert_same_rows(stream.rows(name), stream.batch_rows(name), keys)
    stream.finish()
    for name, keys in KEYS.items():
        assert_same_rows(stream.rows(name), stream.batch_rows(name), keys)


PLACED = (
    PIPELINE
    + """
CREATE MATERIALIZED VIEW placed AS
SELECT user_id, EARLIEST(id) AS earliest, LATEST(amount) AS latest,
  FIRST_VALUE(id ORDER BY second(ts)) AS first_id, LAST_VALUE(id ORDER BY second(ts)) AS last_id,
  ARG_MAX(weight, second(ts)) AS heavy
FROM orders GROUP BY user_id;
"""
)


@settings(slow, max_examples=30)
@given(log=events, plan=steps)
def test_events_that_tie_are_taken_by_their_place_whatever_the_batches(
    new_store: Callable[[], Callable[[], Store]], log: Sequence[Event], plan: Sequence[Step]
) -> None:
    stream = Stream(new_store(), log, PLACED)
    stream.run(plan)
    stream.finish()
    placed = [
        (partition, offset, event)
        for partition, part in stream.log.items()
        for offset, event in enumerate(part)
        if not event.broken
    ]
    by_user: dict[str | None, list[tuple[int, int, Event]]] = {}
    for one in placed:
        by_user.setdefault(one[2].user_id, []).append(one)
    rows = stream.rows("placed")
    assert {row["user_id"] for row in rows} == by_user.keys()
    for row in rows:
        taken = by_user[row["user_id"]]
        in_source = sorted(taken, key=lambda one: (one[1], one[0]))
        in_time = sorted(taken, key=lambda one: (one[2].second % 60, one[0], one[1]))
        heaviest = sorted(taken, key=lambda one: (-(one[2].second % 60), one[0], one[1]))
        ids = [event.id for _, _, event in in_source if event.id is not None]
        amounts = [event.amount for _, _, event in in_source if event.amount is not None]
        weights = [event.weight for _, _, event in heaviest if event.weight is not None]
        assert row["earliest"] == (ids[0] if ids else None)
        assert row["latest"] == (amounts[-1] if amounts else None)
        assert row["first_id"] == in_time[0][2].id
        assert row["last_id"] == in_time[-1][2].id
        assert row["heavy"] == (weights[0] if weights else None)


DIFFERENT = (
    PIPELINE
    + """
CREATE MATERIALIZED VIEW different AS
SELECT user_id, COUNT(DISTINCT amount) AS amounts, COUNT(DISTINCT id % 5) AS ids,
  SUM(DISTINCT id % 5) AS total, COUNT(DISTINCT id % 5) FILTER (WHERE amount > 10) AS big,
  COUNT(DISTINCT id % 5, amount) AS pairs
FROM orders GROUP BY user_id;
CREATE MATERIALIZED VIEW different_per_minute WITH (retention = '5 minutes') AS
SELECT window_start, user_id, COUNT(DISTINCT id % 5) AS ids
FROM TUMBLE(orders, ts, INTERVAL '1' MINUTE) GROUP BY window_start, user_id;
"""
)
OF_DIFFERENT = """
SELECT user_id, COUNT(DISTINCT amount) AS amounts, COUNT(DISTINCT id % 5) AS ids,
  SUM(DISTINCT id % 5) AS total, COUNT(DISTINCT id % 5) FILTER (WHERE amount > 10) AS big,
  COUNT(DISTINCT {'a': id % 5, 'b': amount}) FILTER (WHERE id + amount IS NOT NULL) AS pairs
FROM orders GROUP BY user_id"""


@settings(slow, max_examples=30)
@given(log=events, plan=steps, again=st.booleans())
def test_each_value_counts_once_whatever_the_batches_and_goes_with_its_row(
    new_store: Callable[[], Callable[[], Store]],
    log: Sequence[Event],
    plan: Sequence[Step],
    again: bool,
) -> None:
    stream = Stream(new_store(), log, DIFFERENT)
    for _ in range(2):
        stream.run(plan)
        rows = stream.batch_rows("different", OF_DIFFERENT)
        assert_same_rows(stream.rows("different"), rows, ["user_id"])
        if again:
            stream.crash(rebuild=["different", "different_per_minute"])
    stream.finish()
    rows = stream.batch_rows("different", OF_DIFFERENT)
    assert_same_rows(stream.rows("different"), rows, ["user_id"])
    counted = sum(row["ids"] + row["amounts"] + row["big"] + row["pairs"] for row in rows)
    prefix = stream.state.views["different"].prefix
    assert len(list(stream.store.scan(*members_span(prefix)))) == counted
    # Of a view with retention a member is there as long as its row is.
    while stream.state.reclaim(100) or stream.state.reclaiming:
        pass
    stream.commit()
    view = stream.state.views["different_per_minute"]
    stored = list(stream.store.scan(view.prefix, prefix_end(view.prefix)))
    kept = CompiledView(view.plan).arrow_table([(k[5:], v) for k, v in stored]).to_pylist()
    of_row = [len(list(stream.store.scan(*members_span(key)))) for key, _ in stored]
    all_members = list(stream.store.scan(*members_span(b"\x10")))
    assert len(all_members) == counted + sum(of_row)
    seen = stream.rows("different_per_minute")
    # A row that had expired may come back, hidden: what it counts then is nobody's business.
    assert all(n == row["ids"] for n, row in zip(of_row, kept, strict=True) if row in seen)
    for row in seen:
        assert row in kept


@settings(slow, max_examples=15)
@given(
    log=st.lists(whole_events, min_size=10, max_size=40),
    before=steps,
    stops=st.booleans(),
    after=steps,
)
def test_a_view_that_stopped_or_is_built_again_is_what_its_own_offsets_say(
    new_store: Callable[[], Callable[[], Store]],
    log: Sequence[Event],
    before: Sequence[Step],
    stops: bool,
    after: Sequence[Step],
) -> None:
    def compare() -> None:
        assert_same_rows(stream.rows("per_minute"), stream.batch_rows("per_minute"), keys)

    keys = KEYS["per_minute"]
    stream = Stream(new_store(), log)
    stream.run(before)
    if stops:
        stream.state.fail_view("per_minute", "a reason")
        stream.finish()
        compare()
    else:
        stream.finish()
    stream.crash(rebuild=[] if stops else ["per_minute"])
    stream.run(after)
    compare()
    stream.finish()
    compare()


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_the_size_of_batches_does_not_show(
    new_store: Callable[[], Callable[[], Store]], size: int
) -> None:
    log = [
        Event(i % 3, id=i, user_id=f"u{i % 4}", amount=i, weight=i / 7, second=i * 20)  # type: ignore[arg-type]
        for i in range(70)
    ]
    stream = Stream(new_store(), log)
    while stream.read(size):
        stream.commit()
    for name, keys in KEYS.items():
        assert_same_rows(stream.rows(name), stream.batch_rows(name), keys)


WIDE = """
CREATE MATERIALIZED VIEW wide AS
SELECT user_id, SUM((id::HUGEINT * 10000000000000000000)::DECIMAL(38,0)) AS total
FROM orders GROUP BY user_id;
"""


@pytest.mark.parametrize("size", [6, 12, 100])
def test_a_sum_that_leaves_its_digits_and_comes_back_does_not_depend_on_the_cut(
    new_store: Callable[[], Callable[[], Store]], size: int
) -> None:
    ids = [6 * 10**18, 6 * 10**18, -6 * 10**18]
    log = [Event(0, id=id, user_id="back") for id in ids]
    log += [Event(0, id=id, user_id="beyond") for id in ids[:2]]
    stream = Stream(new_store(), log, PIPELINE + WIDE)
    while stream.read(size):
        stream.commit()
    assert not stream.record().views["wide"].error
    totals = {row["user_id"]: row["total"] for row in stream.rows("wide")}
    assert totals == {"back": 6 * 10**37, "beyond": None}
    compiled, stored = stream.stored("wide")
    assert [compiled.json_row(key, value) for key, value in stored] == [
        f'{{"user_id":"back","total":{6 * 10**37}}}',
        '{"user_id":"beyond","total":null}',
    ]
