"""Chunks of orders added up in Python, and handed to a database a batch at a time.

What the hand-written peers (Redis, PostgreSQL) share: 50,000 events, or those of a second, become
one delta per user; while the database takes one batch, the next is gathered.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from time import perf_counter

import msgspec

from loadtests.peers.chunks import chunks
from loadtests.peers.peer import Request

BATCH_EVENTS = 50_000
BATCH_S = 1.0
WRITE_TIMEOUT_S = 120.0

Delta = dict[str, list[int]]
Write = Callable[[Delta, dict[int, int]], None]


class Order(msgspec.Struct, gc=False):
    """The fields of an event that the question needs; the others are skipped."""

    user_id: str
    amount: int
    ts: int


decode_lines = msgspec.json.Decoder(Order).decode_lines


def apply_all(request: Request, write: Write) -> float:
    """Apply all events of the topic.

    Args:
        request: What to read.
        write: Applies a delta (user → count, sum, maximum) and the offsets in one transaction.

    Returns:
        Seconds from the first events to the end of the last write.
    """
    started_s = batch_s = 0.0
    gathered, delta = 0, Delta()
    offsets: dict[int, int] = {}
    with ThreadPoolExecutor(1) as writer:
        writing: Future[None] | None = None
        for chunk in chunks(request):
            started_s = started_s or chunk.asked_s
            batch_s = batch_s or chunk.asked_s
            add(delta, decode_lines(b"\n".join(chunk.values)))
            offsets |= chunk.offsets
            gathered += len(chunk.values)
            if gathered >= BATCH_EVENTS or perf_counter() - batch_s >= BATCH_S:
                if writing is not None:
                    writing.result(WRITE_TIMEOUT_S)
                writing = writer.submit(write, delta, dict(offsets))
                gathered, delta, batch_s = 0, Delta(), 0.0
        if writing is not None:
            writing.result(WRITE_TIMEOUT_S)
        if delta:
            write(delta, offsets)
        return perf_counter() - started_s


def add(delta: Delta, orders: list[Order]) -> None:
    """Add orders to a delta."""
    get = delta.get
    for order in orders:
        row = get(order.user_id)
        if row is None:
            delta[order.user_id] = [1, order.amount, order.ts]
        else:
            row[0] += 1
            row[1] += order.amount
            row[2] = max(row[2], order.ts)
