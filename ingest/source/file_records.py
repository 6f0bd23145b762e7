"""Files as streams of messages: record by record in the order of the file, in bounded memory.

A record's offset is its number in the file, so it must be the same in every pass: the same bytes
give the same records. Blank lines (in CSV: empty ones) and the header of a CSV file are none.

CSV records are split here, by quotes and line ends, before they are parsed: so a record that does
not fit (another number of fields, bytes that are not UTF-8) is known by its own bytes, and goes on
as a message with these bytes, to become a dead letter. A quote that is never closed costs its line.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
from pyarrow import compute, parquet

from ingest.source.file_json import JsonRows
from keyfold.connector.file_options import (
    FileFormat,
    FileOptions,
    compression_of,
    delimiter_of,
    format_of,
)
from keyfold.eventlog.lines import array_of_lines, split_lines

CHUNK_BYTES: Final = 1 << 20
# What is decompressed at once is lost at once where the file breaks off.
COMPRESSED_CHUNK_BYTES: Final = 64 << 10
RECORD_BYTES_MAX: Final = 64 << 20
# A quote that is not closed within so many bytes is taken for a stray one.
QUOTED_BYTES_MAX: Final = 1 << 20
PARQUET_ROWS: Final = 8192
_BOM: Final = b"\xef\xbb\xbf"


class BrokenFileError(Exception):
    """A file cannot be read on; the words say why, the caller knows after which record."""


def read_messages(
    path: str, options: FileOptions, skip: int, blobs: Collection[str] = ()
) -> Iterator[pa.Array]:
    """Yield the messages of a file from record ``skip`` on, as binary arrays.

    Args:
        path: Of the file.
        options: The source's options.
        skip: How many records to leave out.
        blobs: The columns whose bytes stay apart from text; see ``JsonRows``.

    Raises:
        BrokenFileError: The file cannot be read on from here.
    """
    match format_of(path, options):
        case FileFormat.NDJSON:
            yield from _skipped(_ndjson_records(path), skip)
        case FileFormat.CSV:
            yield from _csv_messages(path, options, skip)
        case FileFormat.PARQUET:
            yield from _parquet_messages(path, skip, blobs)
        case None:
            raise BrokenFileError("its extension stands for no known format")


def count_records(path: str, options: FileOptions) -> tuple[int, bool]:
    """Count the records of a file: from its metadata for Parquet, else by a pass over it.

    Returns:
        The records that can be read, and whether that is all: False where the file is broken
        behind them.
    """
    count = 0
    try:
        match format_of(path, options):
            case FileFormat.NDJSON:
                for data in _complete_lines(path):
                    count += split_lines(data, len(data)).count
            case FileFormat.CSV:
                for records in _csv_records(path, delimiter_of(path, options)):
                    count += len(records)
                count = max(0, count - options.header)
            case FileFormat.PARQUET:
                with _parquet_file(path) as file:
                    count = file.metadata.num_rows
            case None:
                return 0, False
    except BrokenFileError:
        return max(0, count), False
    return count, True


def _chunks(path: str) -> Iterator[bytes]:
    codec = compression_of(path)
    try:
        with pa.OSFile(path) as file:
            stream = pa.CompressedInputStream(file, codec) if codec else file
            size = COMPRESSED_CHUNK_BYTES if codec else CHUNK_BYTES
            chunk = stream.read(size).removeprefix(_BOM)
            while chunk:
                yield chunk
                chunk = stream.read(size)
    except OSError as error:
        raise BrokenFileError(str(error)) from error


def _complete_lines(path: str) -> Iterator[bytes]:
    """Yield the bytes of a file cut at line ends; the last line may have none."""
    pending: list[bytes] = []
    pending_bytes = 0
    for chunk in _chunks(path):
        end = chunk.rfind(b"\n") + 1
        if end:
            yield b"".join((*pending, chunk[:end]))
            pending, pending_bytes = [], 0
        pending.append(chunk[end:])
        pending_bytes += len(chunk) - end
        if pending_bytes > RECORD_BYTES_MAX:
            raise BrokenFileError(f"the next record has more than {RECORD_BYTES_MAX} bytes")
    if pending_bytes:
        yield b"".join(pending)


def _ndjson_records(path: str) -> Iterator[pa.Array]:
    for data in _complete_lines(path):
        yield array_of_lines(np.frombuffer(split_lines(data, len(data)).data, np.uint8))[0]


def _skipped(arrays: Iterator[pa.Array], skip: int) -> Iterator[pa.Array]:
    """Leave out the first ``skip`` records."""
    for array in arrays:
        if skip < len(array):
            yield array[skip:]
        skip = max(0, skip - len(array))


@cache
def _record_patterns(delimiter: str) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Return what matches one CSV record with its line end: well quoted, or with a stray quote.

    All quantifiers are possessive, so a match takes linear time.
    """
    bare = rb"[^%s\n]*+" % re.escape(delimiter.encode())
    quoted = rb'"(?:[^"]++|"")*+"' + bare
    patterns = []
    for other in (rb'(?!")' + bare, bare):
        field = rb"(?:%s|%s)" % (quoted, other)
        record = rb"%s(?:%s%s)*+\n" % (field, re.escape(delimiter.encode()), field)
        patterns.append(re.compile(record))
    return patterns[0], patterns[1]


