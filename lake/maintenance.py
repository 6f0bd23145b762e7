"""Keeping a table small: expiry of snapshots, and the files that nothing references any more.

A file of a table is *referenced* while one of the kept snapshots reaches it: its manifest list, the
manifests in that, and the data files that are live in those; likewise every metadata file in the
metadata log. Only files with names that this process or PyIceberg gives are ever removed, and only
inside the table's own location. Old metadata files go by themselves with a commit
(``write.metadata.delete-after-commit.enabled``).

- After a snapshot: snapshots beyond ``lake_snapshots_keep`` or older than
  ``lake_snapshot_age_s_max`` are expired (never the current one, never one that a branch or tag
  names), and the files that only they reached are deleted, on any file system.
- When a process starts, and after a failure: files that nothing references are deleted, on local
  warehouses. In the embedded warehouse the lock of the lake directory says that no data file of
  ours is being written; any other file that is younger than ``ORPHAN_AGE_S_MIN`` may belong to
  another program's commit under way, and stays for now.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from pyiceberg.manifest import ManifestEntryStatus
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from keyfold.settings import Settings
from lake.datafiles import DATA_FILE_PREFIX
from lake.localfiles import local_path
from lake.table import write_version_hint

_logger = logging.getLogger(__name__)

ORPHAN_AGE_S_MIN = 600.0
_UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_OURS = re.compile(
    rf"{DATA_FILE_PREFIX}[0-9a-f]{{32}}-\d+\.parquet"  # lake/datafiles.py, ours for certain
    rf"|\.version-hint\.text\.\d+"
)
_ICEBERG = re.compile(rf"{_UUID}-m\d+\.avro|snap-\d+-\d+-{_UUID}\.avro|\d+-{_UUID}\.metadata\.json")


def expire(table: Table, settings: Settings, now_ms: int) -> list[str]:
    """Expire old snapshots and delete the files that only they reached.

    Args:
        table: The table, fresh from a commit.
        settings: What to keep.
        now_ms: The clock.

    Returns:
        Locations of the deleted files.
    """
    doomed = expirable(table, settings, now_ms)
    if not doomed:
        return []
    reached = {location for snapshot in doomed for location in _reached(table, snapshot)}
    table.maintenance.expire_snapshots().by_ids(
        [snapshot.snapshot_id for snapshot in doomed]
    ).commit()
    table.refresh()
    write_version_hint(table)
    unreferenced = sorted(reached - referenced(table))
    for location in unreferenced:
        try:
            table.io.delete(location)
        except FileNotFoundError:
            pass
    return unreferenced


def expirable(table: Table, settings: Settings, now_ms: int) -> list[Snapshot]:
    """Return the snapshots that are beyond what the settings keep, oldest first."""
    named = {reference.snapshot_id for reference in table.refs().values()}
    newest_first = sorted(table.snapshots(), key=lambda one: one.sequence_number or 0, reverse=True)
    oldest_ms = now_ms - settings.lake_snapshot_age_s_max * 1000
    return [
        snapshot
        for place, snapshot in reversed(list(enumerate(newest_first)))
        if (place >= settings.lake_snapshots_keep or snapshot.timestamp_ms < oldest_ms)
        and snapshot.snapshot_id not in named
    ]


def referenced(table: Table) -> set[str]:
    """Return the locations of all files that the table's metadata reaches."""
    files = {entry.metadata_file for entry in table.metadata.metadata_log}
    files.add(table.metadata_location)
    for snapshot in table.snapshots():
        files |= _reached(table, snapshot)
    return files


def remove_orphans(
    table: Table, now_s: float, *, exclusive: bool, age_s_min: float = ORPHAN_AGE_S_MIN
) -> list[Path]:
    """Delete the files in a local table location that nothing references.

    Args:
        table: The table, freshly loaded.
        now_s: The clock, s since the epoch.
        exclusive: Whether nobody else can be writing data files with our names, so that they go
            at once.
        age_s_min: Age from which any other file is an orphan.

    Returns:
        What was deleted.
    """
    root = local_path(table.location())
    if root is None or not root.is_dir():
        return []
    kept = {local_path(location) for location in referenced(table)}
    removed = []
    for path in sorted(root.rglob("*")):
        if path in kept or not path.is_file():
            continue
        old = now_s - path.stat().st_mtime >= age_s_min
        ours = _OURS.fullmatch(path.name)
        if ((exclusive or old) and ours) or (old and _ICEBERG.fullmatch(path.name)):
            path.unlink(missing_ok=True)
            removed.append(path)
    if removed:
        _logger.info("removed %d files that no snapshot references", len(removed))
    return removed


def _reached(table: Table, snapshot: Snapshot) -> set[str]:
    """Locations of the files that one snapshot reaches."""
    files = {snapshot.manifest_list}
    for manifest in snapshot.manifests(table.io):
        files.add(manifest.manifest_path)
        files.update(
            entry.data_file.file_path
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False)
            if entry.status != ManifestEntryStatus.DELETED
        )
    return files
