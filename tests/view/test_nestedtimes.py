"""Times in nested values are RFC 3339 in answers, as they are outside of them."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyfold.sql.bind import locked_connection
from keyfold.view.nested import nested_writer
from keyfold.view.nestedtimes import nested_times
from keyfold.view.types import column_type, json_writer, timestamp_micros
from tests.view.families import cell

CON = locked_connection()


def kept(value: str, kind: str) -> str:
    rows = CON.execute(f"SELECT CAST(to_json(CAST({value} AS {kind})) AS VARCHAR)").fetchall()
    return str(rows[0][0])


@pytest.mark.parametrize(
    ("kind", "value", "answer"),
    [
        ("TIMESTAMPTZ[]", "['2026-01-05 10:00:00Z', NULL, 'infinity']",
         '["2026-01-05T10:00:00Z",null,"infinity"]'),
        ("TIMESTAMP[][]", "[['2026-01-05 10:00:00.120']]", '[["2026-01-05T10:00:00.12"]]'),
        ("STRUCT(a TIMESTAMPTZ, v VARCHAR, n DECIMAL(30,2), d DATE)",
         "{'a': '2026-01-05 10:00:00.5Z', 'v': '2026-01-05 10:00:00+00', 'n': 1.10, 'd': '2026-01-05'}",  # noqa: E501
         '{"a":"2026-01-05T10:00:00.5Z","v":"2026-01-05 10:00:00+00","n":1.10,"d":"2026-01-05"}'),
        ("MAP(TIMESTAMPTZ, BIGINT)", "MAP(['2026-01-05 10:00:00Z'], [12345678901234567])",
         '{"2026-01-05T10:00:00Z":12345678901234567}'),
        ("STRUCT(t TIMESTAMP, j JSON)",
         "{'t': '12345-01-05 10:00:00', 'j': '{\"a\":1.50,\"a\":\"2026-01-05 10:00:00\"}'::JSON}",
         '{"t":"12345-01-05T10:00:00","j":{"a":1.5,"a":"2026-01-05 10:00:00"}}'),
        ("STRUCT(t TIMESTAMP)", "NULL", "null"),
    ],
)  # fmt: skip
def test_times_are_rfc_3339_and_the_rest_stays(kind: str, value: str, answer: str) -> None:
    name = str(CON.execute(f"SELECT typeof(CAST({value} AS {kind}))").fetchall()[0][0])
    text = kept(value, kind) if value != "NULL" else "null"
    assert json_writer(column_type(name))(text) == answer
    # The printed value finds the row that it was printed from.
    if "JSON" not in name:
        assert nested_writer(name)(answer) == text


TIMESTAMPS = {
    "TIMESTAMP": 1_000_000,
    "TIMESTAMP WITH TIME ZONE": 1_000_000,
    "TIMESTAMP_S": 1,
    "TIMESTAMP_MS": 1_000,
    "TIMESTAMP_NS": 1_000_000_000,
}
NEAR_S = st.integers(-9_223_372_022, 9_223_372_036)
"""Seconds since the epoch that all of them have: those of TIMESTAMP_NS end first."""
LAST_TICK = 2**63 - 2
"""The last moment, which for TIMESTAMP_NS is within the last second; one tick later is infinity."""
FAR_S = st.integers(-9_223_372_022_000, 9_223_372_036_000)
FIRST_YEARS_S = st.integers(-62_300_000_000, -62_000_000_000)


@pytest.mark.parametrize("kind", TIMESTAMPS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_printed_time_finds_the_row_that_it_was_printed_from(kind, data):
    ticks = TIMESTAMPS[kind]
    seconds = data.draw(NEAR_S if kind == "TIMESTAMP_NS" else NEAR_S | FAR_S | FIRST_YEARS_S)
    fraction = data.draw(st.sampled_from([0, 1, ticks - 1, ticks // 2]) | st.integers(0, ticks - 1))
    value = cell(kind, min(seconds * ticks + fraction % ticks, LAST_TICK))
    for nested in (f"[{value}, NULL]", f"{{'a b': {value}}}", f"MAP {{{value}: [{value}]}}"):
        rows = CON.execute(
            f"SELECT typeof(x), CAST(to_json(x) AS VARCHAR) FROM (SELECT {nested} AS x)"
        )
        ((name, text),) = rows.fetchall()
        answer = json_writer(column_type(name))(text)
        assert nested_writer(name)(answer) == text
        assert nested_writer(name)(text) == text


@pytest.mark.parametrize("kind", TIMESTAMPS)
@pytest.mark.parametrize("value", ["infinity", "-infinity"])
def test_infinity_finds_its_row(kind, value):
    text = kept(f"['{value}']", f"{kind}[]")
    name = f"{kind}[]"
    assert nested_writer(name)(json_writer(column_type(name))(text)) == text


@pytest.mark.parametrize("moment", ["0044-03-15 (BC) 10:00:00.5", "0001-01-01 (BC) 00:00:00"])
def test_a_time_before_christ_is_written_as_outside_of_a_list(moment: str) -> None:
    made = json.loads(nested_times("TIMESTAMP WITH TIME ZONE[]")(f'["{moment}+00"]'))[0]
    whole = json_writer(column_type("TIMESTAMP WITH TIME ZONE"))
    assert json.loads(whole(timestamp_micros(made))) == made


def test_a_type_without_times_is_not_read() -> None:
    for name in ("VARCHAR[]", "JSON", "MAP(VARCHAR, BIGINT)", "DATE[]"):
        assert nested_times(name) is str
