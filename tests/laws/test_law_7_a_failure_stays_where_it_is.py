"""Law 7: a poison message costs that message; a broken view costs that view; both stay visible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from keyfold.state import deadletter
from keyfold.state.protocol import Store
from tests.laws.stream import (
    BATCH,
    BROKEN,
    MISFIT,
    PIPELINE,
    Event,
    Step,
    Stream,
    assert_same_rows,
    batch_answer,
    steps,
)

GOOD = [Event(0, id=i, user_id="a", amount=Decimal(i), second=i) for i in range(20)]


def letters(stream: Stream) -> list[deadletter.DeadLetter]:
    return [
        letter for _, letter in deadletter.read(stream.store, 0, stream.record().dead_letter_next)
    ]


def test_a_poison_message_costs_that_message(
    new_store: Callable[[], Callable[[], Store]],
) -> None:
    log = [*GOOD[:10], Event(0, broken="\\ud8"), Event(0, broken="[]"), *GOOD[10:]]
    stream = Stream(new_store(), log)
    stream.finish()
    assert_same_rows(stream.rows("spend"), stream.batch_rows("spend"), ["user_id"])
    assert [(letter.offset, letter.value) for letter in letters(stream)] == [
        (10, b"\\ud8"),
        (11, b"[]"),
    ]
    assert all(letter.reason and letter.source == "orders" for letter in letters(stream))


def test_a_field_that_does_not_fit_costs_only_the_views_that_read_it(
    new_store: Callable[[], Callable[[], Store]],
) -> None:
    sql = PIPELINE + (
        "CREATE MATERIALIZED VIEW amounts AS"
        " SELECT user_id, SUM(amount) AS total FROM orders GROUP BY user_id;"
    )
    stream = Stream(new_store(), [*GOOD, Event(0, broken=MISFIT)], sql)
    stream.finish()
    assert stream.rows("amounts") == [{"user_id": "a", "total": Decimal(191)}]
    assert stream.record().views["amounts"].total().dead_lettered == 0
    assert stream.record().views["spend"].total().dead_lettered == 1
    (letter,) = letters(stream)
    assert letter.field == "id"
    assert "'many' is no BIGINT" in letter.reason
    assert letter.value == MISFIT.encode()


def test_a_cast_that_fails_costs_that_row_in_that_view(
    new_store: Callable[[], Callable[[], Store]],
) -> None:
    sql = PIPELINE + (
        "CREATE MATERIALIZED VIEW numbers AS"
        " SELECT user_id::INTEGER AS number, COUNT(*) AS n FROM orders GROUP BY number;"
    )
    names = ["1", "2", "one", "2", "zwei"]
    log = [Event(0, id=i, user_id=name, amount=Decimal(1)) for i, name in enumerate(names)]
    stream = Stream(new_store(), log, sql)
    stream.finish()
    assert stream.rows("numbers") == [{"number": 1, "n": 1}, {"number": 2, "n": 2}]
    assert stream.record().views["numbers"].total().dead_lettered == 2
    assert [(letter.offset, letter.view) for letter in letters(stream)] == [
        (2, "numbers"),
        (4, "numbers"),
    ]
    assert_same_rows(stream.rows("spend"), stream.batch_rows("spend"), ["user_id"])


def test_a_broken_view_costs_that_view_and_says_so(
    new_store: Callable[[], Callable[[], Store]],
) -> None:
    sql = PIPELINE + (
        "CREATE MATERIALIZED VIEW huge AS SELECT user_id,"
        " SUM(id::HUGEINT * 18446744073709551616 * 4294967296 * 1073741824) AS s"
        " FROM orders GROUP BY user_id;"
    )
    log = [Event(0, id=2, user_id="a") for _ in range(2)]
    log += [Event(0, id=1, user_id="a") for _ in range(3)]
    stream = Stream(new_store(), log, sql)
    for _ in range(5):
        stream.read(6)
        stream.commit()
    broken = stream.record().views["huge"]
    assert "128 bits" in broken.error
    assert_same_rows(stream.rows("spend"), batch_answer(log, BATCH["spend"]), ["user_id"])
    # What it holds is what its own offsets say, and the next life tries again from there.
    assert broken.offsets[0] <= 5


def test_dead_letters_of_a_view_that_failed_come_once(
    new_store: Callable[[], Callable[[], Store]],
) -> None:
    stream = Stream(new_store(), GOOD)
    stream.read(6)
    stream.commit()
    before = stream.state.record.dead_letter_next
    letter = deadletter.DeadLetter("orders", 0, 6, -1, "a reason", b"{}", view="spend")
    stream.state.bury(letter)
    stream.state.bury(deadletter.DeadLetter("orders", 0, 7, -1, "a reason", b"{}", view="busy"))
    stream.state.fail_view("spend", "a reason")
    stream.commit()
    assert stream.record().dead_letter_next == before + 1
    assert [one.view for one in letters(stream)] == ["busy"]


TWO_VIEWS = (
    PIPELINE[: PIPELINE.index("CREATE MATERIALIZED")] + "CREATE MATERIALIZED VIEW numbers AS"
    " SELECT user_id::INTEGER AS number, COUNT(*) AS n FROM orders GROUP BY number;"
    "CREATE MATERIALIZED VIEW ids AS"
    " SELECT id % 3 AS rest, SUM(id) AS total FROM orders GROUP BY rest;"
)
MISFIT_OF_7 = MISFIT.replace('"user_id":"a"', '"user_id":"7"')
POISON = ("", "one", "1,5", "99999999999")
partitions = st.integers(0, 2)
good = st.builds(
    Event, partition=partitions, id=st.integers(0, 99), user_id=st.sampled_from(["1", "2", "-3"])
)
poison = st.builds(
    Event, partition=partitions, id=st.integers(0, 99), user_id=st.sampled_from(POISON)
)
malformed = st.builds(Event, partition=partitions, broken=st.sampled_from(BROKEN[1:]))
misfit = st.builds(Event, partition=partitions, broken=st.just(MISFIT_OF_7))


@settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(log=st.lists(good | good | poison | malformed | misfit, max_size=40), plan=steps)
def test_each_message_that_is_of_no_use_costs_itself_and_no_more(
    new_store: Callable[[], Callable[[], Store]], log: Sequence[Event], plan: Sequence[Step]
) -> None:
    stream = Stream(new_store(), log, TWO_VIEWS)
    stream.run(plan)
    stream.finish()
    fitting = [event for event in log if event.user_id is not None]
    numbers = Counter(int(event.user_id or 0) for event in fitting if event.user_id not in POISON)
    numbers.update(7 for event in log if event.broken == MISFIT_OF_7)
    assert {row["number"]: row["n"] for row in stream.rows("numbers")} == numbers
    ids: Counter[int] = Counter()
    for event in fitting:
        ids[(event.id or 0) % 3] += event.id or 0
    assert {row["rest"]: row["total"] for row in stream.rows("ids")} == ids

    expected: set[tuple[int, int, str, bool]] = set()
    for partition, messages in stream.log.items():
        for offset, event in enumerate(messages):
            if event.user_id in POISON:
                expected.add((partition, offset, "numbers", False))
            elif event.user_id is None:
                expected.add((partition, offset, "", event.broken == MISFIT_OF_7))
    told = [(one.partition, one.offset, one.view, one.field == "id") for one in letters(stream)]
    assert len(told) == len(set(told))
    assert set(told) == expected
    record = stream.record()
    dead = {name: view.total().dead_lettered for name, view in record.views.items()}
    assert dead == {
        "numbers": sum(not misfits for _, _, _, misfits in expected),
        "ids": sum(view != "numbers" for _, _, view, _ in expected),
    }
    for view in record.views.values():
        assert not view.error
        assert view.total().taken == len(log)
