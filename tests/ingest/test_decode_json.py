"""Decoding: what is in a message comes out typed, what does not fit is named, nothing else."""

from __future__ import annotations

import datetime as dt
import json
import math
import time
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ingest.decode.includes import TIMESTAMP_MS_MAX
from ingest.decode.json import Decoded, JsonDecoder
from ingest.source.message import MessageBatch
from keyfold.errors import SettingsError
from keyfold.sql.bind import HIDDEN_OFFSET, HIDDEN_PARTITION, locked_connection
from keyfold.view.plan import Column, Include, SourcePlan, Watermark

TSTZ = "TIMESTAMP WITH TIME ZONE"


@cache
def connection() -> duckdb.DuckDBPyConnection:
    return locked_connection()


def source(
    columns: dict[str, str],
    *,
    includes: Sequence[Include] = (),
    time: str = "",
    options: dict[str, str] | None = None,
) -> SourcePlan:
    return SourcePlan(
        name="orders",
        connector="events",
        options=options or {},
        columns=tuple(Column(name, kind) for name, kind in columns.items()),
        includes=tuple(includes),
        encode="json",
        watermark=Watermark(time, 0) if time else None,
        max_future_skew_us=0,
        sql="",
        fingerprint="",
    )


def batch(values: Sequence[bytes | str | dict[str, Any] | None], **more: Any) -> MessageBatch:
    raw = [
        value.encode()
        if isinstance(value, str)
        else json.dumps(value).encode()
        if isinstance(value, dict)
        else value
        for value in values
    ]
    n = len(raw)
    settings = {
        "partitions": np.zeros(n, np.int32),
        "offsets": np.arange(n, dtype=np.int64),
        "timestamps_ms": np.full(n, -1, np.int64),
        "next_offsets": {0: n},
    } | more
    return MessageBatch(values=pa.array(raw, pa.binary()), **settings)


def decoder(plan: SourcePlan, needed: Sequence[str] | None = None) -> JsonDecoder:
    names = [*(c.name for c in plan.columns), *(i.name for i in plan.includes)]
    return JsonDecoder(connection(), plan, names if needed is None else needed)


def decode(columns: dict[str, str], *values: bytes | str | dict[str, Any] | None) -> Decoded:
    return decoder(source(columns)).decode(batch(values))


def values_of(decoded: Decoded, name: str = "x") -> list[Any]:
    values: list[Any] = decoded.table.column(name).to_pylist()
    return values


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc,arg-type]


# --- types -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        ("BOOLEAN", "true", True),
        ("BOOLEAN", '"false"', False),
        ("TINYINT", "-128", -128),
        ("SMALLINT", "32767", 32767),
        ("INTEGER", '"12"', 12),
        ("INTEGER", "1.5", 2),
        ("BIGINT", "-9223372036854775808", -(2**63)),
        ("BIGINT", "9223372036854775807", 2**63 - 1),
        ("UTINYINT", "255", 255),
        ("USMALLINT", "65535", 65535),
        ("UINTEGER", "4294967295", 2**32 - 1),
        ("UBIGINT", "18446744073709551615", 2**64 - 1),
        ("HUGEINT", "18446744073709551616", 2**64),
        ("FLOAT", "0.5", 0.5),
        ("DOUBLE", "1e300", 1e300),
        ("DOUBLE", "7", 7.0),
        ("DOUBLE", '"0.25"', 0.25),
        ("DECIMAL(18,2)", "12.34", Decimal("12.34")),
        ("DECIMAL(18,2)", '"12.34"', Decimal("12.34")),
        ("DECIMAL(38,2)", "12345678901234567890.12", Decimal("12345678901234567890.12")),
        ("VARCHAR", '"ä€\\n"', "ä€\n"),
        ("VARCHAR", '"a\\u0000b"', "a\0b"),
        ("VARCHAR", "12", "12"),
        ("VARCHAR", '{"a":[1]}', '{"a":[1]}'),
        ("DATE", '"2026-03-01"', dt.date(2026, 3, 1)),
        ("TIME", '"12:30:01.5"', dt.time(12, 30, 1, 500_000)),
        ("TIMESTAMP", '"2026-03-01T12:00:00"', dt.datetime(2026, 3, 1, 12)),
        (TSTZ, '"2026-03-01T12:00:00+02:00"', utc(2026, 3, 1, 10)),
        (TSTZ, '"2026-03-01T12:00:00.123456Z"', utc(2026, 3, 1, 12, 0, 0, 123456)),
        ("STRUCT(a INTEGER, b VARCHAR)", '{"b":"x","a":1}', {"a": 1, "b": "x"}),
        ("STRUCT(a INTEGER, b VARCHAR)", '{"a":1}', {"a": 1, "b": None}),
        ("STRUCT(a INTEGER, b VARCHAR)", "{}", {"a": None, "b": None}),
        ("INTEGER[]", "[1,null,3]", [1, None, 3]),
        ("INTEGER[]", "[]", []),
        ("INTEGER[][]", "[[1],[],[2,3]]", [[1], [], [2, 3]]),
        ("STRUCT(q INTEGER)[]", '[{"q":1},{},null]', [{"q": 1}, {"q": None}, None]),
        ("MAP(VARCHAR, INTEGER)", '{"a":1,"b":null}', [("a", 1), ("b", None)]),
        ("UHUGEINT", str(2**128 - 1), str(2**128 - 1)),
        ("UHUGEINT[]", "[5]", ["5"]),
        ("ENUM('UHUGEINT, wide', 'b')", '"UHUGEINT, wide"', "UHUGEINT, wide"),
        ("ENUM('it''s', 'UHUGEINT)')[]", '["UHUGEINT)"]', ["UHUGEINT)"]),
        ('STRUCT("a ""UHUGEINT," INTEGER, u UHUGEINT)', '{"a \\"UHUGEINT,":1,"u":5}',
         {'a "UHUGEINT,': 1, "u": "5"}),
    ],
)  # fmt: skip
def test_a_value_is_read_as_its_columns_type(kind: str, written: str, value: Any) -> None:
    decoded = decode({"x": kind}, f'{{"x":{written}}}', "{}", '{"x":null}')
    assert values_of(decoded) == [value, None, None]
    assert not decoded.rejects
    assert not decoded.misfits


