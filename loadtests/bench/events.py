"""The events of the ingest benchmarks: 134 bytes of JSON each, seeded, made by columns.

Every engine answers the same question over them::

    SELECT user_id, COUNT(*) AS orders, SUM(amount) AS total, MAX(ts) AS last_ts
    FROM orders GROUP BY user_id

An event i has ``order_id = 10**9 + i``, ``amount`` uniform in [10000, 99999] (whole cents), ``ts``
of 10,000 events a second, and a user drawn by the *keys*:

- ``uniform``: each of n users alike,
- ``zipf``: rank r with probability proportional to 1 / r (s = 1), the bounded inverse of
  Gray et al., "Quickly generating billion-record synthetic databases" (1994),
- ``new``: every event another user, in an order that is no order (a multiplicative permutation).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import pyarrow as pa

Keys = Literal["uniform", "zipf", "new"]
EVENT_BYTES = 134
BASE_MS = 1_767_225_600_000
CHUNK = 500_000
_TEMPLATE = (
    b'{"order_id":0000000000,"user_id":"user-00000000","amount":00000,"ts":0000000000000,'
    b'"country":"NL","status":"paid","note":"left early"}'
)
_PRIME = 7_368_787  # shares no factor with the powers of ten that are the sizes here

SOURCE, VIEW = "orders", "spend"
SOURCE_COLUMNS = "order_id BIGINT, user_id VARCHAR, amount BIGINT, ts BIGINT"
SELECT = (
    "SELECT user_id, COUNT(*) AS orders, SUM(amount) AS total, MAX(ts) AS last_ts "
    "FROM orders GROUP BY user_id"
)


class Workload(Protocol):
    """Events, and the question that every engine is asked over them."""

    @property
    def events(self) -> int:
        """How many there are."""

    @property
    def name(self) -> str:
        """Names them in topics, files and tables."""

    @property
    def source(self) -> str:
        """Keyfold's source, and the table that ``batch`` reads."""

    @property
    def view(self) -> str:
        """Keyfold's view."""

    @property
    def shape(self) -> Mapping[str, str]:
        """The fields that the question reads, with their types in DuckDB."""

    @property
    def batch(self) -> str:
        """The question as DuckDB is asked it."""

    def values(self) -> Iterator[pa.Array]:
        """Yield the events as binary arrays of JSON objects."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of events. Implements ``Workload``.

    Attributes:
        events: How many.
        users: How many there are to draw from; of ``new``, as many as events.
        keys: How they are drawn.
        seed: Of the generator; the same seed gives the same bytes.
    """

    events: int
    users: int
    keys: Keys = "uniform"
    seed: int = 1

    @property
    def name(self) -> str:
        """Names the stream in topics, files and tables."""
        return f"{self.keys}-{self.users}-{self.events}-{self.seed}"

    @property
    def source(self) -> str:
        """See ``Workload.source``."""
        return SOURCE

    @property
    def view(self) -> str:
        """See ``Workload.view``."""
        return VIEW

    @property
    def shape(self) -> Mapping[str, str]:
        """See ``Workload.shape``."""
        return {"user_id": "VARCHAR", "amount": "BIGINT", "ts": "BIGINT"}

    @property
    def batch(self) -> str:
        """See ``Workload.batch``."""
        return SELECT.replace("SUM(amount)", "SUM(amount)::BIGINT")

    def values(self) -> Iterator[pa.Array]:
        """See ``Workload.values``."""
        return map(arrow_lines, self.chunks())

    def chunks(self) -> Iterator[np.ndarray]:
        """Yield the events as uint8[n, 134], without ends of lines."""
        generator = np.random.default_rng(self.seed)
        for start in range(0, self.events, CHUNK):
            n = min(CHUNK, self.events - start)
            yield _lines(start, self._users(generator, start, n), generator)

    def _users(self, generator: np.random.Generator, start: int, n: int) -> np.ndarray:
        match self.keys:
            case "uniform":
                return generator.integers(0, self.users, n)
            case "zipf":
                drawn = (self.users + 1.0) ** generator.random(n)  # P(r <= x) = ln(x) / ln(n + 1)
                return np.minimum(drawn.astype(np.int64) - 1, self.users - 1)
            case "new":
                return (np.arange(start, start + n) * _PRIME) % self.users


def _lines(start: int, users: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    n = len(users)
    lines = np.tile(np.frombuffer(_TEMPLATE, np.uint8), (n, 1))
    place = np.arange(start, start + n)
    for field, values in (
        (b'"order_id":', 10**9 + place),
        (b'"user-', users),
        (b'"amount":', generator.integers(10_000, 100_000, n)),
        (b'"ts":', BASE_MS + place // 10),
    ):
        at = _TEMPLATE.index(field) + len(field)
        width = 0
        while _TEMPLATE[at + width : at + width + 1] == b"0":
            width += 1
        rest = values
        for digit in range(at + width - 1, at - 1, -1):
            rest, last = np.divmod(rest, 10)
            lines[:, digit] = last + ord("0")
    return lines


def arrow_lines(lines: np.ndarray) -> pa.Array:
    """Return uint8[n, width] as a binary array of n values."""
    n, width = lines.shape
    offsets = np.arange(0, (n + 1) * width, width, dtype=np.int32)
    data = pa.py_buffer(np.ascontiguousarray(lines))
    return pa.Array.from_buffers(pa.binary(), n, [None, pa.py_buffer(offsets), data])


def ndjson(lines: np.ndarray) -> bytes:
    """Return uint8[n, width] as lines."""
    ended = np.full((len(lines), lines.shape[1] + 1), ord("\n"), np.uint8)
    ended[:, :-1] = lines
    return ended.tobytes()
