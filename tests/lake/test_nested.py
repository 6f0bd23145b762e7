"""What lies in lists, structs and maps arrives in Iceberg with its value."""

import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from keyfold.errors import LakeError
from keyfold.sql.bind import locked_connection
from keyfold.view.types import column_type, json_writer
from lake.status import data_files
from tests.lake.conftest import House
from tests.lake.state import COUNT, plan
from tests.view.families import INFINITY_DAYS, INFINITY_US, cell

CON = locked_connection()
DAY_US = 86_400_000_000


def kept(value: str) -> tuple[str, str]:
    """Return (the type of an SQL value, the text that the state keeps of it)."""
    rows = CON.execute(f"SELECT typeof(x), CAST(to_json(x) AS VARCHAR) FROM (SELECT {value} AS x)")
    ((kind, text),) = rows.fetchall()
    return kind, text


def arrived(house, values: dict[str, str]) -> pa.Table:
    """Take a snapshot of one row with SQL values as its keys, and read its file."""
    keys = {name: kept(value) for name, value in values.items()}
    lake: House = house(
        plan("spend", {name: kind for name, (kind, _) in keys.items()}, {"n": COUNT})
    )
    lake.state.put("spend", {tuple(text for _, text in keys.values()): (1,)})
    lake.state.commit()
    lake.snapshot()
    return pq.read_table(data_files(lake.table().metadata_location)[0], partitioning=None)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("BOOLEAN", "true", True),
        ("TINYINT", "-128", -128),
        ("SMALLINT", "-32768", -32_768),
        ("INTEGER", "-2147483648", -(2**31)),
        ("BIGINT", "-9223372036854775808", -(2**63)),
        ("UTINYINT", "255", 255),
        ("USMALLINT", "65535", 65_535),
        ("UINTEGER", "4294967295", 2**32 - 1),
        ("UBIGINT", "18446744073709551615", Decimal(2**64 - 1)),
        ("HUGEINT", "-99999999999999999999999999999999999999", Decimal(1 - 10**38)),
        ("UHUGEINT", "340282366920938463463374607431768211455", str(2**128 - 1)),
        ("UHUGEINT", "0", "0"),
        ("DECIMAL(4,1)", "-999.9", Decimal("-999.9")),
        ("DECIMAL(38,10)", "0.0000000001", Decimal("1E-10")),
        ("VARCHAR", "1", "1"),
        ("UUID", "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000a"),
        ("BLOB", "a\\xFF", "a\\xFF"),
        ("ENUM('UHUGEINT', 'INT')", "UHUGEINT", "UHUGEINT"),
    ],
)  # fmt: skip
def test_a_value_of_any_type_arrives_in_a_list_a_struct_and_a_map(house, kind, value, expected):
    one = f"CAST('{value}' AS {kind})"
    table = arrived(
        house,
        {
            "many": f"[{one}, NULL]",
            "parts": f"{{'a': {one}, 'b': CAST(NULL AS {kind})}}",
            "mapped": f"MAP {{{one}: {one}}}",
        },
    )
    assert table.column("many").to_pylist() == [[expected, None]]
    assert table.column("parts").to_pylist() == [{"a": expected, "b": None}]
    assert table.column("mapped").to_pylist() == [[(expected, expected)]]


@pytest.mark.parametrize("value", ["[170141183460469231731687303715884105727::HUGEINT]"])
def test_a_nested_value_that_does_not_fit_names_its_column(house, value):
    with pytest.raises(LakeError, match="column long of view spend has a value that its Iceberg"):
        arrived(house, {"long": value})


@pytest.mark.parametrize("text", ['[{"a":1}]', "[[1]]", '["x"]'])
@pytest.mark.parametrize("kind", ["BIGINT[]", "DECIMAL(18,2)[]", "DOUBLE[]", "DATE[]"])
def test_a_text_that_is_not_of_its_type_names_its_column(house, kind, text):
    lake = house(plan("spend", {"xs": kind}, {"n": COUNT}))
    lake.state.put("spend", {(text,): (1,)})
    lake.state.commit()
    with pytest.raises(LakeError, match="column xs of view spend has a value that its Iceberg"):
        lake.snapshot()


BC_US, FAR_US = -62_167_219_200_000_001, 253_402_300_800_250_000
MOMENTS = {
    "DATE": [-719_529, -719_528, 0, 3_000_000, INFINITY_DAYS, -INFINITY_DAYS],
    "TIME": [0, 1, DAY_US - 1, DAY_US],
    "TIMESTAMP": [BC_US, -1, 0, FAR_US, INFINITY_US, -INFINITY_US],
    "TIMESTAMP WITH TIME ZONE": [BC_US, -1, 0, FAR_US, INFINITY_US, -INFINITY_US],
}


@pytest.mark.parametrize("kind", MOMENTS)
def test_a_time_in_a_list_is_the_time_outside_of_it(house, kind):
    values = MOMENTS[kind]
    cells = [cell(kind, value) for value in values]
    table = arrived(
        house,
        {
            "many": f"[{', '.join(cells)}]",
            "parts": f"{{{', '.join(f'p{at}: {one}' for at, one in enumerate(cells))}}}",
            "mapped": f"MAP {{{', '.join(f'{one}: {one}' for one in cells)}}}",
        },
    )
    many, parts, mapped = (column.chunk(0) for column in table.columns[:3])
    for found in (many.flatten(), pa.concat_arrays(parts.flatten()), mapped.keys, mapped.items):
        assert _integers(found) == values


def _integers(array: pa.Array) -> list[int]:
    """Return what lies in an array of dates or times, infinities included."""
    bits = pa.int32() if pa.types.is_date32(array.type) else pa.int64()
    return array.view(bits).to_pylist()


@pytest.mark.parametrize(
    "value",
    [
        "{'a': TIMESTAMP_S '2026-01-01 00:00:01', 'v': '2026-01-01 00:00:01'}",
        "{'a': TIMESTAMP_NS '2026-01-01 00:00:01.123456789'}",
        "[TIMESTAMP_MS '2026-01-01 00:00:01.5', NULL, 'infinity', '0044-03-15 (BC) 12:00:00']",
        "MAP {TIMESTAMP_S '2026-01-01 00:00:01': TIMESTAMP_NS '2026-01-01 00:00:01'}",
        "MAP {{'a': 1}: TIMESTAMP '2026-01-01 00:00:01'}",
        "MAP {[1]: TIMESTAMPTZ '2026-01-01 00:00:01Z'}",
        "{'j': json_object('at', '2026-01-01 00:00:01'), 't': TIMESTAMP '2026-01-01 00:00:01'}",
        "MAP {{'a': 1}: 1.50}",
    ],
)
def test_law_4_a_nested_time_that_is_text_is_that_of_rest(house, value):
    kind, text = kept(value)
    rest = json_writer(column_type(kind))(text)
    stored = arrived(house, {"x": value}).column("x")[0].as_py()
    if isinstance(stored, str):  # the whole value is JSON text
        assert stored == rest
    else:
        pairs = isinstance(stored, list) and isinstance(stored[0], tuple)
        assert (dict(stored) if pairs else stored) == json.loads(rest)
