"""One contract over every store: an ordered map with one atomic write."""

from __future__ import annotations

import bisect
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rocksdict import WriteBatch, WriteOptions

from keyfold.errors import StateError
from keyfold.state.layout import COMMIT_KEY, FLUSHED_KEY, MARKED_KEY
from keyfold.state.memory import MemoryStore
from keyfold.state.rocks import RocksReplica, RocksStore

MARKER = (COMMIT_KEY, b"0")
OWN = (COMMIT_KEY, FLUSHED_KEY, MARKED_KEY)
keys = st.binary(min_size=1, max_size=3).filter(lambda key: key != COMMIT_KEY)


@pytest.fixture(params=["memory", "rocks, by the log", "rocks, around the log"])
def make_store(request: Any, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    made = []

    def make() -> Any:
        if request.param == "memory":
            made.append(MemoryStore())
        else:
            least = 1 if "around" in request.param else 1_000_000
            made.append(RocksStore(tmp_path / str(len(made)), bulk_keys_min=least))
        return made[-1]

    yield make
    for store in made:
        store.close()


def rows(store: Any, start: bytes = b"\0", end: bytes = b"\xff" * 5, **how: bool) -> list[Any]:
    return [pair for pair in store.scan(start, end, **how) if pair[0] not in OWN]


def test_what_was_written_is_read(make_store: Callable[[], Any]) -> None:
    store = make_store()
    store.write([(b"a", b"1"), (b"b", b"2")], [], [], MARKER)
    assert store.get(b"a") == b"1"
    assert store.get(b"c") is None
    assert store.get_many([b"b", b"c", b"a"]) == [b"2", None, b"1"]
    assert store.get_many([]) == []
    assert store.get(COMMIT_KEY) == b"0"


def test_a_scan_keeps_to_its_bounds_in_both_directions(make_store: Callable[[], Any]) -> None:
    store = make_store()
    stored = [(bytes([i]), b"v") for i in range(1, 9)]
    store.write(stored, [], [], MARKER)
    assert rows(store, b"\x03", b"\x06") == stored[2:5]
    assert rows(store, b"\x03", b"\x06", backwards=True) == stored[2:5][::-1]
    assert rows(store, b"\x09", b"\x0a") == []
    assert rows(store, b"\x09", b"\x0a", backwards=True) == []


def test_a_scan_sees_one_moment(make_store: Callable[[], Any]) -> None:
    store = make_store()
    store.write([(b"a", b"1"), (b"b", b"1")], [], [], MARKER)
    scan = store.scan(b"a", b"z")
    first = next(scan)
    store.write([(b"b", b"2"), (b"c", b"2")], [], [], MARKER)
    assert [first, *scan] == [(b"a", b"1"), (b"b", b"1")]


@pytest.mark.parametrize("rows_max", [1, 3, 7, 100])
def test_pages_are_the_scan_in_lists(make_store: Callable[[], Any], rows_max: int) -> None:
    store = make_store()
    store.write([(bytes([i]), b"v%d" % i) for i in range(1, 30)], [], [], MARKER)
    store.write([(b"\x04", b"new")], [b"\x06"], [], MARKER)
    pages = list(store.pages(b"\x02", b"\x17", rows_max))
    pairs = [pair for page in pages for pair in zip(*page, strict=True)]
    assert pairs == rows(store, b"\x02", b"\x17")
    assert {len(keys) for keys, _ in pages[:-1]} <= {rows_max}
    assert 0 < len(pages[-1][0]) <= rows_max
    assert list(store.pages(b"\x50", b"\x60", rows_max)) == []


def test_a_damaged_file_does_not_look_like_the_end_of_the_rows(tmp_path: Path) -> None:
    stored = [(b"%06d" % i, os.urandom(100)) for i in range(2_000)]
    store = RocksStore(tmp_path, bulk_keys_min=1)
    store.write(stored, [], [], MARKER)
    store.close()
    file = max(tmp_path.glob("*.sst"), key=lambda path: path.stat().st_size)
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    file.write_bytes(raw)
    again = RocksStore(tmp_path)
    read: list[Any] = []
    with pytest.raises(StateError, match="cannot be read"):
        for page in again.pages(b"0", b"9", 64):
            read += zip(*page, strict=True)
    assert 0 < len(read) < len(stored)
    assert read == stored[: len(read)]
    again.close()


class EndsAtOnce:
    """A database whose items end before the first one, as they do at an error that passes."""

    def __init__(self, database: Any) -> None:
        self.iter = database.iter

    def items(self, **_: Any) -> Iterator[Any]:
        return iter(())


def test_an_error_before_a_row_whose_key_is_the_start_is_no_end_either(tmp_path: Path) -> None:
    store = RocksStore(tmp_path)
    store.write([(b"v", b"the one row of a view without keys")], [], [], MARKER)
    database: Any = store._db
    ended: Any = EndsAtOnce(database)
    store._db = ended
    with pytest.raises(StateError, match="to its end"):
        list(store.pages(b"v", b"w", 64))
    assert list(store.pages(b"w", b"x", 64)) == []
    store._db = database
    store.close()


def test_a_walk_over_keys_goes_on_where_it_is_sent(make_store: Callable[[], Any]) -> None:
    store = make_store()
    store.write([(bytes([i]), b"v") for i in range(1, 9)], [], [], MARKER)
    assert list(store.keys(b"\x03", b"\x06")) == [b"\x03", b"\x04", b"\x05"]
    assert list(store.keys(b"\x09", b"\x0a")) == []
    walk = store.keys(b"\x01", b"\x08")
    assert [next(walk), walk.send(b"\x03\x05"), next(walk)] == [b"\x01", b"\x04", b"\x05"]
    store.write([(b"\x06\x01", b"v")], [], [], MARKER)  # it sees one moment, as a scan does
    assert [walk.send(b"\x06"), next(walk)] == [b"\x06", b"\x07"]
    with pytest.raises(StopIteration):
        walk.send(b"\x08")


def test_one_moment_is_scanned_again_and_again(make_store: Callable[[], Any]) -> None:
    store = make_store()
    store.write([(bytes([i]), b"v") for i in range(1, 9)], [], [], MARKER)
    scan = store.moment(b"\x06")
    store.write([(b"\x04\x01", b"v"), (b"\x02", b"w")], [b"\x03"], [], MARKER)
    assert [key for key, _ in scan(b"\x03")] == [b"\x03", b"\x04", b"\x05"]
    assert next(scan(b"\x01\x01")) == (b"\x02", b"v")
    assert list(scan(b"\x06")) == list(scan(b"\x07")) == []


def test_deleted_keys_and_ranges_are_gone(make_store: Callable[[], Any]) -> None:
    store = make_store()
    store.write([(bytes([i]), b"v") for i in range(1, 9)], [], [], MARKER)
    store.write([], [b"\x01"], [(b"\x03", b"\x06")], MARKER)
    assert [key for key, _ in rows(store)] == [b"\x02", b"\x06", b"\x07", b"\x08"]


def test_sizes_are_told_without_a_scan(make_store: Callable[[], Any]) -> None:
    store = make_store()
    store.write([(b"a%05d" % i, b"v" * 10) for i in range(900)], [], [], MARKER)
    store.write([(b"b%05d" % i, b"v" * 10) for i in range(300)], [], [], MARKER)
    sizes = store.approximate_sizes([(b"a", b"b"), (b"b", b"c"), (b"x", b"y")])
    if isinstance(store, MemoryStore):
        assert sizes == [(900, 900 * 16), (300, 300 * 16), (0, 0)]
    else:
        assert abs(sum(rows for rows, _ in sizes) - 1_200) < 10
        assert all(size >= 0 for _, size in sizes)
    assert store.approximate_sizes([]) == []


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    commits=st.lists(
        st.tuples(
            st.dictionaries(keys, st.binary(max_size=4), max_size=8), st.sets(keys, max_size=3)
        ),
        max_size=6,
    )
)
def test_any_sequence_of_writes_equals_a_dictionary(
    make_store: Callable[[], Any], commits: list[tuple[dict[bytes, bytes], set[bytes]]]
) -> None:
    store = make_store()
    model: dict[bytes, bytes] = {}
    for puts, deletes in commits:
        gone = [key for key in deletes if key not in puts]
        store.write(list(puts.items()), gone, [], MARKER)
        model |= puts
        for key in gone:
            model.pop(key, None)
        assert rows(store) == sorted(model.items())
    ordered = sorted(model)
    for key in ordered[:3]:
        at = bisect.bisect_left(ordered, key)
        assert [k for k, _ in rows(store, key)] == ordered[at:]


