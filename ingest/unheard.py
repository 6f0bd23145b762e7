"""Which misfits are dead letters already: a message that is read again is buried only once.

A column that some view reads is decoded for all messages, and what does not fit it is buried when
the source gives a message for the first time. A column that no view read then has a *gap* there: it
is decoded when a new view that reads it is filled from the log, and buried then. The gap shrinks as
that goes on, whatever becomes of the view, and lies in the commit record beside the letters; so a
misfit comes once, however often the message is read (law 6).

No view of a column can be older than its gap, and views begin where the log does. So whatever one
of them has come to, nothing before it is still to be heard.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from ingest.decode.reject import Reject
from ingest.source.message import MessageBatch
from keyfold.state.record import SourceRecord, ViewRecord
from keyfold.view.plan import ViewPlan

_OPEN: Final = (1 << 63) - 1
"""Where a gap ends as long as no view reads the column."""


def begin(source: SourceRecord, views: Collection[ViewPlan], had: Mapping[str, ViewRecord]) -> None:
    """Open and close gaps for the columns that views read from now on.

    Args:
        source: The source's record, which is changed.
        views: All views of the source.
        had: Their records.
    """
    needed = {name for view in views for name in view.columns_read}
    before = set(source.decoded)
    if not before:  # a new source, or a record from before there were gaps
        before = {name for view in views if had[view.name].offsets for name in view.columns_read}
    for column in before - needed:
        gaps = source.unheard.setdefault(column, {})
        for partition, told in source.partitions.items():
            gaps[partition] = [*gaps.get(partition, []), (told.offset, _OPEN)]
    for column in needed - before:
        gaps = source.unheard.setdefault(column, {})
        for partition, told in source.partitions.items():
            closed = [gap for gap in gaps.get(partition, []) if gap[1] != _OPEN]
            since = [low for low, high in gaps.get(partition, []) if high == _OPEN] or [0]
            gaps[partition] = [*closed, (since[0], told.offset)]
    source.unheard = {column: gaps for column, gaps in source.unheard.items() if gaps}
    source.decoded = sorted(needed)


def unheard(
    source: SourceRecord,
    column: str,
    batch: MessageBatch,
    rejects: Collection[Reject],
    readers: Collection[ViewRecord],
) -> list[Reject]:
    """Return those misfits of messages read before that are no dead letters yet.

    Args:
        source: The source's record.
        column: The column that they do not fit.
        batch: The messages.
        rejects: The misfits.
        readers: Views that read the column and have not stopped: one must have use for the message.
    """
    found = []
    for one in rejects:
        partition, offset = int(batch.partitions[one.row]), int(batch.offsets[one.row])
        gaps = source.unheard.get(column, {}).get(partition, [])
        if any(low <= offset < high for low, high in gaps) and any(
            view.offsets.get(partition, 0) <= offset for view in readers
        ):
            found.append(one)
    return found


def hear(
    source: SourceRecord, column: str, batch: MessageBatch, readers: Collection[ViewRecord]
) -> None:
    """Shrink the gaps of a column by a batch whose misfits are buried; arguments as above."""
    gaps = source.unheard[column]
    for partition, after in batch.next_offsets.items():
        if partition in gaps and any(view.offsets.get(partition, 0) < after for view in readers):
            gaps[partition] = [
                (max(low, after), high) for low, high in gaps[partition] if after < high
            ]
            if not gaps[partition]:
                del gaps[partition]
    if not gaps:
        del source.unheard[column]
