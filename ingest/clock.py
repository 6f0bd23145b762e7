"""The two clocks of the writer: one says what time it is, the other how much time has passed.

The wall clock may be set, back too, so it is for what is stored and published. A timer that ran on
it would stand still for as long as it was set back.
"""

from __future__ import annotations

import time


def clock_ms() -> int:
    """Return the wall clock, ms since the epoch."""
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Return a clock that never goes back, ms since a moment that means nothing."""
    return time.monotonic_ns() // 1_000_000
