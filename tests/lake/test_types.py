"""Every type of a view arrives in Iceberg with its value: the row that REST serves (law 4)."""

import datetime as dt
import json
import math
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from keyfold.errors import LakeError
from keyfold.view.aggregate import Aggregate, Final
from lake.schema import schema_of
from lake.status import data_files
from tests.lake.state import COUNT, plan

BIG = 10**38 - 1
DAY_US = 86_400_000_000
CASES = [
    ("BOOLEAN", "boolean", [True, False], [True, False]),
    ("TINYINT", "int", [-128, 127], [-128, 127]),
    ("SMALLINT", "int", [-(2**15)], [-(2**15)]),
    ("INTEGER", "int", [-(2**31), 2**31 - 1], [-(2**31), 2**31 - 1]),
    ("UTINYINT", "int", [255], [255]),
    ("USMALLINT", "int", [65_535], [65_535]),
    ("UINTEGER", "long", [2**32 - 1], [2**32 - 1]),
    ("BIGINT", "long", [-(2**63), 2**63 - 1], [-(2**63), 2**63 - 1]),
    ("UBIGINT", "decimal(38, 0)", [2**64 - 1], [Decimal(2**64 - 1)]),
    ("HUGEINT", "decimal(38, 0)", [-BIG, BIG], [Decimal(-BIG), Decimal(BIG)]),
    ("UHUGEINT", "decimal(38, 0)", [0, BIG], [Decimal(0), Decimal(BIG)]),
    ("UUID", "string", ["00000000-0000-0000-0000-00000000000a"],
     ["00000000-0000-0000-0000-00000000000a"]),
    ("ENUM('b', 'a''s')", "string", [0, 1], ["b", "a's"]),
    ("BLOB", "binary", [b"", b"\0a\xff"], [b"", b"\0a\xff"]),
    ("TIMESTAMP_S", "timestamp", [-1], [dt.datetime(1969, 12, 31, 23, 59, 59)]),
    ("TIMESTAMP_MS", "timestamp", [-1], [dt.datetime(1969, 12, 31, 23, 59, 59, 999_000)]),
    ("TIMESTAMP_NS", "string", [-1, 2**63 - 1, 1_500_000_000],
     ["1969-12-31T23:59:59.999999999", "infinity", "1970-01-01T00:00:01.5"]),
    ("DECIMAL(4,1)", "decimal(4, 1)", [-9999], [Decimal("-999.9")]),
    ("DECIMAL(18,2)", "decimal(18, 2)", [-1, 10**18 - 1],
     [Decimal("-0.01"), Decimal("9999999999999999.99")]),
    ("DECIMAL(38,10)", "decimal(38, 10)", [-BIG, 1],
     [Decimal(f"-{'9' * 28}.{'9' * 10}"), Decimal("1E-10")]),
    ("FLOAT", "float", [-1.5, math.inf], [-1.5, math.inf]),
    ("DOUBLE", "double", [-math.inf, 0.1], [-math.inf, 0.1]),
    ("VARCHAR", "string", ["", "a\0b", "é😀"], ["", "a\0b", "é😀"]),
    ("DATE", "date", [-25_567, 0], [dt.date(1900, 1, 1), dt.date(1970, 1, 1)]),
    ("TIME", "time", [0, DAY_US - 1], [dt.time(0), dt.time(23, 59, 59, 999_999)]),
    ("TIMESTAMP", "timestamp", [-1, 1], [
        dt.datetime(1969, 12, 31, 23, 59, 59, 999_999), dt.datetime(1970, 1, 1, 0, 0, 0, 1),
    ]),
    ("TIMESTAMP WITH TIME ZONE", "timestamptz", [-2_208_988_800_000_000, 1], [
        dt.datetime(1900, 1, 1, tzinfo=dt.UTC), dt.datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=dt.UTC),
    ]),
    ("BIGINT[]", "list<long>", ["[1,null,-3]", "[]"], [[1, None, -3], []]),
    ("INTEGER[2]", "list<int>", ["[1,2]"], [[1, 2]]),
    ('STRUCT("a b" VARCHAR, n DECIMAL(38,10))', None,
     ['{"a b":"x, (y)","n":1234567890123456789012345678.1234567890}', '{"a b":null,"n":2}'],
     [{"a_x20b": "x, (y)", "n": Decimal("1234567890123456789012345678.1234567890")},
      {"a_x20b": None, "n": Decimal(2)}]),
    ("MAP(INTEGER, VARCHAR[])", "map<int, list<string>>", ['{"1":["a"],"2":null}'],
     [[(1, ["a"]), (2, None)]]),
    ("STRUCT(at TIMESTAMP WITH TIME ZONE, d DATE, t TIME, f DOUBLE, ok BOOLEAN)[]", None,
     ['[{"at":"1960-01-01 00:00:00.5+00","d":"1900-01-01","t":"12:00:01","f":NaN,"ok":true},null]'],
     None),
    ("JSON", "string", ['{"a":[1]}'], ['{"a":[1]}']),
    ("MAP(INTEGER[], VARCHAR)", "string", ['{"[1]":"a"}'], ['{"[1]":"a"}']),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "iceberg", "physical", "expected"), CASES, ids=[case[0] for case in CASES]
)
def test_a_key_of_any_type_and_null_arrive_with_their_values(
    house, kind, iceberg, physical, expected
):
    view = plan("spend", {"key": kind}, {"orders": COUNT})
    lake = house(view)
    lake.state.put("spend", {(value,): (at,) for at, value in enumerate([*physical, None])})
    lake.state.commit()
    lake.snapshot()
    table = lake.table()
    field = table.schema().find_field("key")
    if iceberg is not None:
        assert str(field.field_type) == iceberg
    assert not field.required
    # Not table.scan(): PyIceberg 0.12 reads a NULL list of structs as an empty one (its #3833).
    rows = pq.read_table(data_files(table.metadata_location)[0], partitioning=None)
    rows = rows.sort_by("orders").column(0)
    assert rows[-1].as_py() is None
    if expected is not None:
        assert rows.to_pylist() == [*expected, None]
    else:
        (item, nothing) = rows[0].as_py()
        assert nothing is None
        assert math.isnan(item.pop("f"))
        assert item == {
            "at": dt.datetime(1960, 1, 1, 0, 0, 0, 500_000, tzinfo=dt.UTC),
            "d": dt.date(1900, 1, 1),
            "t": dt.time(12, 0, 1),
            "ok": True,
        }


