"""A compiled view: keys from text and JSON, and one row the same as JSON, values and Arrow."""

import json
import math
from collections.abc import Callable
from decimal import Decimal

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfold.errors import RequestError, StateError
from keyfold.view import expression as ex
from keyfold.view.aggregate import Aggregate, Final
from keyfold.view.columns import DTYPE, i128_of
from keyfold.view.plan import Answer, KeyColumn, Output, ViewPlan, Window
from keyfold.view.row import CompiledView
from keyfold.view.rowkey import encode_key
from keyfold.view.types import Physical, column_type

WINDOW = "TIMESTAMP WITH TIME ZONE"
TOTAL = "DECIMAL(38,2)"
AGGREGATES = (
    Aggregate("count"),
    Aggregate("sum_int", "amount", "DECIMAL(18,2)"),
    Aggregate("max", "note", "VARCHAR"),
    Aggregate("sum_real", "ratio", "DOUBLE"),
)
ANSWERS = (
    Answer(0, Final("count", "BIGINT")),
    Answer(1, Final("sum", TOTAL)),
    Answer(1, Final("avg", "DOUBLE")),
    Answer(2, Final("max", "VARCHAR")),
    Answer(3, Final("sum", "DOUBLE")),
)
PER_ORDER = ex.Call("/", (ex.Answer(1, TOTAL), ex.Answer(0, "BIGINT")), "DOUBLE")
DOUBLED = ex.Call("*", (ex.Answer(1, TOTAL), ex.Literal(2, "INTEGER")), TOTAL)
SOME = ex.Call(">", (ex.Answer(0, "BIGINT"), ex.Literal(0, "INTEGER")), "BOOLEAN")
OUTPUTS = (
    Output("user", "VARCHAR", ex.Key(0, "VARCHAR")),
    Output("window_start", WINDOW, ex.Key(1, WINDOW)),
    Output("orders", "BIGINT", ex.Answer(0, "BIGINT")),
    Output("total", TOTAL, ex.Answer(1, TOTAL)),
    Output("mean", "DOUBLE", ex.Answer(2, "DOUBLE")),
    Output("note", "VARCHAR", ex.Answer(3, "VARCHAR")),
    Output("ratio", "DOUBLE", ex.Answer(4, "DOUBLE")),
    Output("per_order", "DOUBLE", PER_ORDER),
    Output("doubled", TOTAL, DOUBLED),
)


def plan_of(outputs: tuple[Output, ...] = OUTPUTS, having: ex.Expression | None = None) -> ViewPlan:
    return ViewPlan(
        name="spend",
        source="orders",
        keys=(KeyColumn("user", "VARCHAR", "user"), KeyColumn("window_start", WINDOW, "w")),
        aggregates=AGGREGATES,
        answers=ANSWERS,
        outputs=outputs,
        having=having,
        window=None,
        retention_us=None,
        window_key=1,
        freshness_slo_ms=1000,
        batch_sql="",
        count_sql="",
        columns_read=(),
        sql="",
        fingerprint="",
    )


def keyed_by(name: str, type_: str) -> ViewPlan:
    return ViewPlan(
        **{
            **{field: getattr(plan_of(), field) for field in ViewPlan.__struct_fields__},
            "keys": (KeyColumn(name, type_, name),),
            "window_key": None,
            "outputs": (Output(name, type_, ex.Key(0, type_)),),
        }
    )


VIEW = CompiledView(plan_of())


def stored(count: int = 2, total: int = 1234, note: str | None = "hé", ratio: float = 0.5) -> bytes:
    """The value of one row in the store."""
    text = np.empty(1, object)
    text[0] = None if note is None else note.encode()
    return VIEW.partials.encode(
        [
            np.array([count]),
            np.array([count]),
            np.array([i128_of(total)], DTYPE[Physical.I128]),
            np.array([note is not None]),
            text,
            np.array([count]),
            np.array([ratio]),
            np.array([0.0]),
        ]
    )[0]


def key(user: str | None = "ann", window: int | None = 60_000_000) -> bytes:
    return encode_key(VIEW.key_types, [user, window])


def test_a_row_is_a_json_object_in_the_order_of_select():
    assert VIEW.json_row(key(), stored()) == (
        '{"user":"ann","window_start":"1970-01-01T00:01:00Z","orders":2,"total":12.34,'
        '"mean":6.17,"note":"hé","ratio":0.5,"per_order":6.17,"doubled":24.68}'
    )


def test_the_answer_over_no_values_is_null():
    row = json.loads(VIEW.json_row(key(None, None), stored(0, 0, None, 0.0)))
    assert row.pop("orders") == 0
    assert set(row.values()) == {None}


def test_a_value_that_does_not_fit_its_type_is_null_and_leaves_the_rest():
    row = json.loads(VIEW.json_row(key(), stored(total=10**38 - 1)))
    assert row["doubled"] is None
    assert row["orders"] == 2


ROWS = st.lists(
    st.tuples(
        st.text(max_size=3) | st.none(),
        st.integers(-(10**15), 10**15) | st.none(),
        st.integers(0, 5),
        st.integers(-(10**38) + 1, 10**38 - 1) | st.integers(-100, 100),
        st.text(max_size=3) | st.none(),
        st.floats(),
    ),
    max_size=5,
)