def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    store = RocksStore(tmp_path, bulk_keys_min=2)
    store.write([(b"a", b"1")], [], [], MARKER)
    store.write([(b"b", b"2"), (b"c", b"3")], [], [], MARKER)
    store.close()
    again = RocksStore(tmp_path)
    assert again.get_many([b"a", b"b", b"c"]) == [b"1", b"2", b"3"]
    again.close()


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    store = RocksStore(tmp_path)
    with pytest.raises(StateError, match="another process is writing") as refused:
        RocksStore(tmp_path)
    assert "stop it first" in refused.value.hint
    store.close()


def test_a_replica_without_a_state_says_what_to_start(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="no state") as refused:
        RocksReplica(tmp_path / "state", tmp_path / "replica")
    assert "--data-dir" in refused.value.hint


@pytest.mark.parametrize("wal_bytes_max", [2_000, 1 << 30])
def test_a_replica_never_answers_stale_rows(tmp_path: Path, wal_bytes_max: int) -> None:
    """The standing test of the secondary's trap: gets, scans and the primary agree always."""
    store = RocksStore(tmp_path / "state", bulk_keys_min=50, wal_bytes_max=wal_bytes_max)
    store.write([], [], [], (COMMIT_KEY, b"0"))
    replica = RocksReplica(tmp_path / "state", tmp_path / "replica")
    names = [b"\x10%03d" % i for i in range(120)]
    for commit in range(1, 120):
        value = b"%d" % commit
        # Small commits through the log, large ones around it, in no regular order.
        count = 80 if commit % 7 in (0, 3) else 1 + commit % 5
        changed = [names[(commit * 13 + i) % 120] for i in range(count)]
        store.write([(name, value) for name in changed], [], [], (COMMIT_KEY, value))
        replica.refresh()
        assert replica.get(COMMIT_KEY) == value
        primary = store.get_many(names)
        assert replica.get_many(names) == primary
        assert [replica.get(name) for name in names] == primary
        assert dict(replica.scan(b"\x10", b"\x11")) == {
            name: found for name, found in zip(names, primary, strict=True) if found is not None
        }
    replica.close()
    store.close()


