"""``keyfold check`` and ``keyfold explain``."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

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
    assert "none: one row" in told.stdout
    assert told.stdout.endswith("pipeline.sql: good, 1 source and 2 views\n")


def test_an_error_names_the_place_shows_it_and_gives_a_hint(keyfold: Keyfold) -> None:
    (keyfold.directory / "bad.sql").write_text(PIPELINE.replace("SUM(amount)", "SUM(amuont)"))
    told = keyfold("check", "bad.sql")
    assert (told.returncode, told.stdout) == (2, "")
    place, line, caret, hint = told.stderr.splitlines()
    assert place.startswith("bad.sql:5:49: error: ")
    assert line == "  SELECT user_id, region, COUNT(*) AS orders, SUM(amuont) AS total"
    assert line[caret.index("^") : caret.rindex("^") + 1] == "amuont"
    assert hint.startswith("hint: ")


WRONG = """CREATE SOURCE good (a INT, b VARCHAR) WITH (connector = 'events');
CREATE SOURCE bad (a INT) WITH (connector = 'evants');
CREATE MATERIALIZED VIEW one AS SELECT a, COUNT(*) AS n FROM good GROUP BY c;
CREATE MATERIALIZED VIEW two AS SELECT a,, COUNT(*) AS n FROM good GROUP BY a;
CREATE MATERIALIZED VIEW of_bad AS SELECT a, COUNT(*) AS n FROM bad GROUP BY a;
DROP VIEW one;
CREATE MATERIALIZED VIEW fine AS SELECT a, COUNT(*) AS n FROM good GROUP BY a;
CREATE MATERIALIZED VIEW lost AS SELECT a, COUNT(*) AS n FROM goood GROUP BY a;
"""


def test_every_statement_that_is_wrong_is_reported_once(keyfold: Keyfold) -> None:
    (keyfold.directory / "wrong.sql").write_text(WRONG)
    told = keyfold("check", "wrong.sql")
    assert (told.returncode, told.stdout) == (2, "")
    places = [line for line in told.stderr.splitlines() if line.startswith("wrong.sql:")]
    # What reads a source that is wrong is left out, and what is good is not mentioned.
    assert [place.split(":")[1] for place in places] == ["2", "3", "4", "6", "8"]
    assert "evants" in places[0]
    assert "did you mean good?" in told.stderr


def test_a_file_whose_only_source_is_wrong_has_that_error_alone(keyfold: Keyfold) -> None:
    (keyfold.directory / "one.sql").write_text(
        "CREATE SOURCE s (a INTT) WITH (connector = 'events');\n"
        "CREATE MATERIALIZED VIEW v AS SELECT a, COUNT(*) AS n FROM s GROUP BY a;\n"
    )
    told = keyfold("check", "one.sql")
    places = [line for line in told.stderr.splitlines() if line.startswith("one.sql:")]
    assert (told.returncode, len(places)) == (2, 1), told.stderr
    assert places[0].startswith("one.sql:1:")


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


@pytest.mark.parametrize(
    ("options", "message", "place"),
    [
        (
            "connector = 'kafka', topic = 'orders'",
            "'properties.bootstrap.servers' is missing",
            "orders",
        ),
        (
            "connector = 'kafka', topic = 'o', properties.enable.auto.commit = 'true'",
            "property 'enable.auto.commit' cannot be set",
            "properties.enable.auto.commit",
        ),
        (
            "connector = 'kafka', topic = 'o', scan.startup.mode = 'timestamp'",
            "scan.startup.timestamp.millis is missing",
            "scan.startup.mode",
        ),
        (
            "connector = 'events', retention.ms = 'long'",
            "source orders has retention.ms = 'long'",
            "retention.ms",
        ),
        (
            "connector = 'file', path = 'a.csv', delimiter = 'ab'",
            "has delimiter = 'ab'",
            "delimiter",
        ),
    ],
)
@pytest.mark.parametrize("columns", ["(user_id VARCHAR) ", ""])
def test_options_that_a_run_refuses_are_refused_by_a_check(
    keyfold: Keyfold, columns: str, options: str, message: str, place: str
) -> None:
    (keyfold.directory / "pipeline.sql").write_text(
        f"CREATE SOURCE orders {columns}WITH ({options});\n"
        "CREATE MATERIALIZED VIEW v AS SELECT user_id, COUNT(*) AS n FROM orders GROUP BY user_id;"
    )
    for command in (("check",), ("run", "--port", "0")):
        told = keyfold(command[0], "pipeline.sql", *command[1:])
        assert (told.returncode, told.stdout) == (2, "")
        first, line, caret, hint = told.stderr.splitlines()
        assert first.startswith("pipeline.sql:1:")
        assert "error: source " in first
        assert message in first
        assert line[caret.index("^") : caret.rindex("^") + 1].startswith(place)
        assert hint.startswith("hint: ")
    assert not (keyfold.directory / "keyfold-data").exists()


MIXED = """
CREATE SOURCE clicks WITH (connector = 'events');
CREATE SOURCE taps WITH (
  connector = 'kafka', topic = 'my taps', properties.bootstrap.servers = 'h:1'
);
CREATE SOURCE f WITH (connector = 'file', path = '*.parquet');
CREATE SOURCE g WITH (connector = 'file', path = 'none*.csv');
CREATE SOURCE orders (u VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW by_name AS SELECT name, SUM(price) AS total FROM f GROUP BY name;
CREATE MATERIALIZED VIEW by_u AS SELECT u, COUNT(*) AS n FROM orders GROUP BY u;
CREATE MATERIALIZED VIEW w AS SELECT b, window_start, COUNT(*) AS n
FROM TUMBLE(clicks, ts, INTERVAL '1' MINUTE) GROUP BY b, window_start;
CREATE MATERIALIZED VIEW w2 AS SELECT b, COUNT(*) AS n FROM clicks GROUP BY b;
"""


def test_what_waits_for_columns_is_named_and_the_rest_is_checked(keyfold: Keyfold) -> None:
    prices = pa.array([Decimal("1.10")], pa.decimal128(9, 2))
    pq.write_table(pa.table({"price": prices, "name": ["a"]}), keyfold.directory / "a.parquet")
    (keyfold.directory / "mixed.sql").write_text(MIXED)
    told = keyfold("check", "mixed.sql")
    assert told.returncode == 0, told.stderr
    left_out = [line for line in told.stdout.splitlines() if line.startswith("not checked: ")]
    later = "its columns are detected when it runs; for a column list: keyfold sources infer"
    assert left_out == [
        f"not checked: columns of source clicks, nor views w, w2: {later} --name clicks -"
        " < events.ndjson",
        f"not checked: columns of source taps: {later} --name taps --topic 'my taps' --bootstrap"
        " h:1",
        "not checked: columns of source g: no file matches none*.csv; for a column list: keyfold"
        " sources infer --name g 'none*.csv'",
    ]
    assert "mixed.sql: good as far as it was checked, 5 sources and 4 views\n" in told.stdout


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("SUM(price)", "SUM(prise)", "did you mean price?"),
        ("AS SELECT u,", "AS SELECT x,", "there is no column x"),
        ("FROM clicks", "FROM click", "did you mean clicks?"),
        ("FROM clicks GROUP BY b", "FROM clicks GROUP BY b LIMIT 1", "LIMIT"),
        ("none*.csv", "none*.csv', delimiter = ';;", "use one ASCII character"),
        ("topic = 'my taps'", "topc = 'my taps'", "did you mean topic?"),
    ],
)
def test_what_is_wrong_whatever_the_columns_are_is_refused(
    keyfold: Keyfold, right: str, wrong: str, message: str
) -> None:
    pq.write_table(pa.table({"price": [1], "name": ["a"]}), keyfold.directory / "a.parquet")
    assert right in MIXED
    (keyfold.directory / "mixed.sql").write_text(MIXED.replace(right, wrong))
    told = keyfold("check", "mixed.sql")
    assert told.returncode == 2
    assert message in told.stderr


def test_a_view_whose_columns_are_not_known_cannot_be_explained_and_others_can(
    keyfold: Keyfold,
) -> None:
    (keyfold.directory / "mixed.sql").write_text(MIXED)
    told = keyfold("explain", "mixed.sql")
    assert told.returncode == 0, told.stderr
    assert "view by_u of source orders" in told.stdout
    assert "not explained: w, w2, over source clicks: its columns are detected" in told.stdout
    one = keyfold("explain", "mixed.sql", "w2")
    assert one.returncode == 2
    assert "the columns of source clicks are not known" in one.stderr


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


def test_explain_says_what_each_different_value_costs(keyfold: Keyfold, tmp_path: Path) -> None:
    (tmp_path / "different.sql").write_text(
        "CREATE SOURCE s (k BIGINT, x BIGINT, t VARCHAR) WITH (connector = 'events');"
        "CREATE MATERIALIZED VIEW v AS SELECT k, COUNT(DISTINCT x, t) FILTER (WHERE x > 1) AS n "
        "FROM s GROUP BY k;"
    )
    told = keyfold("explain", "different.sql")
    assert "COUNT(DISTINCT x, t) FILTER (WHERE x > 1)" in told.stdout, told.stderr
    # The key of a row with a byte before it, 15; the set's number, 2; two values and their tags.
    cost = "cost of a value   28 bytes + the text of t, for each DISTINCT x, t where x > 1"
    assert cost in told.stdout


def test_explain_writes_a_folded_list_as_a_comprehension(keyfold: Keyfold, tmp_path: Path) -> None:
    (tmp_path / "folds.sql").write_text(
        "CREATE SOURCE e (k VARCHAR, xs BIGINT[]) WITH (connector = 'events');\n"
        "CREATE MATERIALIZED VIEW v AS SELECT xs, len(xs) AS n,\n"
        "list_max([y * 2 for y in xs if y < COUNT(*)]) AS m\n"
        "FROM e GROUP BY xs;\n"
    )
    told = keyfold("explain", "folds.sql")
    text = " ".join(told.stdout.split())
    assert "len([item for item in xs])" in text, told.stderr
    assert "list_max([(item * 2) for item in xs if (item < COUNT(*))])" in text


def test_explain_says_what_a_function_is_told_beside_its_partial(
    keyfold: Keyfold, tmp_path: Path
) -> None:
    (tmp_path / "near.sql").write_text(
        "CREATE SOURCE s (x BIGINT) WITH (connector = 'events');"
        "CREATE MATERIALIZED VIEW v AS SELECT approx_quantile(x, 0.25) AS low, "
        "approx_quantile(x, 0.75) AS high FROM s;"
    )
    told = keyfold("explain", "near.sql")
    assert "APPROX_QUANTILE(" in told.stdout, told.stderr
    assert "'0.25'" in told.stdout
    assert "'0.75'" in told.stdout
    assert "sketch bytes 4 + bytes" in told.stdout


def test_explain_says_how_many_panes_a_window_is_merged_from(
    keyfold: Keyfold, tmp_path: Path
) -> None:
    (tmp_path / "hop.sql").write_text(
        "CREATE SOURCE s (ts TIMESTAMP) WITH (connector = 'events');"
        "CREATE MATERIALIZED VIEW v AS SELECT window_start, COUNT(*) AS n "
        "FROM HOP(s, ts, INTERVAL '1' MINUTE, INTERVAL '1' HOUR) GROUP BY window_start;"
    )
    told = keyfold("explain", "hop.sql")
    window = "window            hop 1 h on ts, up to 60 panes of 1 min merged by a lookup"
    assert window in told.stdout, told.stderr


def test_explain_says_which_gap_ends_a_session(keyfold: Keyfold, tmp_path: Path) -> None:
    (tmp_path / "session.sql").write_text(
        "CREATE SOURCE s (k VARCHAR, ts TIMESTAMP) WITH (connector = 'events');"
        "CREATE MATERIALIZED VIEW v AS SELECT k, window_start, window_end, COUNT(*) AS n "
        "FROM SESSION(s PARTITION BY k, ts, INTERVAL '10' MINUTE) "
        "GROUP BY k, window_start, window_end;"
    )
    told = keyfold("explain", "session.sql")
    assert "window            session gap 10 min on ts" in told.stdout, told.stderr
    assert "MAX(window_end)" in told.stdout


def test_explain_says_which_row_of_a_key_is_kept(keyfold: Keyfold, tmp_path: Path) -> None:
    (tmp_path / "last.sql").write_text(
        "CREATE SOURCE s (k BIGINT, a VARCHAR, ts TIMESTAMP) WITH (connector = 'events');"
        "CREATE MATERIALIZED VIEW v AS SELECT k, upper(a) AS loud FROM (SELECT *, ROW_NUMBER() "
        "OVER (PARTITION BY k ORDER BY ts DESC, a NULLS FIRST) AS rn FROM s) WHERE rn = 1;"
    )
    told = keyfold("explain", "last.sql")
    row = "rows of a group   the first by ts DESC NULLS LAST, a ASC NULLS FIRST"
    assert row in told.stdout, told.stderr
    assert "UPPER(a)" in told.stdout
    several = (tmp_path / "last.sql").read_text().replace("AS loud", "AS loud, rn")
    (tmp_path / "last.sql").write_text(several.replace("rn = 1", "rn <= 5"))
    told = keyfold("explain", "last.sql")
    row = "rows of a group   the first 5 by ts DESC NULLS LAST, a ASC NULLS FIRST"
    assert row in told.stdout, told.stderr
    assert "UPPER(a)" in told.stdout
    assert "ROW_NUMBER()" in told.stdout


def test_a_view_of_several_sources_is_told_with_each_of_them(
    keyfold: Keyfold, tmp_path: Path
) -> None:
    (tmp_path / "both.sql").write_text(
        "CREATE SOURCE a (k VARCHAR, x INT) WITH (connector = 'events');\n"
        "CREATE SOURCE b (name VARCHAR) WITH (connector = 'events');\n"
        "CREATE MATERIALIZED VIEW v AS SELECT k, COUNT(*) AS n, SUM(x) AS total\n"
        "FROM (SELECT k, x FROM a UNION ALL SELECT name, 1 FROM b) GROUP BY k;"
    )
    checked = keyfold("check", "both.sql")
    assert "a, b" in checked.stdout
    assert checked.stdout.endswith("both.sql: good, 2 sources and 1 view\n")
    told = keyfold("explain", "both.sql").stdout
    assert "view v of sources a, b" in told
    assert "columns read      k, x of a\n" in told
    assert "columns read      name of b\n" in told
    assert 'SQL per batch of b:\nWITH batch AS (SELECT __partition, "name" AS "k"' in told


def test_explain_of_a_view_that_is_not_there_names_one_that_is(keyfold: Keyfold) -> None:
    told = keyfold("explain", "pipeline.sql", "spent")
    assert told.returncode == 2
    assert "did you mean spend?" in told.stderr
