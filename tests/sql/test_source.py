"""CREATE SOURCE: every accepted form, and what it binds to."""

from pathlib import Path

import pytest

from keyfold.connector.file_options import file_options
from keyfold.connector.kafka_options import kafka_options
from keyfold.connector.nexmark_options import nexmark_options
from keyfold.errors import SqlError
from keyfold.eventlog.options import events_options
from keyfold.sql.compile import bind_source, compile_sql, statement_fingerprint, unbound_sources
from keyfold.sql.options import CONNECTOR_OPTIONS
from keyfold.view.plan import Column, Include, SourcePlan, Watermark


def source_of(text: str) -> SourcePlan:
    return compile_sql(text).sources[0]


def of_type(kind: str) -> str:
    return source_of(f"CREATE SOURCE s (a {kind}) WITH (connector = 'events')").columns[0].type


@pytest.mark.parametrize(
    ("written", "bound"),
    [
        ("INT", "INTEGER"),
        ("INT8", "BIGINT"),
        ("SMALLINT", "SMALLINT"),
        ("TINYINT", "TINYINT"),
        ("UBIGINT", "UBIGINT"),
        ("HUGEINT", "HUGEINT"),
        ("DECIMAL", "DECIMAL(18,3)"),
        ("NUMERIC(10, 2)", "DECIMAL(10,2)"),
        ("REAL", "FLOAT"),
        ("FLOAT", "DOUBLE"),
        ("DOUBLE PRECISION", "DOUBLE"),
        ("TEXT", "VARCHAR"),
        ("CHARACTER VARYING", "VARCHAR"),
        ("VARCHAR(20)", "VARCHAR"),
        ("BOOL", "BOOLEAN"),
        ("DATE", "DATE"),
        ("TIME", "TIME"),
        ("TIMESTAMP", "TIMESTAMP"),
        ("TIMESTAMP(3)", "TIMESTAMP"),
        ("TIMESTAMP WITHOUT TIME ZONE", "TIMESTAMP"),
        ("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"),
        ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE"),
        ("JSONB", "JSON"),
        ("BIGINT[]", "BIGINT[]"),
        ("ARRAY<INT>", "INTEGER[]"),
        ("STRUCT<sku VARCHAR, qty INT>[]", "STRUCT(sku VARCHAR, qty INTEGER)[]"),
        ('STRUCT(a STRUCT<"B c" TIMESTAMP(3)>)', 'STRUCT(a STRUCT("B c" TIMESTAMP))'),
        ("MAP<VARCHAR, INT>", "MAP(VARCHAR, INTEGER)"),
        ("UUID", "UUID"),
    ],
)
def test_types_are_read_in_every_spelling(written: str, bound: str) -> None:
    assert of_type(written) == bound


@pytest.mark.parametrize(
    ("clause", "watermark"),
    [
        ("ts AS ts", Watermark("ts", 0)),
        ("ts AS ts - INTERVAL '5' SECOND", Watermark("ts", 5_000_000)),
        ("ts AS ts - INTERVAL '5 seconds'", Watermark("ts", 5_000_000)),
        ("ts AS ts - INTERVAL '1 hour 30 minutes'", Watermark("ts", 5_400_000_000)),
        ("ts AS (ts - INTERVAL '250 milliseconds')", Watermark("ts", 250_000)),
        ("TS AS Ts - INTERVAL '1' MINUTE", Watermark("ts", 60_000_000)),
    ],
)
def test_watermarks(clause: str, watermark: Watermark) -> None:
    text = f"CREATE SOURCE s (ts TIMESTAMPTZ, WATERMARK FOR {clause}) WITH (connector = 'events')"
    assert source_of(text).watermark == watermark


@pytest.mark.parametrize("connector", ["'events'", "events", '"events"'])
def test_option_values_are_texts_or_words(connector: str) -> None:
    assert (
        source_of(f"CREATE SOURCE s (a INT) WITH (connector = {connector})").connector == "events"
    )


