"""A source that is read by a process of its own (ingest/source/reader.py).

Making Python objects of Kafka's messages takes as long as everything that is done with them, and
Python runs one thread at a time; so two processes read and evaluate side by side. This end is a
``Source`` like any other: it may be opened again after any error, and then starts a new process.

The writer waits for nobody (law 7): what was committed goes along with the next poll, and a process
that stands still (it was stopped, or its memory is on the disk) is ended after a while.
"""

from __future__ import annotations

import logging
import math
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ingest.source.channel import Channel
from ingest.source.message import MessageBatch
from ingest.source.protocol import Source, SourceProgress
from ingest.source.requests import Begin, Close, Open, Poll, Reply
from keyfold.errors import SourceError

_CLOSE_S_MAX = 2.5
_STILL_S_MAX = 5
"""For how long no byte of a message may come or go."""
OPEN_S_MAX = 600
"""How long a source may take to open; it has deadlines of its own, and this is none of them."""
ANSWER_S_MAX = 60
"""How long after its time the answer to a poll may come."""


class RemoteSource:
    """Implements ``ReadAhead``. One thread calls it at a time."""

    def __init__(self, name: str, make: Callable[[Any], Source], options: Any) -> None:
        """Prepare; ``open`` starts the process.

        Args:
            name: Of the source, for errors.
            make: Makes the source in the other process; a module's function or class.
            options: Its argument; can be pickled.
        """
        self._name = name
        self._begin = (make, options)
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._asked = False
        self._answer_by_s = 0.0
        self._committed: Mapping[int, int] = {}
        self._last = Reply()

    def open(self, offsets: Mapping[int, int], identity: Mapping[str, str]) -> None:
        """Open the source, see ``Source.open``."""
        if self._channel is None or self._asked:
            self._start()
        self._committed = {}
        self._send(Open(dict(offsets), dict(identity)))
        assert self._channel is not None
        if not self._channel.waits(OPEN_S_MAX * 1_000):
            raise self._stands_still()
        reply = self._receive()
        if reply.error is not None:
            self.close()
            raise reply.error

    def start_offsets(self) -> Mapping[int, int]:
        """See ``Source.start_offsets``."""
        return self._last.start_offsets

    def poll(
        self, messages_max: int, timeout_ms: int, gather_ms: float = 0.0
    ) -> MessageBatch | None:
        """Return what was gathered, see ``Source.poll``; not before ``gather_ms`` from now."""
        if not self._asked:
            now_s = time.monotonic()
            committed, self._committed = self._committed, {}
            self._send(Poll(messages_max, timeout_ms, now_s + gather_ms / 1_000, committed))
            self._asked = True
            self._answer_by_s = now_s + (timeout_ms + gather_ms) / 1_000 + ANSWER_S_MAX
        assert self._channel is not None
        if not self._channel.waits(timeout_ms):
            if time.monotonic() > self._answer_by_s:
                raise self._stands_still()
            return None
        self._asked = False
        reply = self._receive()
        if reply.error is not None:
            raise reply.error
        batch = reply.batch
        self._last = replace(reply, batch=None)  # whose memory is the caller's now
        return batch

    @property
    def reading(self) -> bool:
        """Whether the answer to a poll is still to come."""
        return self._asked

    def read_ahead(self, messages_max: int, timeout_ms: int) -> None:
        """Nothing to do: the other process reads all the time."""

    def progress(self) -> SourceProgress:
        """Say how far the source could be read when it last answered."""
        last = self._last
        age_ms = math.ceil((time.monotonic() - last.time_s) * 1_000)
        return replace(last.progress, age_ms=last.progress.age_ms + age_ms)

    def identity(self) -> Mapping[str, str]:
        """See ``Source.identity``; as it was with the last answer."""
        return self._last.identity

    def committed(self, offsets: Mapping[int, int]) -> None:
        """See ``Source.committed``; the source hears of the newest with the next poll."""
        self._committed = dict(offsets)

    def close(self) -> None:
        """Close the source and wait for its process to end. Safe to call twice."""
        process, channel = self._process, self._channel
        self._process = self._channel = None
        if process is None or channel is None:
            return
        with suppress(ConnectionError, BlockingIOError):
            channel.send(Close(self._committed))
        try:
            self._drain(channel)
        finally:
            channel.close()  # which ends it, if nothing else did
            try:
                process.wait(_CLOSE_S_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _drain(self, channel: Channel) -> None:
        """Take what is on its way, so that the last answer finds room; give up after a while."""
        end_s = time.monotonic() + _CLOSE_S_MAX
        with suppress(ConnectionError, BlockingIOError):
            while channel.waits(max(0.0, end_s - time.monotonic()) * 1_000):
                _log_all(channel.receive())

    def _start(self) -> None:
        self.close()
        ours, theirs = socket.socketpair()
        with theirs:
            # A session of its own: Ctrl-C is for the writer, which closes this one when it is done.
            self._process = subprocess.Popen(  # noqa: S603 (our own module)
                (sys.executable, "-P", "-m", "ingest.source.reader", str(theirs.fileno())),
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._channel, self._asked, self._last = Channel(ours, _STILL_S_MAX), False, Reply()
        self._send(Begin(*self._begin, log_level=logging.getLogger().getEffectiveLevel()))

    def _send(self, request: object) -> None:
        if self._channel is None:
            raise self._gone()
        try:
            self._channel.send(request)
        except ConnectionError as problem:
            raise self._gone() from problem
        except BlockingIOError as problem:
            raise self._stands_still() from problem

    def _receive(self) -> Reply:
        assert self._channel is not None
        try:
            reply: Reply = self._channel.receive()
        except ConnectionError as problem:
            raise self._gone() from problem
        except BlockingIOError as problem:
            raise self._stands_still() from problem
        _log_all(reply)
        self._last = replace(reply, batch=None, error=None)
        return reply

    def _stands_still(self) -> SourceError:
        """End the process that does not answer; return what became of it."""
        if self._process is not None:
            self._process.kill()
        return SourceError(
            f"source '{self._name}': the process that reads it stood still and was ended",
            hint="it is started again; look for what stops it (a signal, a debugger, swapping)",
        )

    def _gone(self) -> SourceError:
        code = None
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                code = self._process.wait(1.0)
        how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return SourceError(
            f"source '{self._name}': the process that reads it ended ({how})",
            hint="it is started again; where that goes on, look for what ends it (memory?)",
        )


def _log_all(reply: Reply) -> None:
    for record in reply.records:
        logger = logging.getLogger(record["name"])
        if logger.isEnabledFor(record["levelno"]):
            logger.handle(logging.makeLogRecord(record))