def test_rows_lie_in_the_order_of_the_key_as_the_sort_order_says(house):
    view = plan("spend", {"b": "BIGINT", "a": "VARCHAR"}, {"orders": COUNT})
    lake = house(view)
    rows = [(-5, "z"), (1, "a"), (1, "b"), (1, None), (None, "a")]
    lake.state.put("spend", dict.fromkeys(reversed(rows), (1,)))
    lake.state.commit()
    lake.snapshot()
    table = lake.table()
    assert [str(field) for field in table.sort_order().fields] == [
        "1 ASC NULLS LAST",
        "2 ASC NULLS LAST",
    ]
    assert [(row["b"], row["a"]) for row in lake.rows()] == rows


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS"])
def test_infinity_is_infinity_whatever_a_timestamp_counts(house, kind):
    view = plan("spend", {"key": kind}, {"orders": COUNT})
    lake = house(view)
    lake.state.put("spend", {(value,): (1,) for value in (1 - 2**63, 2**63 - 1, None)})
    lake.state.commit()
    lake.snapshot()
    (file,) = data_files(lake.table().metadata_location)
    keys = pq.read_table(file, partitioning=None).column(0).cast(pa.int64())
    assert keys.to_pylist() == [1 - 2**63, 2**63 - 1, None]


def test_a_moment_beyond_microseconds_is_refused_and_names_its_column(house):
    view = plan("spend", {"key": "TIMESTAMP_S"}, {"orders": COUNT})
    lake = house(view)
    lake.state.put("spend", {(2**62,): (1,)})
    lake.state.commit()
    with pytest.raises(LakeError, match="column key of view spend has a value that its Iceberg"):
        lake.snapshot()


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("HUGEINT", BIG + 1),
        ("HUGEINT", -BIG - 1),
        ("HUGEINT", 2**127 - 1),
        ("UHUGEINT", BIG + 1),
        ("UHUGEINT", 2**128 - 1),
    ],
)
def test_a_number_of_39_digits_is_refused_and_names_its_column(house, kind, value):
    view = plan("spend", {"key": kind}, {"orders": COUNT})
    lake = house(view)
    lake.state.put("spend", {(value,): (1,)})
    lake.state.commit()
    with pytest.raises(LakeError, match="column key of view spend has a value that its Iceberg"):
        lake.snapshot()
    assert lake.table().current_snapshot() is None
    assert lake.files("*.parquet") == set()


