"""What is refused says so at the word, with its own message and the nearest thing that works."""

import random
import re

import pytest

from keyfold.errors import SqlError
from keyfold.sql.bind import locked_connection
from keyfold.sql.compile import compile_sql
from keyfold.sql.refuse import volatile_functions
from keyfold.view.row import CompiledView
from tests.sql.compiling import SOURCE, catalog_of, complaint, plan_of, sections

VIEW = SOURCE + "CREATE MATERIALIZED VIEW v AS\n"
VIEWS = dict(sections("refused_views.sql"))
FILES = dict(sections("refused_files.sql"))
KEPT = [text for _, text in sections("views.sql")]
FUZZ_STATEMENTS = 150
NOT_OF_THE_EVENTS = (
    "now|today|current|local|clock|rand|uuid|user|session|setting|version|transaction|nextval"
)
"""What the names of functions have that read the clock, chance or the session."""
OF_THE_EVENTS = {
    "pg_conversion_is_visible",  # always true
    "uuid_extract_timestamp",
    "uuid_extract_version",
}
"""Those with such names that read their arguments alone."""


@pytest.mark.parametrize("title", VIEWS)
def test_a_view_that_cannot_be_kept_is_refused_at_the_word(title: str) -> None:
    select, _, expected = VIEWS[title].rpartition("\n--> ")
    with pytest.raises(SqlError) as caught:
        compile_sql(VIEW + select)
    assert complaint(caught.value, VIEW.count("\n")) == expected


@pytest.mark.parametrize("title", FILES)
def test_a_file_that_cannot_be_run_is_refused_at_the_word(title: str) -> None:
    text, _, expected = FILES[title].rpartition("\n--> ")
    with pytest.raises(SqlError) as caught:
        compile_sql(text)
    assert complaint(caught.value) == expected


def test_every_refusal_has_a_hint() -> None:
    for text in (*VIEWS.values(), *FILES.values()):
        expected = text.rpartition("\n--> ")[2]
        assert len([part for part in expected.split(" | ") if part.strip()]) == 3, expected


def test_every_function_named_for_clock_chance_or_session_is_refused() -> None:
    names = locked_connection().execute(
        "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE function_type IN "
        "('scalar', 'macro') AND regexp_matches(lower(function_name), ?)",
        [NOT_OF_THE_EVENTS],
    )
    found = {name for (name,) in names.fetchall()}
    assert found - volatile_functions() == OF_THE_EVENTS
    assert len(found) > 20, "the names are still found"


def test_every_macro_over_a_refused_function_is_refused() -> None:
    macros = locked_connection().execute(
        "SELECT lower(function_name), lower(macro_definition) FROM duckdb_functions() "
        "WHERE function_type = 'macro'"
    )
    refused = volatile_functions() - {"error"}  # which ends a query, and gives no value
    for name, definition in macros.fetchall():
        if refused.intersection(re.findall(r"\w+", definition or "")):
            assert name in refused


def test_a_location_counts_lines_with_carriage_returns_and_names_the_file() -> None:
    text = "CREATE SOURCE s (a INT)\r\nWITH (connector = 'events',\r\n  topik = 'x');\r\n"
    with pytest.raises(SqlError) as caught:
        compile_sql(text, "shop/orders.sql")
    place = caught.value.location
    assert place is not None
    assert str(place) == "shop/orders.sql:3:3"
    assert place.text == "  topik = 'x');"


@pytest.mark.parametrize("count", [400, 20_000])
def test_nesting_without_end_is_an_error_and_no_crash(count: int) -> None:
    deep = f"SELECT {'(' * count}qty{')' * count} AS q, COUNT(*) AS n FROM orders GROUP BY q"
    with pytest.raises(SqlError):
        catalog_of(deep)


def test_a_column_that_doubles_from_subquery_to_subquery_is_an_error_and_no_memory() -> None:
    deep = "orders"
    for _ in range(30):
        deep = f"(SELECT qty + qty AS qty FROM {deep})"
    with pytest.raises(SqlError, match="the expression of qty is too long"):
        catalog_of(f"SELECT qty, COUNT(*) AS n FROM {deep} GROUP BY qty")


def test_a_long_condition_is_fine() -> None:
    some = " OR ".join(f"qty = {i}" for i in range(100))
    assert plan_of(f"SELECT qty, COUNT(*) AS n FROM orders WHERE {some} GROUP BY qty")


@pytest.mark.parametrize("seed", range(3))
def test_odd_text_is_refused_or_compiles_and_never_fails_otherwise(seed: int) -> None:
    views = [text.rpartition("\n--> ")[0] for text in VIEWS.values()] + KEPT
    files = [text.rpartition("\n--> ")[0] for text in FILES.values()]
    words = [w for text in views + files for w in re.findall(r"\w+|[^\w\s]|\s+", text)]
    chance = random.Random(seed)
    for _ in range(FUZZ_STATEMENTS // 3):
        whole = chance.random() < 0.3
        tokens = re.findall(r"\w+|[^\w\s]|\s+", chance.choice(files if whole else views))
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(tokens) + 1)
            tokens[at : at + chance.randint(0, 1)] = [chance.choice(words)]
        text = "".join(tokens)
        try:
            catalog = compile_sql(text if whole else VIEW + text)
        except SqlError as problem:
            assert problem.location is not None, text
            assert problem.hint, text
            assert problem.message, text
        else:
            for view in catalog.views:
                CompiledView(view)
