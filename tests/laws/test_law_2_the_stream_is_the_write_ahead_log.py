"""Law 2: state and offsets become durable in one step; after a crash the source is read again.

The end of a process, at any moment and any commit form, is in tests/pipeline/test_kill.py; here are
the crashes between a batch and its commit, and the loss of what the disk had not yet kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from keyfold.state import deadletter
from keyfold.state.protocol import Store
from keyfold.state.rocks import RocksStore
from tests.laws.stream import Event, Step, Stream, assert_same_rows, events, steps

LOG = [
    Event(i % 3, id=i, user_id=f"u{i % 5}", amount=Decimal(i) / 4, second=i * 7) for i in range(90)
]
slow = settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking these takes minutes
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def assert_same_state(one: Stream, other: Stream) -> None:
    """Compare what is durable: rows, offsets, ledgers, and dead letters, each once."""
    for name, keys in (
        ("spend", ["user_id"]),
        ("busy", ["user_id", "large"]),
        ("per_minute", ["window_start", "user_id"]),
    ):
        assert_same_rows(one.rows(name), other.rows(name), keys)
    records = one.record(), other.record()
    sources = [record.sources["orders"] for record in records]
    assert sources[0].partitions == sources[1].partitions
    assert sources[0].stream_time_us == sources[1].stream_time_us
    for name in ("spend", "busy", "per_minute"):
        assert records[0].views[name] == records[1].views[name]
    letters = [
        sorted(
            (letter.partition, letter.offset, letter.view, letter.reason)
            for _, letter in deadletter.read(stream.store, 0, record.dead_letter_next)
        )
        for stream, record in zip((one, other), records, strict=True)
    ]
    assert letters[0] == letters[1]


@slow
@given(log=events, plan=steps)
def test_after_any_crashes_the_state_is_that_of_a_run_without_one(
    new_store: Callable[[], Callable[[], Store]], log: Sequence[Event], plan: Sequence[Step]
) -> None:
    crashed, whole = Stream(new_store(), log), Stream(new_store(), log)
    for step in plan:
        crashed.read(step.size)
        if step.then == "commit":
            crashed.commit()
        elif step.then == "crash":
            durable = {p: told.offset for p, told in crashed.record().sources[
                "orders"].partitions.items()}  # fmt: skip
            crashed.crash()
            assert {p: crashed.position(p) for p in durable} == durable
    crashed.finish()
    whole.finish()
    assert_same_state(crashed, whole)


@slow
@given(log=events, sizes=st.lists(st.integers(1, 15), max_size=8), lost=st.integers(0, 12_000))
def test_whatever_the_disk_lost_the_state_is_that_of_a_run_without_a_crash(
    log: Sequence[Event], sizes: Sequence[int], lost: int
) -> None:
    def opened(directory: Path) -> Callable[[], Store]:
        return lambda: RocksStore(directory, bulk_keys_min=5)

    with TemporaryDirectory() as name:
        directory = Path(name)
        stream = Stream(opened(directory / "state"), log)
        for size in sizes:
            stream.read(size)
            stream.commit()
        torn = directory / "torn"
        shutil.copytree(directory / "state", torn, ignore=shutil.ignore_patterns("LOCK"))
        lose_tail(torn, lost)
        stream.finish()
        after = Stream(opened(torn), log)
        after.finish()
        assert_same_state(after, stream)
        after.store.close()
        stream.store.close()


def lose_tail(directory: Path, lost: int) -> None:
    """Cut the last bytes off RocksDB's log."""
    log = max(directory.glob("*.log"), key=lambda path: int(path.stem))
    content = log.read_bytes()
    log.write_bytes(content[: max(0, len(content) - lost)])


def test_what_was_not_committed_is_read_again(
    new_store: Callable[[], Callable[[], Store]],
) -> None:
    stream = Stream(new_store(), LOG)
    stream.read(20)
    stream.commit()
    durable = stream.record()
    stream.read(30)
    assert stream.position(2) > durable.sources["orders"].partitions[2].offset
    stream.crash()
    positions = {p: stream.position(p) for p in range(3)}
    assert positions == {p: t.offset for p, t in durable.sources["orders"].partitions.items()}
    stream.finish()
    assert_same_rows(stream.rows("spend"), stream.batch_rows("spend"), ["user_id"])


def test_rows_and_offsets_are_of_one_step(new_store: Callable[[], Callable[[], Store]]) -> None:
    stream = Stream(new_store(), LOG)
    while stream.read(4):
        stream.commit()
        counted = sum(row["orders"] for row in stream.rows("spend"))
        told = stream.record()
        assert counted == sum(t.offset for t in told.sources["orders"].partitions.values())
        assert counted == sum(told.views["spend"].offsets.values())


@pytest.mark.parametrize("lost", [1, 7, 60, 150, 400, 900, 1_500, 2_500, 4_000, 8_000, 10**9])
def test_a_disk_that_lost_the_tail_of_the_log_gives_an_earlier_commit(
    tmp_path: Path, lost: int
) -> None:
    """No fsync is needed: whatever tail of RocksDB's log is lost, what is left is one commit."""
    source = tmp_path / "state"

    def opened() -> Store:
        return RocksStore(source, bulk_keys_min=5)

    stream = Stream(opened, LOG)
    for size in (40, 3, 2, 30, 2, 1, 1):
        stream.read(size)
        stream.commit()
    torn = tmp_path / "torn"
    shutil.copytree(source, torn, ignore=shutil.ignore_patterns("LOCK"))
    stream.store.close()
    lose_tail(torn, lost)

    after = Stream(lambda: RocksStore(torn, bulk_keys_min=5), LOG)
    assert_same_rows(after.rows("spend"), after.batch_rows("spend"), ["user_id"])
    after.finish()
    assert_same_rows(after.rows("spend"), after.batch_rows("spend"), ["user_id"])
    assert sum(row["orders"] for row in after.rows("spend")) == len(LOG)
    after.store.close()
