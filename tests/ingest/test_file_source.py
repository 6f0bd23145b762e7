"""The file source: every record of every file, once, under the number it has in its file."""

from __future__ import annotations

import datetime
import gzip
import json
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from ingest.source import file_records
from ingest.source.file import FileSource
from ingest.source.message import BATCH_BYTES_MAX, MessageBatch
from ingest.source.protocol import Source
from keyfold.connector.file_options import FileFormat, FileOptions, file_options
from keyfold.errors import SettingsError, SourceError

UTC = datetime.UTC


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def read_s(self) -> float:
        return self.now_s

    def sleep_s(self, seconds: float) -> None:
        self.now_s += seconds


def opened(
    directory: Path,
    path: str,
    offsets: dict[int, int] | None = None,
    identity: dict[str, str] | None = None,
    clock: Clock | None = None,
    **options: object,
) -> FileSource:
    clock = clock or Clock()
    source = FileSource(FileOptions(path, **options), directory, clock.read_s, clock.sleep_s)
    source.open(offsets or {}, identity or {})
    return source


def drained(source: Source, messages_max: int = 3) -> dict[int, list[bytes]]:
    """Everything that is there, by partition; offsets must run on without a gap."""
    found: dict[int, list[bytes]] = {}
    following: dict[int, int] = {}
    while (batch := source.poll(messages_max, 0)) is not None:
        assert 0 < len(batch) <= messages_max
        columns = zip(batch.partitions, batch.offsets, batch.values.to_pylist(), strict=True)
        for partition, offset, value in columns:
            assert offset == following.get(int(partition), offset)
            following[int(partition)] = int(offset) + 1
            found.setdefault(int(partition), []).append(value)
        assert following | batch.next_offsets == following
    return found


def messages(directory: Path, path: str, **options: object) -> list[bytes]:
    """The messages of one file; their number must be the one that was counted."""
    source = opened(directory, path, **options)
    found = drained(source).get(0, [])
    assert source.progress().end_offsets == {0: len(found)}
    assert source.progress().complete
    source.close()
    return found


def polled(source: Source) -> MessageBatch:
    batch = source.poll(1000, 0)
    assert batch is not None
    return batch


def lines(start: int, stop: int) -> list[bytes]:
    return [b'{"n":%d}' % number for number in range(start, stop)]


def ndjson(start: int, stop: int) -> bytes:
    return b"".join(line + b"\n" for line in lines(start, stop))


def zstd(content: bytes) -> bytes:
    return pa.compress(content, "zstd", asbytes=True)


# All formats

