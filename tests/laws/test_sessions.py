"""SESSION: for any cut, order and crash, the sessions are those of all events at once.

DuckDB is asked in other words than a view's batch: an event begins a session where none lies within
the gap before it, and belongs to the last one that begins at or before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from keyfold.state.memory import MemoryStore
from keyfold.state.protocol import Store
from keyfold.view.rowkey import prefix_end
from tests.laws.stream import (
    BROKEN,
    Event,
    Step,
    Stream,
    assert_same_rows,
    batch_answer,
    steps,
)
from tests.laws.windows import SOURCE

DELAY_S = 5
ITEMS = (
    "COUNT(*) AS n, COUNT(amount) AS paid, SUM(amount) AS total, MIN(id) AS least, "
    "MAX(ts) AS last, AVG(amount) AS mean"
)
DIFFERENT = (
    f"{ITEMS}, COUNT(DISTINCT id) AS ids, SUM(DISTINCT amount) AS amounts, COUNT(DISTINCT user_id) "
    "FILTER (WHERE id > 2) AS users, COUNT(DISTINCT id) FILTER (WHERE id < 5) AS some, "
    "AVG(DISTINCT id) AS middle, COUNT(DISTINCT weight) AS weights"
)


@dataclass(frozen=True)
class View:
    """A view of sessions.

    Attributes:
        by: PARTITION BY.
        gap_s: The gap, s.
        options: WITH, or empty.
        having: HAVING, or empty.
        late_s: How far behind its partition an event is left out, s; None: never.
        kept_s: The retention, s; None where there is none.
        closed: Whether open sessions are hidden.
        items: What is selected of a session.
    """

    by: str = "user_id"
    gap_s: int = 30
    options: str = ""
    having: str = ""
    late_s: int | None = None
    kept_s: int | None = None
    closed: bool = False
    items: str = ITEMS

    @property
    def keys(self) -> list[str]:
        return [*self.by.split(", "), "window_start"] if self.by else ["window_start"]


VIEWS = {
    "visits": View(),
    "large": View("user_id, large", 45, having="COUNT(*) > 1"),
    "everybody": View("", 7),
    "closed": View(closed=True),
    "kept": View(options="retention = '2 minutes'", late_s=150, kept_s=120),
    "dropped": View(options="on_late = 'drop'", late_s=30),
    "buried": View(
        options="on_late = 'dead_letter', retention = '2 minutes'",
        late_s=30,
        kept_s=120,
        closed=True,
    ),
    "different": View(items=DIFFERENT),
    "large_different": View("user_id, large", 45, having="COUNT(*) > 1", items=DIFFERENT),
    "everybody_different": View("", 7, items=DIFFERENT),
    "kept_different": View(
        options="retention = '2 minutes'", late_s=150, kept_s=120, items=DIFFERENT
    ),
}
EXPIRING = {
    "kept": View(gap_s=4, options="retention = '3 s'", late_s=7, kept_s=3),
    "different": View(gap_s=4, options="retention = '3 s'", late_s=7, kept_s=3, items=DIFFERENT),
    "buried": View(
        gap_s=6, options="on_late = 'dead_letter', retention = '2 s'", late_s=6, kept_s=2
    ),
}


def sql_of(views: Mapping[str, View]) -> str:
    said = "CREATE VIEW said AS SELECT *, amount > 10 AS large FROM orders WHERE id <> 3;"
    return "\n".join([SOURCE, said, *(_statement(name, view) for name, view in views.items())])


def _statement(name: str, view: View) -> str:
    options = f"WITH ({view.options}) " if view.options else ""
    keys, by = ", ".join(view.keys), f" PARTITION BY {view.by}" if view.by else ""
    return (
        f"CREATE MATERIALIZED VIEW {name} {options}AS SELECT {keys}, window_end, {view.items} "
        f"FROM SESSION(said{by}, ts, INTERVAL '{view.gap_s}' SECOND) GROUP BY {keys}, window_end"
        f"{f' HAVING {view.having}' if view.having else ''}"
        f"{' EMIT ON WINDOW CLOSE' if view.closed else ''};"
    )


SQL = sql_of(VIEWS)
dense = st.lists(
    st.builds(
        Event,
        partition=st.integers(0, 2),
        id=st.integers(1, 5),
        user_id=st.none() | st.sampled_from(["a", "a", "b", ""]),
        amount=st.none() | st.decimals(-100, 100, places=2),
        second=st.integers(0, 20).map(lambda n: n * 15) | st.integers(0, 600),
        broken=st.just("") | st.just("") | st.just("") | st.sampled_from(BROKEN),
    ),
    max_size=50,
)
walks = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from([-11, -10, -9, -8, -7, -6, -3, 0, 1, 2, 4, 6, 10, 12, 13, 14]),
        st.sampled_from("ab"),
    ),
    min_size=5,
    max_size=60,
)
"""Of each event: its partition, how far its time is from that of the last one there, its user."""
slow = settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


class Caught(Stream):
    """A stream whose views have caught up, so that expired sessions are taken away."""

    def start(self, rebuild: Sequence[str] = ()) -> None:
        super().start(rebuild)
        for record in self.state.record.views.values():
            record.ready = True


def sessions_sql(view: View, stream_s: int) -> str:
    """What DuckDB is asked over the events that are not late."""
    same = " AND ".join(f"a.{k} IS NOT DISTINCT FROM b.{k}" for k in view.by.split(", ") if k)
    same = same or "true"
    gap = f"INTERVAL '{view.gap_s} s'"
    keys = ", ".join(view.keys)
    now = f"TIMESTAMPTZ '2026-03-01 00:00:00+00' + to_seconds({stream_s})"
    conditions = [view.having or "true"]
    if view.kept_s is not None:
        conditions.append(f"window_end + INTERVAL '{view.kept_s} s' > {now}")
    conditions += [f"window_end <= {now}"] if view.closed else []
    return f"""