@pytest.mark.parametrize(
    ("kind", "written", "shown"),
    [
        ("TINYINT", "128", "'128' is no TINYINT"),
        ("UBIGINT", "-1", "'-1' is no UBIGINT"),
        ("BIGINT", "1e+30", "'1e+30' is no BIGINT"),
        ("BIGINT", "9223372036854775808", "'9223372036854775808' is no BIGINT"),
        ("HUGEINT", "1" + "0" * 60, "is no HUGEINT"),
        ("BIGINT", '""', "'' is no BIGINT"),
        ("BOOLEAN", '"maybe"', "'maybe' is no BOOLEAN"),
        ("DECIMAL(4,2)", "100.5", "'100.5' is no DECIMAL(4,2)"),
        ("DATE", '"2026-02-30"', "'2026-02-30' is no DATE"),
        ("TIMESTAMP", '"soon"', "'soon' is no TIMESTAMP"),
        ("INTEGER", "[1]", "'[1]' is no INTEGER"),
        ("INTEGER[]", "7", "'7' is no INTEGER[]"),
        ("STRUCT(a INTEGER)", "7", "'7' is no STRUCT(a INTEGER)"),
        ("STRUCT(a INTEGER)", '"{"', "is no STRUCT(a INTEGER)"),
        ("MAP(VARCHAR, INTEGER)", "[1]", "'[1]' is no MAP(VARCHAR, INTEGER)"),
    ],
)
def test_what_does_not_fit_is_a_misfit_of_its_column_alone(
    kind: str, written: str, shown: str
) -> None:
    decoded = decode({"x": kind, "y": "BIGINT"}, '{"y":1}', f'{{"x":{written},"y":2}}', '{"y":3}')
    assert values_of(decoded, "y") == [1, 2, 3]
    assert not decoded.rejects
    assert list(decoded.misfits) == ["x"]
    (misfit,) = decoded.misfits["x"]
    assert (misfit.row, misfit.field) == (1, "x")
    assert shown in misfit.reason


