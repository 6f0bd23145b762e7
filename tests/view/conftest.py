"""Property tests here have no deadline: the time of one example says nothing about the law."""

from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import settings

from tests.view.families import connect

settings.register_profile("laws", deadline=None)
settings.load_profile("laws")


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = connect()
    yield connection
    connection.close()
