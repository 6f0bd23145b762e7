"""What all errors have in common."""

from __future__ import annotations

import pytest

from keyfold.errors import did_you_mean


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ordres", "did you mean Orders?"),
        ("ORDERS", "did you mean Orders?"),
        ("x", "known: Orders, clicks"),
        ("", "known: Orders, clicks"),
    ],
)
def test_a_hint_names_what_is_near_or_all_there_is(name: str, hint: str) -> None:
    assert did_you_mean(name, ["clicks", "Orders"]) == hint


def test_where_nothing_is_near_a_caller_may_say_something_else() -> None:
    assert did_you_mean("ordres", ["orders"], "ask Bob") == "did you mean orders?"
    assert did_you_mean("x", ["orders"], "ask Bob") == "ask Bob"


def test_there_is_no_hint_where_nothing_is_known() -> None:
    assert did_you_mean("x", []) == ""


def test_a_name_of_any_length_is_compared_in_no_time() -> None:
    assert did_you_mean("x" * 10_000_000, ["orders"]) == "known: orders"
