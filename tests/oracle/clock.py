"""The times of sources, from their messages alone: which events are late, and how far time is."""

from __future__ import annotations

from collections.abc import Sequence

from tests.oracle.case import Case
from tests.oracle.messages import Message
from tests.oracle.source import Source
from tests.oracle.values import EPOCH_MS


def late_messages(case: Case, seen: Sequence[Message]) -> list[bool]:
    """Which messages are late, by the earlier ones of their partition."""
    delays_s = {source.name: source.delay_s for source in case.sources}
    latest: dict[tuple[str, int], int] = {}
    late = []
    for message in seen:
        place = message.source, message.partition
        second, before = message.second, latest.get(place)
        known = second is not None and before is not None
        late.append(known and case.closes_s(second) <= before - delays_s[message.source])
        if second is not None and message.moves:
            latest[place] = second if before is None else max(before, second)
    return late


def stream_second(source: Source, seen: Sequence[Message]) -> int | None:
    """The greatest event time, also of what a view cannot read, less the delay."""
    seconds = [second for _, second in _moving(source, seen)]
    return max(seconds) - source.delay_s if seconds else None


def watermark_second(source: Source, seen: Sequence[Message]) -> int | None:
    """The least over the partitions that have events and are not idle, less the delay."""
    latest: dict[int, int] = {}
    for partition, second in _moving(source, seen):
        latest[partition] = max(second, latest.get(partition, second))
    if not latest:
        return None
    stamps: dict[int, int] = {}
    for message in seen:
        if message.source == source.name and message.timestamp_ms >= 0:
            stamps[message.partition] = max(
                message.timestamp_ms, stamps.get(message.partition, message.timestamp_ms)
            )
    since_ms = max(stamps.values(), default=0) - 1_000 * (source.idle_s or 0)
    idle = {p for p, at_ms in stamps.items() if source.idle_s is not None and at_ms < since_ms}
    awake = [second for partition, second in latest.items() if partition not in idle]
    return min(awake or latest.values()) - source.delay_s


def micros(second: int | None) -> int | None:
    """A time of an event as a record has it, µs since 1970."""
    return None if second is None else EPOCH_MS * 1_000 + second * 1_000_000


def _moving(source: Source, seen: Sequence[Message]) -> list[tuple[int, int]]:
    """Partition and second of the events that move time; none without a watermark."""
    return [
        (message.partition, message.second)
        for message in seen
        if message.source == source.name and message.second is not None and message.moves
        if source.watermark
    ]
