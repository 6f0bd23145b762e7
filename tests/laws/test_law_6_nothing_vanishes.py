"""Law 6: per partition and view, in = applied + filtered + late + dead_lettered, across crashes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import HealthCheck, Phase, given, settings

from keyfold.state import deadletter
from keyfold.state.memory import MemoryStore
from keyfold.state.protocol import Store
from keyfold.state.writer import StateWriter
from tests.laws.stream import Event, Step, Stream, events, steps


@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(log=events, plan=steps)
def test_the_ledger_is_exact_across_crashes(
    new_store: Callable[[], Callable[[], Store]], log: Sequence[Event], plan: Sequence[Step]
) -> None:
    stream = Stream(new_store(), log)
    stream.run(plan)
    stream.finish()
    record = stream.record()
    broken = {p: sum(bool(e.broken) for e in part) for p, part in stream.log.items()}
    for name, view in record.views.items():
        for partition, part in stream.log.items():
            ledger = view.ledger.get(partition)
            if not part:
                assert ledger is None
                continue
            assert ledger is not None
            assert ledger.taken == len(part), name
            assert ledger.dead_lettered == broken[partition], name
            assert ledger.taken == (
                ledger.applied + ledger.filtered + ledger.late + ledger.dead_lettered
            )
    busy = record.views["busy"].total()
    kept = [e for e in log if not e.broken and e.amount is not None and e.id is not None]
    assert busy.applied == sum(e.id % 3 != 0 for e in kept if e.id is not None)
    letters = list(deadletter.read(stream.store, 0, record.dead_letter_next))
    assert len(letters) == sum(broken.values())
    found = {(letter.partition, letter.offset): letter.value for _, letter in letters}
    for partition, part in stream.log.items():
        for offset, event in enumerate(part):
            if event.broken or (not event.broken and (partition, offset) in found):
                assert found[partition, offset] == event.message()


def test_a_late_event_is_counted_as_late(new_store: Callable[[], Callable[[], Store]]) -> None:
    log = [Event(0, id=1, user_id="a", second=1_400), Event(0, id=2, user_id="a", second=10)]
    stream = Stream(new_store(), log)
    while stream.read(1):
        stream.commit()
    assert stream.record().views["per_minute"].total().late == 1
    assert stream.record().views["spend"].total().late == 0
    assert [row["orders"] for row in stream.rows("per_minute")] == [1]


def test_only_so_many_dead_letters_are_kept_but_all_are_counted() -> None:
    memory = MemoryStore()
    stream = Stream(lambda: memory, [Event(0, broken="x") for _ in range(50)])
    stream.state = StateWriter(memory, stream.catalog, dead_letters_max=10)
    stream.lane._applier._state = stream.state
    while stream.read(6):
        stream.commit()
    record = stream.record()
    kept = list(deadletter.read(stream.store, record.dead_letter_first, record.dead_letter_next))
    assert 10 <= len(kept) <= 11
    assert kept[-1][1].offset == 49
    assert record.views["spend"].total().dead_lettered == 50
