"""About how large a view is: from the store's own books where it is large, never a whole scan.

A small view is counted: exact, and as cheap.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from keyfold.state.reader import StateReader, ViewReader

COUNTED_ROWS_MAX = 1_000


def view_size(reader: StateReader, view: ViewReader) -> dict[str, Any]:
    """Return about how many rows and bytes a view has."""
    counted = list(islice(reader.rows(view), COUNTED_ROWS_MAX + 1))
    if len(counted) <= COUNTED_ROWS_MAX:
        size = sum(len(view.prefix) + len(key) + len(value) for key, value in counted)
        return {"rows": len(counted), "bytes": size, "approximate": False}
    spans = [(other.prefix, other.end) for other in reader.views.values()]
    sizes = dict(zip(spans, reader.replica.approximate_sizes(spans), strict=True))
    rows, size = sizes[view.prefix, view.end]
    return {"rows": max(len(counted), rows), "bytes": size, "approximate": True}
