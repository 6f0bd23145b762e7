"""One source for all tests of SQL, and how its views are compiled."""

import re
from collections.abc import Iterator
from pathlib import Path

from keyfold.errors import SqlError
from keyfold.sql.compile import compile_sql
from keyfold.view.plan import Catalog, ViewPlan

SOURCE = """CREATE SOURCE orders (
  order_id BIGINT, user_id VARCHAR, amount DECIMAL(18,2), qty INTEGER, price DOUBLE, ratio REAL,
  paid BOOLEAN, big HUGEINT, huge DECIMAL(38,4), positive UBIGINT, tiny TINYINT, day DATE,
  local TIMESTAMP, ts TIMESTAMPTZ, clock TIME, s STRUCT<a INT, b STRUCT<"C d" VARCHAR>>,
  items STRUCT<sku VARCHAR, qty INT>[], doc JSON, tags MAP<VARCHAR, INT>, "User Id" VARCHAR,
  "user" VARCHAR, "größe" INTEGER,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) INCLUDE partition AS p INCLUDE offset AS o
WITH (connector = 'kafka', topic = 'orders', properties.bootstrap.servers = 'localhost:9092')
FORMAT PLAIN ENCODE JSON;
"""


def catalog_of(select: str, options: str = "") -> Catalog:
    """Compile one view over the source."""
    return compile_sql(f"{SOURCE}CREATE MATERIALIZED VIEW v {options} AS {select}")


def plan_of(select: str, options: str = "") -> ViewPlan:
    """Return the plan of one view over the source."""
    return catalog_of(select, options).views[0]


def sections(file: str) -> Iterator[tuple[str, str]]:
    """Yield (title, text) of a fixture: a title is a line ``-- title`` after an empty line."""
    text = (Path(__file__).parent / file).read_text()
    for part in re.split(r"\n\n(?=-- )", text)[1:]:
        title, _, body = part.partition("\n")
        yield title.removeprefix("-- "), body.strip().removesuffix(";")


def complaint(problem: SqlError, lines_before: int = 0) -> str:
    """Write an error as fixtures do: ``line:column word | message | hint``."""
    place = problem.location
    assert place is not None, "an error has its place"
    word = place.text[place.column - 1 : place.column - 1 + place.length]
    line = place.line - lines_before
    return f"{line}:{place.column} {word} | {problem.message} | {problem.hint}"
