"""Variance and covariance: any cut of the events, within the bound that the family states."""

import math
from collections.abc import Iterator
from fractions import Fraction

import duckdb
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyfold.view.aggregate import Aggregate, Final, Operand
from keyfold.view.family.registry import FAMILIES
from keyfold.view.partial import PartialCodec
from tests.view.families import answer, connect, expected, load, merged, partial_of

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


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = connect()
    yield connection
    connection.close()


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