def test_a_replica_follows_a_writer_that_died_between_a_flush_and_its_mark(tmp_path: Path) -> None:
    store = RocksStore(tmp_path / "state", bulk_keys_min=3)
    store.write([(b"a", b"1")], [], [], (COMMIT_KEY, b"1"))
    replica = RocksReplica(tmp_path / "state", tmp_path / "replica")
    # Steps 1 and 2 of a large commit, by hand; step 3 never comes.
    batch = WriteBatch(raw_mode=True)
    for key in (b"a", b"b", b"c"):
        batch.put(key, b"2")
    batch.put(COMMIT_KEY, b"2")
    batch.put(FLUSHED_KEY, b"1")
    without_log = WriteOptions()
    without_log.disable_wal = True
    store._db.write(batch, without_log)
    store._db.flush()
    for _ in range(2):
        replica.refresh()
        assert replica.get_many([b"a", b"b", b"c", COMMIT_KEY]) == [b"2"] * 4
    store._db.put(MARKED_KEY, b"1")
    store._flushes = 1
    store.write([(b"a", b"3")], [], [], (COMMIT_KEY, b"3"))
    replica.refresh()
    assert replica.get_many([b"a", b"b", COMMIT_KEY]) == [b"3", b"2", b"3"]
    replica.close()
    store.close()


@pytest.mark.parametrize("bulk_keys_min", [1, 1_000])
def test_a_replica_has_the_last_commit_of_a_writer_that_closed(
    tmp_path: Path, bulk_keys_min: int
) -> None:
    store = RocksStore(tmp_path / "state", bulk_keys_min=bulk_keys_min)
    store.write([(b"a", b"1")], [], [], (COMMIT_KEY, b"1"))
    replica = RocksReplica(tmp_path / "state", tmp_path / "replica")
    for value in (b"2", b"3"):
        store.write([(b"a", value)], [], [], (COMMIT_KEY, value))
        replica.refresh()
    store.write([(b"b", b"4")], [], [], (COMMIT_KEY, b"4"))
    store.close()
    replica.refresh()
    assert replica.get_many([b"a", b"b", COMMIT_KEY]) == [b"3", b"4", b"4"]
    replica.close()
    again = RocksReplica(tmp_path / "state", tmp_path / "replica")
    assert again.get_many([b"a", b"b", COMMIT_KEY]) == [b"3", b"4", b"4"]
    again.close()


