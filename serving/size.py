"""About how large a view is: from the store's own books where it is large, never a whole scan.

A small view is counted: exact, and as cheap. The members of sets (keyfold/view/distinct.py) are
bytes of a view and no rows; of these only the store's books tell.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from keyfold.state.layout import members_span
from keyfold.state.reader import StateReader, ViewReader

COUNTED_ROWS_MAX = 1_000


def view_size(reader: StateReader, view: ViewReader) -> dict[str, Any]:
    """Return about how many rows and bytes a view has."""
    counted = list(islice(reader.rows(view), COUNTED_ROWS_MAX + 1))
    if len(counted) <= COUNTED_ROWS_MAX and not view.plan.has_sets:
        size = sum(len(view.prefix) + len(key) + len(value) for key, value in counted)
        return {"rows": len(counted), "bytes": size, "approximate": False}
    spans = [(other.prefix, other.end) for other in reader.views.values()]
    spans += [members_span(other.prefix) for other in reader.views.values() if other.plan.has_sets]
    sizes = dict(zip(spans, reader.replica.approximate_sizes(spans), strict=True))
    rows, size = sizes[view.prefix, view.end]
    if view.plan.has_sets:
        size += sizes[members_span(view.prefix)][1]
    if len(counted) <= COUNTED_ROWS_MAX:
        rows = len(counted)
    return {"rows": max(len(counted), rows), "bytes": size, "approximate": True}
