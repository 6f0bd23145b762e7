import math
from collections.abc import Callable

import pytest

from loadtests.bench.figure import figure, missing
from loadtests.bench.repeat import Spread, interleaved, ratios, spread


def test_neither_side_always_comes_first() -> None:
    order: list[str] = []

    def side(name: str) -> Callable[[], str]:
        def measure() -> str:
            order.append(name)
            return name

        return measure

    assert interleaved(side("a"), side("b"), 3) == [("a", "b")] * 3
    assert "".join(order) == "abbaab"


def test_a_ratio_is_of_neighbours() -> None:
    # The machine was ten times slower in the second pair; both sides felt it.
    assert ratios([(200.0, 100.0), (20.0, 10.0), (330.0, 100.0)]) == Spread(2.0, 2.0, 3.3)


def test_a_spread_is_median_least_and_greatest() -> None:
    assert spread([5.0, 1.0, 2.0]) == Spread(2.0, 1.0, 5.0)


@pytest.mark.parametrize(
    ("side", "bound", "met"),
    [("at least", 2.0, True), ("at least", 2.1, False), ("at most", 2.0, True),
     ("at most", 1.9, False)],
)  # fmt: skip
def test_a_median_is_held_to_its_bar(side: str, bound: float, met: bool) -> None:
    told = figure("it", Spread(2.0, 1.0, 3.0), "x", {}, (side, bound))  # type: ignore[arg-type]
    assert (told.met, told.bar) == (met, f"{side} {bound:g} x")


def test_what_could_not_be_measured_says_what_it_needs() -> None:
    told = missing("it", "x", "wrk")
    assert math.isnan(told.value)
    assert (told.met, told.detail) == (None, {"missing": "wrk"})
