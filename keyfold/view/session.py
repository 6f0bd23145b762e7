"""Sessions: windows that begin and end with their events.

An event at ``t`` lasts from ``t`` to ``t + gap``. Events of one PARTITION BY key whose spans
overlap or touch are one session, from the start of the first span to the end of the last one:
events that are exactly ``gap`` apart are in one session. So the sessions are the connected parts of
a set of spans, and do not depend on the order in which the spans came (law 1).

A row lies under its PARTITION BY columns and then window_start. The window_end grows with the
session, so it is no key column: it is the greatest end of its spans, a partial like others (MAX).
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from keyfold.view.aggregate import slot_spans
from keyfold.view.partial import PartialCodec
from keyfold.view.plan import ViewPlan

END = "window_end"
"""The argument of the partial that has the end of a session; no query can name it otherwise."""
_FLAG = struct.Struct("<?")
_MICROS = struct.Struct("<q")


def end_slots(plan: ViewPlan) -> tuple[int, int]:
    """Return which slots of a view's partials say (whether a session has an end, its end in µs)."""
    for span, aggregate in zip(slot_spans(plan.aggregates), plan.aggregates, strict=True):
        if aggregate.family == "max" and aggregate.argument == END:
            return span.start, span.start + 1
    raise AssertionError(f"{plan.name} keeps no end of its sessions")


def end_reader(plan: ViewPlan) -> Callable[[bytes], int | None]:
    """Return how to read the end of a session, µs, from stored partials.

    What it reads is None where the events of the row have no time.
    """
    fields = PartialCodec(plan.slots).dtype.fields
    assert fields is not None
    has_at, end_at = (fields[f"s{slot}"][1] for slot in end_slots(plan))

    def end(value: bytes) -> int | None:
        if not _FLAG.unpack_from(value, has_at)[0]:
            return None
        micros: int = _MICROS.unpack_from(value, end_at)[0]
        return micros

    return end