@pytest.mark.parametrize(
    ("kind", "written", "place", "text"),
    [
        ("STRUCT(a INTEGER, b VARCHAR)", '{"a":"x","b":"y"}', "x.a", "'x'"),
        ("STRUCT(a STRUCT(b INTEGER))", '{"a":{"b":[2]}}', "x.a.b", "'[2]'"),
        ("STRUCT(a STRUCT(b INTEGER))", '{"a":5}', "x.a", "'5'"),
        ("INTEGER[]", '[1,null,"two"]', "x[2]", "'two'"),
        ("INTEGER[][]", '[[1],null,[2,"two"]]', "x[2][1]", "'two'"),
        ("STRUCT(q INTEGER)[]", '[{"q":1},{"q":{}}]', "x[1].q", "'{}'"),
        ("STRUCT(q INTEGER)[]", "[{},3]", "x[1]", "'3'"),
        ("MAP(VARCHAR, INTEGER)", '{"a":1,"b c":"no"}', "x['b c']", "'no'"),
        ("STRUCT(m MAP(VARCHAR, INTEGER[]))", '{"m":{"k":[1,"no"]}}', "x.m['k'][1]", "'no'"),
    ],
)
def test_a_misfit_inside_a_field_is_named_with_its_path(
    kind: str, written: str, place: str, text: str
) -> None:
    fine = ["{}", '{"x":null}', f'{{"x":{written}}}', "{}"]
    decoded = decode({"x": kind}, *fine)
    (misfit,) = decoded.misfits["x"]
    assert (misfit.row, misfit.field) == (2, place)
    assert text in misfit.reason
    assert len(decoded.rows) == 4


def test_misfits_on_several_levels_of_one_batch_are_all_found() -> None:
    written = ['{"a":[{"b":1}]}', '{"a":5}', "5", '{"a":[5]}', '{"a":[{"b":"x"}]}', "{}"]
    decoded = decode({"x": "STRUCT(a STRUCT(b INTEGER)[])"}, *(f'{{"x":{w}}}' for w in written))
    places = {misfit.row: misfit.field for misfit in decoded.misfits["x"]}
    assert places == {1: "x.a", 2: "x", 3: "x.a[0]", 4: "x.a[0].b"}


def test_a_number_too_great_for_a_double_is_infinite() -> None:
    assert values_of(decode({"x": "DOUBLE"}, '{"x":1e999}')) == [math.inf]


def test_of_a_name_that_stands_twice_the_first_counts() -> None:
    decoded = decode({"x": "INTEGER"}, '{"x":1,"x":2}', '{"x":3,"x":"no"}')
    assert values_of(decoded) == [1, 3]
    assert not decoded.misfits


@pytest.mark.parametrize(
    "name", ['a"b', "a b", "a.b", "a'b", "a/b", "a~b", "$", "*", "ä", "0", "a[0]", "a\\b", "{}"]
)
def test_any_name_is_a_column(name: str) -> None:
    decoded = decode({name: "INTEGER"}, {name: 1}, {name: "no"}, {}, {name: 4})
    assert values_of(decoded, name) == [1, None, None, 4]
    assert [(m.row, m.field) for m in decoded.misfits[name]] == [(1, name)]


# --- timestamps ------------------------------------------------------------------------------

NOON = utc(2026, 3, 1, 12)
EPOCH_S = int(NOON.timestamp())
FORMS = {
    "iso": '"2026-03-01T12:00:00Z"',
    "s": str(EPOCH_S),
    "ms": str(EPOCH_S * 1_000),
    "us": str(EPOCH_S * 1_000_000),
    "ns": str(EPOCH_S * 1_000_000_000),
    "text": f'"{EPOCH_S}"',
    "fraction": f"{EPOCH_S}.000",
}


