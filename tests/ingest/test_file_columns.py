"""The columns of a file source: found in its files, and such that its records fit them."""

from __future__ import annotations

import datetime as dt
import json
import threading
import uuid
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest.decode.json import JsonDecoder
from ingest.detect import detect
from ingest.source.connect import connect
from ingest.source.file import FileSource
from ingest.source.file_columns import file_columns
from keyfold.connector.file_options import FileOptions
from keyfold.errors import SourceError, SqlError
from keyfold.sql.bind import locked_connection
from keyfold.sql.compile import compile_sql, unbound_sources
from keyfold.sql.infer import create_source_sql
from keyfold.view.plan import Column

MOMENT = dt.datetime(2024, 1, 2, 3, 4, 5, 678)
UTC = MOMENT.replace(tzinfo=dt.UTC)
TYPES = {
    "i8": (pa.int8(), -5, "TINYINT", -5),
    "u64": (pa.uint64(), 2**64 - 1, "UBIGINT", 2**64 - 1),
    "real": (pa.float32(), 1.5, "FLOAT", 1.5),
    "money": (pa.decimal128(18, 2), Decimal("1.10"), "DECIMAL(18,2)", Decimal("1.10")),
    "most": (pa.decimal128(38, 0), Decimal(10**37), "DECIMAL(38,0)", Decimal(10**37)),
    "day": (pa.date32(), MOMENT.date(), "DATE", MOMENT.date()),
    "day64": (pa.date64(), MOMENT.date(), "DATE", MOMENT.date()),
    "s": (pa.timestamp("s"), MOMENT.replace(microsecond=0), "TIMESTAMP", None),
    "us": (pa.timestamp("us"), MOMENT, "TIMESTAMP", MOMENT),
    "ns": (pa.timestamp("ns"), MOMENT, "TIMESTAMP", MOMENT),
    "zone": (pa.timestamp("us", "Europe/Berlin"), UTC, "TIMESTAMP WITH TIME ZONE", UTC),
    "zone_ns": (pa.timestamp("ns", "UTC"), UTC, "TIMESTAMP WITH TIME ZONE", UTC),
    "clock": (pa.time64("us"), MOMENT.time(), "TIME", MOMENT.time()),
    "clock_ns": (pa.time64("ns"), MOMENT.time(), "TIME", MOMENT.time()),
    "truth": (pa.bool_(), True, "BOOLEAN", True),
    "text": (pa.large_string(), "x", "VARCHAR", "x"),
    "word": (pa.dictionary(pa.int32(), pa.string()), "x", "VARCHAR", "x"),
    "bytes": (pa.binary(), b"\0a", "VARCHAR", "AGE="),
    "two": (pa.binary(2), b"ab", "VARCHAR", "YWI="),
    "id": (pa.uuid(), uuid.UUID(int=5).bytes, "UUID", str(uuid.UUID(int=5))),
    "nothing": (pa.null(), None, "VARCHAR", None),
    "list": (pa.list_(pa.decimal128(9, 1)), [Decimal("1.1")], "DECIMAL(9,1)[]", [Decimal("1.1")]),
    "pair": (pa.list_(pa.int32(), 2), [1, 2], "INTEGER[]", [1, 2]),
    "whole": (
        pa.struct([("a b", pa.decimal128(4, 1)), ("c", pa.list_(pa.timestamp("ns")))]),
        {"a b": Decimal("1.2"), "c": [MOMENT]},
        'STRUCT("a b" DECIMAL(4,1), c TIMESTAMP[])',
        {"a b": Decimal("1.2"), "c": [MOMENT]},
    ),
    "map": (
        pa.map_(pa.string(), pa.decimal128(9, 2)),
        [("k", Decimal("1.50"))],
        "MAP(VARCHAR, DECIMAL(9,2))",
        [("k", Decimal("1.50"))],
    ),
    "time span": (
        pa.duration("us"), dt.timedelta(seconds=5), "INTERVAL", pa.MonthDayNano([0, 0, 5 * 10**9])
    ),
}  # fmt: skip


def write_parquet(directory: Path, **columns: pa.Array) -> FileOptions:
    pq.write_table(pa.table(columns), directory / "a.parquet")
    return FileOptions(str(directory / "*.parquet"))