@given(ROWS, st.booleans())
def test_json_values_and_arrow_give_the_same_rows(rows, hide):
    view = CompiledView(plan_of(having=SOME)) if hide else VIEW
    pairs = [(key(row[0], row[1]), stored(*row[2:])) for row in rows]
    shown = [view.json_row(*pair) for pair in pairs]
    values = [view.values(*pair) for pair in pairs]
    assert [text is None for text in shown] == [row is None for row in values]
    assert [text is None for text in shown] == [hide and row[2] == 0 for row in rows]
    table = view.arrow_table(pairs)
    assert table.column_names == [output.name for output in OUTPUTS]
    visible = [json.loads(text, parse_float=str, parse_int=str) for text in shown if text]
    physical = [row for row in values if row is not None]
    assert table.num_rows == len(visible) == len(physical)
    for i, (names, row) in enumerate(zip(visible, physical, strict=True)):
        for output, value in zip(OUTPUTS, row, strict=True):
            cell = table.column(output.name)[i]
            assert cell_text(cell) == plain(names[output.name]), output.name
            assert (value is None) == (not cell.is_valid)


def cell_text(cell: pa.Scalar) -> str | None:
    """An Arrow value in the text that JSON has for it."""
    if not cell.is_valid:
        return None
    value = cell.as_py()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if pa.types.is_timestamp(cell.type):
        text = value.replace(tzinfo=None).isoformat()
        return (text.rstrip("0") if "." in text else text) + "Z"
    return format(value, "f") if pa.types.is_decimal(cell.type) else str(value)


def plain(value: object) -> str | None:
    return None if value is None else str(value)


def test_having_hides_a_row_unless_it_is_true():
    unknown = ex.Call(">", (ex.Answer(1, TOTAL), ex.Literal(0, "INTEGER")), "BOOLEAN")
    view = CompiledView(plan_of(having=unknown))
    for value in (stored(0, 0), stored(1, 0), stored(1, -5)):
        assert view.json_row(key(), value) is None
        assert view.values(key(), value) is None
        assert view.arrow_table([(key(), value)]).num_rows == 0
    assert view.json_row(key(), stored(1, 1)) is not None


def test_a_having_that_overflows_hides_the_row():
    wide = ex.Call(">", (DOUBLED, ex.Literal(0, "INTEGER")), "BOOLEAN")
    view = CompiledView(plan_of(having=wide))
    assert view.json_row(key(), stored(total=10**38 - 1)) is None
    assert view.arrow_table([(key(), stored(total=10**38 - 1))]).num_rows == 0


def test_no_rows_are_an_empty_table_of_the_same_types():
    assert VIEW.arrow_table([]).schema == VIEW.arrow_table([(key(), stored())]).schema


def test_a_constant_output_has_its_value_in_every_row():
    view = CompiledView(plan_of((Output("one", "INTEGER", ex.Literal(1, "INTEGER")),)))
    assert view.json_row(key(), stored()) == '{"one":1}'
    assert view.arrow_table([(key(), stored())] * 2).column("one").to_pylist() == [1, 1]


def test_keys_from_text_and_from_json_are_the_stored_key():
    assert VIEW.key_from_text(["ann", "1970-01-01T00:01:00Z"]) == key()
    assert VIEW.key_from_json(["ann", "1970-01-01T00:01:00Z"]) == key()
    assert VIEW.key_from_json([None, None]) == key(None, None)


def test_the_first_columns_of_a_key_are_a_prefix_of_it():
    assert key().startswith(VIEW.key_from_text(["ann"]))
    assert VIEW.key_from_text([]) == b""


def test_a_wrong_number_of_key_values_is_a_request_error_that_names_the_key():
    with pytest.raises(RequestError, match="3 key values given, view spend has 2") as caught:
        VIEW.key_from_text(["ann", "1970-01-01", "x"])
    assert caught.value.hint == "the key is (user, window_start)"
    with pytest.raises(RequestError, match="a key of view spend has 2 values, 1 given"):
        VIEW.key_from_json(["ann"])


@pytest.mark.parametrize("value", [{"a": 1}, [1], "yesterday", 5, True])
def test_a_key_value_of_another_type_is_a_request_error(value):
    with pytest.raises(RequestError, match="TIMESTAMP WITH TIME ZONE"):
        VIEW.key_from_json(["ann", value])


@pytest.mark.parametrize(("value", "text"), [(7, "7"), (Decimal("7.0"), "7.0"), (True, "true")])
def test_a_number_for_a_text_key_is_a_request_error_that_shows_the_string(value, text):
    with pytest.raises(RequestError, match=f"type VARCHAR cannot be {text}, without") as caught:
        VIEW.key_from_json([value, None])
    assert caught.value.hint == f'give it as a string: "{text}"'