KINDS = ["TIMESTAMP", TSTZ, "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_a_time_is_iso_or_a_number_since_the_epoch(form: str, kind: str) -> None:
    decoded = decode({"x": kind}, f'{{"x":{FORMS[form]}}}')
    expected = NOON if kind == TSTZ else NOON.replace(tzinfo=None)
    assert values_of(decoded) == [expected]
    assert not decoded.misfits


def test_forms_of_time_may_be_mixed_in_a_batch_and_from_batch_to_batch() -> None:
    reader = decoder(source({"x": TSTZ}))
    iso = [f'{{"x":{FORMS["iso"]}}}'] * 2
    mixed = [f'{{"x":{form}}}' for form in FORMS.values()]
    for values in (iso, mixed, iso, ["{}", *mixed], ['{"x":"soon"}', *iso]):
        decoded = reader.decode(batch(values))
        assert {value for value in values_of(decoded) if value} == {NOON}
        assert len(decoded.misfits.get("x", ())) == ("soon" in values[0])


times = st.one_of(
    st.sampled_from([*FORMS.values(), '"infinity"', '"epoch"', '"-infinity"', "null", '"soon"']),
    st.sampled_from(["true", "1e400", "-1", "0", '"nan"', '"20260301"', '"2026-03-01"', "{}"]),
    st.integers(-(10**22), 10**22).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    written=st.lists(times, min_size=1, max_size=5),
    number_first=st.booleans(),
)
def test_how_a_time_is_read_does_not_depend_on_its_neighbours(
    kind: str, written: list[str], number_first: bool
) -> None:
    """Law 1 for the switch to text: alone, together, or after numbers, it is the same."""
    plan = source({"x": kind})
    messages = [f'{{"x":{one}}}' for one in written]
    together = decoder(plan)
    if number_first:
        together.decode(batch(['{"x":1}']))
    decoded = together.decode(batch(messages))
    bad = {misfit.row for misfit in decoded.misfits.get("x", ())}
    micros = decoded.table.column("x").combine_chunks().view(pa.int64()).to_pylist()
    for i, message in enumerate(messages):
        alone = decoder(plan).decode(batch([message]))
        assert alone.table.column("x").combine_chunks().view(pa.int64()).to_pylist() == [micros[i]]
        assert ("x" in alone.misfits) == (i in bad)


@pytest.mark.parametrize(
    ("unit", "number"), [("s", 5), ("ms", 5_000), ("us", 5_000_000), ("ns", 5_000_000_000)]
)
def test_the_option_says_the_unit_whatever_the_size(unit: str, number: int) -> None:
    plan = source({"x": TSTZ}, options={"timestamp.unit": unit})
    decoded = decoder(plan).decode(batch([{"x": number}, {"x": 10**25}]))
    assert values_of(decoded)[0] == utc(1970, 1, 1, 0, 0, 5)
    assert [misfit.row for misfit in decoded.misfits["x"]] == [1]


@pytest.mark.parametrize(
    ("kind", "number", "ticks"),
    [
        ("TIMESTAMP_NS", "1767225600123456789", 1767225600123456789),
        ("TIMESTAMP_NS", "-1767225600123456789", -1767225600123456789),
        ("TIMESTAMP_NS", "1767225600.5", 1767225600500000000),
        ("TIMESTAMP_NS", "1.7672256e9", 1767225600000000000),
        ("TIMESTAMP_NS", "9300000000000000000", None),
        ("TIMESTAMP_NS", "10000000000", None),
        ("TIMESTAMP_MS", "1767225600.0005", 1767225600001),
        ("TIMESTAMP_S", "1767225600499", 1767225600),
        ("TIMESTAMP_S", "1767225600500", 1767225601),
        ("TIMESTAMP_S", "-5", -5),
    ],
)
def test_a_number_is_rounded_to_what_its_type_counts(
    kind: str, number: str, ticks: int | None
) -> None:
    decoded = decode({"x": kind}, f'{{"x":{number}}}')
    assert decoded.table.column("x").combine_chunks().view(pa.int64()).to_pylist() == [ticks]
    assert bool(decoded.misfits) == (ticks is None)


def test_the_option_says_the_unit_of_nanoseconds_too() -> None:
    plan = source({"x": "TIMESTAMP_NS"}, options={"timestamp.unit": "ns"})
    decoded = decoder(plan).decode(batch([{"x": 5}]))
    assert decoded.table.column("x").combine_chunks().view(pa.int64()).to_pylist() == [5]


def test_a_unit_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"timestamp\.unit is 'min'") as refused:
        decoder(source({"x": TSTZ}, options={"timestamp.unit": "min"}))
    assert refused.value.hint == "use auto, s, ms, us or ns"


# --- messages that are of no use --------------------------------------------------------------

GARBAGE: list[tuple[bytes | None, str]] = [
    (None, "the message has no value"),
    (b"", "the message is no JSON"),
    (b'{"x":1', "the message is no JSON"),
    (b'{"x":1} {"x":2}', "the message is no JSON"),
    (b'{"x":"\\ud800"}', "the message is no JSON"),
    (b'{"x":"\xff"}', "the message is no UTF-8: byte 6 is 0xff"),
    (b"[1]", "the message is no JSON object: '[1]'"),
    (b"null", "the message is no JSON object: 'null'"),
    (b'"text"', "the message is no JSON object"),
    (b"7", "the message is no JSON object"),
    (b"[" * 50_000 + b"]" * 50_000, "the message is no JSON object"),
]


