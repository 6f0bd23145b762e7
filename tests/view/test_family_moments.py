"""Variance and covariance: any cut of the events, within the bound that the family states."""

import math
import sys
from fractions import Fraction

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyfold.view.aggregate import Aggregate, Final, Operand
from keyfold.view.family.registry import FAMILIES
from keyfold.view.partial import PartialCodec
from tests.view.families import answer, expected, load, merged, partial_of

BOUND = 1e-12
REALS = (
    st.floats(-1e9, 1e9)
    | st.floats(1e9, 1e9 + 1)  # a spread far below the mean
    | st.sampled_from([0.0, -0.0, 1.0, 1e9, 5e-324])
)
VARIANCE = Aggregate("variance", "x", "DOUBLE")
SPREADS = tuple(FAMILIES["variance"].finals)
PAIRS = tuple(FAMILIES["pairs"].finals)


def pairs(where: str = "") -> Aggregate:
    return Aggregate("pairs", "y", "DOUBLE", where, (Operand("x", "DOUBLE"),))


def exact(values: list[float]) -> tuple[float, float]:
    """The mean and the sum of squared deviations, rounded once."""
    numbers = [Fraction(value) for value in values]
    mean = sum(numbers) / len(numbers)
    return float(mean), float(sum((number - mean) ** 2 for number in numbers))


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_variance_is_within_its_bound_whatever_the_batches(con, data):
    values = data.draw(st.lists(REALS | st.none(), max_size=12))
    cuts = data.draw(st.lists(st.integers(0, len(values)), max_size=4))
    load(con, {"x": "DOUBLE"}, [(value,) for value in values])
    state = merged(con, VARIANCE, cuts, len(values))
    got = {name: answer(VARIANCE, Final(name, "DOUBLE"), state) for name in SPREADS}
    there = [value for value in values if value is not None]
    n = len(there)
    assert (got["var_pop"] is None, got["stddev_pop"] is None) == (n < 1, n < 1)
    assert (got["var_samp"] is None, got["stddev_samp"] is None) == (n < 2, n < 2)
    for name, divisor in (("var_pop", n), ("var_samp", n - 1)):
        if got[name] is None:
            continue
        mean, m2 = exact(there)
        deviation = math.sqrt(m2 / divisor)
        assert abs(got[name] - m2 / divisor) <= BOUND * (deviation**2 + abs(mean) * deviation)
        assert got[name.replace("var", "stddev")] == math.sqrt(got[name])


@pytest.mark.parametrize("where", ["", "f"])
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_pairs_in_batches_are_duckdbs_over_all_events(con, where, data):
    real = st.integers(-1000, 1000).map(float) | st.none()
    rows = data.draw(st.lists(st.tuples(real, real, st.booleans()), max_size=10))
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=4))
    load(con, {"y": "DOUBLE", "x": "DOUBLE", "f": "BOOLEAN"}, rows)
    kept = pairs(where)
    state = merged(con, kept, cuts, len(rows))
    for function in PAIRS:
        final = Final(function, "UINTEGER" if function == "regr_count" else "DOUBLE")
        ours, theirs = answer(kept, final, state), expected(con, kept, final)
        if theirs is None or math.isnan(theirs):
            assert repr(ours) == repr(theirs), function
        else:
            assert math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-6), function


@pytest.mark.parametrize("cuts", [[], [1], [1, 2]])
@pytest.mark.parametrize("far", [math.nan, math.inf, -math.inf])
def test_a_spread_around_no_number_is_nan(con, far, cuts):
    load(con, {"x": "DOUBLE", "y": "DOUBLE"}, [(1.0, 2.0), (far, far), (3.0, 5.0)])
    state = merged(con, VARIANCE, cuts, 3)
    for name in SPREADS:
        assert math.isnan(answer(VARIANCE, Final(name, "DOUBLE"), state))
    state = merged(con, pairs(), cuts, 3)
    for name in ("corr", "covar_pop", "covar_samp", "regr_slope", "regr_intercept"):
        assert math.isnan(answer(pairs(), Final(name, "DOUBLE"), state))


def test_a_small_spread_around_a_large_mean_is_not_lost(con):
    values = [1e9 + i % 3 for i in range(300)]
    load(con, {"x": "DOUBLE"}, [(value,) for value in values])
    state = merged(con, VARIANCE, list(range(1, 300)), 300)
    assert math.isclose(answer(VARIANCE, Final("var_pop", "DOUBLE"), state), 2 / 3, rel_tol=1e-9)


FAR = [1.7e308, -1.7e308, 1.1e308, 1e200, -1e160, 1e150, -1e100, 0.1, 1.0, 0.0, 5e-324]
BEYOND = Fraction(sys.float_info.max)
ENDLESS = [math.inf, -math.inf, math.nan]


