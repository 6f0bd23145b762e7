"""Percentiles of latencies that count from when a request was due, not from when it was sent.

A client that waits for a slow answer before it asks again hides what the requests behind it would
have felt (coordinated omission). Here request i is due at ``i / rate``, whatever became of the ones
before it, and its latency is ``answered - due``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Latencies:
    """Latencies at a fixed rate, in ms.

    Attributes:
        requests: How many were answered.
        late: How many were sent more than 1 ms after they were due: if many, the rate was too high.
    """

    requests: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    late: int

    def as_dict(self) -> dict[str, object]:
        """Return the fields, for the detail of a figure."""
        return asdict(self)


def due_s(index: int, per_second: float) -> float:
    """Return when a request is due, in seconds after the first one."""
    return index / per_second


def latencies(due: Sequence[float], sent: Sequence[float], answered: Sequence[float]) -> Latencies:
    """Return the percentiles of answered requests; times in seconds on one clock.

    A percentile is the least latency that at least so many of the requests did not exceed.
    """
    ms = np.sort((np.asarray(answered) - np.asarray(due)) * 1000)
    late = int(np.count_nonzero(np.asarray(sent) - np.asarray(due) > 0.001))

    def least_above(permille: int) -> float:
        return float(ms[-(-len(ms) * permille // 1000) - 1])

    return Latencies(
        len(ms), least_above(500), least_above(990), least_above(999), float(ms[-1]), late
    )