@pytest.mark.parametrize(
    "kind",
    ["INTEGER", "STRUCT(a INTEGER)", "STRUCT(a STRUCT(b INTEGER))", "INTEGER[]", "VARCHAR", "JSON"],
)
def test_each_message_that_is_of_no_use_is_rejected_and_the_others_are_read(kind: str) -> None:
    values: list[bytes | None] = []
    for raw, _ in GARBAGE:
        values += [raw, b'{"y":1}']
    decoded = decode({"x": kind}, *values)
    assert decoded.rows.tolist() == list(range(1, 2 * len(GARBAGE), 2))
    reasons = {reject.row: reject.reason for reject in decoded.rejects}
    assert len(decoded.rejects) == len(reasons) == len(GARBAGE)
    for i, (_, reason) in enumerate(GARBAGE):
        assert reasons[2 * i].startswith(reason)
        assert len(reasons[2 * i]) < 200


def test_a_batch_of_nothing_but_garbage_is_rejected_whole() -> None:
    decoded = decode({"x": "INTEGER"}, *(raw for raw, _ in GARBAGE))
    assert decoded.table.num_rows == 0
    assert {reject.row for reject in decoded.rejects} == set(range(len(GARBAGE)))


def test_a_view_that_reads_no_field_counts_objects() -> None:
    reader = decoder(source({"x": "INTEGER"}), needed=())
    decoded = reader.decode(batch([raw for raw, _ in GARBAGE] + ["{}", '{"x":"no"}']))
    assert decoded.table.column_names == [HIDDEN_PARTITION]
    assert decoded.rows.tolist() == [len(GARBAGE), len(GARBAGE) + 1]
    assert not decoded.misfits


def test_a_message_without_event_time_is_rejected_once_and_with_its_reason() -> None:
    reader = decoder(source({"x": "INTEGER", "ts": TSTZ}, time="ts"), needed=["x"])
    decoded = reader.decode(
        batch(
            [
                {"x": 1, "ts": "2026-03-01T12:00:00Z"},
                {"x": 2},
                {"x": 3, "ts": None},
                {"x": "no", "ts": "soon"},
                {"x": "no", "ts": 5},
            ]
        )
    )
    assert decoded.rows.tolist() == [0, 4]
    assert [(r.row, r.field, r.reason) for r in decoded.rejects] == [
        (1, "ts", "the event time ts is missing"),
        (2, "ts", "the event time ts is missing"),
        (3, "ts", f"'soon' is no {TSTZ}"),
    ]
    assert {name: [m.row for m in found] for name, found in decoded.misfits.items()} == {"x": [4]}


def test_a_long_value_is_not_shown_whole() -> None:
    decoded = decode({"x": "INTEGER"}, {"x": "n" * 10_000})
    assert len(decoded.misfits["x"][0].reason) < 120


def test_numbers_that_json_does_not_have_do_not_hurt_the_batch() -> None:
    kind = "STRUCT(a INTEGER)"
    decoded = decode({"x": kind, "y": "INTEGER"}, '{"x":{"a":NaN},"y":1}', '{"x":{},"y":2}')
    assert values_of(decoded, "y") == [1, 2]


def test_deep_nesting_beside_what_is_read_does_no_harm() -> None:
    deep = "[" * 5_000 + "]" * 5_000
    decoded = decode(
        {"x": "STRUCT(a INTEGER)", "y": "VARCHAR"},
        f'{{"x":{{}},"z":{deep}}}',
        f'{{"x":{{"a":{deep}}},"y":{deep}}}',
    )
    assert [(m.row, m.field) for m in decoded.misfits["x"]] == [(1, "x.a")]
    assert values_of(decoded, "y") == [None, deep]


# --- batches and transport ---------------------------------------------------------------------


def test_an_empty_batch_is_decoded_to_nothing() -> None:
    include = Include("key", "k")
    for needed in ([], ["x"], ["x", "k"]):
        reader = decoder(source({"x": "STRUCT(a INTEGER)"}, includes=[include]), needed)
        decoded = reader.decode(batch([]))
        assert decoded.table.num_rows == 0
        assert decoded.table.column_names == [*needed, HIDDEN_PARTITION]


