"""Hot partials are a dictionary with a bound: what they say never depends on what they hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyfold.state.hot import HotPartials
from keyfold.view.aggregate import Aggregate
from keyfold.view.partial import PartialCodec

COUNT_AND_LAST = (
    Aggregate("count"),
    Aggregate("max", argument="name", argument_type="VARCHAR"),
)
CODEC = PartialCodec([slot for aggregate in COUNT_AND_LAST for slot in aggregate.slots])


class Rows:
    """The store's rows as a dictionary, and which keys were asked for."""

    def __init__(self) -> None:
        self.stored: dict[bytes, bytes] = {}
        self.asked: list[bytes] = []

    def fetch(self, keys: list[bytes]) -> list[bytes | None]:
        self.asked += keys
        return [self.stored.get(key) for key in keys]

    def save(self, hot: HotPartials) -> dict[bytes, bytes]:
        written = dict(zip(*hot.take_dirty(), strict=True))
        self.stored |= written
        return written

    def values(self) -> dict[bytes, tuple[int, bytes | None]]:
        n, _, last = CODEC.decode(list(self.stored.values())) if self.stored else ([], [], [])
        return dict(zip(self.stored, zip(map(int, n), last, strict=True), strict=True))


def hot_over(rows: Rows, keys_max: int) -> HotPartials:
    return HotPartials(
        COUNT_AND_LAST, CODEC, rows.fetch, 0, store_empty=not rows.stored, keys_min=keys_max
    )


def key(number: int) -> bytes:
    return b"%06d" % number


def delta_of(counts: Sequence[int], texts: Sequence[bytes | None]) -> list[np.ndarray]:
    last = np.empty(len(texts), object)
    last[:] = texts
    has = np.array([text is not None for text in texts], np.bool_)
    return [np.array(counts, np.int64), has, last]


def count_up(hot: HotPartials, keys: Sequence[int], text: bytes | None = None) -> None:
    hot.merge([key(k) for k in keys], delta_of([1] * len(keys), [text] * len(keys)))


merges = st.dictionaries(
    st.integers(0, 60).map(lambda k: k * 40),
    st.tuples(st.integers(1, 5), st.none() | st.sampled_from([b"", b"a", b"b", b"\xc3\xa4"])),
    min_size=1,
    max_size=30,
)
actions = st.one_of(
    merges,
    # Whole spans of keys, so that the bound is passed and places are given up.
    st.tuples(st.just("span"), st.integers(0, 2_000), st.integers(1, 900)),
    st.just("commit"),
    st.just("crash"),
    st.tuples(st.just("forget"), st.integers(0, 60).map(lambda k: k * 40)),
)


@settings(max_examples=120, deadline=None)
@given(plan=st.lists(actions, max_size=25), keys_max=st.sampled_from([1_024, 1_100, 1_500]))
def test_any_sequence_of_merges_equals_a_dictionary(plan: list[object], keys_max: int) -> None:
    rows = Rows()
    hot = hot_over(rows, keys_max)
    committed: dict[bytes, tuple[int, bytes | None]] = {}
    model: dict[bytes, tuple[int, bytes | None]] = {}
    dirty: set[bytes] = set()

    def merge(changes: dict[int, tuple[int, bytes | None]]) -> None:
        hot.merge(
            [key(k) for k in changes],
            delta_of([n for n, _ in changes.values()], [text for _, text in changes.values()]),
        )
        for k, (n, text) in changes.items():
            old_n, old = model.get(key(k), (0, None))
            texts = [one for one in (old, text) if one is not None]
            model[key(k)] = (old_n + n, max(texts, default=None))
            dirty.add(key(k))

    for action in [*plan, "commit"]:
        match action:
            case dict():
                merge(action)
            case ("span", int(first), int(length)):
                merge(dict.fromkeys(range(first, first + length), (1, None)))
            case ("forget", int(k)):
                # What is forgotten is deleted from the store as well: an expired row.
                hot.forget([key(k)])
                rows.stored.pop(key(k), None)
                model.pop(key(k), None)
                committed.pop(key(k), None)
                dirty.discard(key(k))
            case "crash":
                hot.clear()
                model = dict(committed)
                dirty.clear()
            case "commit":
                assert rows.save(hot).keys() == dirty
                committed = dict(model)
                dirty.clear()
                assert rows.values() == committed
        assert hot.dirty_count == len(dirty)


def test_a_key_of_the_batch_keeps_its_place_while_the_others_are_taken_in() -> None:
    rows = Rows()
    hot = hot_over(rows, 1_024)
    count_up(hot, range(1_024))
    rows.save(hot)
    # The cache is full and clean; this batch has keys that are in it, and keys that need room.
    count_up(hot, [*range(0, 1_000, 2), *range(2_000, 2_500)])
    rows.save(hot)
    counts = {k: n for k, (n, _) in rows.values().items()}
    assert counts == (
        {key(k): 1 + (k % 2 == 0 and k < 1_000) for k in range(1_024)}
        | {key(k): 1 for k in range(2_000, 2_500)}
    )


