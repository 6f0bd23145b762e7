"""docs/sql.md: what it shows compiles, what it calls refused is refused with the words it gives."""

import re
from pathlib import Path

import pytest

from keyfold.errors import SqlError
from keyfold.sql import calls, nexmark
from keyfold.sql.compile import compile_sql
from keyfold.sql.named import NAMES
from keyfold.sql.options import SHARED_OPTIONS, VIEW_OPTIONS
from keyfold.view.plan import INCLUDE_TYPES

PAGE = (Path(__file__).parents[2] / "docs" / "sql.md").read_text()
BLOCKS = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
REFUSED = re.findall(r"```sql refused\n(.*?)```\n```text\n(.*?)\n```", PAGE, re.DOTALL)


def test_every_block_compiles_with_those_before_it() -> None:
    catalog = compile_sql("\n".join(BLOCKS))
    assert len(catalog.views) >= 6
    for block in BLOCKS:
        assert block.count("```") == 0


@pytest.mark.parametrize(("statement", "expected"), REFUSED)
def test_what_is_called_refused_is_refused_in_these_words(statement: str, expected: str) -> None:
    before = "\n".join(BLOCKS)
    with pytest.raises(SqlError) as caught:
        compile_sql(before + statement)
    problem, place = caught.value, caught.value.location
    assert place is not None
    line = place.line - before.count("\n")
    assert f"{line}:{place.column}: {problem.message} (hint: {problem.hint})" == expected


def test_every_refused_block_has_its_words() -> None:
    assert PAGE.count("```sql refused") == len(REFUSED) >= 7


@pytest.mark.parametrize("word", [*SHARED_OPTIONS, *VIEW_OPTIONS, *NAMES, "if"])
def test_options_and_functions_are_documented(word: str) -> None:
    assert f"`{word}`" in PAGE or f"`{word}(… FROM …)`" in PAGE


@pytest.mark.parametrize(("name", "kind"), nexmark.COLUMNS)
def test_every_column_of_nexmark_events_is_documented(name: str, kind: str) -> None:
    assert re.search(rf"^\| `{name}` \| `{re.escape(kind)}`", PAGE, re.MULTILINE)


@pytest.mark.parametrize("name", calls.CALLS)
def test_every_aggregate_is_documented(name: str) -> None:
    assert re.search(rf"`{name}[`(]", PAGE, re.IGNORECASE)


@pytest.mark.parametrize("kind", INCLUDE_TYPES)
def test_every_include_is_documented(kind: str) -> None:
    assert f"`INCLUDE {kind}`" in PAGE