def test_slices_of_arrays_are_decoded_as_they_stand() -> None:
    whole = pa.array([b'{"x":0}', b'{"x":1}', None, b'{"x":[]}', b'{"x":4}', b"{}"], pa.binary())
    keys = pa.array([b"a", b"b", b"c", b"d", b"e", b"f"], pa.binary())
    sliced = MessageBatch(
        values=whole.slice(1, 4),
        partitions=np.arange(4, dtype=np.int32),
        offsets=np.arange(10, 14, dtype=np.int64),
        timestamps_ms=np.full(4, -1, np.int64),
        next_offsets={},
        keys=keys.slice(1, 4),
    )
    plan = source({"x": "INTEGER"}, includes=[Include("key", "k"), Include("offset", "o")])
    decoded = decoder(plan).decode(sliced)
    assert decoded.table.to_pydict() == {
        "x": [1, None, 4],
        "k": ["b", "d", "e"],
        "o": [10, 12, 13],
        HIDDEN_PARTITION: [0, 2, 3],
    }
    assert [reject.row for reject in decoded.rejects] == [1]
    assert [misfit.row for misfit in decoded.misfits["x"]] == [2]


def test_the_place_of_a_message_is_there_where_a_view_takes_events_by_it() -> None:
    messages = batch(
        ["[]", '{"x":1}', '{"x":2}'],
        partitions=np.array([0, 1, 0], np.int32),
        offsets=np.array([5, 6, 7], np.int64),
    )
    decoded = decoder(source({"x": "INTEGER"}), ["x", HIDDEN_OFFSET]).decode(messages)
    assert decoded.table.to_pydict() == {
        "x": [1, 2],
        HIDDEN_PARTITION: [1, 0],
        HIDDEN_OFFSET: [6, 7],
    }


def test_columns_of_the_transport_stand_beside_the_fields() -> None:
    kinds = ("key", "partition", "offset", "timestamp", "headers")
    plan = source({"x": "INTEGER"}, includes=[Include(kind, f"my_{kind}") for kind in kinds])
    messages = batch(
        ["{", '{"x":1}', '{"x":2}', '{"x":3}'],
        partitions=np.array([0, 1, 0, 2], np.int32),
        offsets=np.array([5, 6, 7, 8], np.int64),
        timestamps_ms=np.array([0, 1_000, -1, 2_000], np.int64),
        keys=pa.array([b"a", b"b", None, b"\xff"], pa.binary()),
        headers=[None, [("h", b"v"), ("h", None), ("g", b"\xff")], [], False],
    )
    decoded = decoder(plan).decode(messages)
    assert decoded.table.to_pydict() == {
        "x": [1, 2, 3],
        "my_key": ["b", None, None],
        "my_partition": [1, 0, 2],
        "my_offset": [6, 7, 8],
        "my_timestamp": [utc(1970, 1, 1, 0, 0, 1), None, utc(1970, 1, 1, 0, 0, 2)],
        "my_headers": [
            [
                {"key": "h", "value": "v"},
                {"key": "h", "value": None},
                {"key": "g", "value": "\ufffd"},
            ],
            [],
            None,
        ],
        HIDDEN_PARTITION: [1, 0, 2],
    }
    (misfit,) = decoded.misfits["my_key"]
    assert (misfit.row, misfit.reason) == (3, "the key is no UTF-8")
    (misfit,) = decoded.misfits["my_headers"]
    assert (misfit.row, misfit.reason) == (3, "the name of a header is no UTF-8")


def test_a_timestamp_beyond_the_range_of_its_type_is_a_misfit() -> None:
    plan = source({"x": "INTEGER"}, includes=[Include("timestamp", "t")])
    times = [TIMESTAMP_MS_MAX, TIMESTAMP_MS_MAX + 1, 18_446_744_073_709_557, 2**63 - 1, 1_000]
    messages = batch(['{"x":1}'] * 5, timestamps_ms=np.array(times, np.int64))
    decoded = decoder(plan).decode(messages)
    micros = decoded.table.column("t").cast(pa.int64()).to_pylist()
    assert micros == [TIMESTAMP_MS_MAX * 1_000, None, None, None, 1_000_000]
    assert [(misfit.row, misfit.field) for misfit in decoded.misfits["t"]] == [
        (row, "t") for row in (1, 2, 3)
    ]
    assert decoded.misfits["t"][0].reason == "the timestamp, 9223372036854776 ms, is out of range"


def test_a_transport_without_keys_and_headers_gives_nulls() -> None:
    plan = source({"x": "INTEGER"}, includes=[Include("key", "k"), Include("headers", "h")])
    decoded = decoder(plan).decode(batch(['{"x":1}']))
    assert decoded.table.to_pydict() == {"x": [1], "k": [None], "h": [None], HIDDEN_PARTITION: [0]}