def test_places_are_bounded_while_commits_come_in_time() -> None:
    rows = Rows()
    hot = hot_over(rows, 2_000)
    for first in range(0, 20_000, 500):
        count_up(hot, range(first, first + 500))
        rows.save(hot)
        assert len(hot) <= 2_000
    count_up(hot, [0])
    rows.save(hot)
    assert rows.values()[key(0)] == (2, None)


def test_what_is_dirty_is_never_given_up() -> None:
    rows = Rows()
    hot = hot_over(rows, 1_024)
    for first in range(0, 6_000, 300):
        count_up(hot, range(first, first + 300))
    assert len(hot) == hot.dirty_count == 6_000
    assert len(rows.save(hot)) == 6_000
    assert set(rows.values().values()) == {(1, None)}


def test_a_key_that_is_used_again_and_again_stays() -> None:
    rows = Rows()
    rows.stored[key(7)] = CODEC.encode(delta_of([1], [None]))[0]
    hot = hot_over(rows, 1_024)
    count_up(hot, [7])
    for first in range(1_000, 9_000, 100):
        rows.save(hot)
        count_up(hot, [7, *range(first, first + 100)])
    assert rows.asked.count(key(7)) == 1


def test_what_the_store_cannot_have_is_not_looked_for() -> None:
    rows = Rows()
    hot = HotPartials(COUNT_AND_LAST, CODEC, rows.fetch, 1 << 20, store_empty=True, keys_min=1_024)
    count_up(hot, range(2_000))
    assert rows.asked == []
    rows.save(hot)
    for start in range(2_000, 8_000, 500):  # the first ones are given up
        count_up(hot, range(start, start + 500))
        rows.save(hot)
    assert len(hot) < 6_000
    assert len(rows.asked) < 200  # a new key is hardly ever taken for one that was given up
    rows.asked.clear()
    count_up(hot, range(2_000))
    assert set(rows.asked) == {key(k) for k in range(2_000)}
    rows.save(hot)
    assert {n for n, _ in list(rows.values().values())[:2_000]} == {2}
    hot.clear()  # from now on the store may have anything
    rows.asked.clear()
    count_up(hot, [9_000_000])
    assert rows.asked == [key(9_000_000)]


def test_what_was_too_much_while_it_was_dirty_is_given_up_afterwards() -> None:
    rows = Rows()
    hot = hot_over(rows, 2_000)
    count_up(hot, range(10_000))
    assert len(hot) == 10_000
    rows.save(hot)
    count_up(hot, [20_000])
    assert len(hot) <= 2_000


def test_long_texts_leave_room_for_fewer_keys() -> None:
    kept = []
    for text in (b"a", b"a" * 4_000):
        rows = Rows()
        hot = HotPartials(COUNT_AND_LAST, CODEC, rows.fetch, 8 << 20, keys_min=1_024)
        for start in range(0, 20_000, 1_000):
            count_up(hot, range(start, start + 1_000), text)
            rows.save(hot)
        kept.append(len(hot))
    assert kept[0] > 15_000
    assert kept[1] <= 3_000  # 8 MiB hold no more of them


def test_texts_are_kept_through_growth() -> None:
    rows = Rows()
    hot = hot_over(rows, 100_000)
    for i, text in enumerate([b"b", None, b"a", b"c"]):
        count_up(hot, range(i * 3_000), text)
        count_up(hot, [20_000], text)
    rows.save(hot)
    values = rows.values()
    assert values[key(20_000)] == (4, b"c")
    assert values[key(0)] == (3, b"c")
    assert values[key(8_999)] == (1, b"c")


def test_clear_leaves_what_is_stored() -> None:
    rows = Rows()
    hot = hot_over(rows, 1_024)
    count_up(hot, [1, 2], b"x")
    rows.save(hot)
    count_up(hot, [1, 3], b"y")
    hot.clear()
    assert len(hot) == hot.dirty_count == 0
    assert hot.take_dirty() == ([], [])
    count_up(hot, [1])
    assert rows.save(hot).keys() == {key(1)}
    assert rows.values() == {key(1): (2, b"x"), key(2): (1, b"x")}


def test_a_sum_beyond_128_bits_is_an_error_and_no_wrong_number() -> None:
    total = Aggregate("sum_int", argument="x", argument_type="HUGEINT")
    codec = PartialCodec(total.slots)
    hot = HotPartials((total,), codec, lambda keys: [None] * len(keys), 1 << 20)
    most = np.zeros(1, [("low", "<u8"), ("high", "<i8")])
    most["high"] = 2**62
    hot.merge([b"k"], [np.ones(1, np.int64), most])
    with pytest.raises(OverflowError, match="128 bits"):
        hot.merge([b"k"], [np.ones(1, np.int64), most])


@given(
    st.lists(st.lists(st.integers(0, 40), min_size=1), min_size=1, max_size=12), st.integers(5, 50)
)
def test_changed_keys_come_in_their_order_however_many_change(
    commits: list[list[int]], keys_max: int
) -> None:
    rows = Rows()
    hot = hot_over(rows, keys_max)
    for changed in commits:
        count_up(hot, sorted(set(changed), reverse=True))
        keys, _ = hot.take_dirty()
        assert keys == [key(number) for number in sorted(set(changed))]
