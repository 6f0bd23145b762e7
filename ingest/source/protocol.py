"""The door that every source comes through, and the options they share.

Law 2: the stream is the write-ahead log. A source never remembers where it was: it is told by
``open``, reads on from there, and may be closed or killed at any moment. Delivery of one offset
twice in one life of a source is a bug; after ``open`` it starts again from the given offsets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from ingest.source.message import MessageBatch
from keyfold.errors import SourceError


@dataclass(frozen=True, slots=True)
class SourceProgress:
    """How far a source could be read at this moment.

    Attributes:
        end_offsets: Partition → offset after the last message that is there, for every partition
            that exists (a partition from which nothing was read yet included).
        complete: True once a bounded source was read to its end; False for a stream.
        age_ms: How long ago the end offsets were known to be these; 0 while the source answers.
        known: False while nobody has told where some partition ends: what is there may be more than
            ``end_offsets`` say, so nothing counts as read to its end.
        trouble: A fault that keeps it from being read for now and may pass; empty without one.
    """

    end_offsets: Mapping[int, int]
    complete: bool = False
    age_ms: int = 0
    known: bool = True
    trouble: str = ""


class OffsetGoneError(SourceError):
    """Messages that are to be read next are not in the log any more.

    Attributes:
        begins: Partition → the first offset that is there, of those that lost messages, if known.
    """

    def __init__(
        self, message: str, *, hint: str = "", begins: Mapping[int, int] = MappingProxyType({})
    ) -> None:
        super().__init__(message, hint=hint)
        self.begins = dict(begins)


class Source(Protocol):
    """A log of messages in partitions. Not thread-safe; one thread owns it."""

    def open(self, offsets: Mapping[int, int], identity: Mapping[str, str]) -> None:
        """Connect, and start reading.

        Args:
            offsets: Partition → next offset to read, as committed; a partition that is missing
                starts where the source's options say (a partition that appears later in the life
                of a known source starts at its beginning).
            identity: What an earlier life returned from ``identity``; empty at the first start.

        Raises:
            OffsetGoneError: The log begins after some of ``offsets``.
            SourceError: Unreachable, gone, or not the log that ``identity`` names.
        """

    def start_offsets(self) -> Mapping[int, int]:
        """Say from which offset ``open`` starts each partition; asked before the first ``poll``."""

    def poll(self, messages_max: int, timeout_ms: int) -> MessageBatch | None:
        """Return the next messages, at most ``messages_max``; None when none came in time.

        A batch of length 0 with ``next_offsets`` is allowed (only control records were passed).

        Raises:
            SourceError: The source must stop: the next offset is gone, the topic was re-created,
                the broker refuses us. A passing fault (a broker that restarts) is not an error.
        """

    def progress(self) -> SourceProgress:
        """Say how far the source could be read now. Cheap: called several times a second."""

    def identity(self) -> Mapping[str, str]:
        """Facts that must be stored with the offsets (topic id, names of files by partition)."""

    def committed(self, offsets: Mapping[int, int]) -> None:
        """Hear that all before ``offsets`` is durable in the state. A courtesy for lag tools."""

    def close(self) -> None:
        """Release what ``open`` took. Safe to call twice."""