def test_a_catch_up_starts_no_threads(tmp_path: Path) -> None:
    """The kernel numbers threads in a row, so the next one's number tells how many there were."""

    def next_number() -> int:
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        assert thread.native_id is not None
        return thread.native_id

    store = RocksStore(tmp_path / "state")
    replica = RocksReplica(tmp_path / "state", tmp_path / "replica")
    started = []
    for turn in range(50):
        store.write([(b"a", b"%d" % turn)], [], [], MARKER)
        before = next_number()
        replica.refresh()
        started.append(next_number() - before - 1)
    # Other processes start some as well, and numbers begin anew at their end.
    assert min(count for count in started if count >= 0) < 4
    assert replica.get(b"a") == b"49"
    replica.close()
    store.close()


def test_an_opening_that_failed_leaves_nothing(tmp_path: Path) -> None:
    store = RocksStore(tmp_path / "state")
    store.write([(b"a", b"1")], [], [], (COMMIT_KEY, b"1"))
    own = tmp_path / "replica"
    replica = RocksReplica(tmp_path / "state", own, wait_s=0.005)
    store._db.put(MARKED_KEY, b"9")  # a mark without its flush: never whole
    began = time.monotonic()
    with pytest.raises(StateError, match="has a flush that its files do not have"):
        replica.refresh()
    assert os.listdir(own) == ["1"]
    with pytest.raises(StateError, match="has a flush that its files do not have"):
        RocksReplica(tmp_path / "state", tmp_path / "other", wait_s=0.005)
    assert time.monotonic() - began < 1.0
    assert not (tmp_path / "other").exists()
    store._flushes = 9
    store.write([], [], [], (COMMIT_KEY, b"2"))
    store._flush(WriteBatch(raw_mode=True), (COMMIT_KEY, b"2"))
    replica.refresh()
    assert replica.get_many([b"a", COMMIT_KEY]) == [b"1", b"2"]
    replica.close()
    assert not own.exists()
    store.close()


def test_iterators_go_on_over_an_instance_whose_directory_is_gone(tmp_path: Path) -> None:
    own = tmp_path / "replica"
    stored = [(b"\x10%05d" % i, b"v" * 500) for i in range(20_000)]
    store = RocksStore(tmp_path / "state", bulk_keys_min=1)
    store.write(stored, [], [], (COMMIT_KEY, b"1"))
    replica = RocksReplica(tmp_path / "state", own)
    for turn in range(2, 5):
        scan = replica.scan(b"\x10", b"\x11")
        first = next(scan)
        opened = os.listdir(own)
        store.write([(stored[0][0], b"%d" % turn)], [], [], (COMMIT_KEY, b"%d" % turn))
        store.close()
        replica.refresh()
        assert len(os.listdir(own)) == 1
        assert os.listdir(own) != opened
        assert [first, *scan][1:] == stored[1:]
        assert replica.get(stored[0][0]) == b"%d" % turn
        store = RocksStore(tmp_path / "state", bulk_keys_min=1)
    replica.close()
    assert not own.exists()
    store.close()


def test_every_opening_has_the_block_cache_that_was_asked_for(tmp_path: Path) -> None:
    asked = 48 << 20
    for _ in range(2):  # made anew, and opened again
        store = RocksStore(tmp_path / "state", block_cache_bytes=asked)
        assert store.block_cache_bytes()[1] == asked
        store.write([(b"\x10a", b"1" * 100)], [], [], (COMMIT_KEY, b"c"))
        store.close()
    replica = RocksReplica(tmp_path / "state", tmp_path / "own", block_cache_bytes=asked)
    assert replica.get(b"\x10a") == b"1" * 100
    used, capacity = replica.block_cache_bytes()
    assert capacity == asked
    assert used > 0
    replica.close()