def hidden_at(stream_time_us: int, **changes: object) -> Callable[[bytes], bool]:
    plan = msgspec.structs.replace(plan_of(), window=Window("tumble", "ts", 10), **changes)
    hides = CompiledView(plan).hides(stream_time_us)
    assert hides is not None
    return lambda key: hides(key, stored())


def test_a_row_is_expired_once_its_end_and_the_retention_have_passed_and_never_under_a_null():
    expired = hidden_at(75, retention_us=5)
    assert expired(key(window=60))
    assert not expired(key(window=61))
    assert not expired(key(window=None))


def test_a_row_that_waits_for_its_window_is_seen_from_its_end_to_its_retention():
    hidden = hidden_at(75, retention_us=5, emit_on_close=True)
    assert [hidden(key(window=at)) for at in (60, 61, 65, 66, None)] == [
        *(True, False, False, True, True),
    ]


@given(st.lists(st.none() | st.text()))
def test_many_keys_are_encoded_as_one_is(texts):
    view = CompiledView(keyed_by("user", "VARCHAR"))
    keys = [[text] for text in texts]
    assert view.keys_from_json(keys) == [view.key_from_json(key) for key in keys]
    assert view.keys_from_json(keys) == [encode_key(view.key_types, key) for key in keys]


@pytest.mark.parametrize("wrong", [[], ["ann", "bob"], [7]])
def test_one_wrong_key_among_many_is_a_request_error(wrong):
    view = CompiledView(keyed_by("user", "VARCHAR"))
    with pytest.raises(RequestError, match=r"a key of view spend has 1|without quotes"):
        view.keys_from_json([["ann"], wrong, ["bob"]])


def test_a_nested_key_is_written_as_json_and_read_from_json_values():
    view = CompiledView(keyed_by("tags", "VARCHAR[]"))
    stored_key = view.key_from_json([["a", "é"]])
    assert stored_key == encode_key([column_type("VARCHAR[]")], ['["a","é"]'])
    assert stored_key == view.key_from_text(['[ "a", "é" ]'])
    assert view.json_row(stored_key, stored()) == '{"tags":["a","é"]}'


def test_a_json_key_in_a_lookup_is_the_value_itself_and_in_a_path_its_text():
    view = CompiledView(keyed_by("j", "JSON"))
    json_type = column_type("JSON")
    for value, text in [(1, "1"), ("1", '"1"'), ("x", '"x"'), ([1, "a"], '[1,"a"]'), ("", '""')]:
        stored_key = encode_key([json_type], [text])
        assert view.key_from_json([value]) == stored_key == view.key_from_text([text])
        assert json.loads(view.json_row(stored_key, stored())) == {"j": value}
    with pytest.raises(RequestError, match="'x' is not a value of type JSON") as refused:
        view.key_from_text(["x"])
    assert "%22x%22" in refused.value.hint


def test_a_nested_key_that_is_no_json_text_says_what_it_is():
    with pytest.raises(RequestError) as refused:
        CompiledView(keyed_by("tags", "VARCHAR[]")).key_from_text(["a"])
    assert refused.value.hint == "write it as JSON text"


def test_a_column_may_have_any_name():
    names = ["100%s", '"quoted"', "{x}", "a\nb", "%"]
    outputs = tuple(Output(name, "BIGINT", ex.Answer(0, "BIGINT")) for name in names)
    view = CompiledView(plan_of(outputs))
    assert json.loads(view.json_row(key(), stored(7))) == dict.fromkeys(names, 7)


def test_a_row_of_another_format_version_is_refused():
    for version in (b"\x00", b"\x02"):
        with pytest.raises(StateError, match=f"format version {version[0]}, this release reads 1"):
            VIEW.json_row(key(), version + stored()[1:])


@given(st.lists(st.tuples(st.text(), st.none() | st.integers(-(2**62), 2**62)), min_size=1))
def test_a_row_expires_by_the_window_in_its_key(keys: list[tuple[str, int | None]]):
    expired = hidden_at(20, retention_us=5)
    for user, window in keys:
        assert expired(key(user, window)) == (window is not None and window <= 5)


@pytest.mark.parametrize("emit_on_close", [False, True])
@pytest.mark.parametrize("retention_us", [None, 5])
@given(st.lists(st.none() | st.integers(-(2**62), 2**62) | st.integers(50, 80), max_size=9))
def test_rows_as_a_page_are_those_that_are_not_hidden_one_by_one(
    retention_us: int | None, emit_on_close: bool, windows: list[int | None]
):
    plan = msgspec.structs.replace(
        plan_of(),
        window=Window("tumble", "ts", 10),
        retention_us=retention_us,
        emit_on_close=emit_on_close,
    )
    view = CompiledView(plan)
    rows = [(key(f"user{at}", window), stored(at)) for at, window in enumerate(windows)]
    for stream_time_us in (None, 75):
        hides = view.hides(stream_time_us)
        seen = [pair for pair in rows if hides is None or not hides(*pair)]
        page = view.arrow_page(
            [b"12345" + stored_key for stored_key, _ in rows],
            [value for _, value in rows],
            prefix_bytes=5,
            hides=view.hides_many(stream_time_us),
        )
        assert page.equals(view.arrow_table(seen))
