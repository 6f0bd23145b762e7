"""What the lake process tells of itself: ``<data-dir>/lake/status.json``, replaced after every try.

The command line, the demo and ``/metrics`` read it; nobody else writes it. To read the newest
snapshot of a view with DuckDB, without any extension::

    import duckdb, msgspec
    from pyiceberg.table import StaticTable

    rows = StaticTable.from_metadata(status.views["spend_1m"].metadata_location).scan().to_arrow()
    duckdb.sql("SELECT * FROM rows ORDER BY total DESC LIMIT 10").show()

With DuckDB's iceberg extension, ``iceberg_scan('<location>')`` reads the same table by its version
hint; ``read_parquet`` over ``data_files(…)`` reads the files of one snapshot directly.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from keyfold.state.layout import lake_directory
from lake.localfiles import replace_file


class TableStatus(msgspec.Struct):
    """The table of one view.

    Attributes:
        table: Its identifier, with dots.
        location: Where its files lie; empty before the first snapshot.
        metadata_location: Its current metadata file; empty before the first snapshot.
        snapshot_id: The last snapshot, or None.
        time_ms: When that was taken, ms since the epoch.
        commit: The commit of the state that it holds.
        rows: Its rows.
        seconds: How long it took.
        offsets: The offsets that it holds, by partition; of a view of several sources, by source
            first.
        snapshots: Snapshots taken by this process.
        error: Why the last try failed, or empty.
        error_time_ms: When that was.
        retry_ms: When the next try comes, after a failure.
    """

    table: str
    location: str = ""
    metadata_location: str = ""
    snapshot_id: int | None = None
    time_ms: int = 0
    commit: int = 0
    rows: int = 0
    seconds: float = 0.0
    offsets: dict[int | str, int | dict[int, int]] = {}
    snapshots: int = 0
    error: str = ""
    error_time_ms: int = 0
    retry_ms: int = 0


class LakeStatus(msgspec.Struct):
    """The whole file.

    Attributes:
        pid: Of the lake process.
        started_ms: When it started.
        stopped: True once it ended cleanly.
        views: By view name.
    """

    pid: int = 0
    started_ms: int = 0
    stopped: bool = False
    views: dict[str, TableStatus] = {}


def status_path(data_directory: Path) -> Path:
    """Return where the status lies."""
    return lake_directory(data_directory) / "status.json"


def write_status(data_directory: Path, status: LakeStatus) -> None:
    """Replace the status in one step."""
    path = status_path(data_directory)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, msgspec.json.format(msgspec.json.encode(status)) + b"\n")


def read_status(data_directory: Path) -> LakeStatus | None:
    """Return the status, or None when no lake process has written one yet."""
    try:
        return msgspec.json.decode(status_path(data_directory).read_bytes(), type=LakeStatus)
    except FileNotFoundError:
        return None


def data_files(metadata_location: str) -> list[str]:
    """Return the Parquet files of the current snapshot under a metadata file, in key order.

    Snapshots have no delete files, so these are all rows and nothing else.
    """
    # Only this question needs PyIceberg; who reads the status alone starts faster without.
    from pyiceberg.table import StaticTable  # noqa: PLC0415

    scan = StaticTable.from_metadata(metadata_location).scan()
    return sorted(task.file.file_path for task in scan.plan_files())