def test_options_bare_quoted_numbers_and_empty() -> None:
    source = source_of(
        "CREATE SOURCE s (a INT) INCLUDE key WITH (connector = 'kafka', topic = 'it''s', "
        "'properties.bootstrap.servers' = 'a:1,b:2', \"properties.client.id\" = '', "
        "partitions.refresh.interval.ms = 500, properties.enable.ssl = false)"
    )
    assert source.options == {
        "topic": "it's",
        "properties.bootstrap.servers": "a:1,b:2",
        "properties.client.id": "",
        "partitions.refresh.interval.ms": "500",
        "properties.enable.ssl": "false",
    }
    assert source.includes == (Include("key", "_key"),)


@pytest.mark.parametrize("words", range(2, 9))
def test_a_bare_option_may_have_any_number_of_words(words: int) -> None:
    name = ".".join(["properties", *"abcdefgh"[: words - 1]])
    text = f"CREATE SOURCE s (a INT) WITH (connector = 'kafka', topic = 't', {name} = 'x');"
    assert compile_sql(text).sources[0].options[name] == "x"


def test_every_include_and_its_name() -> None:
    source = source_of(
        "CREATE SOURCE s (a INT) INCLUDE key AS k INCLUDE partition INCLUDE offset AS o "
        "INCLUDE timestamp AS \"at\" INCLUDE header AS h WITH (connector = 'events')"
    )
    assert source.includes == (
        Include("key", "k"),
        Include("partition", "_partition"),
        Include("offset", "o"),
        Include("timestamp", "at"),
        Include("headers", "h"),
    )


def test_names_keep_their_case_and_are_found_without_it() -> None:
    catalog = compile_sql(
        "CREATE SOURCE Orders (\"User Id\" INT, größe INT) WITH (connector = 'events');"
        "-- a comment; with a semicolon\r\n"
        "create materialized view if not exists Sizes as select größe from ORDERS group by 1;;"
    )
    assert catalog.sources[0].name == "Orders"
    assert [column.name for column in catalog.sources[0].columns] == ["User Id", "größe"]
    assert catalog.views[0].source == "Orders"
    assert catalog.views[0].name == "Sizes"


@pytest.mark.parametrize(
    ("path", "tail", "encode"),
    [
        ("a.ndjson", "", "json"),
        ("a/*.csv", "", "csv"),
        ("a.TSV.gz", "", "csv"),
        ("a.parquet", "", "parquet"),
        ("a/*", "FORMAT PLAIN ENCODE CSV", "csv"),
        ("a/*", "", ""),
    ],
)
def test_a_file_is_read_by_its_extension_or_encode(path: str, tail: str, encode: str) -> None:
    text = f"CREATE SOURCE s (a INT) WITH (connector = 'file', path = '{path}') {tail}"
    assert source_of(text).encode == encode


def test_a_source_without_columns_takes_those_that_were_detected() -> None:
    text = "CREATE SOURCE s WITH (connector = 'events');"
    columns = (Column("a", "BIGINT"), Column("ts", "TIMESTAMP WITH TIME ZONE"))
    assert compile_sql(text, schemas={"s": columns}).sources[0].columns == columns


def test_nexmark_events_have_columns_and_a_watermark_of_their_own() -> None:
    plan = source_of("CREATE SOURCE n INCLUDE offset WITH (connector = 'nexmark', events = '10')")
    assert [column.name for column in plan.columns] == [
        "event_type", "person", "auction", "bid", "dateTime",
    ]  # fmt: skip
    assert plan.watermark == Watermark("dateTime", 4_000_000)
    assert not plan.waiting
    later = "(WATERMARK FOR datetime AS datetime - INTERVAL '1' SECOND)"
    of = source_of(f"CREATE SOURCE n {later} WITH (connector = 'nexmark', events = '10')")
    assert (of.columns, of.watermark) == (plan.columns, Watermark("dateTime", 1_000_000))


