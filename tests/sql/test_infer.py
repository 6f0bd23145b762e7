"""Columns are inferred from messages, and their CREATE SOURCE compiles to the same columns."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keyfold.errors import SqlError
from keyfold.sql.bind import Binder, quoted
from keyfold.sql.compile import compile_sql
from keyfold.sql.infer import create_source_sql, infer_columns
from keyfold.view.plan import Column, Watermark


def inferred(*values: object) -> str:
    (column,) = infer_columns([json.dumps({"x": value}).encode() for value in values])
    return column.type


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, -5], "BIGINT"),
        ([2**63 - 1, None], "BIGINT"),
        ([1, 2**63], "HUGEINT"),
        ([2**127], "DOUBLE"),
        ([1, 2.5], "DOUBLE"),
        ([True, None], "BOOLEAN"),
        ([True, 1], "VARCHAR"),
        (["a", "b"], "VARCHAR"),
        (["a", 1], "VARCHAR"),
        ([None, None], "VARCHAR"),
        (["2024-02-29"], "DATE"),
        (["2023-02-29"], "VARCHAR"),
        (["2024-02-29T10:00:00"], "TIMESTAMP"),
        (["2024-02-29 10:00", "2024-02-29"], "TIMESTAMP"),
        (["2024-02-29T10:00:00Z"], "TIMESTAMP WITH TIME ZONE"),
        (["2024-02-29T10:00:00.123456+02:00"], "TIMESTAMP WITH TIME ZONE"),
        (["2024-02-29T10:00:00Z", "2024-02-29T10:00:00"], "TIMESTAMP WITH TIME ZONE"),
        (["2024-02-29T25:00:00Z"], "VARCHAR"),
        (["2024-02-29", "soon"], "VARCHAR"),
        ([[1, 2], [2.5]], "DOUBLE[]"),
        ([[], [None]], "VARCHAR[]"),
        ([[], [{"a": 1}]], "STRUCT(a BIGINT)[]"),
        ([[[1]], [[2], []]], "BIGINT[][]"),
        ([{"a": {"B c": ["2024-01-01"]}}], 'STRUCT(a STRUCT("B c" DATE[]))'),
        ([{}], "JSON"),
        ([{"a": 1}, 5], "JSON"),
        ([[1], "a"], "JSON"),
        ([{str(i): i for i in range(600)}], "JSON"),
    ],
)
def test_a_field_has_the_least_type_that_holds_its_values(values: list[object], kind: str) -> None:
    assert inferred(*values) == kind
    assert inferred(*reversed(values)) == kind, "whatever the order of the messages"


def test_the_fields_of_a_struct_come_in_the_order_of_the_messages() -> None:
    assert inferred({"a": 1}, {"b": "x"}) == "STRUCT(a BIGINT, b VARCHAR)"
    assert inferred({"b": "x"}, {"a": 1}) == "STRUCT(b VARCHAR, a BIGINT)"


def test_names_without_regard_to_case_are_one_field_in_its_first_spelling() -> None:
    assert inferred({"Ab": 1}, {"aB": 1.5}) == "STRUCT(Ab DOUBLE)"


def test_columns_come_in_the_order_of_the_messages_and_bad_lines_are_passed_over() -> None:
    lines = [
        b"",
        b"{",
        b"\xff\xfe",
        b"[1]",
        b"5",
        b'{"b": NaN}',
        b'{"b": 1, "a": null}',
        b'{"c": 1}',
    ]
    names = [column.name for column in infer_columns(lines)]
    assert names == ["b", "a", "c"]


def test_names_that_cannot_be_columns_are_left_out() -> None:
    lines = [b'{"__partition": 1, "": 2, "A": 3, "a": 4}']
    assert infer_columns(lines) == (Column("A", "BIGINT"),)


@pytest.mark.parametrize(
    "lines", [[], [b""], [b"1", b"[]"], [b"{}"], [b'{"__x": 1}'], [b'{"a": '], [b"[" * 100_000]]
)
def test_no_object_at_all_is_an_error(lines: list[bytes]) -> None:
    with pytest.raises(SqlError) as caught:
        infer_columns(lines)
    assert caught.value.hint


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**140), 2**140)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4)
    | st.dates().map(str)
    | st.datetimes().map(str),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
WORDS = st.sampled_from(["select", "user", "timestamp", "format", "Key", "a b", 'q"', "float", "é"])


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.dictionaries(WORDS | st.text(min_size=1, max_size=6), JSON, max_size=4), max_size=4)
)
def test_what_is_inferred_compiles_back(messages: list[dict[str, object]]) -> None:
    try:
        columns = infer_columns([json.dumps(message).encode() for message in messages])
    except SqlError:
        return
    options = {"connector": "kafka", "topic": "it's", "properties.bootstrap.servers": "h:1"}
    source = compile_sql(create_source_sql("orders", columns, options)).sources[0]
    assert source.columns == columns
    assert source.options == {key: options[key] for key in options if key != "connector"}


NAMES = WORDS | st.text(min_size=1, max_size=6).filter(
    lambda name: "\0" not in name and not name.startswith("__")
)
FLAT = st.sampled_from(
    "BIGINT|VARCHAR|DOUBLE|FLOAT|BOOLEAN|DATE|TIME|TIMESTAMP|HUGEINT|UBIGINT|UUID|BLOB|INTERVAL|"
    "JSON|DECIMAL(38,10)|TIMESTAMP_NS|TIMESTAMP WITH TIME ZONE|TIME WITH TIME ZONE|"
    "ENUM('a', 'it''s', 'FLOAT')".split("|")
)


def _structs(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    named = st.lists(st.tuples(NAMES, inner), min_size=1, max_size=3, unique_by=_lower_name)
    return named.map(
        lambda fields: f"STRUCT({', '.join(f'{quoted(name)} {kind}' for name, kind in fields)})"
    )


def _lower_name(pair: tuple[str, str]) -> str:
    return pair[0].casefold()


TYPES = st.recursive(
    FLAT,
    lambda inner: (
        inner.map("{}[]".format)
        | inner.map("{}[3]".format)
        | inner.map("MAP(VARCHAR, {})".format)
        | _structs(inner)
    ),
    max_leaves=4,
)


@settings(max_examples=60, deadline=None)
@example("s", [("a", "STRUCT(A TIMESTAMP_NS, b UBIGINT)")], "0", "")
@given(
    NAMES.filter(lambda name: name.isascii() and name.isidentifier()),
    st.lists(st.tuples(NAMES, TYPES), min_size=1, max_size=4, unique_by=_lower_name),
    st.text(min_size=1, max_size=6).filter(lambda text: "\0" not in text),
    st.sampled_from(["", "CSV", "json"]),
)
def test_a_printed_statement_compiles_back_to_what_was_printed(
    name: str, named: list[tuple[str, str]], path: str, encode: str
) -> None:
    kinds = Binder().types_named([kind for _, kind in named])
    columns = tuple(Column(one, kind) for (one, _), kind in zip(named, kinds, strict=True))
    options = {"connector": "file", "path": path, "delimiter": "'"}
    text = create_source_sql(name, columns, options, encode=encode)
    source = compile_sql(text).sources[0]
    assert (source.name, source.columns) == (name, columns)
    assert source.options == {"path": path, "delimiter": "'"}
    assert source.encode == encode.lower()


def test_a_statement_with_a_watermark_reads_well() -> None:
    columns = (Column("ts", "TIMESTAMP WITH TIME ZONE"), Column("ratio", "FLOAT"))
    text = create_source_sql("s", columns, {"connector": "events"}, Watermark("ts", 5_000_000))
    assert text == (
        "CREATE SOURCE s (\n  ts TIMESTAMPTZ,\n  ratio REAL,\n"
        "  WATERMARK FOR ts AS ts - INTERVAL '5 seconds'\n)\nWITH (\n  connector = 'events'\n);\n"
    )
    source = compile_sql(text).sources[0]
    assert source.columns == columns
    assert source.watermark == Watermark("ts", 5_000_000)
