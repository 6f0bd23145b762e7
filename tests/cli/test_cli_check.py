"""``keyfold check`` and ``keyfold explain``."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from keyfold.cli.show import caret_lines
from keyfold.errors import SqlLocation
from tests.cli.scene import PIPELINE, Keyfold


def test_a_good_file_is_summarised(keyfold: Keyfold) -> None:
    told = keyfold("check", "pipeline.sql")
    assert (told.returncode, told.stderr) == (0, "")
    assert "user_id, region, orders, total" in told.stdout
    assert told.stdout.endswith("pipeline.sql: good, 1 source and 1 view\n")


def test_an_error_names_the_place_shows_it_and_gives_a_hint(keyfold: Keyfold) -> None:
    (keyfold.directory / "bad.sql").write_text(PIPELINE.replace("SUM(amount)", "SUM(amuont)"))
    told = keyfold("check", "bad.sql")
    assert (told.returncode, told.stdout) == (2, "")
    place, line, caret, hint = told.stderr.splitlines()
    assert place.startswith("bad.sql:5:49: error: ")
    assert line == "  SELECT user_id, region, COUNT(*) AS orders, SUM(amuont) AS total"
    assert line[caret.index("^") : caret.rindex("^") + 1] == "amuont"
    assert hint.startswith("hint: ")


@pytest.mark.parametrize(
    ("name", "message"),
    [("absent.sql", "cannot be read: No such file"), ("binary.sql", "is no UTF-8 text")],
)
def test_a_file_that_cannot_be_read_is_an_error(keyfold: Keyfold, name: str, message: str) -> None:
    (keyfold.directory / "binary.sql").write_bytes(b"\xff\xfe\x00")
    told = keyfold("check", name)
    assert told.returncode == 2
    assert message in told.stderr
    assert "Traceback" not in told.stderr


def test_the_caret_stands_below_its_place_behind_tabs_and_never_beyond_the_line() -> None:
    line, caret = caret_lines(SqlLocation("f", 1, 3, "\t\tbad", 99))
    assert line == "  \t\tbad"
    assert caret == "  \t\t^^^"


def test_a_file_source_without_columns_is_looked_into(keyfold: Keyfold) -> None:
    pq.write_table(pa.table({"id": [1], "name": ["a"]}), keyfold.directory / "a.parquet")
    (keyfold.directory / "files.sql").write_text(
        "CREATE SOURCE f WITH (connector = 'file', path = '*.parquet')"
        " FORMAT PLAIN ENCODE PARQUET;\n"
        "CREATE MATERIALIZED VIEW v AS SELECT name, MAX(id) AS top FROM f GROUP BY name;"
    )
    told = keyfold("check", "files.sql")
    assert told.returncode == 0, told.stderr


WAITING = (
    "CREATE SOURCE clicks WITH (connector = 'events');\n"
    "CREATE MATERIALIZED VIEW clicked AS SELECT who, COUNT(*) AS n FROM clicks GROUP BY who;\n"
)


def test_what_reads_a_source_without_columns_is_left_for_later(keyfold: Keyfold) -> None:
    (keyfold.directory / "both.sql").write_text(PIPELINE + WAITING)
    told = keyfold("check", "both.sql")
    assert (told.returncode, told.stderr) == (0, "")
    assert "user_id, region, orders, total" in told.stdout
    assert told.stdout.endswith(
        "both.sql: good, 2 sources and 2 views; what reads clicks is checked once its columns are "
        "detected\n"
    )
    (keyfold.directory / "bad.sql").write_text(PIPELINE + WAITING.replace("FROM clicks", "FROM c"))
    assert "there is no source c" in keyfold("check", "bad.sql").stderr


def test_explain_of_a_view_whose_columns_are_not_known_says_how_to_write_them(
    keyfold: Keyfold,
) -> None:
    (keyfold.directory / "both.sql").write_text(PIPELINE + WAITING)
    assert "cost of a group" in keyfold("explain", "both.sql").stdout
    told = keyfold("explain", "both.sql", "clicked")
    assert told.returncode == 2
    assert "view clicked reads source clicks, which has no column list" in told.stderr


def test_explain_says_what_is_kept_and_what_a_group_costs(keyfold: Keyfold) -> None:
    told = keyfold("explain", "pipeline.sql", "spend")
    assert told.returncode == 0, told.stderr
    # The key: 5 bytes of prefix, twice a tag and a terminator. The partial: a version byte, then
    # n (8) of COUNT(*), n (8) and sum (16) of SUM.
    assert (
        "cost of a group   42 bytes (key 9, partial 33) + the text of user_id + the text of region"
        in told.stdout
    )
    assert "n i64 8, sum i128 16" in told.stdout
    assert "SUM(amount)" in told.stdout
    assert "GROUP BY" in told.stdout.split("SQL per batch:")[1]


def test_explain_of_a_view_that_is_not_there_names_one_that_is(keyfold: Keyfold) -> None:
    told = keyfold("explain", "pipeline.sql", "spent")
    assert told.returncode == 2
    assert "did you mean spend?" in told.stderr
