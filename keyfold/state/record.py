"""What a commit says beside its rows: offsets, watermark, ledger, freshness.

The record is written in the same atomic step as the rows (law 2), so whoever reads rows and record
from one view of the store knows exactly which events the rows hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from keyfold.view.plan import Catalog, SourcePlan, ViewPlan

Offsets = dict[int, int] | dict[str, dict[int, int]]
"""Partition → next offset; of a view of several sources, these by source."""


class Ledger(msgspec.Struct):
    """What became of the messages of one partition in one view (law 6).

    ``taken = applied + filtered + late + dead_lettered``; ``taken`` is shown as ``in``.
    """

    taken: int = 0
    applied: int = 0
    filtered: int = 0
    late: int = 0
    dead_lettered: int = 0

    def add(self, *, applied: int, filtered: int, late: int, dead_lettered: int) -> None:
        """Book a batch; what was taken in is the sum of what became of it."""
        self.applied += applied
        self.filtered += filtered
        self.late += late
        self.dead_lettered += dead_lettered
        self.taken += applied + filtered + late + dead_lettered

    def as_dict(self) -> dict[str, int]:
        """The ledger under its public names."""
        return {
            "in": self.taken,
            "applied": self.applied,
            "filtered": self.filtered,
            "late": self.late,
            "dead_lettered": self.dead_lettered,
        }


class PartitionRecord(msgspec.Struct):
    """Where a source is in one partition.

    Attributes:
        offset: Next offset to read.
        event_time_us: Greatest event time seen, µs, or None.
        taken: Messages read.
        dead_lettered: Messages that could not be decoded.
        message_ms: Greatest timestamp of a message, ms since the epoch; None where none had one, or
            the source has no watermark.
    """

    offset: int
    event_time_us: int | None = None
    taken: int = 0
    dead_lettered: int = 0
    message_ms: int | None = None


class SourceRecord(msgspec.Struct):
    """Where a source is.

    Attributes:
        partitions: By partition number.
        identity: Facts that the source stores with its offsets (topic id, file names).
        watermark_us: Least over the partitions that have events, and are not idle, of event time
            minus delay; goes back where one has its first event, or wakes up. A function of the
            offsets alone, however the stream was cut (law 1), as is the next.
        stream_time_us: Greatest over the partitions of event time minus delay.
        as_of_ms: All that was in the source at this time is applied, ms since the epoch.
        decoded: Columns that its views read.
        unheard: Column → partition → ranges [first offset, end) that were read when no view read
            the column, so that what does not fit it is no dead letter yet (ingest/unheard.py).
    """

    partitions: dict[int, PartitionRecord] = {}
    identity: dict[str, str] = {}
    watermark_us: int | None = None
    stream_time_us: int | None = None
    as_of_ms: int = 0
    decoded: list[str] = []
    unheard: dict[str, dict[int, list[tuple[int, int]]]] = {}

    def idle(self, timeout_us: int | None) -> set[int]:
        """Return the partitions whose last message is older than the newest by more than a timeout.

        Args:
            timeout_us: The timeout, µs; None: no partition is idle.
        """
        if timeout_us is None:
            return set()
        told = {p: t.message_ms for p, t in self.partitions.items() if t.message_ms is not None}
        since_ms = max(told.values(), default=0) - timeout_us / 1_000
        return {partition for partition, message_ms in told.items() if message_ms < since_ms}


class Begin(msgspec.Struct):
    """Where a source begins whose columns are not known yet.

    Attributes:
        fingerprint: Of its plan while it waits: of another statement, this says nothing.
        start: What its record is to be once the columns are known.
    """

    fingerprint: str
    start: SourceRecord


class ViewRecord(msgspec.Struct):
    """How far a view is.

    Attributes:
        offsets: Next offset to apply, by partition.
        ledger: By partition.
        ready: True once the view had caught up with its source; absent keys are a 404 from then on.
        error: Why the view stopped, or empty.
        as_of_ms: All that was in the source at this time is applied to the view; the source's own
            ``as_of_ms`` as long as the view is level with it.
        stream_time_us: Greatest event time, less the delay, of the messages that the view has had:
            what retention reads. A function of ``offsets``, however the stream was cut (law 1);
            so it stands still with a view that stopped, whatever its source goes on to read.
        event_times_us: Partition → greatest event time of its messages that the view has had; kept
            where events can be late (ingest/late.py).
        parts: Source → how far a view of several sources is in each; empty for a view of one. What
            stands beside it then is of the view as a whole: ``ready``, where all parts are;
            ``as_of_ms``, the least; ``stream_time_us``, the greatest; and the error of any, which
            stops all of them. Offsets, ledger and event times are those of the parts alone.
    """

    offsets: dict[int, int] = {}
    ledger: dict[int, Ledger] = {}
    ready: bool = False
    error: str = ""
    as_of_ms: int = 0
    stream_time_us: int | None = None
    event_times_us: dict[int, int] = {}
    parts: dict[str, ViewRecord] = {}

    @staticmethod
    def of(view: ViewPlan) -> ViewRecord:
        """Return the record of a view that begins."""
        parts = {source: ViewRecord() for source in view.sources} if view.others else {}
        return ViewRecord(parts=parts)

    def part(self, source: str) -> ViewRecord:
        """Return how far the view is in one of its sources."""
        return self.parts.get(source, self)

    def stop(self, error: str) -> None:
        """Say why the view stopped; a new life takes it back."""
        for one in (self, *self.parts.values()):
            one.error = error

    def gather(self) -> None:
        """Bring what is said of the view as a whole up to its parts."""
        if not self.parts:
            return
        parts = self.parts.values()
        self.ready = all(part.ready for part in parts)
        self.as_of_ms = min(part.as_of_ms for part in parts)
        times = [part.stream_time_us for part in parts if part.stream_time_us is not None]
        self.stream_time_us = max(times, default=None)

    def told_offsets(self) -> Offsets:
        """Return the offsets as they are told: in order, and those of several sources by source."""
        if not self.parts:
            return dict(sorted(self.offsets.items()))
        return {source: dict(sorted(one.offsets.items())) for source, one in self.parts.items()}

    def level_with(self, source: SourceRecord) -> bool:
        """Say whether the view has applied all that was read from its source."""
        return all(
            self.offsets.get(partition, 0) >= told.offset
            for partition, told in source.partitions.items()
        )

    def total(self) -> Ledger:
        """The ledger over all partitions of all sources."""
        total = Ledger()
        for record in (self, *self.parts.values()):
            for one in record.ledger.values():
                total.add(
                    applied=one.applied,
                    filtered=one.filtered,
                    late=one.late,
                    dead_lettered=one.dead_lettered,
                )
        return total


def book(
    record: ViewRecord,
    partition: int,
    *,
    applied: int = 0,
    filtered: int = 0,
    late: int = 0,
    dead_lettered: int = 0,
) -> None:
    """Enter a batch of one partition into a view's ledger (law 6)."""
    record.ledger.setdefault(partition, Ledger()).add(
        applied=applied, filtered=filtered, late=late, dead_lettered=dead_lettered
    )