def _well_quoted(record: bytes, delimiter: str) -> bool:
    return _record_patterns(delimiter)[0].fullmatch(record + b"\n") is not None


def _csv_records(path: str, delimiter: str) -> Iterator[pa.Array]:
    """Yield the records of a CSV file as their own bytes, without line ends."""
    pending = b""
    for chunk in _chunks(path):
        content = pending + chunk
        if len(content) > RECORD_BYTES_MAX:
            raise BrokenFileError(f"the next record has more than {RECORD_BYTES_MAX} bytes")
        records, consumed = _split_csv(content, delimiter, final=False)
        pending = content[consumed:]
        if len(records):
            yield records
    if pending:
        yield _split_csv(pending.removesuffix(b"\n") + b"\n", delimiter, final=True)[0]


def _split_csv(content: bytes, delimiter: str, *, final: bool) -> tuple[pa.Array, int]:
    """Return the complete records at the start of ``content``, and how many bytes they take."""
    if b'"' not in content:
        end = content.rfind(b"\n") + 1
        lines = content[:end].replace(b"\r\n", b"\n")
        array = array_of_lines(np.frombuffer(lines, np.uint8))[0]
        return array.filter(compute.greater(compute.binary_length(array), 0)), end
    quoted, stray = _record_patterns(delimiter)
    records = []
    position = 0
    while position < len(content):
        match = quoted.match(content, position)
        if match is None and (final or len(content) - position > QUOTED_BYTES_MAX):
            match = stray.match(content, position)
        if match is None:
            break
        records.append(match[0][:-1].removesuffix(b"\r"))
        position = match.end()
    return pa.array([record for record in records if record], pa.binary()), position


def _csv_messages(path: str, options: FileOptions, skip: int) -> Iterator[pa.Array]:
    delimiter = delimiter_of(path, options)
    arrays = _csv_records(path, delimiter)
    names: Sequence[str] = options.columns
    if options.header:
        first = next(arrays, None)
        if first is None:
            return
        names = _header(first[0].as_py(), delimiter)
        arrays = _chain(first[1:], arrays)
    rows = JsonRows(names, [pa.string()] * len(names))
    try:
        for records in _skipped(arrays, skip):
            yield _csv_objects(records, len(names), delimiter, rows)
    finally:
        rows.close()


def _chain(first: pa.Array, rest: Iterator[pa.Array]) -> Iterator[pa.Array]:
    yield first
    yield from rest


def _header(record: bytes, delimiter: str) -> list[str]:
    columns = _csv_columns([record], len(_fields(record, delimiter)), delimiter)
    names = [str(column[0].as_py() or "") for column in columns or []]
    unique = {name.casefold() for name in names if name}
    if not _well_quoted(record, delimiter) or not names or len(unique) < len(names):
        raise BrokenFileError(
            f"its header {record[:200]!r} does not name each column once; "
            "files without header need header = 'false' and columns"
        )
    return names


def _fields(record: bytes, delimiter: str) -> list[bytes]:
    """Split one record at the delimiters outside quotes."""
    mark = re.escape(delimiter.encode())
    return re.findall(rb'(?:^|%s)((?:"(?:[^"]++|"")*+")?[^%s]*+)' % (mark, mark), record)


