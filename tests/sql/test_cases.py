"""The hand-written cases of ``tests/sql/cases/*.sql``, each with several cuts into batches."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence

import duckdb
import pytest

from keyfold.sql.bind import locked_connection
from keyfold.sql.compile import compile_sql
from tests.sql.casefile import Case, cases, kept

CASES = cases()


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    opened = locked_connection()
    yield opened
    opened.close()


def cuts(case: Case, title: str) -> Iterator[Sequence[int]]:
    """One batch, one event each, and two cuts in between."""
    n = len(case.messages)
    yield [n]
    yield [1] * n
    chance = random.Random(title)
    for _ in range(2):
        sizes = []
        while sum(sizes) < n:
            sizes.append(chance.randint(1, max(1, n // 2)))
        yield sizes


@pytest.mark.parametrize("title", CASES)
def test_a_case_has_its_rows_for_every_cut(
    connection: duckdb.DuckDBPyConnection, title: str
) -> None:
    case = CASES[title]
    catalog = compile_sql(case.sql)
    for sizes in cuts(case, title):
        rows, ledger = kept(connection, catalog, case, sizes)
        assert rows == case.rows, sizes
        assert sum(ledger.values()) == len(case.messages), "an event is counted once"
        if case.ledger is not None:
            assert ledger == case.ledger, sizes


def test_each_family_and_each_kind_of_window_has_its_cases() -> None:
    files = Counter(title.partition(":")[0] for title in CASES)
    kinds = [name for name in files if name.startswith(("aggregates_", "windows_"))]
    assert len(kinds) >= 14
    assert [name for name in kinds if name != "windows_shared" and files[name] < 10] == []