EXAMPLES: dict[str, Callable[[Path], object]] = {
    "a.ndjson": lambda path: path.write_bytes(ndjson(0, 9)),
    "a.jsonl": lambda path: path.write_bytes(ndjson(0, 9).removesuffix(b"\n")),
    "a.json.gz": lambda path: path.write_bytes(gzip.compress(ndjson(0, 9))),
    "a.ndjson.zst": lambda path: path.write_bytes(zstd(ndjson(0, 9))),
    "a.csv": lambda path: path.write_bytes(b"n\n0\n1\n2\n3\n4\n5\n6\n7\n8\n"),
    "a.tsv.gz": lambda path: path.write_bytes(gzip.compress(b"n\r\n0\r\n1\r\n2\n3\n4\n5\n6\n7\n8")),
    "a.csv.zst": lambda path: path.write_bytes(zstd(b'n\n"0"\n1\n2\n\n3\n4\n5\n6\n"7"\n8\n')),
    "a.parquet": lambda path: parquet.write_table(
        pa.table({"n": range(9)}), path, row_group_size=4
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_reading_resumes_at_every_record_of_every_format(tmp_path: Path, name: str) -> None:
    EXAMPLES[name](tmp_path / name)
    first = opened(tmp_path, "*")
    for offset in range(10):
        source = opened(tmp_path, "*", {0: offset}, dict(first.identity()))
        found = drained(source).get(0, [])
        assert [int(json.loads(value)["n"]) for value in found] == list(range(offset, 9))
        assert source.progress().end_offsets == {0: 9}
        assert source.progress().complete
        source.close()
        source.close()


@pytest.mark.parametrize("chunk_bytes", [1, 2, 7, 64])
@pytest.mark.parametrize("name", [name for name in EXAMPLES if "parquet" not in name])
def test_records_do_not_depend_on_how_a_file_is_cut_into_chunks(
    tmp_path: Path, name: str, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_records, "CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(file_records, "COMPRESSED_CHUNK_BYTES", chunk_bytes)
    EXAMPLES[name](tmp_path / name)
    assert [int(json.loads(value)["n"]) for value in messages(tmp_path, name)] == list(range(9))


def test_a_batch_may_span_files_which_are_partitions_in_sorted_order(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.ndjson").write_bytes(ndjson(0, 2))
    (tmp_path / "c.ndjson").write_bytes(b"")
    (tmp_path / "sub" / "a.ndjson.gz").write_bytes(gzip.compress(ndjson(2, 3)))
    (tmp_path / "ignored.txt").write_bytes(b"x")
    source = opened(tmp_path, "**/*.ndjson*")
    assert source.progress().end_offsets == {0: 2, 1: 0, 2: 1}
    assert not source.progress().complete
    batch = polled(source)
    assert batch.values.to_pylist() == lines(0, 3)
    assert batch.partitions.tolist() == [0, 0, 2]
    assert batch.offsets.tolist() == [0, 1, 0]
    assert batch.timestamps_ms.tolist() == [-1, -1, -1]
    assert batch.next_offsets == {0: 2, 2: 1}
    assert (batch.partitions.dtype, batch.offsets.dtype) == (np.int32, np.int64)
    assert source.progress().complete
    source.close()


def test_nothing_left_to_read_takes_the_whole_timeout(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(b"")
    clock = Clock()
    source = opened(tmp_path, "*", clock=clock)
    assert source.poll(10, 20) is None
    assert clock.now_s == pytest.approx(0.02)


# NDJSON


def test_ndjson_lines_keep_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(b'\xef\xbb\xbf{"a": 1.10}\r\n\n  \n nonsense \xff\n{}')
    assert messages(tmp_path, "a.ndjson") == [b'{"a": 1.10}', b" nonsense \xff", b"{}"]


def test_a_record_without_end_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_records, "RECORD_BYTES_MAX", 100)
    monkeypatch.setattr(file_records, "CHUNK_BYTES", 16)
    (tmp_path / "a.ndjson").write_bytes(ndjson(0, 2) + b"x" * 200)
    source = opened(tmp_path, "*")
    assert polled(source).values.to_pylist() == lines(0, 2)
    with pytest.raises(SourceError, match=r"a.ndjson cannot be read after record 2: .* 100 bytes"):
        source.poll(10, 0)


# CSV


def test_csv_fields_are_text_and_empty_ones_null(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(
        b'\xef\xbb\xbfid,"the ""name"""\n007,x\n1.10,"a, ""b""\nc"\n,""\n"",\n2,5" pipe\n'
    )
    name = 'the "name"'
    assert [json.loads(value) for value in messages(tmp_path, "a.csv")] == [
        {"id": "007", name: "x"},
        {"id": "1.10", name: 'a, "b"\nc'},
        {"id": None, name: ""},
        {"id": "", name: None},
        {"id": "2", name: '5" pipe'},
    ]


def test_csv_records_that_do_not_fit_keep_their_bytes_and_their_place(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(
        b'a,b\n1,2\n3\n4,5,6\n7,\xff\n8,"x\ny"\n"9,",1,1\n10,11\rz\n   \n12,"open\n13,14\n'
    )
    ok = (b'{"a":"%d","b":"%b"}' % row for row in ((1, b"2"), (8, b"x\\ny"), (13, b"14")))
    first, second, third = ok
    assert messages(tmp_path, "a.csv") == [
        first,
        b"3",
        b"4,5,6",
        b"7,\xff",
        second,
        b'"9,",1,1',
        b"10,11\rz",
        b"   ",
        b'12,"open',
        third,
    ]


def test_tabs_between_empty_fields_are_a_record(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes(b"a\tb\n\t\n\n1\t2\n")
    assert messages(tmp_path, "a.tsv") == [b'{"a":null,"b":null}', b'{"a":"1","b":"2"}']


def test_csv_may_have_another_delimiter_and_no_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"1;2\n")
    options = file_options(
        "s", {"path": "*.csv", "delimiter": ";", "header": "false", "columns": "a, b"}, "csv"
    )
    source = FileSource(options, tmp_path)
    source.open({}, {})
    assert polled(source).values.to_pylist() == [b'{"a":"1","b":"2"}']
    assert source.progress().complete
    source.close()


@pytest.mark.parametrize("header", [b"a,A\n1,2\n", b"a,\n1,2\n", b'"a\n1\n'])
def test_a_header_that_names_no_columns_stops_the_source(tmp_path: Path, header: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(header)
    source = opened(tmp_path, "a.csv")
    with pytest.raises(SourceError, match="does not name each column once"):
        source.poll(10, 0)


csv_text = st.text(alphabet='ab,"\n\r\t é', max_size=6)


@given(st.lists(st.tuples(csv_text, csv_text), max_size=8), st.sampled_from([3, 64, 1 << 20]))
@settings(deadline=None, max_examples=40)
def test_any_quoted_text_comes_through_csv(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], chunk_bytes: int
) -> None:
    directory = tmp_path_factory.mktemp("csv")
    texts = [[text.replace('"', '""') for text in row] for row in rows]
    quoted = [f'"{x}","{y}"\n' for x, y in texts]
    (directory / "a.csv").write_bytes(("x,y\n" + "".join(quoted)).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_records, "CHUNK_BYTES", chunk_bytes)
        found = [json.loads(value) for value in messages(directory, "a.csv")]
    assert found == [{"x": x, "y": y} for x, y in rows]


@given(st.lists(st.sampled_from([b"a", b",", b'"', b"\n", b"\r", b"\xff", b" "])).map(b"".join))
@settings(deadline=None, max_examples=60)
def test_any_bytes_of_a_csv_file_become_messages_that_hold_them(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    directory = tmp_path_factory.mktemp("csv")
    (directory / "a.csv").write_bytes(content)
    found = messages(directory, "a.csv", header=False, columns=("x", "y"))
    # What is told neither as a separator nor as a blank is in some message.
    assert content.count(b"a") == sum(
        "".join(filter(None, json.loads(value).values())).count("a")
        if value.startswith(b"{")
        else value.count(b"a")
        for value in found
    )


# Parquet


def test_parquet_values_are_exact_in_json(tmp_path: Path) -> None:
    noon = datetime.datetime(2024, 1, 1, 12, 0, 0, 500, tzinfo=UTC)
    rows = {
        "i": pa.array([2**63 - 1, None]),
        "d": pa.array([Decimal("12345678901234567890.10"), None], pa.decimal128(38, 2)),
        "t": pa.array([noon.replace(tzinfo=None), None], pa.timestamp("us")),
        "z": pa.array([noon, None], pa.timestamp("ns", tz="America/New_York")),
        "m": pa.array([noon, None], pa.timestamp("ms", tz="UTC")),
        "day": pa.array([noon.date(), None]),
        "b": pa.array([b"\x00\xff", None]),
        "f": pa.array([float("nan"), 0.5]),
        "flag": pa.array([True, None]),
        'te"xt': pa.array(['a "b"\\\né', None]).dictionary_encode(),
        "s": pa.array(
            [{"d": Decimal("1.10"), "at": [noon]}, None],
            pa.struct({"d": pa.decimal128(5, 2), "at": pa.list_(pa.timestamp("us", tz="UTC"))}),
        ),
        "map": pa.array(
            [[("k", Decimal("0.0000001"))], None], pa.map_("string", pa.decimal128(9, 7))
        ),
        "l": pa.array([[1, None], None], pa.list_(pa.int8())),
    }
    parquet.write_table(pa.table(rows), tmp_path / "a.parquet")
    full, empty = messages(tmp_path, "a.parquet")
    assert json.loads(full) == {
        "i": 2**63 - 1,
        "d": "12345678901234567890.10",
        "t": "2024-01-01T12:00:00.0005Z",
        "z": "2024-01-01T12:00:00.0005Z",
        "m": "2024-01-01T12:00:00Z",
        "day": "2024-01-01",
        "b": "AP8=",
        "f": "nan",
        "flag": True,
        'te"xt': 'a "b"\\\né',
        "s": {"d": "1.10", "at": ["2024-01-01T12:00:00.0005Z"]},
        "map": {"k": "0.0000001"},
        "l": [1, None],
    }
    assert json.loads(empty) == dict.fromkeys(rows) | {"f": 0.5}


# Broken and changed files


@pytest.mark.parametrize(
    ("name", "compress"), [("a.ndjson.gz", gzip.compress), ("a.ndjson.zst", zstd)]
)
def test_a_truncated_file_stops_the_source_after_what_can_be_read(
    tmp_path: Path, name: str, compress: Callable[[bytes], bytes]
) -> None:
    rows = [json.dumps({"n": n, "x": os.urandom(16).hex()}).encode() for n in range(9000)]
    whole = compress(b"".join(row + b"\n" for row in rows))
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    source = opened(tmp_path, name)
    (count,) = source.progress().end_offsets.values()
    assert count > 0
    found: list[bytes] = []
    with pytest.raises(SourceError, match=f"{name} cannot be read after record {count}: "):
        while batch := source.poll(1000, 0):
            found += batch.values.to_pylist()
    assert found == rows[:count]
    with pytest.raises(SourceError, match="cannot be read"):
        source.poll(1000, 0)
    assert not source.progress().complete
    identity = dict(source.identity())
    source.close()
    again = opened(tmp_path, name, {0: count}, identity)
    with pytest.raises(SourceError, match=f"after record {count}"):
        again.poll(1000, 0)


@pytest.mark.parametrize("name", ["a.parquet", "a.ndjson.gz", "a.ndjson.zst", "a.unknown"])
def test_a_file_that_is_none_of_its_format_stops_the_source(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not what the name says")
    source = opened(tmp_path, "*")
    assert source.progress().end_offsets == {0: 0}
    with pytest.raises(SourceError, match="cannot be read after record 0"):
        source.poll(10, 0)


@pytest.mark.parametrize("changed", [ndjson(0, 5), ndjson(0, 3)[::-1], None])
def test_a_changed_file_is_refused(tmp_path: Path, changed: bytes | None) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(ndjson(0, 3))
    source = opened(tmp_path, "*")
    identity = dict(source.identity())
    if changed is None:
        path.unlink()
    else:
        path.write_bytes(changed)
    words = "cannot be read" if changed is None else "has changed"
    with pytest.raises(SourceError, match=words):
        source.poll(10, 0)
    with pytest.raises(SourceError, match=words):
        opened(tmp_path, "*", {0: 2}, identity)


def test_a_file_may_go_once_it_was_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(ndjson(0, 3))
    (tmp_path / "b.ndjson").write_bytes(ndjson(3, 4))
    identity = dict(opened(tmp_path, "*").identity())
    (tmp_path / "a.ndjson").unlink()
    source = opened(tmp_path, "*", {0: 3}, identity)
    assert drained(source) == {1: lines(3, 4)}
    assert source.progress().end_offsets == {0: 3, 1: 1}
    assert source.progress().complete


def test_a_new_file_gets_the_next_number_in_the_next_life(tmp_path: Path) -> None:
    (tmp_path / "b.ndjson").write_bytes(ndjson(0, 3))
    identity = dict(opened(tmp_path, "*").identity())
    (tmp_path / "a.ndjson").write_bytes(ndjson(3, 4))
    source = opened(tmp_path, "*", {0: 1}, identity)
    assert drained(source) == {0: lines(1, 3), 1: lines(3, 4)}


def test_offsets_that_no_file_explains_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(ndjson(0, 3))
    identity = dict(opened(tmp_path, "*").identity())
    for offsets in ({0: 4}, {1: 0}):
        with pytest.raises(SourceError, match="not one that this source gave out"):
            opened(tmp_path, "*", offsets, identity)


def test_a_batch_ends_where_it_has_bytes_enough(tmp_path: Path) -> None:
    line = json.dumps("x" * (1 << 20)).encode() + b"\n"
    (tmp_path / "a.ndjson").write_bytes(line * 50)
    (tmp_path / "b.ndjson").write_bytes(line * 50)
    source = opened(tmp_path, "*.ndjson")
    sizes, cut_short, next_offsets = [], [], {}
    while (batch := source.poll(50_000, 0)) is not None:
        cut_short.append(batch.cut_short)
        assert batch.values.nbytes < BATCH_BYTES_MAX + (16 << 20)
        sizes.append(len(batch))
        next_offsets |= batch.next_offsets
    assert sum(sizes) == 100
    assert cut_short == [True, False]
    assert next_offsets == {0: 50, 1: 50}


def test_a_file_whose_name_is_no_utf8_is_refused_by_a_name_that_can_be_written(
    tmp_path: Path,
) -> None:
    (tmp_path / os.fsdecode(b"M\xfcller.ndjson")).write_bytes(ndjson(0, 3))
    with pytest.raises(SourceError, match=r"M\\xfcller\.ndjson is no UTF-8"):
        opened(tmp_path, "*.ndjson")


# Watching


def test_a_watching_source_finds_new_files_by_itself(tmp_path: Path) -> None:
    # By the real clock: a thread of its own looks, and no clock of ours hurries that.
    source = FileSource(FileOptions("*.ndjson", watch=True), tmp_path)
    source.open({}, {})
    assert source.poll(10, 10) is None
    (tmp_path / "a.ndjson").write_bytes(ndjson(0, 2))
    batch = source.poll(10, 30_000)
    assert batch is not None
    assert batch.next_offsets == {0: 2}
    assert not source.progress().complete
    (tmp_path / "0.ndjson").write_bytes(ndjson(2, 3))
    batch = source.poll(10, 30_000)
    assert batch is not None
    assert batch.next_offsets == {1: 1}


def test_a_new_file_that_takes_long_to_count_does_not_hold_up_a_poll(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(ndjson(0, 3))
    clock, count = Clock(), 20_000_000
    source = opened(tmp_path, "*", clock=clock, watch=True)
    (tmp_path / "b.ndjson.gz").write_bytes(gzip.compress(b'{"n": 1}\n' * count, 1))
    clock.now_s = 1.0
    for end in (2, 3):
        batch = source.poll(2, 1)
        assert batch is not None
        assert batch.next_offsets == {0: end}
        assert source.progress().end_offsets == {0: 3}
    batch = source.poll(2, 60_000)
    assert batch is not None
    assert batch.next_offsets == {1: 2}
    assert source.progress().end_offsets == {0: 3, 1: count}


def test_what_is_known_of_the_files_is_as_old_as_the_last_look_that_is_done(
    tmp_path: Path,
) -> None:
    clock = Clock()
    source = opened(tmp_path, "*", clock=clock, watch=True)
    (tmp_path / "b.ndjson.gz").write_bytes(gzip.compress(b'{"n": 1}\n' * 20_000_000, 1))
    assert source.progress().age_ms == 0
    for clock.now_s in (1.0, 6.0):  # the look begins at 1
        assert source.poll(2, 0) is None
        assert source.progress().age_ms == clock.now_s * 1_000
    assert source.poll(2, 60_000) is not None
    assert source.progress().age_ms == 5_000


def test_files_that_nobody_watches_are_as_they_were_found(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "a.ndjson").write_bytes(ndjson(0, 3))
    source = opened(tmp_path, "*", clock=clock)
    clock.now_s = 60.0
    assert source.progress().age_ms == 0


def test_what_a_look_in_the_background_finds_wrong_is_raised_by_a_poll(tmp_path: Path) -> None:
    clock = Clock()
    source = opened(tmp_path, "*.ndjson", clock=clock, watch=True)
    (tmp_path / "a.ndjson").symlink_to("/proc/self/mem")  # a file that opens, and does not read
    clock.now_s = 1.0
    with pytest.raises(SourceError, match=r"a\.ndjson cannot be read"):
        source.poll(1, 60_000)


def test_no_file_at_all_is_refused_unless_watching(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no file matches data/\*.ndjson"):
        opened(tmp_path, "data/*.ndjson")


# Options


@pytest.mark.parametrize(
    ("path", "encode", "form"),
    [
        ("a.ndjson", None, None),
        ("data/**", "json", FileFormat.NDJSON),
        ("data/*.parquet", "PARQUET", FileFormat.PARQUET),
        ("data/*.csv.gz", "CSV", FileFormat.CSV),
        ("data/*.log", "JSON", FileFormat.NDJSON),
    ],
)
def test_the_format_is_by_encode_or_extension(
    path: str, encode: str | None, form: FileFormat | None
) -> None:
    assert file_options("s", {"connector": "file", "path": path}, encode) == FileOptions(path, form)


@pytest.mark.parametrize(
    ("options", "encode", "words"),
    [
        ({}, None, "no path"),
        ({"path": "a", "pth": "b"}, None, "did you mean path"),
        ({"path": "a.csv"}, "JSON", "names csv files"),
        ({"path": "a"}, "AVRO", "reads JSON, CSV and PARQUET"),
        ({"path": "a", "watch": "yes"}, None, "'true' or 'false'"),
        ({"path": "a", "delimiter": "||"}, None, "one ASCII character"),
        ({"path": "a", "header": "false"}, None, "no columns"),
        ({"path": "a", "columns": "a"}, None, "have a header"),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, str], encode: str | None, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        file_options("orders", options, encode)