def test_nexmark_events_may_be_read_by_a_column_list_like_any_others() -> None:
    columns = '(bid STRUCT<price BIGINT>, "dateTime" TIMESTAMP)'
    plan = source_of(f"CREATE SOURCE n {columns} WITH (connector = 'nexmark', events = '10')")
    assert [column.name for column in plan.columns] == ["bid", "dateTime"]
    assert plan.watermark is None


def test_what_gives_other_nexmark_events_is_another_source() -> None:
    def identity(options: str) -> str:
        text = f"CREATE SOURCE n WITH (connector = 'nexmark', {options})"
        return source_of(text).fingerprint

    same = identity("events = '10'")
    assert identity("events = '20', rate = '5'") == same
    assert identity("events = '10', seed = '2'") != same
    assert identity("events = '10', partitions = '2'") != same


def test_a_source_can_be_planned_before_its_columns_are_known() -> None:
    text = "CREATE SOURCE s (WATERMARK FOR ts AS ts) WITH (connector = 'events');"
    (unbound,) = unbound_sources(text)
    assert unbound.columns is None
    assert bind_source(unbound, {"s": ()}).watermark is None
    known = bind_source(unbound, {"s": (Column("ts", "TIMESTAMP"),)})
    assert known.watermark == Watermark("ts", 0)
    assert statement_fingerprint(unbound) == statement_fingerprint(unbound_sources(text)[0])


def test_no_partition_is_idle_by_default() -> None:
    text = "CREATE SOURCE s (ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events'{})"
    assert source_of(text.format("")).idle_timeout_us is None
    plan = source_of(text.format(", idle_timeout = '30 s'"))
    assert plan.idle_timeout_us == 30_000_000
    assert plan.fingerprint == source_of(text.format("")).fingerprint


def test_max_future_skew_has_a_default() -> None:
    text = "CREATE SOURCE s (a INT) WITH (connector = 'events', max_future_skew = '{}')"
    assert source_of(text.format("0 s")).max_future_skew_us == 0
    assert source_of(text.format("2 min")).max_future_skew_us == 120_000_000
    plain = "CREATE SOURCE s (a INT) WITH (connector = 'events')"
    assert source_of(plain).max_future_skew_us == 3_600_000_000


VALUES = {
    "scan.startup.mode": "earliest",
    "path": "a.csv",
    "watch": "false",
    "header": "false",
    "columns": "a",
    "delimiter": ";",
    "topic": "t",
    "partitions": "4",
    "properties.bootstrap.servers": "h:1",
}


@pytest.mark.parametrize("connector", CONNECTOR_OPTIONS)
def test_every_option_that_is_known_here_is_read_by_its_connector(connector: str) -> None:
    given = {key: VALUES.get(key, "100000") for key in CONNECTOR_OPTIONS[connector]}
    given.pop("scan.startup.timestamp.millis", None)  # goes with mode = 'timestamp' only
    match connector:
        case "kafka":
            kafka_options("s", given, frozenset())
        case "events":
            events_options("s", given)
        case "file":
            file_options("s", given, None)
        case "nexmark":
            nexmark_options("s", given)


def test_the_docs_name_every_option() -> None:
    text = (Path(__file__).parents[2] / "docs" / "sql.md").read_text()
    for options in CONNECTOR_OPTIONS.values():
        for option in options:
            assert f"`{option}`" in text, option


@pytest.mark.parametrize("kind", ["BIT", "BIGNUM", "VARIANT", "GEOMETRY", "MAP(VARCHAR, BIGNUM)"])
def test_a_type_that_no_message_can_hold_is_refused_at_its_column(kind: str) -> None:
    with pytest.raises(SqlError, match="can be read from a message") as caught:
        of_type(kind)
    assert caught.value.location is not None
    assert caught.value.location.column == 18


@pytest.mark.parametrize("kind", ["BLOB", "UUID", "INTERVAL", "UHUGEINT", 'STRUCT("UNION(" INT)'])
def test_a_type_that_a_message_can_hold_is_accepted(kind: str) -> None:
    assert of_type(kind)
