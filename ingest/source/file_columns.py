"""The columns of a ``file`` source, from its files.

=========  ====================================================================================
format     columns
=========  ====================================================================================
Parquet    the schema of the first file, whether or not it has rows
CSV        the header's names; each has the least type that holds its first values
NDJSON     what holds the first events, as of any other source (keyfold/sql/infer.py)
=========  ====================================================================================

A type is one that a message of the file can be read as (ingest/source/file_json.py): times have
microseconds, blobs are VARCHAR in base64, and what is only nulls is VARCHAR.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from ingest.source.file_records import BrokenFileError, parquet_schema, read_messages
from ingest.source.message import BATCH_BYTES_MAX
from keyfold.connector.file_options import FileFormat, FileOptions, format_of, matching_files
from keyfold.errors import SourceError, SqlError
from keyfold.sql.infer import infer_columns
from keyfold.view.plan import Column

RECORDS_MAX: Final = 10_000


def file_columns(options: FileOptions, directory: Path = Path()) -> tuple[Column, ...]:
    """Return the columns of the files that match.

    Args:
        options: The source's options.
        directory: What a relative pattern is relative to.

    Raises:
        SourceError: No file matches, or the first cannot be read.
        SqlError: There is no record in any, or none is a JSON object.
    """
    paths = matching_files(options, directory)
    if not paths:
        raise SourceError(
            f"no file matches {options.path}", hint="correct the path, or put a file there"
        )
    form = format_of(paths[0], options)
    if form is FileFormat.PARQUET:
        return _schema_columns(paths[0], directory)
    alike = [path for path in paths if format_of(path, options) is form]
    records = _first_records(alike, options, directory)
    if not records:
        raise SqlError(
            f"there is no record in {options.path}",
            hint="put one there, or give the source a column list",
        )
    return infer_columns(records, cells=form is FileFormat.CSV)


def _first_records(paths: Sequence[str], options: FileOptions, directory: Path) -> list[bytes]:
    records: list[bytes] = []
    size = 0
    for path in paths:
        try:
            for array in _arrays(str(directory / path), options):
                taken = array[: RECORDS_MAX - len(records)].to_pylist()
                records += taken
                size += sum(map(len, taken))
                if len(records) >= RECORDS_MAX or size >= BATCH_BYTES_MAX:
                    return records
        except BrokenFileError as problem:
            if not records:
                raise _unreadable(path, problem) from problem
            break  # what came before tells enough
    return records


def _arrays(path: str, options: FileOptions) -> Iterator[pa.Array]:
    yield from read_messages(path, options, 0)


def _schema_columns(path: str, directory: Path) -> tuple[Column, ...]:
    try:
        schema = parquet_schema(str(directory / path))
        # Names that start with two underscores are Keyfold's own.
        fields = [f for f in schema if f.name and not f.name.startswith("__")]
        if not fields:
            raise BrokenFileError("it has no columns")
        told = pa.schema([pa.field(f"c{i}", _read_as(f.type)) for i, f in enumerate(fields)])
        with duckdb.connect(":memory:") as connection:
            types = connection.from_arrow(told.empty_table()).types
    except (BrokenFileError, duckdb.Error) as problem:
        raise _unreadable(path, problem) from problem
    return tuple(Column(field.name, str(kind)) for field, kind in zip(fields, types, strict=True))


def _unreadable(path: str, problem: Exception) -> SourceError:
    words = str(problem).split("\n")[0]
    return SourceError(f"{path} cannot be read: {words}", hint="put a whole file in its place")


def _read_as(kind: pa.DataType) -> pa.DataType:
    """Return the Arrow type that a value in a message has, for one in a file."""
    if pa.types.is_dictionary(kind):
        return _read_as(kind.value_type)
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    if pa.types.is_time(kind):
        return pa.time64("us")
    if (
        pa.types.is_null(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    ):
        return pa.string()
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(f.name, _read_as(f.type)) for f in kind])
    if pa.types.is_map(kind):
        # The keys of a JSON object are what they are in text.
        return pa.map_(_read_as(kind.key_type), _read_as(kind.item_type))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.list_(_read_as(kind.value_type))
    return kind
