"""A dead letter keeps the message whole, and can be shown to people whatever its bytes are."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from keyfold.state import deadletter
from keyfold.state.deadletter import DeadLetter
from keyfold.state.layout import COMMIT_KEY, dead_letter_key
from keyfold.state.memory import MemoryStore

LETTER = DeadLetter(
    source="orders",
    partition=1,
    offset=7,
    timestamp_ms=-1,
    reason="no",
    value=b"\xff",
    view="v",
    field="x.a",
    key=None,
    headers=[("h", b"1"), ("g", None)],
    time_ms=5,
    build=3,
)


def test_a_letter_has_its_documented_bytes() -> None:
    raw = bytes.fromhex(
        "8c a6736f75726365 a66f7264657273 a9706172746974696f6e 01 a66f6666736574 07"
        "ac74696d657374616d705f6d73 ff a6726561736f6e a26e6f a576616c7565 c401ff"
        "a476696577 a176 a56669656c64 a3782e61 a36b6579 c0"
        "a768656164657273 92 92a168c40131 92a167c0 a774696d655f6d73 05 a56275696c64 03"
    )
    assert deadletter.encode(LETTER) == raw
    assert msgspec.msgpack.decode(raw, type=DeadLetter) == LETTER


def test_a_time_that_is_not_known_is_shown_as_null() -> None:
    assert LETTER.as_dict(earlier=False)["timestamp_ms"] is None
    known = msgspec.structs.replace(LETTER, timestamp_ms=0)
    assert known.as_dict(earlier=False)["timestamp_ms"] == 0


def test_a_letter_of_the_form_without_builds_can_be_read() -> None:
    raw = bytes.fromhex(
        "87 a6736f75726365 a16f a9706172746974696f6e 01 a66f6666736574 07"
        "ac74696d657374616d705f6d73 ff a6726561736f6e a26e6f a576616c7565 c0 a476696577 a176"
    )
    store = MemoryStore()
    store.write([(dead_letter_key(0), raw)], [], [], (COMMIT_KEY, b""))
    ((_, letter),) = deadletter.read(store, 0, 1)
    assert (letter.view, letter.build) == ("v", 0)


raws = st.none() | st.binary(max_size=20)
letters = st.builds(
    DeadLetter,
    source=st.text(max_size=5),
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    timestamp_ms=st.integers(-1, 2**53),
    reason=st.text(max_size=10),
    value=raws,
    view=st.text(max_size=5),
    field=st.text(max_size=5),
    key=raws,
    headers=st.none() | st.lists(st.tuples(st.text(max_size=5), raws), max_size=3),
    time_ms=st.integers(0, 2**53),
    build=st.integers(0, 2**53),
)


@given(kept=st.lists(letters, max_size=5), newest_first=st.booleans())
def test_letters_come_back_with_their_numbers(kept: list[DeadLetter], newest_first: bool) -> None:
    store = MemoryStore()
    numbered = [(300 * i, letter) for i, letter in enumerate(kept)]
    puts = [(dead_letter_key(number), deadletter.encode(letter)) for number, letter in numbered]
    store.write(puts, [], [], (COMMIT_KEY, b""))
    found = list(deadletter.read(store, 300, 1_000, newest_first=newest_first))
    expected = numbered[1:4]
    assert found == (expected[::-1] if newest_first else expected)


@given(letter=letters)
def test_any_letter_can_be_shown_as_json(letter: DeadLetter) -> None:
    shown = msgspec.json.decode(msgspec.json.encode(letter.as_dict(earlier=False)))
    assert (shown["source"], shown["offset"]) == (letter.source, letter.offset)
    assert (shown["value"] is None) == (letter.value is None)


def test_bytes_that_are_no_text_are_shown_in_base64() -> None:
    shown = LETTER.as_dict(earlier=False)
    assert shown["value"] == {"base64": "/w=="}
    assert shown["key"] is None
    assert shown["headers"] == [["h", "1"], ["g", None]]
    assert (shown["view"], shown["field"]) == ("v", "x.a")
    plain = DeadLetter("orders", 0, 0, -1, "no JSON", "{ä".encode()).as_dict(earlier=True)
    assert plain["value"] == "{ä"
    assert (plain["view"], plain["field"], plain["headers"]) == (None, None, [])