@pytest.mark.parametrize("name", TYPES)
def test_a_parquet_column_has_its_own_type_and_its_values_fit_it(tmp_path: Path, name: str) -> None:
    kind, value, told, read = TYPES[name]
    options = write_parquet(tmp_path, **{name: pa.array([value], kind)})
    columns = file_columns(options)
    assert [(column.name, column.type) for column in columns] == [(name, told)]
    statement = create_source_sql("f", columns, {"connector": "file", "path": options.path})
    plan = compile_sql(statement).sources[0]
    assert plan.columns == columns
    source = FileSource(options)
    source.open({}, {})
    batch = source.poll(10, 0)
    source.close()
    assert batch is not None
    decoded = JsonDecoder(locked_connection(), plan, {name}).decode(batch)
    assert (decoded.rejects, decoded.misfits) == ([], {})
    expected = value if read is None else read
    assert decoded.table.column(name).to_pylist() == [expected]


@pytest.mark.parametrize(
    "kind", [pa.binary(), pa.large_binary(), pa.binary(2), pa.dictionary(pa.int8(), pa.binary())]
)
def test_a_declared_blob_has_the_bytes_of_the_parquet_file(
    tmp_path: Path, kind: pa.DataType
) -> None:
    written = [b"\xff\x00", None, b"ab"]
    options = write_parquet(tmp_path, b=pa.array(written, kind), t=pa.array(["AA==", None, "é\\"]))
    columns = (Column("b", "BLOB"), Column("t", "BLOB"))
    statement = create_source_sql("f", columns, {"connector": "file", "path": options.path})
    plan = compile_sql(statement).sources[0]
    source = connect(plan, tmp_path)
    source.open({}, {})
    batch = source.poll(10, 0)
    source.close()
    assert batch is not None
    decoded = JsonDecoder(locked_connection(), plan, {"b", "t"}).decode(batch)
    assert (decoded.rejects, decoded.misfits) == ([], {})
    assert decoded.table.column("b").to_pylist() == written
    assert decoded.table.column("t").to_pylist() == [b"AA==", None, "é\\".encode()]


def test_a_blob_in_a_json_file_is_a_text_or_base64(tmp_path: Path) -> None:
    values = ['"\\\\xAA"', '{"base64":"/w=="}', '{"base64":"?"}', '{"base64":1}', "5", "null", '""']
    path = tmp_path / "a.ndjson"
    path.write_text("".join(f'{{"b":{value}}}\n' for value in values))
    columns = (Column("b", "BLOB"),)
    statement = create_source_sql("f", columns, {"connector": "file", "path": str(path)})
    plan = compile_sql(statement).sources[0]
    source = connect(plan, tmp_path)
    source.open({}, {})
    batch = source.poll(10, 0)
    source.close()
    assert batch is not None
    decoded = JsonDecoder(locked_connection(), plan, {"b"}).decode(batch)
    read = decoded.table.column("b").to_pylist()
    assert read == [b"\\xAA", b"\xff", None, b'{"base64":1}', b"5", None, b""]
    assert [one.row for one in decoded.misfits["b"]] == [2]


def test_a_parquet_file_without_rows_has_columns_too(tmp_path: Path) -> None:
    options = write_parquet(tmp_path, a=pa.array([], pa.int16()), __index=pa.array([], pa.int64()))
    assert [(one.name, one.type) for one in file_columns(options)] == [("a", "SMALLINT")]


def test_a_parquet_type_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    options = write_parquet(tmp_path, a=pa.array([Decimal(1)], pa.decimal256(60, 2)))
    with pytest.raises(SourceError, match=r"a\.parquet cannot be read: .*Unsupported"):
        file_columns(options)
    source = FileSource(options)
    source.open({}, {})
    with pytest.raises(SourceError, match=r"cannot be read after record 0: .*Unsupported"):
        source.poll(10, 0)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-5", ""], "BIGINT"),
        (["1", str(2**63)], "HUGEINT"),
        (["1", str(2**130)], "VARCHAR"),
        (["1", "2.5"], "DOUBLE"),
        (["1e6"], "DOUBLE"),
        (["1e999"], "VARCHAR"),
        (["007", "1"], "VARCHAR"),
        (["+1"], "VARCHAR"),
        (["NA", "1"], "VARCHAR"),
        (["true", "False"], "BOOLEAN"),
        (["true", "1"], "VARCHAR"),
        (["2024-01-31"], "DATE"),
        (["2024-01-31T10:00:00Z"], "TIMESTAMP WITH TIME ZONE"),
        (["31.01.2024"], "VARCHAR"),
        (['""', "1"], "VARCHAR"),
        (["", ""], "VARCHAR"),
    ],
)
def test_a_csv_column_has_the_least_type_that_its_cells_fit(
    tmp_path: Path, cells: list[str], kind: str
) -> None:
    (tmp_path / "a.csv").write_text("x;n\n" + "".join(f"{cell};1\n" for cell in cells))
    options = FileOptions(str(tmp_path / "a.csv"), delimiter=";")
    columns = file_columns(options)
    assert [(one.name, one.type) for one in columns] == [("x", kind), ("n", "BIGINT")]
    plan = compile_sql(create_source_sql("f", columns, {"connector": "events"})).sources[0]
    source = FileSource(options)
    source.open({}, {})
    batch = source.poll(10, 0)
    source.close()
    assert batch is not None
    assert not JsonDecoder(locked_connection(), plan, {"x", "n"}).decode(batch).misfits