@pytest.mark.parametrize("micros", [2**63 - 1, -(2**63) + 1, 400_000_000_000 * 1_000_000])
@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMP WITH TIME ZONE"])
def test_times_beyond_the_calendar_arrive(house, kind, micros):
    lake = house(plan("spend", {"at": kind}, {"orders": COUNT}))
    lake.state.put("spend", {(micros,): (1,), (0,): (1,)})
    lake.state.commit()
    lake.snapshot()
    column = lake.table().scan().to_arrow().column("at")
    assert sorted(column.cast(pa.int64()).to_pylist()) == sorted([micros, 0])


def test_a_column_whose_name_parquet_would_not_take_is_found_by_its_field_id(house):
    lake = house(plan("spend", {"user id": "VARCHAR", "1st": "BIGINT"}, {"größe": COUNT}))
    lake.state.put("spend", {("al", 5): (1,)})
    lake.state.commit()
    lake.snapshot()
    assert lake.rows() == [{"user id": "al", "1st": 5, "größe": 1}]


def test_law_4_a_row_of_the_snapshot_is_the_row_that_rest_serves(house):
    view = plan(
        "spend",
        {"user_id": "VARCHAR", "tags": "VARCHAR[]", "at": "TIMESTAMP WITH TIME ZONE"},
        {
            "orders": COUNT,
            "total": (Aggregate("sum_int", "x", "DECIMAL(18,2)"), Final("sum", "DECIMAL(38,2)")),
            "mean": (Aggregate("sum_int", "x", "DECIMAL(18,2)"), Final("avg", "DOUBLE")),
            "real": (Aggregate("sum_real", "y", "DOUBLE"), Final("sum", "DOUBLE")),
            "first": (Aggregate("min", "z", "VARCHAR"), Final("min", "VARCHAR")),
            "last": (Aggregate("max", "d", "DATE"), Final("max", "DATE")),
        },
    )
    lake = house(view)
    rows = {
        ("al", '["a","b"]', -1): (1, 3, 100, 3, 100, 2, 0.1, 1e-17, True, b"\xc3\xa9", True, -1),
        ("bea", "[]", 0): (2, 0, 0, 7, 2**100, 0, 0.0, 0.0, False, None, False, 0),
        (None, None, None): (3, 1, -(10**37), 1, -1, 1, 1.5, 0.0, True, b"", True, 19_000),
    }
    lake.state.put("spend", rows)
    lake.state.commit()
    lake.snapshot()
    view_reader = lake.reader.view("spend")
    rest = [
        json.loads(view_reader.compiled.json_row(key, value), parse_float=Decimal)
        for key, value in lake.reader.rows(view_reader)
    ]
    for served, stored in zip(rest, lake.rows(), strict=True):
        assert served.keys() == stored.keys()
        for name, value in stored.items():
            assert _as_json(value) == served[name], name


def _as_json(value: object) -> object:
    """The form in which REST writes a value, after ``json.loads`` with exact decimals."""
    match value:
        case float():
            return Decimal(repr(value))
        case dt.datetime():
            return value.isoformat().replace("+00:00", "Z")
        case dt.date():
            return value.isoformat()
    return value


def test_the_schema_of_a_view_has_its_columns_in_select_order():
    view = plan("spend", {"b": "VARCHAR", "a": "BIGINT"}, {"orders": COUNT})
    assert [field.name for field in schema_of(view).fields] == ["b", "a", "orders"]
