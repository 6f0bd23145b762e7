"""Seen spans are a map: each member is where it was put last, whatever is in memory."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from keyfold.state.spans import SeenSpans
from keyfold.view.tiles import Span


class Members:
    """The store's members, and which were asked for."""

    def __init__(self) -> None:
        self.stored: dict[bytes, bytes] = {}
        self.asked: list[bytes] = []

    def fetch(self, keys: list[bytes]) -> list[bytes | None]:
        self.asked += keys
        return [self.stored.get(key) for key in keys]

    def commit(self, spans: SeenSpans) -> None:
        keys, values = spans.take_changed()
        assert keys == sorted(keys)
        self.stored |= dict(zip(keys, values, strict=True))


def spans_over(members: Members, keys_max: int) -> SeenSpans:
    return SeenSpans(members.fetch, 0, store_empty=not members.stored, keys_min=keys_max)


def key(number: int) -> bytes:
    return b"%06d" % number


actions = st.one_of(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9), st.integers(0, 9)), max_size=8),
    st.sampled_from(["commit", "crash", "open again"]),
)


@settings(max_examples=200, deadline=None)
@given(plan=st.lists(actions, max_size=30), keys_max=st.sampled_from([1, 5, 50]))
def test_any_sequence_of_spans_equals_a_map(plan: list[object], keys_max: int) -> None:
    members = Members()
    spans = spans_over(members, keys_max)
    model: dict[bytes, Span] = {}
    durable: dict[bytes, Span] = {}
    for action in [*plan, "commit"]:
        match action:
            case list():
                spans.load([key(number) for number, _, _ in action])
                for number, first, last in action:
                    assert spans.get(key(number)) == model.get(key(number))
                    model[key(number)] = (first, last)
                    spans.put(key(number), (first, last))
            case "crash":
                spans.clear()
                model = dict(durable)
            case "open again":
                spans = spans_over(members, keys_max)
                model = dict(durable)
            case "commit":
                members.commit(spans)
                durable = dict(model)
                assert spans.changed_count == 0
    assert members.stored.keys() == durable.keys()


def test_members_in_memory_are_bounded_while_commits_come_in_time() -> None:
    members = Members()
    spans = SeenSpans(members.fetch, 800_000, store_empty=True, keys_min=10)
    for first in range(0, 20_000, 500):
        keys = [key(number) for number in range(first, first + 500)]
        spans.load(keys)
        for one in keys:
            spans.put(one, (1, 2))
        members.commit(spans)
        assert len(spans) <= 5_000
    assert len(members.asked) < 1_000, "the filter knows what is not there"
    spans.load([key(0), key(19_999), key(20_000)])
    assert [spans.get(key(n)) for n in (0, 19_999, 20_000)] == [(1, 2), (1, 2), None]


def test_a_span_is_two_places_in_the_store() -> None:
    members = Members()
    spans = spans_over(members, 10)
    spans.load([key(1)])
    spans.put(key(1), (3, 1_439))
    members.commit(spans)
    assert members.stored == {key(1): b"\x00\x03\x05\x9f"}
