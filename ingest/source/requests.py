"""What the writer asks of the process that reads a source for it, and what that answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ingest.source.message import MessageBatch
from ingest.source.protocol import Source, SourceProgress


@dataclass(frozen=True, slots=True)
class Begin:
    """The first request: make the source.

    Attributes:
        make: Called with ``options``.
        options: Of the source.
        log_level: The least severe record that the writer wants to have.
    """

    make: Callable[[Any], Source]
    options: Any
    log_level: int


@dataclass(frozen=True, slots=True)
class Open:
    """See ``Source.open``."""

    offsets: Mapping[int, int]
    identity: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Poll:
    """Ask for what was gathered.

    Attributes:
        messages_max: The size of a batch.
        timeout_ms: Answer with nothing after this.
        ripe_s: Do not answer before this moment, unless a batch is full; of ``time.monotonic``,
            which is one clock for all processes.
        committed: What ``Source.committed`` is to hear; empty: nothing new.
    """

    messages_max: int
    timeout_ms: int
    ripe_s: float
    committed: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Close:
    """The last request.

    Attributes:
        committed: As in ``Poll``.
    """

    committed: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        batch: What was gathered.
        error: What the request raised.
        progress: Of the source, when it answered.
        identity: Of the source.
        time_s: When that was, of ``time.monotonic``.
        start_offsets: Of the source; with the answer to ``Open`` only.
        records: What was logged meanwhile, as the attributes of log records.
    """

    batch: MessageBatch | None = None
    error: Exception | None = None
    progress: SourceProgress = field(default_factory=lambda: SourceProgress({}))
    identity: Mapping[str, str] = field(default_factory=dict)
    time_s: float = field(default_factory=time.monotonic)
    start_offsets: Mapping[int, int] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)
