"""The text of a nested key that a person writes is the text that DuckDB keeps."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfold.errors import RequestError
from keyfold.sql.bind import locked_connection, text_literal
from keyfold.view.nested import inexact_part
from keyfold.view.types import column_type, parse_text

CON = locked_connection()


def kept(value: str, kind: str) -> str:
    rows = CON.execute(f"SELECT CAST(to_json(CAST({value} AS {kind})) AS VARCHAR)").fetchall()
    return str(rows[0][0])


CASES = [
    ("STRUCT(d DECIMAL(10,2))", "{'d': 1.10}", ['{"d":1.1}', '{"d": 1.10}', '{"d":"1.10"}']),
    ("STRUCT(d DECIMAL(15,0))", "{'d': 5}", ['{"d":5}', '{"d":5.0}']),
    ("STRUCT(d DECIMAL(16,2))", "{'d': 1.10}", ['{"d":1.1}', '{"d":1.10}', '{"d":11e-1}']),
    ("STRUCT(d DECIMAL(38,2))", "{'d': 12345678901234567890.10}",
     ['{"d":12345678901234567890.1}', '{"d":12345678901234567890.10}']),
    ("STRUCT(d DECIMAL(18,2))", "{'d': 0}", ['{"d":0}', '{"d":-0.00}', '{"d":0e-9}']),
    ("STRUCT(d DECIMAL(38,0))", "{'d': 99999999999999999999999999999999999999}",
     ['{"d":99999999999999999999999999999999999999}']),
    ("DECIMAL(15,7)[]", "[0.0000001]", ["[1e-7]", "[0.0000001]"]),
    ("STRUCT(t TIMESTAMP)", "{'t': '2024-01-31 10:00:00.5'}",
     ['{"t":"2024-01-31T10:00:00.5"}', '{"t":"2024-01-31 10:00:00.500"}']),
    ("STRUCT(t TIMESTAMPTZ)", "{'t': '2024-01-31 10:00:00Z'}",
     ['{"t":"2024-01-31T10:00:00Z"}', '{"t":"2024-01-31 10:00+00"}', '{"t":"2024-01-31T10:00"}']),
    ("STRUCT(t TIMESTAMP, d DATE)", "{'t': 'infinity', 'd': '2024-01-31'}",
     ['{"t":"infinity","d":"2024-01-31"}']),
    ("STRUCT(a INTEGER, b BOOLEAN)", "{'a': 1, 'b': NULL}", ['{"b":null,"a":1}', '{"a":1}']),
    ('STRUCT("x ""y" VARCHAR, z STRUCT(q HUGEINT)[])',
     "row('k', [{'q': 170141183460469231731687303715884105727}, NULL])",
     ['{"x \\"y":"k","z":[{"q":170141183460469231731687303715884105727},null]}']),
    ("MAP(VARCHAR, DECIMAL(18,2))", "MAP {'b': 1.10, 'a': NULL}", ['{"b":1.1,"a":null}']),
    ("MAP(VARCHAR, INTEGER)[2]", "[MAP {'b': 1}, NULL]", ['[{"b":1},null]']),
    ("STRUCT(e ENUM('a, b)', 'c'), i INTEGER)", "{'e': 'a, b)', 'i': 1}", ['{"e":"a, b)","i":1}']),
    ("JSON", "'{\"n\": [1.50, 1e5, 1e17, 12345678901234567890, 1.5e-6, 1.2345678901234567e20]}'",
     ['{"n":[1.5,100000.0,1e17,12345678901234567890,15e-7,123456789012345670000.0]}']),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "spellings"), CASES)
def test_every_spelling_of_a_nested_key_is_the_text_that_is_kept(kind, value, spellings):
    name = str(CON.execute(f"SELECT typeof(NULL::{kind})").fetchall()[0][0])
    text = kept(value, kind)
    for spelling in [text, *spellings]:
        assert parse_text(column_type(name), spelling) == text


@given(text=st.text(st.characters(exclude_characters="\0", codec="utf-8")))
def test_any_text_inside_a_nested_key_is_written_as_duckdb_does(text):
    ours = parse_text(column_type("STRUCT(a VARCHAR)"), json.dumps({"a": text}))
    assert ours == kept(f"{{'a': {text_literal(text)}}}", "STRUCT(a VARCHAR)")


@given(data=st.data(), precision=st.integers(1, 38))
def test_any_decimal_inside_a_nested_key_is_written_as_duckdb_does(data, precision):
    scale = data.draw(st.integers(0, precision - (precision > 15)))
    sign, digits = data.draw(st.booleans()), data.draw(st.integers(0, 10**precision - 1))
    number = f"{Decimal((int(sign), tuple(map(int, str(digits))), -scale)):f}"
    kind = f"DECIMAL({precision},{scale})[]"
    assert parse_text(column_type(kind), f"[{number}]") == kept(f"['{number}']", kind)


@pytest.mark.parametrize(
    "text", ['{"b":1}', "[1]", "{", '{"a":NaN}', '{"a":1e999999}', "[" * 100_000, '{"a":"x"}']
)
def test_what_does_not_fit_is_refused(text):
    with pytest.raises(RequestError):
        parse_text(column_type("STRUCT(a DECIMAL(18,2))"), text)


@pytest.mark.parametrize(
    ("name", "real"),
    [
        ("STRUCT(a DOUBLE)", True),
        ("FLOAT[]", True),
        ("MAP(DOUBLE, INTEGER)", True),
        ("STRUCT(\"DOUBLE\" INTEGER, e ENUM('FLOAT'))", False),
        ("STRUCT(a DECIMAL(16,16))", True),
        ("DECIMAL(15,15)[]", False),
        ("JSON", False),
    ],
)
def test_float_and_double_are_found_at_any_depth(name, real):
    assert bool(inexact_part(name)) is real