WITH said AS (SELECT *, amount > 10 AS large FROM orders WHERE id <> 3),
starts AS (
  SELECT * FROM said AS a WHERE NOT EXISTS
    (SELECT 1 FROM said AS b WHERE {same} AND b.ts < a.ts AND b.ts + {gap} >= a.ts)),
placed AS (
  SELECT *, (SELECT max(b.ts) FROM starts AS b WHERE {same} AND b.ts <= a.ts) AS window_start
  FROM said AS a)
SELECT {keys}, max(ts) + {gap} AS window_end, {view.items} FROM placed GROUP BY {keys}
HAVING {" AND ".join(conditions)}"""


def on_time(log: Sequence[Event], late_s: int | None) -> list[Event]:
    """The events of one partition that are not late."""
    kept, latest = [], None
    for event in log:
        if event.broken:
            continue
        late = late_s is not None and latest is not None
        if not late or event.second + late_s > latest - DELAY_S:  # type: ignore[operator]
            kept.append(event)
        latest = event.second if latest is None else max(latest, event.second)
    return kept


def assert_sessions(stream: Stream, views: Mapping[str, View] = VIEWS) -> None:
    """Every view is what its durable offsets say, and every event is counted once."""
    record = stream.record()
    for name, view in views.items():
        told = record.views[name]
        logs = {p: log[: told.offsets.get(p, 0)] for p, log in stream.log.items()}
        seen = [event for log in logs.values() for event in log if not event.broken]
        kept = [event for log in logs.values() for event in on_time(log, view.late_s)]
        stream_s = max((event.second for event in seen), default=0) - DELAY_S
        expected = batch_answer(kept, sessions_sql(view, stream_s))
        assert_same_rows(stream.rows(name), expected, view.keys)
        total = told.total()
        left_out = len(seen) - len(kept)
        assert total.taken == sum(len(log) for log in logs.values())
        assert total.late == (0 if name == "buried" else left_out)
        assert total.dead_lettered == (
            total.taken - len(seen) + (left_out if name == "buried" else 0)
        )
        assert total.taken == total.applied + total.filtered + total.late + total.dead_lettered


@slow
@given(log=dense, plan=steps)
def test_any_cut_and_any_crash_point_equal_one_batch_run(
    new_store: Callable[[], Callable[[], Store]], log: Sequence[Event], plan: Sequence[Step]
) -> None:
    stream = Caught(new_store(), log, SQL)
    stream.run(plan)
    if plan:
        assert_sessions(stream)
    stream.finish()
    assert_sessions(stream)


@settings(slow, max_examples=60)
@given(walk=walks, alone=st.booleans(), plan=steps)
def test_sessions_that_expire_while_others_grow_are_as_if_nothing_was_ever_deleted(
    walk: Sequence[tuple[int, int, str]], alone: bool, plan: Sequence[Step]
) -> None:
    at = [100, 100]
    log = []
    for partition, step, user in [(0 if alone else p, step, user) for p, step, user in walk]:
        at[partition] = max(0, at[partition] + step)
        log.append(Event(partition, id=1, user_id=user, second=at[partition]))
    memory = MemoryStore()
    stream = Caught(lambda: memory, log, sql_of(EXPIRING))
    for step_of_plan in plan:
        stream.run([Step(1 + step_of_plan.size // 5, step_of_plan.then)])
    stream.commit()
    assert_sessions(stream, EXPIRING)
    while stream.read(1):
        stream.commit()
    stream.commit()
    assert_sessions(stream, EXPIRING)


@pytest.mark.parametrize("size", [1, 3, 40, 1_000])
def test_the_size_of_batches_and_the_order_of_events_do_not_show(
    new_store: Callable[[], Callable[[], Store]], size: int
) -> None:
    log = [
        Event(i % 3, id=i, user_id=f"u{i % 5}", amount=Decimal(i % 20), second=i * 37 % 900)
        for i in range(300)
    ]
    stream = Stream(new_store(), log, SQL)
    while stream.read(size):
        stream.commit()
    assert_sessions(stream)


def test_a_session_that_takes_over_another_leaves_one_row_in_the_store(
    new_store: Callable[[], Callable[[], Store]],
) -> None:
    log = [Event(0, id=1, user_id="a", second=second) for second in (0, 60, 30)]
    stream = Stream(new_store(), log, SQL)
    rows = []
    while stream.read(6):
        stream.commit()
        prefix = stream.state.views["visits"].prefix
        rows.append(len(list(stream.store.scan(prefix, prefix_end(prefix)))))
    assert rows == [1, 2, 1]
