"""Column types: what can be held, how a value is written, and that its text reads back."""

import datetime as dt
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfold.errors import RequestError, SqlError
from keyfold.view.moment import timestamp_micros, timestamp_text
from keyfold.view.types import Physical, column_type, json_writer, parse_text

FORMS = {
    "BOOLEAN": Physical.BOOL,
    "TINYINT": Physical.I64,
    "SMALLINT": Physical.I64,
    "INTEGER": Physical.I64,
    "BIGINT": Physical.I64,
    "UTINYINT": Physical.I64,
    "USMALLINT": Physical.I64,
    "UINTEGER": Physical.I64,
    "UBIGINT": Physical.I128,
    "HUGEINT": Physical.I128,
    "UHUGEINT": Physical.U128,
    "DECIMAL(18,2)": Physical.I64,
    "DECIMAL(19,2)": Physical.I128,
    "FLOAT": Physical.F64,
    "DOUBLE": Physical.F64,
    "VARCHAR": Physical.TEXT,
    "UUID": Physical.TEXT,
    "BLOB": Physical.BYTES,
    "DATE": Physical.I64,
    "TIME": Physical.I64,
    "TIMESTAMP": Physical.I64,
    "TIMESTAMPTZ": Physical.I64,
    "ENUM('b', 'a''s')": Physical.I64,
    "TIMESTAMP_S": Physical.I64,
    "TIMESTAMP_MS": Physical.I64,
    "TIMESTAMP_NS": Physical.I64,
    "JSON": Physical.JSON,
    "INTEGER[]": Physical.JSON,
    "INTEGER[3]": Physical.JSON,
    'STRUCT("a" INTEGER)': Physical.JSON,
    "MAP(VARCHAR, INTEGER)": Physical.JSON,
}


@pytest.mark.parametrize(
    ("type_", "text", "hint"),
    [
        ("DECIMAL(10,3)", "-10.50001", "3 digits after the point at most, and 10 in all"),
        ("INTEGER", "99999999999", "a whole number from -2147483648 to 2147483647"),
        ("UTINYINT", "-1", "a whole number from 0 to 255"),
        ("TIMESTAMP WITH TIME ZONE", "2026-01-05T12:00 02:00", "write %2B"),
        ("TIMESTAMP WITH TIME ZONE", "2026-01-05T12:00:00.5 0200", "write %2B"),
        ("BIGINT", " 5", "write %2B"),
        ("DOUBLE", "1e 5", "write %2B"),
        ("TIMESTAMP WITH TIME ZONE", "2026-01-05T25:00", "write it as 2026-01-31T12:00:00Z"),
    ],
)
def test_a_text_of_another_type_says_how_it_is_written(type_, text, hint):
    with pytest.raises(RequestError) as refused:
        parse_text(column_type(type_), text)
    assert refused.value.hint.endswith(hint)


@pytest.mark.parametrize(("name", "physical"), FORMS.items())
def test_every_type_that_a_view_holds_has_one_physical_form(name, physical):
    assert column_type(name).physical is physical


