"""Taking one snapshot of one view.

1. Check that the state continues the table.
2. Stage the change of schema, if the view changed.
3. Write the live rows of the reader's commit into data files; they belong to nothing yet.
4. Commit: schema, files and summary in one step. What fails before it, or dies, leaves the last
   snapshot as it was; the files of step 3 are orphans then (lake/maintenance.py).
5. Write the version hint.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.table import Table

from keyfold.errors import KeyfoldError, LakeError
from keyfold.settings import Settings
from keyfold.state.reader import StateReader, ViewReader
from lake.datafiles import DataFilesWriter
from lake.export import CHUNK_ROWS, Exporter
from lake.table import (
    ROWS,
    changed,
    check_continuity,
    current_data_files,
    needed_change,
    open_table,
    stage_replacement,
    stage_schema,
    summary_of,
    write_version_hint,
)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot that was committed.

    Attributes:
        table: The table as it is now.
        rows: Its rows.
    """

    table: Table
    rows: int


def take_snapshot(
    catalog: Catalog,
    settings: Settings,
    reader: StateReader,
    view: ViewReader,
    *,
    chunk_rows: int = CHUNK_ROWS,
) -> Taken | None:
    """Take a snapshot of a view as it is at the reader's commit, if it changed since the last.

    The reader must not be refreshed meanwhile.

    Args:
        catalog: The catalog of the table.
        settings: For the namespace.
        reader: The state.
        view: The view.
        chunk_rows: Rows held in memory at once.

    Returns:
        The snapshot, or None where the table is up to date already.

    Raises:
        LakeError: It was refused or failed; the last snapshot stays.
    """
    plan, record = view.plan, reader.record
    try:
        table = open_table(catalog, settings, plan)
        last = table.current_snapshot()
        # Step 1.
        check_continuity(settings, plan, record, last)
        if not changed(plan, record, last):
            return None
        # Step 2.
        transaction = table.transaction()
        stage_schema(
            transaction, needed_change(settings, plan, transaction.table_metadata.schema())
        )
        # Step 3.
        metadata = transaction.table_metadata
        files = DataFilesWriter(table.io, metadata)
        exporter = Exporter(view, metadata.schema())
        try:
            new = files.write_all(exporter.chunks(reader, chunk_rows))
        except BaseException:
            files.discard()
            raise
        # Step 4. Only these two errors say for certain that the commit did not take place; after
        # any other the files may belong to a snapshot, and are left to maintenance.
        summary = summary_of(plan, record) | {ROWS: str(files.rows)}
        try:
            stage_replacement(transaction, current_data_files(table), new, summary)
            table = transaction.commit_transaction()
        except (CommitFailedException, ValidationException):
            files.discard()
            raise
    except KeyfoldError:
        raise
    except Exception as problem:  # catalogs and file systems each have their own errors
        raise LakeError(
            f"the snapshot of view {plan.name} failed: {problem or type(problem).__name__}",
            hint="it is tried again; the last snapshot stays readable",
        ) from problem
    # Step 5.
    try:
        write_version_hint(table)
    except OSError as problem:
        _logger.warning("the version hint of view %s could not be written: %s", plan.name, problem)
    return Taken(table, files.rows)
