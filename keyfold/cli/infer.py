"""``keyfold sources infer``: the CREATE SOURCE that fits the first events."""

from __future__ import annotations

import glob
import gzip
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from subprocess import run
from typing import NoReturn

import duckdb
import pyarrow as pa

from keyfold.errors import SettingsError
from keyfold.sql.infer import infer_columns
from keyfold.view.plan import Column

SAMPLE_EVENTS = 10_000
_TABLES = {".csv": "read_csv", ".tsv": "read_csv", ".parquet": "read_parquet"}
_ENCODES = {"read_csv": "CSV", "read_parquet": "PARQUET"}


def infer_from_files(name: str, pattern: str) -> None:
    """Print the CREATE SOURCE of a file, of the first file of a glob, or of stdin (``-``).

    Raises:
        SettingsError: There is no such file, or nothing in it.
    """
    if pattern == "-":
        columns = _infer(list(islice(sys.stdin.buffer, SAMPLE_EVENTS)), "stdin")
        _print(name, columns, {"connector": "events"}, "JSON")
        return
    columns = columns_of_files(pattern)
    reader = _reader_of(_first(pattern))
    _print(
        name, columns, {"connector": "file", "path": pattern}, _ENCODES.get(reader or "", "JSON")
    )


def columns_of_files(pattern: str) -> tuple[Column, ...]:
    """Return the columns of the first file that a path or glob names.

    Raises:
        SettingsError: There is no such file, or nothing in it.
    """
    first = _first(pattern)
    reader = _reader_of(first)
    return _described(first, reader) if reader else _infer(_lines(first), str(first))


def _first(pattern: str) -> Path:
    found = sorted(glob.glob(pattern, recursive=True))
    if not found:
        raise SettingsError(f"no file matches {pattern}", hint="quote a glob, or give - for stdin")
    return Path(found[0])


def _reader_of(file: Path) -> str | None:
    """Return DuckDB's reader of a file in columns, None for JSON."""
    return next((_TABLES[suffix] for suffix in file.suffixes if suffix in _TABLES), None)


def infer_from_topic(name: str, topic: str, bootstrap: str, options: Sequence[str]) -> NoReturn:
    """Print the CREATE SOURCE of a Kafka topic; a process of the ingest house reads it."""
    given = {"connector": "kafka", "topic": topic, "properties.bootstrap.server": bootstrap}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals:
            raise SettingsError(f"--option {option} has no value", hint="write KEY=VALUE")
        given[key] = value
    sql = create_source(name, (), given, "JSON")
    command = [sys.executable, "-P", "-m", "ingest.infer", "--sql", sql]
    sys.exit(run(command, check=False).returncode)  # noqa: S603 (our own module)


def create_source(
    name: str, columns: Sequence[Column], options: dict[str, str], encode: str
) -> str:
    """Write a CREATE SOURCE statement."""
    listed = ",\n".join(f"  {_name(column.name)} {column.type}" for column in columns)
    body = f" (\n{listed}\n)" if columns else ""
    with_clause = ", ".join(f"{key} = {_text(value)}" for key, value in options.items())
    return f"CREATE SOURCE {_name(name)}{body}\nWITH ({with_clause})\nFORMAT PLAIN ENCODE {encode};"


def _print(name: str, columns: Sequence[Column], options: dict[str, str], encode: str) -> None:
    sys.stdout.write(create_source(name, columns, options, encode) + "\n")


def _infer(lines: Sequence[bytes], where: str) -> tuple[Column, ...]:
    events = [line.strip() for line in lines if line.strip()]
    if not events:
        raise SettingsError(f"{where} holds no events", hint="give one JSON object per line")
    return infer_columns(events)


def _lines(file: Path) -> list[bytes]:
    try:
        match file.suffix:
            case ".gz":
                with gzip.open(file) as text:
                    return list(islice(text, SAMPLE_EVENTS))
            case ".zst":
                return _zstd_lines(file)
        with file.open("rb") as plain:
            return list(islice(plain, SAMPLE_EVENTS))
    except OSError as problem:
        raise SettingsError(f"{file} cannot be read: {problem}") from problem


def _zstd_lines(file: Path) -> list[bytes]:
    with pa.input_stream(str(file), compression="zstd") as text:
        return list(islice(text, SAMPLE_EVENTS))


def _described(file: Path, reader: str) -> tuple[Column, ...]:
    try:
        with duckdb.connect() as connection:
            rows = connection.execute(
                f"DESCRIBE SELECT * FROM {reader}(?)",
                [str(file)],
            ).fetchall()
    except duckdb.Error as problem:
        raise SettingsError(f"{file} cannot be read: {problem}") from problem
    return tuple(Column(row[0], row[1]) for row in rows)


def _name(name: str) -> str:
    plain = name.isidentifier() and name.isascii() and name == name.lower()
    return name if plain else '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
