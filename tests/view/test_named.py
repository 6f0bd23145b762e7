"""Functions that go by a name have the value that DuckDB gives them, and raise where it raises."""

import random
from collections.abc import Iterator

import duckdb
import pytest

from keyfold.sql.callsql import call_sql
from keyfold.view import times
from keyfold.view.cast import float32
from keyfold.view.expression import JOINS, Call, Expression, Key, Literal, compile_expression
from keyfold.view.named import NAMED
from keyfold.view.texts import cases
from keyfold.view.types import Physical, column_type, integer_range
from tests import lettercase
from tests.view.families import unoptimized
from tests.view.test_expression import NUMERIC, REAL, physical, same, sql_value

MOMENTS = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")
DAY_US = 86_400_000_000
LAST_US, FIRST_US = 2**63 - 2, -106_751_991 * DAY_US
TESTED = {"date_part", "epoch_ms", "epoch_us", "date_trunc", "date_diff", "add_interval"}


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = unoptimized()
    yield connection
    connection.close()


def text(value: str) -> Literal:
    return Literal(value, "VARCHAR")


def values_of(kind: str, count: int, seed: int) -> list[int]:
    """Physical moments: near, far, at bounds of units, infinite."""
    some = random.Random(seed)
    if kind == "DATE":
        named = [0, -1, 1, 59, 60, -719_468, 2_932_896, 2**31 - 1, -(2**31) + 1, 106_751_991]
        named += [106_751_992, -106_751_992, 2**31 - 2, -2_147_483_000]
        return named + [
            some.randint(-(10 ** some.randint(1, 8)), 10 ** some.randint(1, 8))
            for _ in range(count)
        ]
    named = [0, -1, 1, 499, 500, 1500, -499, -500, -1500, 2**63 - 1, -(2**63) + 1]
    named += [1_709_164_800_000_000, 1_709_251_199_999_999, -62_135_596_800_000_000]
    far = [LAST_US, LAST_US - 1, FIRST_US, FIRST_US + 1]
    named += [v // 3 for v in far] if kind.endswith("ZONE") else far
    days = [some.randint(-800_000, 3_000_000) * DAY_US for _ in range(count // 2)]
    sizes = [some.randint(1, 17) for _ in range(count)]
    return named + days + [some.randint(-9 * 10**n, 9 * 10**n) for n in sizes]


def date_sql(value: object) -> str:
    infinity = {2**31 - 1: "DATE 'infinity'", -(2**31) + 1: "DATE '-infinity'", None: "NULL::DATE"}
    return infinity.get(value, f"DATE '1970-01-01' + ({value})")


def moment_sql(value: object) -> str:
    infinity = {2**63 - 1: "TIMESTAMP 'infinity'", -(2**63) + 1: "TIMESTAMP '-infinity'"}
    infinity[None] = "NULL::TIMESTAMP"
    return infinity.get(value, f"make_timestamp({value})")


def cell_sql(kind: str, value: object) -> str:
    if kind == "DATE":
        return f"CAST({date_sql(value)} AS DATE)"
    if kind.startswith("TIMESTAMP"):
        make = "make_timestamptz(" if kind.endswith("ZONE") else "make_timestamp("
        return f"CAST({moment_sql(value).replace('make_timestamp(', make)} AS {kind})"
    return sql_value(kind, value)


def check(
    con: duckdb.DuckDBPyConnection,
    function: str,
    arguments: tuple[Expression, ...],
    kinds: tuple[str, ...],
    rows: list[tuple[object, ...]],
) -> None:
    """Compare a call over columns ``k0…`` of these types with DuckDB, row by row."""
    assert function in TESTED or function in JOINS
    columns = ", ".join(f"k{i} {kind}" for i, kind in enumerate(kinds))
    con.execute(f"CREATE OR REPLACE TEMP TABLE t (n INTEGER, {columns})").fetchall()
    cells = [
        f"({n}, {', '.join(cell_sql(k, v) for k, v in zip(kinds, row, strict=True))})"
        for n, row in enumerate(rows)
    ]
    con.execute(f"INSERT INTO t VALUES {', '.join(cells)}").fetchall()
    sql = call_sql(function, arguments)
    result = con.execute(f"DESCRIBE SELECT {sql} FROM t").fetchall()[0][1]
    evaluate = compile_expression(Call(function, arguments, result), len(kinds))
    table = con.sql(f"SELECT TRY({sql}) AS x FROM t ORDER BY n").to_arrow_table()
    column = table.column(0).combine_chunks()
    wrong = []
    for n, row in enumerate(rows):
        theirs = physical(result, column.slice(n, 1))
        try:
            ours: object = evaluate(row)
        except ArithmeticError as error:
            ours = error
        if theirs is None and (ours is None or isinstance(ours, ArithmeticError)):
            try:
                con.execute(f"SELECT {sql} FROM t WHERE n = {n}").fetchall()
            except duckdb.Error as error:
                theirs = error
        raised = isinstance(theirs, duckdb.Error) and isinstance(ours, ArithmeticError)
        if not raised and not same(ours, theirs):
            wrong.append((row, ours, theirs))
    assert not wrong, (sql, kinds, len(wrong), len(rows), wrong[:5])


@pytest.mark.parametrize("kind", MOMENTS)
@pytest.mark.parametrize("part", times.PARTS)
def test_a_part_of_a_moment(con, part, kind):
    rows = [(v,) for v in [None, *values_of(kind, 60, 1)]]
    check(con, "date_part", (text(part), Key(0, kind)), (kind,), rows)


@pytest.mark.parametrize("kind", MOMENTS)
@pytest.mark.parametrize("function", ["epoch_ms", "epoch_us"])
def test_ticks_since_the_epoch(con, function, kind):
    rows = [(v,) for v in [None, *values_of(kind, 60, 2)]]
    check(con, function, (Key(0, kind),), (kind,), rows)


@pytest.mark.parametrize("kind", MOMENTS)
@pytest.mark.parametrize("unit", times.UNITS)
def test_a_moment_truncated(con, unit, kind):
    rows = [(v,) for v in [None, *values_of(kind, 60, 3)]]
    check(con, "date_trunc", (text(unit), Key(0, kind)), (kind,), rows)


@pytest.mark.parametrize("kind", MOMENTS)
@pytest.mark.parametrize("unit", times.UNITS)
def test_the_bounds_between_two_moments(con, unit, kind):
    a, b = values_of(kind, 60, 4), values_of(kind, 60, 5)
    rows = [*zip(a, b, strict=True), *zip(a, b[1:] + b[:1], strict=True), (None, 0), (0, None)]
    check(con, "date_diff", (text(unit), Key(0, kind), Key(1, kind)), (kind, kind), rows)


SPANS = [(0, 0, 1), (0, 1, 0), (1, 0, 0), (-1, 0, 0), (12, 0, 0), (1200, 0, 0), (1, 30, 5)]
SPANS += [(-1, -30, -5), (1, -30, 86_399_999_999), (-13, 3, -7), (13, -3, 7), (0, -40, 10**10)]
SPANS += [
    (0, 0, -86_400_000_001),
    (2, 0, 10**11),
    (-2, 0, -(10**11)),
    (1, 2, -(10**11)),
    (-1, -2, 999),
]


@pytest.mark.parametrize("kind", MOMENTS)
@pytest.mark.parametrize("span", SPANS)
def test_an_interval_added_to_a_moment(con, span, kind):
    rows = [(v,) for v in [None, *values_of(kind, 100, 6)]]
    months, days, micros = span
    if kind.endswith("ZONE") and months and (days or micros):
        with pytest.raises(KeyError):  # ICU mixes these in an order of its own
            check(con, "add_interval", interval(Key(0, kind), span), (kind,), rows)
        return
    check(con, "add_interval", interval(Key(0, kind), span), (kind,), rows)


def interval(moment: Expression, span: tuple[int, int, int]) -> tuple[Expression, ...]:
    kinds = ("INTEGER", "INTEGER", "BIGINT")
    return moment, *(Literal(n, kind) for n, kind in zip(span, kinds, strict=True))


@pytest.mark.parametrize("target", MOMENTS)
@pytest.mark.parametrize("kind", MOMENTS)
def test_a_moment_cast(con, kind, target):
    for value in [None, *values_of(kind, 60, 7)]:
        query = f"SELECT CAST({cell_sql(kind, value)} AS {target}) AS x"
        evaluate = compile_expression(Call("cast", (Key(0, kind),), target), 1)
        try:
            array = con.sql(query).to_arrow_table().column(0).combine_chunks()
        except duckdb.Error:
            with pytest.raises(ArithmeticError):
                evaluate([value])
            continue
        assert same(evaluate([value]), physical(target, array)), query


NUMBERS = (*NUMERIC, "UINTEGER")
ONE = ("ln", "log10", "log2", "exp", "sign", "trunc", "isnan", "isfinite", "isinf")
TESTED |= {*ONE, "pow", "log", "&", "|"}


def numbers_of(kind: str, count: int, seed: int) -> list[object]:
    some = random.Random(seed)
    column = column_type(kind)
    if column.physical is Physical.F64:
        named = [*REAL, 1.0, -1.0, 2.0, 3.0, 10.0, 1000.0, 709.78, 709.79, -745.2, 5e-324, -8.0]
        named += [some.uniform(-20, 20) for _ in range(count)]
        named += [10 ** some.uniform(-30, 30) for _ in range(count)]
        return [float32(v) for v in named] if kind == "FLOAT" else named
    if column.integer:
        low, high = integer_range(column)
    else:
        low, high = -(10**column.precision) + 1, 10**column.precision - 1
    named = [v for v in (0, 1, -1, 2, 3, 10, 100, -8, low, high, high - 1) if low <= v <= high]
    near = [some.randint(max(low, -2000), min(high, 2000)) for _ in range(count)]
    return named + near + [some.randint(low, high) for _ in range(count)]


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("function", ONE)
def test_a_function_of_a_number(con, function, kind):
    arguments = (Key(0, kind),)
    if function[:2] == "is" and kind not in ("DOUBLE", "FLOAT"):
        with pytest.raises(KeyError):
            compile_expression(Call(function, arguments, "BOOLEAN"), 1)
        return
    check(con, function, arguments, (kind,), [(v,) for v in [None, *numbers_of(kind, 150, 8)]])


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("function", ["pow", "log"])
def test_a_power_and_its_inverse(con, function, kind):
    a, b = numbers_of(kind, 80, 9), numbers_of("DOUBLE", 80, 10)
    rows = [(x, y) for x in a[:30] for y in b[:28]] + list(zip(a, b, strict=False))
    check(con, function, (Key(0, kind), Key(1, "DOUBLE")), (kind, "DOUBLE"), [*rows, (None, 1.0)])


WHOLE = [kind for kind in NUMBERS if column_type(kind).integer]
SIGNED = [kind for kind in WHOLE if kind[0] != "U"]
UNSIGNED = [kind for kind in WHOLE if kind[0] == "U"]
PAIRS = [(a, b) for a in SIGNED for b in SIGNED] + [(a, b) for a in UNSIGNED for b in UNSIGNED]


@pytest.mark.parametrize("kinds", PAIRS)
@pytest.mark.parametrize("function", ["&", "|"])
def test_bits_of_two_numbers(con, function, kinds):
    a, b = (numbers_of(kind, 80, seed) for kind, seed in zip(kinds, (11, 12), strict=True))
    rows = list(zip(a, b[::-1], strict=False))
    check(con, function, (Key(0, kinds[0]), Key(1, kinds[1])), kinds, [*rows, (None, 1)])


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("function", ["&", "|"])
def test_bits_of_a_number_and_a_constant(con, function, kind):
    rows = [(v,) for v in [None, *numbers_of(kind, 80, 13)]]
    check(con, function, (Key(0, kind), Literal(6, "INTEGER")), (kind,), rows)


def test_bits_with_and_without_a_sign_are_refused():
    with pytest.raises(KeyError):
        both = (Key(0, "BIGINT"), Key(1, "UBIGINT"))
        compile_expression(Call("&", both, "HUGEINT"), 2)


TEXTS = (
    "",
    "a",
    "ab",
    "aab",
    "ba",
    "abc",
    "é",
    "aé😀b",
    "😀",
    "%",
    "a_b",
    "a\nb",
    "aaaa",
    " a ",
    "\\",
)
PATTERNS = ("", "%", "a", "a%", "%a", "%a%", "_", "__", "%_", "_%b", "a%b", "a_b", "%a%a%", "%ab%b")
PATTERNS += ("\\%", "%😀%", "a.b", "é", "%%", "a%%b", "%_a", "a%a", "aa%aa", "%\n%", "(")
SOME = (None, *TEXTS)
TESTED |= {"starts_with", "ends_with", "contains", "replace", "left", "right", "like", "ilike"}
TESTED |= {"lower", "upper", "trim", "ltrim", "rtrim", "substring", "strpos", "split_part"}


@pytest.mark.parametrize("function", ["starts_with", "ends_with", "contains", "strpos"])
def test_a_text_in_a_text(con, function):
    rows = [(a, b) for a in SOME for b in SOME]
    check(con, function, (Key(0, "VARCHAR"), Key(1, "VARCHAR")), ("VARCHAR",) * 2, rows)


def test_a_text_replaced(con):
    rows = [(a, b, c) for a in SOME for b in SOME for c in ("", "b", "😀", None)]
    check(con, "replace", tuple(Key(i, "VARCHAR") for i in range(3)), ("VARCHAR",) * 3, rows)


@pytest.mark.parametrize("function", ["left", "right"])
def test_an_end_of_a_text(con, function):
    counts = (
        None,
        0,
        1,
        2,
        3,
        9,
        -1,
        -2,
        -9,
        2**31,
        2**32 - 1,
        2**32,
        -(2**31),
        2**63 - 1,
        -(2**63) + 1,
    )
    rows = [(a, n) for a in SOME for n in counts]
    check(con, function, (Key(0, "VARCHAR"), Key(1, "BIGINT")), ("VARCHAR", "BIGINT"), rows)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_text_like_a_pattern(con, pattern):
    rows = [(a,) for a in SOME]
    check(con, "like", (Key(0, "VARCHAR"), text(pattern)), ("VARCHAR",), rows)


CASES = (*SOME, "Ab", "AB%", "A_b", "É", "ß", "ẞ", "İ", "i", "I", "\u0131", "K", "ŉ", "Ǆ", "ǅ", "ς")
CASES += ("ΑΣ",)
CASE_PATTERNS = ("A%", "_B", "é", "É%", "k", "%İ", "ß", "SS", "%\u03c3")


@pytest.mark.parametrize("pattern", (*PATTERNS, *CASE_PATTERNS))
def test_a_text_like_a_pattern_whatever_the_case(con, pattern):
    check(con, "ilike", (Key(0, "VARCHAR"), text(pattern)), ("VARCHAR",), [(a,) for a in CASES])


@pytest.mark.parametrize("function", ["lower", "upper"])
def test_a_text_in_one_case(con, function):
    letters = [chr(code) for code in range(1, 0x3000) if chr(code) != "'"]
    texts = [*CASES, *("".join(letters[i : i + 50]) for i in range(0, len(letters), 50))]
    check(con, function, (Key(0, "VARCHAR"),), ("VARCHAR",), [(a,) for a in texts])


def test_the_cases_of_all_code_points_are_those_of_duckdb():
    assert lettercase.source() == lettercase.TARGET.read_text()
    for function in ("lower", "upper"):
        assert cases(function) == dict(lettercase.changed(function))


BLANKS = (*SOME, "  a b ", "\ta\n", "\u00a0a\u2003", "\u200ba", "\u3000", "bab", "😀a😀", "]a-b^")


@pytest.mark.parametrize("function", ["trim", "ltrim", "rtrim"])
def test_the_ends_of_a_text_trimmed(con, function):
    check(con, function, (Key(0, "VARCHAR"),), ("VARCHAR",), [(a,) for a in BLANKS])
    rows = [(a, b) for a in BLANKS for b in (*BLANKS, "]^-")]
    check(con, function, (Key(0, "VARCHAR"), Key(1, "VARCHAR")), ("VARCHAR",) * 2, rows)


PARTS = (None, "", "a", "b😀", ",")


@pytest.mark.parametrize("function", JOINS)
def test_texts_joined_without_those_that_are_null(con, function):
    keys = tuple(Key(i, "VARCHAR") for i in range(3))
    rows = [(a, b, c) for a in PARTS for b in PARTS for c in PARTS]
    check(con, function, keys, ("VARCHAR",) * 3, rows)
    check(con, function, keys[:2], ("VARCHAR",) * 2, [row[:2] for row in rows])
    with_constant = (text(", "), *keys[:2])
    check(con, function, with_constant, ("VARCHAR",) * 2, [row[:2] for row in rows])
    if function == "concat":
        check(con, function, keys[:1], ("VARCHAR",), [(a,) for a in PARTS])


def test_joined_values_are_written_as_duckdb_writes_them(con):
    kinds = ("INTEGER", "DECIMAL(9,2)", "BOOLEAN", "HUGEINT")
    keys = tuple(Key(i, kind) for i, kind in enumerate(kinds))
    rows = [(1, -150, True, 2**100), (None, None, None, None), (-7, 5, False, -1)]
    check(con, "concat", keys, kinds, rows)
    check(con, "concat_ws", (text("/"), *keys), kinds, rows)


PLACES = (None, 0, 1, 2, 3, 9, -1, -2, -3, -9, 2**31, 2**32 - 1, 2**32, -(2**32), -(2**32) - 1)
PLACES += (2**63 - 1, -(2**63) + 1)


def test_a_part_of_a_text(con):
    keys = (Key(0, "VARCHAR"), Key(1, "BIGINT"), Key(2, "BIGINT"))
    kinds = ("VARCHAR", "BIGINT", "BIGINT")
    check(con, "substring", keys[:2], kinds[:2], [(a, n) for a in SOME for n in PLACES])
    rows = [(a, n, m) for a in (None, "", "aé😀b", "hello") for n in PLACES for m in PLACES]
    check(con, "substring", keys, kinds, rows)


def test_a_text_split(con):
    keys = (Key(0, "VARCHAR"), Key(1, "VARCHAR"), Key(2, "BIGINT"))
    texts = (None, "", "a", ",", "a,b", ",a,,b,", "aaa", "é😀é")
    separators = (None, "", ",", ",,", "a", "aa", "é")
    rows = [(a, b, n) for a in texts for b in separators for n in PLACES]
    check(con, "split_part", keys, ("VARCHAR", "VARCHAR", "BIGINT"), rows)


def test_every_named_function_is_tested():
    assert TESTED == NAMED
