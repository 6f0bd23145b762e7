"""Writing the rows of one snapshot into Parquet files, a chunk at a time.

PyIceberg's own write path takes all rows before it writes the first file; here a chunk is written
by a second thread while the next one is read from the state, and at most ``CHUNKS_AHEAD`` wait.
Files carry Iceberg field ids and column statistics as PyIceberg's do, through its own writer, which
is told which columns repeat their values: a dictionary of the others would only be tried, given up
and left in the file. They belong to no snapshot until the commit; ``discard`` removes them where
there is none.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io import FileIO
from pyiceberg.io.fileformat import DataFileStatistics
from pyiceberg.io.pyarrow import (
    ParquetFormatWriter,
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import Schema, sanitize_column_names
from pyiceberg.table.locations import load_location_provider
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.typedef import Record

FILE_BYTES_TARGET = 512 << 20
"""Arrow bytes after which the next file is begun; on disk it is a fraction of that."""
CHUNKS_AHEAD = 1
DATA_FILE_PREFIX = "keyfold-"
SAMPLE_ROWS = 16_384
"""Rows of the first chunk by which a file's columns are judged."""


class DataFilesWriter:
    """Writes tables into as many data files as they need.

    Attributes:
        rows: Rows written so far.
    """

    def __init__(
        self, io: FileIO, metadata: TableMetadata, *, file_bytes_target: int = FILE_BYTES_TARGET
    ) -> None:
        """Prepare for one snapshot.

        Args:
            io: The table's files.
            metadata: The table's metadata, with the schema that the rows have.
            file_bytes_target: Arrow bytes per file.
        """
        self._io = io
        self._metadata = metadata
        self._schema = sanitize_column_names(metadata.schema())
        self._locations = load_location_provider(metadata.location, metadata.properties)
        self._file_bytes_target = file_bytes_target
        self._write_id = uuid.uuid4().hex
        self._begun: list[str] = []
        self._done: list[DataFile] = []
        self._writer: ParquetFormatWriter | None = None
        self._file_bytes = 0
        self.rows = 0

    def write_all(self, chunks: Iterable[pa.Table]) -> list[DataFile]:
        """Write every chunk, and return the finished files; none where there are no rows."""
        waiting: deque[Future[None]] = deque()
        with ThreadPoolExecutor(1, thread_name_prefix="parquet") as second:
            for chunk in chunks:
                if len(waiting) > CHUNKS_AHEAD:
                    waiting.popleft().result()
                waiting.append(second.submit(self._write, chunk))
            for future in waiting:
                future.result()
        self._finish()
        return self._done

    def discard(self) -> None:
        """Remove what was written, after a failure before the commit."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            with suppress(Exception):  # the disk may be full; the failure before is the one to tell
                writer.close()
        for location in self._begun:
            if self._io.new_input(location).exists():
                self._io.delete(location)

    def _write(self, chunk: pa.Table) -> None:
        if chunk.num_rows == 0:
            return
        if self._writer is None:
            name = f"{DATA_FILE_PREFIX}{self._write_id}-{len(self._begun):05d}.parquet"
            location = self._locations.new_data_location(name)
            self._begun.append(location)
            self._writer = _Writer(
                self._io.new_output(location), self._schema, self._metadata.properties
            )
        self._writer.write(chunk)
        self.rows += chunk.num_rows
        self._file_bytes += chunk.nbytes
        if self._file_bytes >= self._file_bytes_target:
            self._finish()

    def _counts(self, location: str) -> DataFileStatistics:
        """Statistics of a finished file without the bounds of its columns."""
        with self._io.new_input(location).open() as stream:
            footer = pq.read_metadata(stream)
        properties = {**self._metadata.properties, "write.metadata.metrics.default": "counts"}
        return data_file_statistics_from_parquet_metadata(
            footer,
            compute_statistics_plan(self._schema, properties),
            parquet_path_to_id_mapping(self._schema),
        )

    def _finish(self) -> None:
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        self._file_bytes = 0
        location = self._begun[-1]
        try:
            statistics = writer.close()
        except (OverflowError, ValueError):
            # PyIceberg takes bounds through Python's calendar, which ends before SQL's does (years
            # beyond 9999, infinity). The file is whole; it only has no bounds.
            statistics = self._counts(location)
        self._done.append(
            DataFile.from_args(
                content=DataFileContent.DATA,
                file_path=location,
                file_format=FileFormat.PARQUET,
                partition=Record(),
                file_size_in_bytes=len(self._io.new_input(location)),
                sort_order_id=None,
                spec_id=self._metadata.default_spec_id,
                equality_ids=None,
                key_metadata=None,
                **statistics.to_serialized_dict(),
            )
        )


class _Writer(ParquetFormatWriter):
    """PyIceberg's writer, with dictionaries where the first chunk says that they pay."""

    def write(self, table: pa.Table) -> None:
        """Write a chunk as one row group."""
        if self._writer is None:
            self._parquet_writer_kwargs["use_dictionary"] = repeating(self._file_schema, table)
        super().write(table)


def repeating(schema: Schema, rows: pa.Table) -> list[str]:
    """Return the Parquet paths of the columns whose values repeat, by the first rows.

    A column in which more than half of the values differ from each other is none; what is nested
    is not looked at, and counts as one.

    Args:
        schema: Of the file.
        rows: At least one, of that schema.
    """
    sample = rows.slice(0, SAMPLE_ROWS)
    unlike = {
        name
        for name, column in zip(sample.column_names, sample.columns, strict=True)
        if not pa.types.is_nested(column.type)
        and 2 * pc.count_distinct(column, mode="all").as_py() > sample.num_rows
    }
    return [path for path in parquet_path_to_id_mapping(schema) if path not in unlike]
