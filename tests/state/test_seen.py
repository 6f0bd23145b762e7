"""Seen values are a set: each member is new once, whatever is in memory."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from keyfold.state.seen import SeenValues


class Members:
    """The store's members, and which were asked for."""

    def __init__(self) -> None:
        self.stored: set[bytes] = set()
        self.asked: list[bytes] = []

    def fetch(self, keys: list[bytes]) -> list[bytes | None]:
        self.asked += keys
        return [b"" if key in self.stored else None for key in keys]


def seen_over(members: Members, keys_max: int) -> SeenValues:
    return SeenValues(members.fetch, 0, store_empty=not members.stored, keys_min=keys_max)


def key(number: int) -> bytes:
    return b"%06d" % number


def add(seen: SeenValues, numbers: list[int]) -> set[bytes]:
    """Put members in, and return those that were new."""
    keys = [key(number) for number in numbers]
    new = seen.add(keys).tolist()
    return {one for one, fresh in zip(keys, new, strict=True) if fresh}


actions = st.one_of(
    st.lists(st.integers(0, 40), max_size=8, unique=True),
    st.tuples(st.integers(0, 200), st.integers(1, 40)),
    st.just("commit"),
    st.just("crash"),
    st.just("open again"),
)


@settings(max_examples=300, deadline=None)
@given(plan=st.lists(actions, max_size=30), keys_max=st.sampled_from([1, 10, 50]))
def test_any_sequence_of_members_equals_a_set(plan: list[object], keys_max: int) -> None:
    members = Members()
    seen = seen_over(members, keys_max)
    model: set[bytes] = set()
    for action in [*plan, "commit"]:
        match action:
            case list():
                fresh = {key(number) for number in action} - model
                assert add(seen, action) == fresh
                model |= fresh
            case (int(first), int(length)):
                span = list(range(first, first + length))
                fresh = {key(number) for number in span} - model
                assert add(seen, span) == fresh
                model |= fresh
            case "crash":
                seen.clear()
                model = set(members.stored)
            case "open again":
                seen = seen_over(members, keys_max)
                model = set(members.stored)
            case "commit":
                taken = seen.take_new()
                assert taken == sorted(model - members.stored)
                members.stored |= set(taken)
        assert seen.new_count == len(model - members.stored)


def test_members_that_were_forgotten_are_new_again_and_not_written() -> None:
    members = Members()
    seen = seen_over(members, 10)
    assert add(seen, [1, 2, 3]) == {key(1), key(2), key(3)}
    members.stored |= set(seen.take_new())
    assert add(seen, [4, 5]) == {key(4), key(5)}
    seen.forget([key(2), key(4)])
    members.stored -= {key(2)}
    assert seen.take_new() == [key(5)]
    assert add(seen, [1, 2, 4, 5]) == {key(2), key(4)}


def test_members_in_memory_are_bounded_while_commits_come_in_time() -> None:
    members = Members()
    seen = SeenValues(members.fetch, 400_000, store_empty=True, keys_min=10)
    for first in range(0, 20_000, 500):
        assert len(add(seen, list(range(first, first + 500)))) == 500
        members.stored |= set(seen.take_new())
        assert len(seen) <= 5_000
    assert len(members.asked) < 1_000, "the filter knows what is not there"
    assert add(seen, [0, 19_999]) == set()


def test_what_was_in_the_store_before_is_looked_for_there() -> None:
    members = Members()
    members.stored = {key(1)}
    seen = seen_over(members, 10)
    assert add(seen, [1, 2]) == {key(2)}
    assert members.asked == [key(1), key(2)]
    assert add(seen, [1, 2]) == set()
    assert len(members.asked) == 2, "once it is known it is not asked for again"