@pytest.mark.parametrize("name", ["INTERVAL", "TIME WITH TIME ZONE", '"NULL"', "BIT"])
def test_a_type_that_a_view_cannot_hold_is_refused_with_a_way_out(name):
    with pytest.raises(SqlError, match="cannot hold a value of type") as caught:
        column_type(name)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("BOOLEAN", True, "true"),
        ("BIGINT", -5, "-5"),
        ("HUGEINT", -(2**127), str(-(2**127))),
        ("UHUGEINT", 2**128 - 1, str(2**128 - 1)),
        ("UUID", "00000000-0000-0000-0000-00000000000a", '"00000000-0000-0000-0000-00000000000a"'),
        ("ENUM('b', 'a''s')", 1, '"a\'s"'),
        ("BLOB", b"", '""'),
        ("BLOB", b"\0 a~\x7f\xff", r'"\\x00 a~\\x7F\\xFF"'),
        ("BLOB", b"'\"\\", r'"\\x27\\x22\\x5C"'),
        ("TIMESTAMP_S", -1, '"1969-12-31T23:59:59"'),
        ("TIMESTAMP_S", 253_402_300_800, '"10000-01-01T00:00:00"'),
        ("TIMESTAMP_MS", -1, '"1969-12-31T23:59:59.999"'),
        ("TIMESTAMP_MS", 500, '"1970-01-01T00:00:00.5"'),
        ("TIMESTAMP_NS", 1, '"1970-01-01T00:00:00.000000001"'),
        ("TIMESTAMP_NS", 2**63 - 2, '"2262-04-11T23:47:16.854775806"'),
        ("TIMESTAMP_NS", 2**63 - 1, '"infinity"'),
        ("TIMESTAMP_NS", 1 - 2**63, '"-infinity"'),
        ("DECIMAL(4,2)", -5, "-0.05"),
        ("DECIMAL(4,2)", 5, "0.05"),
        ("DECIMAL(4,2)", -1234, "-12.34"),
        ("DECIMAL(38,0)", 10**38 - 1, "9" * 38),
        ("DECIMAL(38,38)", -1, "-0." + "0" * 37 + "1"),
        ("DOUBLE", 0.1, "0.1"),
        ("DOUBLE", 1e300, "1e+300"),
        ("DOUBLE", math.nan, '"NaN"'),
        ("DOUBLE", math.inf, '"Infinity"'),
        ("DOUBLE", -math.inf, '"-Infinity"'),
        ("FLOAT", 0.10000000149011612, "0.1"),
        ("FLOAT", math.nan, '"NaN"'),
        ("VARCHAR", 'é"\n', '"é\\"\\n"'),
        ("INTEGER[]", "[1,2]", "[1,2]"),
        ("DATE", 0, '"1970-01-01"'),
        ("DATE", -1, '"1969-12-31"'),
        ("DATE", 2932897, '"10000-01-01"'),
        ("DATE", -719528, '"0000-01-01"'),
        ("DATE", -719529, '"-0001-12-31"'),
        ("DATE", 2**31 - 1, '"infinity"'),
        ("TIME", 36_000_250_000, '"10:00:00.25"'),
        ("TIME", 86_400_000_000, '"24:00:00"'),
        ("TIMESTAMP", 0, '"1970-01-01T00:00:00"'),
        ("TIMESTAMPTZ", -1, '"1969-12-31T23:59:59.999999Z"'),
        ("TIMESTAMPTZ", 1_500_000, '"1970-01-01T00:00:01.5Z"'),
        ("TIMESTAMPTZ", -62_135_596_800_000_000, '"0001-01-01T00:00:00Z"'),
        ("TIMESTAMPTZ", 253_402_300_800_000_000, '"10000-01-01T00:00:00Z"'),
        ("TIMESTAMPTZ", 253_402_300_800_250_000, '"10000-01-01T00:00:00.25Z"'),
        ("TIMESTAMPTZ", 2**63 - 1, '"infinity"'),
        ("TIMESTAMP", -(2**63) + 1, '"-infinity"'),
    ],
)
def test_a_value_is_written_as_exact_json_that_reads_back(name, value, text):
    column = column_type(name)
    assert json_writer(column)(value) == text
    json.loads(text)
    plain = json.loads(text) if text.startswith('"') else text
    back = parse_text(column, plain)
    assert back == value or (math.isnan(back) and math.isnan(value))


EXTENT = {
    "TINYINT": (-128, 127),
    "UBIGINT": (0, 2**64 - 1),
    "HUGEINT": (-(2**127), 2**127 - 1),
    "DECIMAL(5,3)": (-99_999, 99_999),
    "DECIMAL(38,10)": (-(10**38) + 1, 10**38 - 1),
    "DATE": (-(2**31) + 2, 2**31 - 2),
    "TIME": (0, 86_400_000_000),
    "TIMESTAMP": (-(2**63) + 2, 2**63 - 2),
    "TIMESTAMPTZ": (-(2**63) + 2, 2**63 - 2),
}


@pytest.mark.parametrize("name", EXTENT)
@given(st.data())
def test_the_text_of_any_value_of_a_type_reads_back_as_the_value(name, data):
    column = column_type(name)
    value = data.draw(st.integers(*EXTENT[name]))
    assert parse_text(column, json_writer(column)(value).strip('"')) == value


@given(st.floats(width=32, allow_nan=False))
def test_the_text_of_a_float_reads_back_as_that_float(value):
    column = column_type("FLOAT")
    assert parse_text(column, json_writer(column)(value).strip('"')) == value


@given(st.datetimes(), st.booleans())
def test_a_timestamp_reads_as_python_reads_it(moment, utc):
    expected = (moment - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)
    text = timestamp_text(expected, utc=utc)
    assert dt.datetime.fromisoformat(text).replace(tzinfo=None) == moment


def test_a_timestamp_with_an_offset_is_turned_to_utc():
    assert timestamp_micros("1970-01-01T01:00:00+01:00") == 0
    assert timestamp_micros("1970-01-01") == 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("BIGINT", "one"),
        ("BIGINT", "1.0"),
        ("BIGINT", "1_000"),
        ("BIGINT", str(2**63)),
        ("TINYINT", "128"),
        ("UBIGINT", "-1"),
        ("HUGEINT", "9" * 5000),
        ("BOOLEAN", "1"),
        ("DOUBLE", "1_0"),
        ("DOUBLE", ""),
        ("DECIMAL(4,2)", "0.001"),
        ("DECIMAL(4,2)", "100"),
        ("DECIMAL(4,2)", "NaN"),
        ("DECIMAL(4,2)", "Infinity"),
        ("DECIMAL(38,0)", "1e999999"),
        ("DATE", "2026-02-30"),
        ("DATE", "12345-13-01"),
        ("DATE", "9999999-12-31"),
        ("TIME", "12:00:00+01:00"),
        ("TIMESTAMPTZ", "yesterday"),
        ("TIMESTAMPTZ", "999999-01-01T00:00:00Z"),
        ("JSON", "{"),
    ],
)
def test_text_that_is_not_of_the_type_is_a_request_error_that_names_the_type(name, text):
    with pytest.raises(RequestError, match="is not a value of type") as caught:
        parse_text(column_type(name), text)
    assert column_type(name).name in caught.value.message
