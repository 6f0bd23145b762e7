"""Retention: what is late is a function of each partition alone, for any cut and any crash."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from keyfold.state.protocol import Store
from tests.laws.stream import Event, Step, Stream, assert_same_rows, events, steps
from tests.laws.windows import CUMULATE, HOP, SOURCE, shared

KEPT_S = 60
DELAY_S = 5
# Name → what FROM says, what it stands for, and in seconds: from one last window to the next, size.
VIEWS = {
    "minutes": ("TUMBLE(orders, ts, INTERVAL '1' MINUTE)", shared("HOP", 60, 60)[1], 60, 60),
    "hops": (*HOP, 60, 240),
    "days": (*CUMULATE, 300, 300),
}
ITEMS = "window_end, user_id, COUNT(*) AS n, SUM(amount) AS total"
SQL = SOURCE + "".join(
    f"CREATE MATERIALIZED VIEW {name} WITH (retention = '{KEPT_S} seconds') AS SELECT {ITEMS} "
    f"FROM {call} WHERE id % 2 = 0 GROUP BY window_end, user_id;"
    for name, (call, _, _, _) in VIEWS.items()
)
LIVE = f"window_end + INTERVAL '{KEPT_S} s' > (SELECT MAX(ts) - INTERVAL '{DELAY_S} s' FROM orders)"


def fates(log: Iterable[Event], step: int, size: int) -> tuple[int, int, int]:
    """(applied, filtered, late) among the events of one partition, in their order."""
    applied = filtered = late = 0
    latest = None
    for event in log:
        if event.broken:
            continue
        gone = event.second // step * step + size + KEPT_S
        if event.id is None or event.id % 2:
            filtered += 1
        elif latest is not None and gone <= latest - DELAY_S:
            late += 1
        else:
            applied += 1
        latest = event.second if latest is None else max(latest, event.second)
    return applied, filtered, late


def assert_all_is_counted(stream: Stream) -> None:
    record = stream.record()
    for name, (_, relation, step, size) in VIEWS.items():
        told = record.views[name]
        for partition, log in stream.log.items():
            seen = log[: told.offsets.get(partition, 0)]
            if not seen:
                continue
            ledger = told.ledger[partition]
            assert (ledger.applied, ledger.filtered, ledger.late) == fates(seen, step, size)
            assert ledger.taken == len(seen)
        query = f"SELECT {ITEMS} FROM {relation} WHERE id % 2 = 0 AND {LIVE} GROUP BY 1, 2"
        assert_same_rows(
            stream.rows(name), stream.batch_rows(name, query), ["window_end", "user_id"]
        )


@settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(log=events, plan=steps, partitions=st.integers(1, 3))
def test_the_ledger_is_the_same_for_any_cut_and_any_number_of_partitions(
    new_store: Callable[[], Callable[[], Store]],
    log: Sequence[Event],
    plan: Sequence[Step],
    partitions: int,
) -> None:
    log = [replace(event, partition=event.partition % partitions) for event in log]
    stream = Stream(new_store(), log, SQL)
    stream.run(plan)
    assert_all_is_counted(stream)
    stream.finish()
    assert_all_is_counted(stream)


@pytest.mark.parametrize("size", [1, 2, 30])
def test_what_its_own_partition_passed_is_late_and_what_another_passed_is_not_shown(
    new_store: Callable[[], Callable[[], Store]], size: int
) -> None:
    def event(partition: int, second: int) -> Event:
        return Event(partition, id=2, user_id="a", second=second)

    log = [event(0, second) for second in (1, 70, 30, 240, 80)]
    log += [event(1, second) for second in (2, 75)]
    stream = Stream(new_store(), log, SQL)
    while stream.read(size):
        stream.commit()
    told = stream.record().views["minutes"]
    assert (told.ledger[0].late, told.ledger[0].applied) == (1, 4)
    assert (told.ledger[1].late, told.ledger[1].applied) == (0, 2)
    assert [row["n"] for row in stream.rows("minutes")] == [1]
    # Once time goes on, the rows that partition 1 brought back are reclaimed.
    stream.log[0].append(event(0, 600))
    stream.finish()
    for _ in range(5):
        stream.commit()
    view = stream.state.views["minutes"]
    assert len(list(stream.store.scan(view.prefix, view.prefix + b"\xff"))) == 1
