"""``python -m ingest.source.reader FD``: reads one source for the process that started it.

Messages are gathered all the time, up to a batch, so when the writer asks there is as a rule
something to give. Each request is answered by a ``Reply``
(ingest/source/requests.py). The process ends with its parent, however that ended: the connection is
gone then.
"""

from __future__ import annotations

import gc
import logging
import os
import select
import socket
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from ingest.memory import keep_memory
from ingest.source.channel import Channel
from ingest.source.message import BATCH_BYTES_MAX, MessageBatch, joined_headers, joined_keys
from ingest.source.protocol import Source
from ingest.source.requests import Begin, Close, Open, Poll, Reply
from keyfold.errors import KeyfoldError

_IDLE_MS = 10
_BUSY_MS = 2
_FEW = 256
_FEW_PAUSE_S = 0.001
# A writer that waits in a backlog is given pieces, not a whole batch at once.
_PIECE_MESSAGES = 50_000


class Gathered:
    """Messages that wait to be asked for."""

    def __init__(self) -> None:
        self.count = 0
        self.nbytes = 0
        self._parts: list[MessageBatch] = []

    def __bool__(self) -> bool:
        return bool(self._parts)

    def add(self, part: MessageBatch) -> None:
        """Put messages behind those that are there."""
        self._parts.append(part)
        self.count += len(part)
        self.nbytes += part.values.nbytes + (0 if part.keys is None else part.keys.nbytes)

    def take(self) -> MessageBatch:
        """Return everything as one batch, and be empty again."""
        parts, self._parts = self._parts, []
        self.count = self.nbytes = 0
        return joined(parts)


class _Logged(logging.Handler):
    """Keeps log records until the next reply takes them along."""

    def __init__(self) -> None:
        super().__init__()
        self._records: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        record.msg, record.args, record.exc_info = record.getMessage(), None, None
        self._records.append(vars(record))

    def take(self) -> list[dict[str, Any]]:
        records, self._records = self._records, []
        return records


class Reader:
    """Serves one source over a channel."""

    def __init__(self, channel: Channel, source: Source, logged: _Logged) -> None:
        self._channel = channel
        self._source = source
        self._logged = logged
        self._open = False
        self._problem: Exception | None = None
        self._gathered = Gathered()
        self._asked: Poll | None = None
        self._deadline_s = 0.0
        self._messages_max = 0
        self._idle = True

    def run(self) -> None:
        """Serve until asked to close, or the writer is gone."""
        while True:
            gathering = self._open and self._problem is None and self._room() > 0
            wait_ms = 0 if gathering or self._asked is not None else None
            if self._channel.waits(wait_ms):
                match self._channel.receive():
                    case Open() as request:
                        self._open_source(request)
                    case Poll() as request:
                        self._asked = request
                        self._deadline_s = time.monotonic() + request.timeout_ms / 1_000
                        self._messages_max = request.messages_max
                        self._hear_committed(request.committed)
                    case Close(committed):
                        self._hear_committed(committed)
                        self._source.close()
                        self._reply()
                        return
                continue
            if self._asked is not None and self._ripe(time.monotonic()):
                self._answer()
            elif gathering:
                self._gather()

    def _hear_committed(self, offsets: Mapping[int, int]) -> None:
        if offsets and self._open:
            self._source.committed(offsets)

    def _room(self) -> int:
        if self._gathered.nbytes >= BATCH_BYTES_MAX:
            return 0
        return self._messages_max - self._gathered.count

    def _ripe(self, now_s: float) -> bool:
        assert self._asked is not None
        if not self._gathered:
            return self._problem is not None or now_s >= self._deadline_s
        return self._problem is not None or self._room() <= 0 or now_s >= self._asked.ripe_s

    def _gather(self) -> None:
        room = min(self._room(), _PIECE_MESSAGES)
        try:
            part = self._source.poll(room, _IDLE_MS if self._idle else _BUSY_MS)
        except Exception as problem:  # what was read before it is given first
            self._problem = problem
            return
        self._idle = part is None
        if part is not None:
            self._gathered.add(part)
            if len(part) < _FEW:
                time.sleep(_FEW_PAUSE_S)  # or a stream of single messages costs a processor

    def _answer(self) -> None:
        self._asked = None
        if self._gathered:
            self._reply(batch=self._gathered.take())
        else:
            self._reply(error=_portable(self._problem))

    def _open_source(self, request: Open) -> None:
        self._gathered, self._problem, self._asked = Gathered(), None, None
        self._open = False
        self._messages_max = 0  # nothing is read before somebody asks
        try:
            self._source.open(request.offsets, request.identity)
            self._open = True
        except Exception as problem:
            # Where the source ends may be known all the same.
            self._reply(error=_portable(problem), progress=self._source.progress())
        else:
            self._reply(start_offsets=dict(self._source.start_offsets()))

    def _reply(self, **given: Any) -> None:
        facts: dict[str, Any] = {}
        if self._open:
            facts["progress"] = self._source.progress()
            facts["identity"] = dict(self._source.identity())
        self._channel.send(Reply(**given, **facts, records=self._logged.take()))


def _portable(problem: Exception | None) -> Exception | None:
    """Return an error that can go to another process; a bug goes with its traceback."""
    if problem is None or isinstance(problem, KeyfoldError):
        return problem
    trace = "".join(traceback.format_exception(problem))
    return RuntimeError(f"{type(problem).__name__}: {problem}\n{trace}")


def joined(parts: list[MessageBatch]) -> MessageBatch:
    """Return consecutive batches, at least one, as one batch."""
    if len(parts) == 1:
        return parts[0]
    next_offsets: dict[int, int] = {}
    for part in parts:
        next_offsets |= part.next_offsets
    counts = [len(part) for part in parts]
    return MessageBatch(
        values=pa.concat_arrays([part.values for part in parts]),
        partitions=np.concatenate([part.partitions for part in parts]),
        offsets=np.concatenate([part.offsets for part in parts]),
        timestamps_ms=np.concatenate([part.timestamps_ms for part in parts]),
        next_offsets=next_offsets,
        keys=joined_keys([part.keys for part in parts], counts),
        headers=joined_headers([part.headers for part in parts], counts),
        cut_short=parts[-1].cut_short,
    )


def _end_with(descriptor: int) -> None:
    """End this process once the other end is gone, whatever it is waiting for."""
    gone = select.poll()
    gone.register(descriptor, select.POLLHUP)
    gone.poll()
    os._exit(0)


def main() -> None:
    """Serve the connection whose descriptor is the only argument."""
    end = socket.socket(fileno=int(sys.argv[1]))
    threading.Thread(target=_end_with, args=(end.fileno(),), daemon=True).start()
    channel = Channel(end)
    # Thousands of messages come and go at a time: looking for cycles among them, of which there are
    # none, would be a seventh of the work.
    gc.freeze()
    gc.set_threshold(100_000, 50, 1_000)
    keep_memory()
    begin: Begin = channel.receive()
    logged = _Logged()
    logging.getLogger().handlers[:] = [logged]
    logging.getLogger().setLevel(begin.log_level)
    try:
        Reader(channel, begin.make(begin.options), logged).run()
    except ConnectionError:
        pass  # the writer is gone; all that it needs is in its state


if __name__ == "__main__":
    main()
