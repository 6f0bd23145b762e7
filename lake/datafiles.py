"""Writing the rows of one snapshot into Parquet files, a chunk at a time.

PyIceberg's own write path takes all rows before it writes the first file; here a chunk is written
by a second thread while the next one is read from the state, and at most ``CHUNKS_AHEAD`` wait.
Files carry Iceberg field ids and column statistics as PyIceberg's do, through its own writer. They
belong to no snapshot until the commit; ``discard`` removes them where there is none.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io import FileIO
from pyiceberg.io.fileformat import DataFileStatistics, FileFormatFactory, FileFormatWriter
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import sanitize_column_names
from pyiceberg.table.locations import load_location_provider
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.typedef import Record

FILE_BYTES_TARGET = 512 << 20
"""Arrow bytes after which the next file is begun; on disk it is a fraction of that."""
CHUNKS_AHEAD = 1
DATA_FILE_PREFIX = "keyfold-"


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
        self._model = FileFormatFactory.get(FileFormat.PARQUET)
        self._begun: list[str] = []
        self._done: list[DataFile] = []
        self._writer: FileFormatWriter | None = None
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
            self._writer = self._model.create_writer(
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
