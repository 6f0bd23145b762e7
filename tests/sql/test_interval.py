"""Spans of time in every spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfold.sql.interval import SPAN_US_MAX, span_text, span_us


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("5 minutes", 300_000_000),
        ("5min", 300_000_000),
        ("1 HOUR 30 Minutes", 5_400_000_000),
        ("1.5 s", 1_500_000),
        ("0.1 us", 0),
        ("250 ms", 250_000),
        ("7 µs", 7),
        ("-5 seconds", -5_000_000),
        ("01:30", 5_400_000_000),
        ("00:00:05", 5_000_000),
        ("2 weeks", 1_209_600_000_000),
    ],
)
def test_a_span_is_read(text: str, us: int) -> None:
    assert span_us(text) == us


@pytest.mark.parametrize(
    "text",
    ["", "5", "minutes", "1 month", "2 years", "1 fortnight", "5 s x", "1e5 s", "9" * 30 + " d"],
)
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"span|calendar|unit|years"):
        span_us(text)


@given(st.integers(0, SPAN_US_MAX))
def test_a_written_span_reads_back(us: int) -> None:
    assert span_us(span_text(us)) == us
