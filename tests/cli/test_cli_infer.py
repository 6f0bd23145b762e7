"""``keyfold sources infer``: the statement that it prints."""

from __future__ import annotations

import time

import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from keyfold.sql.compile import compile_sql
from keyfold.sql.infer import create_source_sql
from keyfold.view.plan import Column
from tests.cli.scene import Keyfold


def test_names_and_values_are_quoted_where_sql_needs_it(keyfold: Keyfold) -> None:
    (keyfold.directory / "it's.csv").write_text("id;Order Id;select\n1;2;x\n")
    told = keyfold("sources", "infer", "it's.csv", "--name", "user", "--option", "delimiter=;")
    assert told.returncode == 0, told.stderr
    assert told.stdout == (
        'CREATE SOURCE "user" (\n'
        "  id BIGINT,\n"
        '  "Order Id" BIGINT,\n'
        '  "select" VARCHAR\n'
        ")\n"
        "WITH (\n  connector = 'file',\n  path = 'it''s.csv',\n  delimiter = ';'\n)\n"
        "FORMAT PLAIN ENCODE CSV;\n"
    )
    compile_sql(told.stdout)


def test_another_delimiter_is_hinted_at(keyfold: Keyfold) -> None:
    (keyfold.directory / "a.csv").write_text("id;name\n1;x\n")
    told = keyfold("sources", "infer", "a.csv")
    assert told.returncode == 0
    assert told.stderr.endswith("add --option 'delimiter=;'\n")
    assert keyfold("sources", "infer", "a.csv", "--option", "delimiter=;").stderr == ""


def test_a_statement_says_options_as_the_documentation_does() -> None:
    options = {"connector": "kafka", "topic": "t", "properties.bootstrap.servers": "h:1"}
    sql = create_source_sql("s", (Column("a", "BIGINT"),), options)
    assert "properties.bootstrap.servers = 'h:1'" in sql
    compile_sql(sql)


def test_a_wrong_option_is_refused(keyfold: Keyfold) -> None:
    (keyfold.directory / "a.csv").write_text("a\n1\n")
    for option, words in (
        ("delimitr=;", "did you mean delimiter?"),
        ("delimiter=;;", "use one ASCII character"),
        ("delimiter", "write KEY=VALUE"),
    ):
        told = keyfold("sources", "infer", "a.csv", "--option", option)
        assert (told.returncode, told.stdout) == (2, "")
        assert words in told.stderr


def test_events_on_stdin_tell_the_columns_of_what_is_pushed(keyfold: Keyfold) -> None:
    told = keyfold("sources", "infer", "-", stdin='\n{"a": {"b c": [1]}}\n')
    assert told.stdout == (
        'CREATE SOURCE events (\n  a STRUCT("b c" BIGINT[])\n)\n'
        "WITH (\n  connector = 'events'\n)\nFORMAT PLAIN ENCODE JSON;\n"
    )


def test_a_topic_that_cannot_be_read_is_an_error_and_exit_1(keyfold: Keyfold) -> None:
    words = ("--topic", "t", "--bootstrap", "127.0.0.1:9")
    told = keyfold("sources", "infer", *words)
    assert (told.returncode, told.stdout) == (1, "")
    assert "waiting for events" in told.stderr
    assert "error: source 'events': no answer from the Kafka broker" in told.stderr


def test_an_empty_topic_is_not_waited_for_unless_asked(
    keyfold: Keyfold, kafka_bootstrap: str
) -> None:
    topic = f"infer-{time.monotonic_ns()}"
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    admin.create_topics([NewTopic(topic, num_partitions=2)])[topic].result()
    words = ("sources", "infer", "--topic", topic, "--bootstrap", kafka_bootstrap)
    told = keyfold(*words)
    assert (told.returncode, told.stdout) == (2, "")
    assert "error: there is no event to infer from\nhint: wait for one with --wait" in told.stderr
    waiting = keyfold.start(*words, "--wait")
    waiting.logged("waiting for events")
    producer = Producer({"bootstrap.servers": kafka_bootstrap})
    producer.produce(topic, b'{"id": 1}')
    producer.flush()
    assert waiting.process.wait(60) == 0
    waiting.end()
    assert "  id BIGINT\n" in "".join(waiting.stdout)


def test_the_columns_of_csv_and_parquet_files_are_found(keyfold: Keyfold) -> None:
    (keyfold.directory / "a.csv").write_text("id,price,day\n1,2.5,2024-01-31\n")
    pq.write_table(pa.table({"id": [1], "tags": [["a"]]}), keyfold.directory / "b.parquet")
    csv = keyfold("sources", "infer", "*.csv", "--name", "prices")
    assert csv.returncode == 0, csv.stderr
    assert csv.stdout == (
        'CREATE SOURCE prices (\n  id BIGINT,\n  price DOUBLE,\n  "day" DATE\n)\n'
        "WITH (\n  connector = 'file',\n  path = '*.csv'\n)\nFORMAT PLAIN ENCODE CSV;\n"
    )
    parquet = keyfold("sources", "infer", "b.parquet")
    assert "  id BIGINT,\n  tags VARCHAR[]\n" in parquet.stdout


def test_without_a_file_there_is_nothing_to_infer_from(keyfold: Keyfold) -> None:
    told = keyfold("sources", "infer", "*.none")
    assert told.returncode == 2
    assert "no file matches *.none" in told.stderr
    (keyfold.directory / "empty.csv").write_text("")
    empty = keyfold("sources", "infer", "empty.csv")
    assert empty.returncode == 2
    assert "there is no record in empty.csv" in empty.stderr
    assert keyfold("sources", "infer", "-").returncode == 2
    assert keyfold("sources", "infer").returncode == 2
