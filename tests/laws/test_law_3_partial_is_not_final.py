"""Law 3: the store holds mergeable partials; ``merge`` is associative and ``zero`` its identity."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyfold.view.aggregate import Aggregate, Final, Operand, finalizer
from keyfold.view.columns import int_of
from keyfold.view.family.law import zero
from keyfold.view.family.registry import FAMILIES
from keyfold.view.types import Physical
from tests.delta import slot_column

TYPES = {
    "count": ["BIGINT"],
    "sum_int": ["BIGINT", "DECIMAL(18,2)", "HUGEINT"],
    "sum_wide": ["DECIMAL(38,2)"],
    "sum_real": ["DOUBLE"],
    "min": ["BIGINT", "HUGEINT", "DOUBLE", "VARCHAR", "BOOLEAN"],
    "max": ["BIGINT", "HUGEINT", "DOUBLE", "VARCHAR", "BOOLEAN"],
    "bit_and": ["BIGINT", "HUGEINT"],
    "bit_or": ["BIGINT", "HUGEINT"],
    "bit_xor": ["BIGINT", "HUGEINT"],
    "variance": ["DOUBLE"],
    "pairs": ["DOUBLE"],
}
CASES = [(family, name) for family, names in TYPES.items() for name in names]
SCALARS = {
    Physical.BOOL: st.booleans(),
    Physical.I64: st.integers(-(2**63), 2**63 - 1),
    Physical.I128: st.integers(-(2**124), 2**124),
    Physical.F64: st.floats(-1e12, 1e12) | st.sampled_from([math.nan, math.inf, -math.inf]),
    Physical.TEXT: st.text("aé😀", max_size=2).map(str.encode),
}
MOMENTS = {
    "mean": st.floats(-1e6, 1e6),
    "mean_x": st.floats(-1e6, 1e6),
    "mean_y": st.floats(-1e6, 1e6),
    "m2": st.floats(0, 1e12),
    "xx": st.floats(0, 1e12),
    "yy": st.floats(0, 1e12),
    "xy": st.just(0.0),  # below sqrt(xx · yy), whatever these are
}
COUNTS = ("count", "regr_count", "approx_count_distinct")
N = 3
MORE = {"pairs": 1, "first": 3, "first_desc": 3, "last": 3, "last_desc": 3}
MORE |= {"list": 5, "list_desc": 5, "tally": 3}
"""Arguments after the first."""


def kept_of(family: str, name: str) -> Aggregate:
    more = tuple(Operand(sql, name) for sql in "ypoab"[: MORE.get(family, 0)])
    return Aggregate(family, "x", name, more=more or msgspec.UNSET)


@st.composite
def partials(draw, family: str, name: str) -> list[np.ndarray]:
    """N partials as ``update`` can make them: nothing is kept of no events."""
    slots = kept_of(family, name).slots
    rows = []
    for _ in range(N):
        some = draw(st.booleans())
        count = draw(st.integers(1, 2**40)) if some else 0
        blank = {Physical.TEXT: None}
        values = [
            draw(MOMENTS.get(slot.name, SCALARS[slot.physical]))
            if some
            else blank.get(slot.physical, 0)
            for slot in slots
        ]
        values[0] = some if slots[0].physical is Physical.BOOL else count
        if family == "sum_real":
            values[2] = 0.0
        rows.append(values)
    return [slot_column(slot.physical, [row[i] for row in rows]) for i, slot in enumerate(slots)]


def near(a: list[np.ndarray], b: list[np.ndarray], means: int) -> bool:
    """Moments merge associatively up to rounding: of the mean by the spread, of the spread."""
    n, at = a[0], means + 1
    spreads = [np.sqrt(a[at + i]) for i in range(means)]
    bounds = [np.abs(a[i + 1]) + s / np.sqrt(np.maximum(n, 1)) for i, s in enumerate(spreads)]
    bounds += [s * s for s in spreads] + ([spreads[0] * spreads[1]] if means == 2 else [])
    off = [np.abs(x - y) <= 1e-12 * bound for x, y, bound in zip(a[1:], b[1:], bounds, strict=True)]
    return (n == b[0]).all() and all(part.all() for part in off)


def same(a: list[np.ndarray], b: list[np.ndarray], family: str) -> bool:
    if family == "sum_real":  # doubles add associatively up to rounding, which ``lost`` bounds
        totals = [(x[1] + x[2]).tolist() for x in (a, b)]
        close = all(
            math.isclose(x, y, rel_tol=1e-12, abs_tol=1e-9) or (math.isnan(x) and math.isnan(y))
            for x, y in zip(*totals, strict=True)
        )
        return close and a[0].tolist() == b[0].tolist()
    if family in ("variance", "pairs"):
        return near(a, b, 1 if family == "variance" else 2)
    return all(
        repr(x.tolist()).replace("-0.0", "0.0") == repr(y.tolist()).replace("-0.0", "0.0")
        for x, y in zip(a, b, strict=True)
    )


@pytest.mark.parametrize(("family", "name"), CASES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_merge_is_associative_and_commutative_and_zero_is_its_identity(family, name, data):
    merge = FAMILIES[family].merge
    a, b, c = (data.draw(partials(family, name)) for _ in range(3))
    assert same(merge(merge(a, b), c), merge(a, merge(b, c)), family)
    assert same(merge(a, b), merge(b, a), family)
    nothing = zero(kept_of(family, name).slots, N)
    assert same(merge(nothing, a), a, family)
    assert same(merge(a, nothing), a, family)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_partial_of_no_events_answers_null_or_a_count_of_zero(family):
    kept = kept_of(family, "BIGINT")
    for function in FAMILIES[family].finals:
        final = finalizer(Final(function, "BIGINT"), kept)
        slots = [int_of(*v) if isinstance(v, tuple) else v for v in (
            column.tolist()[0] for column in zero(kept.slots, 1)
        )]  # fmt: skip
        assert final(*slots) == (0 if function in COUNTS else None)


def test_no_partial_holds_an_average_and_avg_shares_the_partial_of_sum():
    types = kept_of("sum_int", "BIGINT").types
    averaged = [family for family in FAMILIES.values() if "avg" in family.finals]
    assert {s.name for f in averaged for s in f.slots(types)} == {"n", "sum", "lost"}
    kept = Aggregate("sum_int", "x", "BIGINT")
    assert finalizer(Final("sum", "HUGEINT"), kept)(4, 10) == 10
    assert finalizer(Final("avg", "DOUBLE"), kept)(4, 10) == 2.5


def test_every_family_says_whether_it_has_an_inverse():
    inverse = {name for name, family in FAMILIES.items() if family.inverse}
    assert inverse == {"count", "sum_int", "sum_wide", "bit_xor"}
    # Those that take events by their place have the law in tests/view/test_family_pick.py and
    # test_family_listing.py, counts of values in test_family_tally.py, and sketches in
    # test_family_sketch.py, with what theirs is.
    elsewhere = {"first", "first_desc", "last", "last_desc", "list", "list_desc", "tally"}
    elsewhere |= {"cpc", "kll", "top"}
    assert set(TYPES) | elsewhere == set(FAMILIES)


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.inverse])
@settings(deadline=None)
@given(data=st.data())
def test_where_an_inverse_is_stated_a_partial_can_be_taken_out_again(family, data):
    merge, undo = FAMILIES[family].merge, FAMILIES[family].undo
    a, b = (data.draw(partials(family, "BIGINT")) for _ in range(2))
    assert same(merge(merge(a, b), undo(b)), a, family)
