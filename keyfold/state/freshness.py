"""Freshness: how far behind its source an answer may be (law 5).

``as_of`` is a moment such that everything that was in the source then is in the answer. While the
writer is caught up, ``as_of`` moves with the clock (an idle partition is fresh; the worst partition
counts); once it stands still, staleness grows. An ``as_of`` later than now is from a clock that was
ahead, and says nothing: it would read as fresh until the clock comes there.

Of a view of several sources, ``as_of`` and the watermark are the least of them, one without events
has no watermark, and it is ``complete`` where all of them are.

States, the first that holds:

==============  ================================================================================
``failed``      the view or its source stopped with an error
``complete``    the source is bounded and was read to its end
``catching_up`` the view has not caught up with its source yet, or is behind where the source
                was read to: rows may be missing
``stale``       staleness is above the view's ``freshness_slo``, or not known
``live``        none of these
==============  ================================================================================
"""

from __future__ import annotations

import msgspec

from keyfold.state.counter import Status
from keyfold.state.record import CommitRecord
from keyfold.view.moment import timestamp_text
from keyfold.view.plan import ViewPlan

AHEAD_MS_MAX = 1_000
"""So much later than ``now`` may be what the writer says after the reader has seen the clock."""


class Freshness(msgspec.Struct, frozen=True):
    """The label on an answer.

    Attributes:
        as_of_ms: ms since the epoch; 0 when nothing is known.
        staleness_ms: Age of ``as_of`` now.
        watermark_us: Event time up to which the answer is believed complete, or None.
        state: See the module's docstring.
    """

    as_of_ms: int
    staleness_ms: int
    watermark_us: int | None
    state: str

    def json(self) -> str:
        """Write it as the JSON object that stands in every answer; null what is not known."""
        if not self.as_of_ms:  # nothing is known: that is no age of half a century
            return f'{{"as_of":null,"staleness_ms":null,"watermark":null,"state":"{self.state}"}}'
        mark = self.watermark_us
        watermark = "null" if mark is None else f'"{timestamp_text(mark, utc=True)}"'
        return (
            f'{{"as_of":"{timestamp_text(self.as_of_ms * 1000, utc=True)}",'
            f'"staleness_ms":{self.staleness_ms},"watermark":{watermark},"state":"{self.state}"}}'
        )


def freshness(  # everything that it depends on, and no clock of its own
    view: ViewPlan,
    record: CommitRecord,
    status: Status,
    status_sequence: int,
    now_ms: int,
    stale_after_ms: int,
) -> Freshness:
    """Label what a reader that stands at ``record`` answers at ``now_ms``.

    Args:
        view: The view that is read.
        record: The commit that the reader has applied.
        status: What the writer last published.
        status_sequence: The commit that ``status`` belongs to.
        now_ms: The clock, ms since the epoch.
        stale_after_ms: Bound for views without a ``freshness_slo``.
    """
    told = record.views.get(view.name)
    lives = [status.sources.get(source) for source in view.sources]
    current = all(lives) and record.sequence >= status_sequence
    latest_ms = now_ms + AHEAD_MS_MAX
    level = True
    as_of: list[int] = []
    marks: list[int] = []
    for source_name, live in zip(view.sources, lives, strict=True):
        source = record.sources.get(source_name)
        part = told.part(source_name) if told is not None else None
        at_ms = 0
        if source is None or part is None or not part.level_with(source):
            # A view that is being built, or tried again, may be far behind its source.
            level = False
            if part is not None and part.as_of_ms <= latest_ms:
                at_ms = part.as_of_ms
        else:
            if source.as_of_ms <= latest_ms:
                at_ms = source.as_of_ms
            if live is not None and record.sequence >= status_sequence:
                at_ms = max(at_ms, live.as_of_ms if live.as_of_ms <= latest_ms else 0)
            if source.watermark_us is not None:
                marks.append(source.watermark_us)
        as_of.append(at_ms)
    as_of_ms = min(as_of)
    staleness_ms = max(0, now_ms - as_of_ms)
    # A view that is behind may lack events from before the source's watermark.
    watermark_us = min(marks, default=None) if level else None
    state = "live"
    if (told is not None and told.error) or any(
        live is not None and live.state == "stopped" for live in lives
    ):
        state = "failed"
    elif told is None or not told.ready or not level:
        state = "catching_up"
    elif current and all(live is not None and live.state == "complete" for live in lives):
        state = "complete"
    elif staleness_ms > (view.freshness_slo_ms or stale_after_ms):
        state = "stale"
    return Freshness(as_of_ms, staleness_ms, watermark_us, state)
