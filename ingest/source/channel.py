"""Objects between a process and the one that it started, over a socket.

A message is its length, the lengths of its buffers, a pickle (protocol 5) without the buffers of
Arrow and numpy, and then these as they are (PEP 574), so that a batch is copied into the kernel and
out again and never in between. Pickle, since both ends are this program: the socket has no name,
and nobody else can have it.
"""

from __future__ import annotations

import pickle
import select
import socket
import struct
from typing import Any

import pyarrow as pa

_HEAD = struct.Struct("<QI")  # bytes of the pickle, number of buffers
_BUFFER_BYTES = 1 << 20  # of the socket, where the kernel grants it


class Channel:
    """One end of a connection. Not thread-safe."""

    def __init__(self, end: socket.socket, timeout_s: int | None = None) -> None:
        """Take over a connected socket.

        Args:
            end: The socket.
            timeout_s: How long no byte may go within a message; None for as long as it takes.
        """
        self._end = end
        if timeout_s is not None:  # by the kernel: MSG_WAITALL would not wait on Python's own
            for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
                end.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", timeout_s, 0))
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            end.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
        self._readable = select.poll()
        self._readable.register(end, select.POLLIN)

    def waits(self, timeout_ms: float | None) -> bool:
        """Wait until there is a message, or the other end is gone; say whether that came in time.

        Args:
            timeout_ms: How long; None for as long as it takes.
        """
        return bool(self._readable.poll(timeout_ms))

    def send(self, message: object) -> None:
        """Send a message.

        Raises:
            ConnectionError: The other end is gone.
            BlockingIOError: It stands still.
        """
        buffers: list[pickle.PickleBuffer] = []
        body = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
        views = [buffer.raw() for buffer in buffers]
        sizes = struct.pack(f"<{len(views)}Q", *(view.nbytes for view in views))
        self._end.sendall(_HEAD.pack(len(body), len(views)) + sizes + body)
        for view in views:
            self._end.sendall(view)

    def receive(self) -> Any:
        """Return the next message; waits for it.

        Raises:
            ConnectionError: The other end is gone.
            BlockingIOError: It stands still.
        """
        length, count = _HEAD.unpack(self._take(_HEAD.size))
        sizes = struct.unpack(f"<{count}Q", self._take(8 * count))
        body = self._take(length)
        return pickle.loads(body, buffers=[self._take(size) for size in sizes])  # noqa: S301

    def close(self) -> None:
        """Let go of the connection. Safe to call twice."""
        self._end.close()

    def _take(self, size: int) -> pa.Buffer:
        buffer = pa.allocate_buffer(size)
        view = memoryview(buffer)
        while view.nbytes:
            got = self._end.recv_into(view, 0, socket.MSG_WAITALL)
            if not got:
                raise ConnectionResetError("the other end is gone")
            view = view[got:]
        return buffer
