"""Law 2: state and offsets become durable in one step; after a crash the source is read again.

The end of a process, at any moment and any commit form, is in tests/pipeline/test_kill.py; here are
the crashes between a batch and its commit, and the loss of what the disk had not yet kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from keyfold.state.protocol import Store
from keyfold.state.rocks import RocksStore
from tests.laws.stream import Event, Stream, assert_same_rows

LOG = [
    Event(i % 3, id=i, user_id=f"u{i % 5}", amount=Decimal(i) / 4, second=i * 7) for i in range(90)
]


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
    log = max(torn.glob("*.log"), key=lambda path: int(path.stem))
    content = log.read_bytes()
    log.write_bytes(content[: max(0, len(content) - lost)])

    after = Stream(lambda: RocksStore(torn, bulk_keys_min=5), LOG)
    assert_same_rows(after.rows("spend"), after.batch_rows("spend"), ["user_id"])
    after.finish()
    assert_same_rows(after.rows("spend"), after.batch_rows("spend"), ["user_id"])
    assert sum(row["orders"] for row in after.rows("spend")) == len(LOG)
    after.store.close()
