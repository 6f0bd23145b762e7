"""The key filter: its no is exact, its yes is mostly right."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keyfold.state.keyfilter import KeyFilter


@given(added=st.lists(st.binary(max_size=20)), size_bytes=st.sampled_from([1, 8, 64, 4_096]))
def test_what_was_added_may_be_there(added: list[bytes], size_bytes: int) -> None:
    keys = KeyFilter(size_bytes)
    keys.add(added)
    assert keys.may_hold(added).all()


def test_an_empty_filter_holds_nothing() -> None:
    assert not KeyFilter(1_024).may_hold([b"", b"a", b"b"]).any()


def test_with_two_bytes_a_key_few_others_are_taken_for_present() -> None:
    n = 50_000
    keys = KeyFilter(2 * n)  # rounded down to 64 KiB, so 10 bits a key
    keys.add([b"in-%d" % i for i in range(n)])
    others = keys.may_hold([b"out-%d" % i for i in range(n)])
    assert others.mean() < 0.08
    roomy = KeyFilter(4 * n)
    roomy.add([b"in-%d" % i for i in range(n)])
    assert roomy.may_hold([b"out-%d" % i for i in range(n)]).mean() < 0.02
