"""on_late: what is late is a function of each partition alone, and every event is counted once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from hypothesis import HealthCheck, Phase, given, settings

from keyfold.state.deadletter import read
from keyfold.state.protocol import Store
from tests.laws.stream import Event, Step, Stream, assert_same_rows, batch_answer, events, steps
from tests.laws.windows import HOP, SOURCE

ITEMS = "COUNT(*) AS n, SUM(amount) AS total, MAX(ts) AS last"
# Name → what FROM says, what it stands for, key, width of its pane in seconds (0: no window).
VIEWS = {
    "plain": ("orders", "orders", "user_id", 0),
    "minutes": (
        "TUMBLE(orders, ts, INTERVAL '1' MINUTE)",
        "(SELECT *, time_bucket(INTERVAL '1 minute', ts) AS window_start FROM orders)",
        "user_id, window_start",
        60,
    ),
    "hops": (*HOP, "window_start, user_id", 60),
}
SQL = SOURCE + "".join(
    f"CREATE MATERIALIZED VIEW {name} WITH (on_late = '{what}') AS SELECT {key}, {ITEMS} "
    f"FROM {call} WHERE id % 2 = 0 GROUP BY {key};"
    for (name, (call, _, key, _)), what in zip(
        VIEWS.items(), ("drop", "dead_letter", "drop"), strict=True
    )
)
DELAY_S = 5


def split(log: Iterable[Event], pane: int) -> tuple[list[Event], list[Event]]:
    """(on time, late) among the events of one partition, in their order."""
    on_time, late = [], []
    latest = None
    for event in log:
        if event.broken:
            continue
        closes = event.second // pane * pane + pane if pane else event.second + 0.000001
        is_late = latest is not None and closes <= latest - DELAY_S
        (late if is_late else on_time).append(event)
        latest = event.second if latest is None else max(latest, event.second)
    return on_time, late


def assert_all_is_counted(stream: Stream) -> None:
    record = stream.record()
    for name, (_, relation, key, pane) in VIEWS.items():
        told = record.views[name]
        seen = {p: log[: told.offsets.get(p, 0)] for p, log in stream.log.items()}
        kept: list[Event] = []
        for partition, log in seen.items():
            on_time, late = split(log, pane)
            kept += on_time
            if not log:
                continue
            ledger = told.ledger[partition]
            broken = sum(1 for event in log if event.broken)
            buried = name == "minutes"
            assert ledger.late == (0 if buried else len(late))
            assert ledger.taken == len(log)
            assert ledger.dead_lettered == broken + (len(late) if buried else 0)
            assert ledger.taken == (
                ledger.applied + ledger.filtered + ledger.late + ledger.dead_lettered
            )
        query = f"SELECT {key}, {ITEMS} FROM {relation} WHERE id % 2 = 0 GROUP BY {key}"
        assert_same_rows(stream.rows(name), batch_answer(kept, query), key.split(", "))


@settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(log=events, plan=steps)
def test_late_events_are_left_out_and_counted_for_any_cut(
    new_store: Callable[[], Callable[[], Store]], log: Sequence[Event], plan: Sequence[Step]
) -> None:
    stream = Stream(new_store(), log, SQL)
    stream.run(plan)
    assert_all_is_counted(stream)
    stream.finish()
    assert_all_is_counted(stream)


def test_a_late_event_is_a_dead_letter_that_says_so(
    new_store: Callable[[], Callable[[], Store]],
) -> None:
    log = [Event(0, id=2, user_id="a", second=s) for s in (0, 64, 59, 65, 59)]
    stream = Stream(new_store(), log, SQL)
    stream.finish()
    found = read(stream.store, 0, stream.record().dead_letter_next)
    letters = [letter for _, letter in found if letter.view == "minutes"]
    assert [letter.offset for letter in letters] == [4]  # after 65, less 5, the first minute closed
    assert "late" in letters[0].reason
    assert letters[0].value == log[4].message()
