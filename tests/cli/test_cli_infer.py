"""``keyfold sources infer``: the statement that it prints."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from keyfold.cli.infer import create_source
from keyfold.view.plan import Column
from tests.cli.scene import Keyfold


def test_names_and_values_are_quoted_where_sql_needs_it() -> None:
    columns = [Column("id", "BIGINT"), Column("Order Id", "VARCHAR")]
    options = {"connector": "file", "path": "it's.csv"}
    assert create_source("orders", columns, options, "CSV") == (
        "CREATE SOURCE orders (\n"
        "  id BIGINT,\n"
        '  "Order Id" VARCHAR\n'
        ")\n"
        "WITH (connector = 'file', path = 'it''s.csv')\n"
        "FORMAT PLAIN ENCODE CSV;"
    )


def test_the_columns_of_csv_and_parquet_files_are_found(keyfold: Keyfold) -> None:
    (keyfold.directory / "a.csv").write_text("id,price,day\n1,2.5,2024-01-31\n")
    pq.write_table(pa.table({"id": [1], "tags": [["a"]]}), keyfold.directory / "b.parquet")
    csv = keyfold("sources", "infer", "*.csv", "--name", "prices")
    assert csv.returncode == 0, csv.stderr
    assert csv.stdout == (
        "CREATE SOURCE prices (\n  id BIGINT,\n  price DOUBLE,\n  day DATE\n)\n"
        "WITH (connector = 'file', path = '*.csv')\nFORMAT PLAIN ENCODE CSV;\n"
    )
    parquet = keyfold("sources", "infer", "b.parquet")
    assert "  id BIGINT,\n  tags VARCHAR[]\n" in parquet.stdout


def test_without_a_file_there_is_nothing_to_infer_from(keyfold: Keyfold) -> None:
    told = keyfold("sources", "infer", "*.none")
    assert told.returncode == 2
    assert "no file matches *.none" in told.stderr
    assert keyfold("sources", "infer", "-").returncode == 2
    assert keyfold("sources", "infer").returncode == 2