def _csv_objects(records: pa.Array, width: int, delimiter: str, rows: JsonRows) -> pa.Array:
    """Return each record as a JSON object, or as it is where it does not fit the columns."""
    fits = compute.count_substring(records, delimiter).to_numpy(zero_copy_only=False) == width - 1
    has_quote = compute.match_substring(records, '"').to_numpy(zero_copy_only=False)
    if has_quote.any():
        # How many fields they have, the parser will say; but it would take an open quote as well.
        quoted = records.filter(pa.array(has_quote)).to_pylist()
        fits[has_quote] = [_well_quoted(record, delimiter) for record in quoted]
    if fits.all():
        return _parsed_objects(records, width, delimiter, rows)
    fitting = _parsed_objects(records.filter(pa.array(fits)), width, delimiter, rows)
    ragged = records.filter(pa.array(~fits))
    order = np.empty(len(records), np.int64)
    order[fits] = np.arange(len(fitting))
    order[~fits] = np.arange(len(fitting), len(records))
    return pa.concat_arrays([fitting, ragged]).take(pa.array(order))


def _parsed_objects(records: pa.Array, width: int, delimiter: str, rows: JsonRows) -> pa.Array:
    """Parse at once, and where that fails by halves, down to the records that do not fit."""
    if not len(records):
        return records
    columns = _csv_columns(records.to_pylist(), width, delimiter)
    if columns is not None:
        return rows.encode(columns)
    if len(records) == 1:
        return records
    middle = len(records) // 2
    halves = (records[:middle], records[middle:])
    return pa.concat_arrays([_parsed_objects(half, width, delimiter, rows) for half in halves])


def _csv_columns(records: list[bytes], width: int, delimiter: str) -> list[pa.ChunkedArray] | None:
    """Parse records into string columns; None when one of them does not fit.

    An empty field is null, a quoted empty field is an empty string.
    """
    content = b"\n".join(records) + b"\n"
    names = [str(number) for number in range(width)]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(content),
            arrow_csv.ReadOptions(
                use_threads=False, column_names=names, block_size=len(content) + 1
            ),
            arrow_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=False
            ),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowException:
        return None
    return list(table.columns) if len(table) == len(records) else None


def _parquet_file(path: str) -> parquet.ParquetFile:
    try:
        return parquet.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise BrokenFileError(str(error)) from error


def parquet_schema(path: str) -> pa.Schema:
    """Return the schema of a Parquet file.

    Raises:
        BrokenFileError: It is no such file.
    """
    with _parquet_file(path) as file:
        return file.schema_arrow


def field_names(path: str, options: FileOptions) -> Sequence[str] | None:
    """Return the names that the records of a file have; None where nothing but records says it.

    Raises:
        BrokenFileError: The file cannot be read.
    """
    match format_of(path, options):
        case FileFormat.PARQUET:
            return list(parquet_schema(path).names)
        case FileFormat.CSV if not options.header:
            return options.columns
        case FileFormat.CSV:
            delimiter = delimiter_of(path, options)
            first = next(_csv_records(path, delimiter), None)
            return None if first is None else _header(first[0].as_py(), delimiter)
    return None


def _parquet_messages(path: str, skip: int, blobs: Collection[str]) -> Iterator[pa.Array]:
    with _parquet_file(path) as file:
        groups = list(range(file.metadata.num_row_groups))
        while groups and skip >= file.metadata.row_group(groups[0]).num_rows:
            skip -= file.metadata.row_group(groups.pop(0)).num_rows
        rows = JsonRows(file.schema_arrow.names, file.schema_arrow.types, blobs)
        try:
            for batch in file.iter_batches(PARQUET_ROWS, row_groups=groups, use_threads=False):
                if skip < len(batch):
                    yield rows.encode(batch[skip:].columns)
                skip = max(0, skip - len(batch))
        except (OSError, pa.ArrowException) as error:
            raise BrokenFileError(str(error)) from error
        except duckdb.Error as error:  # a type that it does not have
            raise BrokenFileError(str(error).split("\n")[0]) from error
        finally:
            rows.close()