def spread_of(values: list[float]) -> tuple[Fraction, Fraction]:
    """The exact mean and sum of squared deviations."""
    numbers = [Fraction(value) for value in values]
    mean = sum(numbers, Fraction()) / len(numbers)
    return mean, sum(((number - mean) ** 2 for number in numbers), Fraction())


def at_most(bound: Fraction, got: float, exactly: Fraction) -> bool:
    return math.isfinite(got) and abs(Fraction(got) - exactly) <= bound


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_far_values_are_nan_by_their_own_spread_and_not_by_the_batches(con, data):
    some = data.draw(st.lists(st.sampled_from(FAR), min_size=1, max_size=3))
    values = data.draw(st.lists(st.sampled_from(some), min_size=2, max_size=14))
    cuts = data.draw(st.lists(st.integers(0, len(values)), max_size=5))
    others = data.draw(st.permutations([0.1] * 2 + [float(i) for i in range(len(values) - 2)]))
    load(con, {"y": "DOUBLE", "x": "DOUBLE"}, list(zip(others, values, strict=True)))
    mean, m2 = spread_of(values)
    state = merged(con, VARIANCE, cuts, len(values))
    paired = merged(con, pairs(), cuts, len(values))

    def got(name: str) -> float:
        return answer(pairs(), Final(name, "DOUBLE"), paired)

    variance = answer(VARIANCE, Final("var_pop", "DOUBLE"), state)
    largest = max(abs(Fraction(value)) for value in values)
    assert at_most(Fraction(1e-12) * largest + Fraction(5e-324), got("regr_avgx"), mean)
    if m2 > BEYOND:
        assert math.isnan(variance)
        for name in ("covar_pop", "corr", "regr_slope", "regr_intercept", "regr_r2", "regr_sxx"):
            assert math.isnan(got(name)), name
        assert math.isclose(got("regr_syy"), exact(others)[1], rel_tol=1e-9)
        return
    bound = Fraction(BOUND) * (m2 + abs(mean) * Fraction(math.sqrt(m2))) + Fraction(1e-300)
    assert at_most(bound, variance, m2 / len(values))
    assert at_most(len(values) * bound, got("regr_sxx"), m2)
    if m2 == 0:
        assert (variance, got("regr_sxx"), got("covar_pop")) == (0, 0, 0)
        assert math.isnan(got("corr"))
        assert math.isnan(got("regr_slope"))
        assert got("regr_intercept") is None


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_no_number_makes_the_same_answers_in_any_batches(con, data):
    real = st.sampled_from([*ENDLESS, 1.0, 2.0, 1.7e308])
    rows = data.draw(st.lists(st.tuples(real | st.none(), real), max_size=7))
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=5))
    load(con, {"y": "DOUBLE", "x": "DOUBLE"}, rows)
    for kept, finals in ((VARIANCE, SPREADS), (pairs(), PAIRS)):
        once, cut = (merged(con, kept, where, len(rows)) for where in ([], cuts))
        for function in finals:
            final = Final(function, "UINTEGER" if function == "regr_count" else "DOUBLE")
            one, other = (answer(kept, final, state) for state in (once, cut))
            assert repr(one) == repr(other) or math.isclose(one, other, rel_tol=1e-12), function


@pytest.mark.parametrize("n", [3, 10, 49])
def test_values_that_are_all_equal_have_no_spread_in_any_batches(con, n):
    """A plain sum of ten 0.1 over ten is another double than 0.1."""
    load(con, {"y": "DOUBLE", "x": "DOUBLE"}, [(float(i), 0.1) for i in range(n)])
    for cuts in ([1], [n - 1], [n // 2], list(range(1, n))):
        state = merged(con, pairs(), cuts, n)
        assert answer(pairs(), Final("regr_sxx", "DOUBLE"), state) == 0
        assert answer(pairs(), Final("regr_avgx", "DOUBLE"), state) == 0.1
        assert answer(pairs(), Final("regr_r2", "DOUBLE"), state) is None


@pytest.mark.parametrize(
    ("kept", "golden"),
    [
        (VARIANCE, "01 0200000000000000 0000000000000040 0000000000000040"),
        (
            pairs(),
            "01 0200000000000000 0000000000000040 0000000000001040 "
            "0000000000000040 0000000000000040 00000000000000c0",
        ),
    ],
)
def test_the_stored_form_of_moments_does_not_change(con, kept, golden):
    load(con, {"x": "DOUBLE", "y": "DOUBLE"}, [(1.0, 5.0), (3.0, 3.0)])
    (stored,) = PartialCodec(kept.slots).encode(partial_of(con, kept, 0, 2))
    assert stored == bytes.fromhex(golden)


def test_arguments_after_the_first_are_stored_where_there_are_some():
    assert b'"more":[{"sql":"x","type":"DOUBLE"}]' in msgspec.json.encode(pairs())
    assert b"more" not in msgspec.json.encode(VARIANCE)
    assert msgspec.json.decode(msgspec.json.encode(pairs()), type=Aggregate) == pairs()
