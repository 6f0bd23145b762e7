"""Compiling as much of a file as is known: what waits for columns keeps nothing else waiting."""

from __future__ import annotations

import pytest

from keyfold.errors import SqlError
from keyfold.sql.compile import Known, compile_known, compile_sql
from keyfold.view.plan import Column

ORDERS = "CREATE SOURCE orders (u VARCHAR, amount BIGINT) WITH (connector = 'events');\n"
CLICKS = "CREATE SOURCE clicks WITH (connector = 'events');\n"
TIMED = "CREATE SOURCE clicks (WATERMARK FOR ts AS ts) WITH (connector = 'events');\n"
SPEND = "CREATE MATERIALIZED VIEW spend AS SELECT u, SUM(amount) AS n FROM orders GROUP BY u;\n"
CLICKED = (
    "CREATE MATERIALIZED VIEW clicked AS SELECT who, COUNT(*) AS n FROM Clicks GROUP BY who;\n"
)
HOURS = (
    "CREATE MATERIALIZED VIEW hours AS SELECT window_start, COUNT(*) AS n "
    "FROM TUMBLE(clicks, ts, INTERVAL '1' HOUR) GROUP BY window_start;\n"
)
FILE = ORDERS + CLICKS + SPEND + CLICKED + HOURS
WHO = {"clicks": (Column("who", "VARCHAR"),)}
WHO_AND_WHEN = {"clicks": (*WHO["clicks"], Column("ts", "TIMESTAMP"))}


def known(text: str, *args: object, **how: object) -> Known:
    return compile_known(text, "pipeline.sql", *args, **how)  # type: ignore[arg-type]


def test_views_over_sources_without_known_columns_are_left_aside() -> None:
    found = known(FILE, {})
    assert [view.name for view in found.catalog.views] == ["spend"]
    assert [(one.name, one.waiting) for one in found.catalog.sources] == [
        ("orders", False),
        ("clicks", True),
    ]
    assert {name: (one.source, one.error) for name, one in found.aside.items()} == {
        "clicked": ("clicks", None),
        "hours": ("clicks", None),
    }
    assert found.aside["clicked"].sql == CLICKED.rstrip(";\n")


def test_once_all_columns_are_known_it_is_the_whole_catalog() -> None:
    found = known(FILE, WHO_AND_WHEN)
    assert found == Known(compile_sql(FILE, "pipeline.sql", WHO_AND_WHEN))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (CLICKED.replace("Clicks", "click"), "there is no source click"),
        (CLICKED.replace("GROUP BY", "GROUP"), "syntax error"),
        (CLICKED.replace("GROUP BY who", "GROUP BY who ORDER BY who"), "ORDER BY cannot be kept"),
        (CLICKED.replace(" AS SELECT", " WITH (slo = '1 s') AS SELECT"), "slo"),
        (HOURS.replace("TUMBLE", "SESSION").replace("ts, ", ""), "SESSION takes"),
        (HOURS.replace(", ts, INTERVAL '1' HOUR", ""), "TUMBLE takes"),
        (SPEND.replace("spend", "Clicked") + CLICKED, "is defined twice"),
        (SPEND.replace("amount", "amuont"), "amuont"),
    ],
)
def test_what_is_wrong_whatever_the_columns_are_is_refused_at_once(
    wrong: str, message: str
) -> None:
    with pytest.raises(SqlError, match=message) as caught:
        known(ORDERS + CLICKS + wrong, {})
    assert caught.value.location is not None


def test_a_view_that_does_not_fit_late_columns_costs_itself_alone() -> None:
    with pytest.raises(SqlError, match="ts is no TIMESTAMP"):
        known(FILE, WHO)
    found = known(FILE, WHO, late={"clicks"})
    assert [view.name for view in found.catalog.views] == ["spend", "clicked"]
    error = found.aside["hours"].error
    assert error is not None
    assert str(error.location) == "pipeline.sql:5:90"
    assert "ts is no TIMESTAMP" in error.message


def test_a_source_that_does_not_fit_its_late_columns_waits_with_all_its_views() -> None:
    text = ORDERS + TIMED + SPEND + CLICKED
    found = known(text, WHO, late={"clicks"})
    assert [view.name for view in found.catalog.views] == ["spend"]
    assert found.catalog.source("clicks").waiting
    assert str(found.wrong["clicks"]).startswith(
        "pipeline.sql:2:37: WATERMARK FOR ts: there is no column ts"
    )
    assert found.aside["clicked"].error is None


def test_what_was_wrong_before_stays_so_while_its_statement_and_its_source_do() -> None:
    told = {"hours": HOURS.rstrip(";\n")}
    assert list(known(FILE, WHO, told=told).aside) == ["hours"]
    with pytest.raises(SqlError, match="ts is no TIMESTAMP"):
        known(FILE.replace("'1' HOUR", "'2' HOUR"), WHO, told=told)
    with pytest.raises(SqlError, match="ts is no TIMESTAMP"):
        known(FILE.replace("clicks WITH", "clicks (who VARCHAR) WITH"), {}, told=told)


def test_plain_views_and_subqueries_wait_with_their_source() -> None:
    plain = "CREATE VIEW named AS WITH x AS (SELECT * FROM clicks) SELECT who AS w, ts FROM x;\n"
    hours = HOURS.replace("clicks", "(SELECT * FROM named)")
    file = ORDERS + CLICKS + SPEND + plain + CLICKED.replace("Clicks", "named") + hours
    found = known(file, {})
    assert {name: (one.source, one.error) for name, one in found.aside.items()} == {
        "clicked": ("clicks", None),
        "hours": ("clicks", None),
    }
    assert [view.name for view in found.catalog.views] == ["spend"]
    # Of the detected columns none is called ts: that costs the views that read the plain one.
    wrong = known(file, WHO, late=["clicks"])
    assert {str(one.error) for one in wrong.aside.values()} == {
        "pipeline.sql:4:72: there is no column ts (hint: known: who)"
    }
    with pytest.raises(SqlError, match="there is no column nosuch"):
        known(file + "CREATE VIEW bad AS SELECT nosuch FROM orders;", {})


def test_what_is_wrong_with_a_plain_view_whatever_the_columns_are_refuses_the_file() -> None:
    with pytest.raises(SqlError, match="GROUP BY in a subquery cannot be kept"):
        known(FILE + "CREATE VIEW p AS SELECT who FROM clicks GROUP BY who;", {})


def test_several_sources_of_a_view_have_columns_that_are_written_and_not_detected() -> None:
    both = "FROM (SELECT u FROM orders UNION ALL SELECT who FROM clicks)"
    view = f"CREATE MATERIALIZED VIEW both AS SELECT u, COUNT(*) AS n {both} GROUP BY u;"
    for schemas in ({}, WHO):
        with pytest.raises(SqlError, match="both reads clicks in a UNION ALL"):
            known(ORDERS + CLICKS + view, schemas)
        with pytest.raises(SqlError, match="both reads clicks in a UNION ALL"):
            compile_sql(ORDERS + CLICKS + view, schemas=WHO)