# --- laws ------------------------------------------------------------------------------------

COLUMNS = {
    "id": "BIGINT",
    "name": "VARCHAR",
    "price": "DECIMAL(18,2)",
    "on": "BOOLEAN",
    "at": "STRUCT(lat DOUBLE, place STRUCT(city VARCHAR, zip INTEGER))",
    "items": "STRUCT(sku VARCHAR, qty INTEGER)[]",
    "tags": "MAP(VARCHAR, INTEGER)",
}
texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=5)
small = st.none() | st.integers(-(2**31), 2**31 - 1)


def struct(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | st.fixed_dictionaries(fields)


whole_rows = st.fixed_dictionaries(
    {
        "id": st.none() | st.integers(-(2**63), 2**63 - 1),
        "name": st.none() | texts,
        "price": st.none() | st.decimals(-(10**12), 10**12, places=2),
        "on": st.none() | st.booleans(),
        "at": struct(
            lat=st.none() | st.floats(allow_nan=False, allow_infinity=False),
            place=struct(city=st.none() | texts, zip=small),
        ),
        "items": st.none() | st.lists(struct(sku=st.none() | texts, qty=small), max_size=3),
        "tags": st.none() | st.dictionaries(texts, small, max_size=3),
    }
)


def without_nulls(value: Any, drop: bool) -> Any:
    """A message may leave out what is NULL; in lists it cannot."""
    match value:
        case dict():
            return {
                k: without_nulls(v, drop) for k, v in value.items() if v is not None or not drop
            }
        case list():
            return [without_nulls(one, drop) for one in value]
    return value


@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    rows=st.lists(st.tuples(whole_rows, st.booleans(), st.booleans()), max_size=12),
)
def test_any_table_that_is_written_comes_back_in_its_order(
    rows: list[tuple[dict[str, Any], bool, bool]],
) -> None:
    messages: list[str] = []
    for row, drop, garbage in rows:
        tags = row["tags"]  # the keys of a map are data: one with a null stays
        written = without_nulls({k: v for k, v in row.items() if k != "tags"}, drop)
        messages.append(json.dumps({**written, "tags": tags}, default=str, ensure_ascii=drop))
        messages += ["{broken"] if garbage else []
    decoded = decode(COLUMNS, *messages)
    expected = []
    for row, drop, _ in rows:
        tags = None if row["tags"] is None else list(row["tags"].items())
        expected.append({**row, "tags": tags})
        if drop and row["at"] is not None and row["at"]["place"] is None:
            expected[-1]["at"] = {**row["at"], "place": None}
    assert decoded.table.drop_columns([HIDDEN_PARTITION]).to_pylist() == expected
    assert not decoded.misfits
    assert len(decoded.rejects) == sum(garbage for *_, garbage in rows)


def seconds_to_decode(reader: JsonDecoder, messages: MessageBatch) -> float:
    """The least of several runs: what the work takes when nothing else runs."""
    took = []
    for _ in range(5):
        started = time.process_time()
        reader.decode(messages)
        took.append(time.process_time() - started)
    return min(took)


@pytest.mark.parametrize("absent", ["note", "items[].qty", "at.zip", "items"])
def test_fields_that_are_often_absent_cost_no_more_than_reading_twice(absent: str) -> None:
    n = 20_000
    columns = {
        "id": "BIGINT",
        "note": "VARCHAR",
        "at": "STRUCT(city VARCHAR, zip INTEGER)",
        "items": "STRUCT(sku VARCHAR, qty INTEGER)[]",
    }

    def message(i: int, leave_out: str) -> dict[str, Any]:
        whole: dict[str, Any] = {
            "id": i,
            "note": "paid",
            "at": {"city": "Bern", "zip": i},
            "items": [{"sku": "a", "qty": 1}, {"sku": "b", "qty": 2}],
        }
        match leave_out:
            case "at.zip":
                del whole["at"]["zip"]
            case "items[].qty":
                del whole["items"][1]["qty"]
            case "":
                pass
            case name:
                del whole[name]
        return whole

    full = batch([message(i, "") for i in range(n)])
    half = batch([message(i, absent if i % 2 else "") for i in range(n)])
    reader = decoder(source(columns))
    assert not reader.decode(half).misfits
    # Measured: 1.2 to 2.0. A step of Python per row would be 10 and more.
    assert seconds_to_decode(reader, half) < 4 * seconds_to_decode(reader, full)
