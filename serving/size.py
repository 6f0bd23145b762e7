"""About how large a view is, from RocksDB's own books: never a scan.

A table file knows its first and last key, its entries and its bytes. A file that holds one view
only is that view's; one that several share is divided evenly among them, and so is the memtable.
Overwritten rows count until they are compacted. A small view is counted: exact, and as cheap.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from keyfold.state.reader import StateReader, ViewReader

COUNTED_ROWS_MAX = 1_000


def view_size(reader: StateReader, view: ViewReader) -> dict[str, Any]:
    """Return about how many rows and bytes a view has; None where the store cannot tell."""
    counted = list(islice(reader.rows(view), COUNTED_ROWS_MAX + 1))
    if len(counted) <= COUNTED_ROWS_MAX:
        size = sum(len(view.prefix) + len(key) + len(value) for key, value in counted)
        return {"rows": len(counted), "bytes": size, "approximate": False}
    # The store's door has no method for this; the figures are of RocksDB and of nothing else.
    database = getattr(reader.replica, "_db", None)
    if database is None:
        return {"rows": None, "bytes": None, "approximate": True}
    spans = [(other.prefix, other.end) for other in reader.views.values()]
    rows = size = 0
    for file in database.live_files():
        first, last = file["start_key"], file["end_key"]
        if last < view.prefix or first >= view.end:
            continue
        sharing = sum(1 for start, end in spans if last >= start and first < end)
        rows += (file["num_entries"] - file["num_deletions"]) // sharing
        size += file["size"] // sharing
    in_memory = database.property_int_value("rocksdb.num-entries-active-mem-table") or 0
    rows += in_memory // len(spans)
    return {"rows": max(len(counted), rows), "bytes": size, "approximate": True}