def test_the_columns_of_a_csv_file_without_header_are_those_of_the_option(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("1\ta\n")
    options = FileOptions(str(tmp_path / "a.tsv"), header=False, columns=("n", "u"))
    assert [(one.name, one.type) for one in file_columns(options)] == [
        ("n", "BIGINT"), ("u", "VARCHAR"),
    ]  # fmt: skip


def test_records_that_fit_no_header_tell_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('a,b\n{"a":1}\n1\n1,2\n')
    assert [(c.name, c.type) for c in file_columns(FileOptions(str(tmp_path / "a.csv")))] == [
        ("a", "BIGINT"), ("b", "BIGINT"),
    ]  # fmt: skip


def test_the_first_records_are_looked_at_over_all_files(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text("")
    (tmp_path / "b.ndjson").write_text('{"a": 1}\n')
    (tmp_path / "c.ndjson").write_text('{"a": 2.5, "b": "x"}\n')
    columns = file_columns(FileOptions("*.ndjson"), tmp_path)
    assert [(one.name, one.type) for one in columns] == [("a", "DOUBLE"), ("b", "VARCHAR")]


def test_it_is_said_where_nothing_can_be_found(tmp_path: Path) -> None:
    options = FileOptions("*.json")
    with pytest.raises(SourceError, match=r"no file matches \*\.json"):
        file_columns(options, tmp_path)
    (tmp_path / "a.json").write_text("\n")
    with pytest.raises(SqlError, match=r"there is no record in \*\.json"):
        file_columns(options, tmp_path)
    (tmp_path / "a.json").write_text("[1]\n")
    with pytest.raises(SqlError, match="none of 1 sampled messages"):
        file_columns(options, tmp_path)
    (tmp_path / "a.parquet").write_text("no parquet")
    with pytest.raises(SourceError, match=r"a\.parquet cannot be read"):
        file_columns(FileOptions("*.parquet"), tmp_path)


def test_detection_waits_for_a_file_and_then_takes_its_schema(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.parquet"
    (source,) = unbound_sources(f"CREATE SOURCE f WITH (connector = 'file', path = '{path}');")
    with pytest.raises(SourceError, match="no file matches"):
        detect(source, tmp_path, threading.Event(), give_up=True)
    found = []
    thread = threading.Thread(
        target=lambda: found.append(detect(source, tmp_path, threading.Event()))
    )
    thread.start()
    write_parquet(tmp_path, price=pa.array([Decimal("1.1")], pa.decimal128(9, 1)))
    thread.join(30)
    assert [(one.name, one.type) for one in found[0].columns] == [("price", "DECIMAL(9,1)")]
    assert found[0].start.partitions == {}


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "id;amount\n1;2\n"), ("a.tsv", "ID\tAmount\n1\t2\n")]
)
def test_a_csv_file_with_none_of_the_columns_is_refused(
    tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    source = FileSource(FileOptions(name), tmp_path, columns=["id", "amount"])
    source.open({}, {})
    names = text.split("\n", maxsplit=1)[0].replace("\t", ", ")
    with pytest.raises(SourceError, match=f"{name} has none of the source's columns") as refused:
        source.poll(10, 0)
    assert f"it has {names}, the source has id, amount" in str(refused.value)


def test_a_parquet_file_with_none_of_the_columns_is_refused(tmp_path: Path) -> None:
    options = write_parquet(tmp_path, **{f"c{i}": pa.array([1]) for i in range(30)})
    source = FileSource(options, columns=["a"])
    source.open({}, {})
    with pytest.raises(SourceError, match=r"it has c0, .*, c19, … \(30 in all\), the source has a"):
        source.poll(10, 0)


def test_a_file_with_some_of_the_columns_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("b\n1\n")
    (tmp_path / "b.csv").write_text("")
    source = FileSource(FileOptions("*.csv"), tmp_path, columns=["a", "b"])
    source.open({}, {})
    batch = source.poll(10, 0)
    assert batch is not None
    assert [json.loads(one) for one in batch.values.to_pylist()] == [{"b": "1"}]