class CommitRecord(msgspec.Struct):
    """The state of everything at one commit.

    Attributes:
        sequence: Counts commits, from 1.
        time_ms: When it was written, ms since the epoch.
        catalog_version: Version of the stored catalog that the rows belong to.
        sources: By name.
        views: By name.
        dead_letter_first: Number of the oldest dead letter that is kept.
        dead_letter_next: Number of the next one.
        begins: Source → where it begins, of those that wait for their columns and start at their
            latest. Apart from ``sources``, which may still have what an earlier statement left.
        times_of_views: Whether the views have stream times of their own. In records from before,
            that of the source hides and drops the rows of all its views.
    """

    sequence: int = 0
    time_ms: int = 0
    catalog_version: int = 0
    sources: dict[str, SourceRecord] = {}
    views: dict[str, ViewRecord] = {}
    dead_letter_first: int = 0
    dead_letter_next: int = 0
    begins: dict[str, Begin] = {}
    times_of_views: bool = False

    def stream_time_us(self, view: ViewPlan) -> int | None:
        """The time that retention of a view reads, or None while there is none."""
        told = self.views.get(view.name)
        if self.times_of_views:
            return told.stream_time_us if told else None
        source = self.sources.get(view.source)
        return source.stream_time_us if source else None

    def reclaim_time_us(self, view: ViewPlan, sources: Mapping[str, SourcePlan]) -> int | None:
        """The time that says which rows of a view may go for good, or None while there is none.

        A session can still grow that a row of it is hidden: an event of a partition that is behind
        may belong to it. So its time is the least over the partitions that are not idle, of all its
        sources, and there is none before the view has caught up, for until then a partition may be
        all unread.
        """
        if not view.session:
            return self.stream_time_us(view)
        told = self.views.get(view.name)
        if told is None or not told.ready:
            return None
        times = []
        for name in view.sources:
            read, source, part = self.sources.get(name), sources[name], told.part(name)
            if read is None or source.watermark is None:
                return None
            awake = part.ledger.keys() - read.idle(source.idle_timeout_us)
            if awake - part.event_times_us.keys():
                return None
            times += [part.event_times_us[p] - source.watermark.delay_us for p in awake]
        return min(times, default=None)

    def give_views_times(self, views: Iterable[ViewPlan]) -> None:
        """Turn a record from before views had stream times into one of now."""
        for view in () if self.times_of_views else views:
            if self.views[view.name].offsets:  # or it begins now, and has had nothing
                self.views[view.name].stream_time_us = self.stream_time_us(view)
        self.times_of_views = True


class StoredCatalog(msgspec.Struct, frozen=True):
    """The catalog as it lies in the store.

    Attributes:
        version: Goes up with every change.
        catalog: Sources and views.
        view_ids: View name → the id in its rows' prefix.
        next_view_id: Ids are never used twice, be it for a view or for a source.
        plan_format: Format version of the plans.
        rebuild_request: Names the last rebuild that was asked for, so that it is done once.
        wrong: View → statement of views that are not kept, since they turned out not to fit the
            columns that were detected of their source.
        source_ids: Source → the id that it got when it was last begun anew; none in a source's
            first build.
    """

    version: int
    catalog: Catalog
    view_ids: dict[str, int]
    next_view_id: int
    plan_format: int
    rebuild_request: str = ""
    wrong: dict[str, str] = {}
    source_ids: dict[str, int] = {}


record_encoder = msgspec.json.Encoder()
record_decoder = msgspec.json.Decoder(CommitRecord)
catalog_decoder = msgspec.json.Decoder(StoredCatalog)
