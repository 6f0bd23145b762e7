"""How the rows of a view are read: what is stored may be merged or taken apart on the way.

``row_reads`` gives what has the reads of a store. For most views that is the store itself. Windows
that share events are stored as panes (keyfold/state/windows.py), and the first rows of a group
together (keyfold/state/toprows.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from keyfold.state.protocol import Page, Reader, Reads, in_pages
from keyfold.state.toprows import TopRowReads
from keyfold.state.windows import PanedReads
from keyfold.view.plan import ViewPlan
from keyfold.view.rowkey import prefix_end


def row_reads(plan: ViewPlan, prefix: bytes, store: Reader) -> Reads:
    """Return what reads the rows of a view.

    Args:
        plan: The view.
        prefix: Stands before its row keys.
        store: Where they are.
    """
    reads: Reads = PanedReads(plan, prefix, store) if _shared(plan) else store
    return reads if plan.top is None else TopRowReads(plan, prefix, reads)


def row_pages(plan: ViewPlan, prefix: bytes, store: Reader, rows_max: int) -> Iterator[Page]:
    """Yield all rows of a view in key order, in pages that are not empty.

    Args:
        plan: The view.
        prefix: Stands before its row keys.
        store: Where they are.
        rows_max: Of a page.
    """
    end = prefix_end(prefix)
    if plan.top is None and not _shared(plan):
        return store.pages(prefix, end, rows_max)
    return in_pages(row_reads(plan, prefix, store).scan(prefix, end), rows_max)


def _shared(plan: ViewPlan) -> bool:
    return plan.window is not None and plan.window.panes > 1


def rows_in_turns(reads: Reads, keys: Sequence[bytes]) -> Iterator[list[bytes | None]]:
    """Yield the partials of rows in order, None where there is none, in lists, of one moment.

    Where a row is merged of many panes, each step takes about as long as other requests may wait.
    The moment is that of the first step.

    Args:
        reads: As ``row_reads`` gives them.
        keys: Of the rows.
    """
    match reads:
        case PanedReads():
            yield from reads.in_turns(keys)
        case TopRowReads():
            at = 0
            for groups in rows_in_turns(reads.groups, reads.stored_keys(keys)):
                yield reads.taken(keys[at : at + len(groups)], groups)
                at += len(groups)
        case _:
            yield reads.get_many(keys)
