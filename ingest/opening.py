"""How a source is opened: where its views need it to start, in a thread, and again after a fault.

A view that is new may make a source start elsewhere than the other views stand (at its beginning,
or at a timestamp). What starts after an offset that some view needs would lose messages in silence,
so that is looked at once the source has told where it starts. A view that needs what the log does
not have any more is left behind, so that the others go on (law 7); where all do, the source stops.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass

from ingest.background import in_background
from ingest.clock import monotonic_ms
from ingest.source.protocol import OffsetGoneError, Source
from keyfold.errors import KeyfoldError, SourceError
from keyfold.state.record import ViewRecord

_log = logging.getLogger("keyfold.ingest")
RETRY_MS = 5_000
_ERROR_CHARACTERS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Start:
    """What a source is opened with.

    Attributes:
        offsets: As for ``Source.open``.
        identity: As for ``Source.open``.
        needed: Partition → the least and the greatest offset at which some view stands.
    """

    offsets: dict[int, int]
    identity: dict[str, str]
    needed: dict[int, tuple[int, int]]


def start_of(
    own: Mapping[int, int],
    identity: Mapping[str, str],
    views: Collection[ViewRecord],
    *,
    as_options_say: bool,
) -> Start:
    """Find where a source must start for its views.

    Args:
        own: Partition → offset that the source has reached.
        identity: What the source told of itself in an earlier life.
        views: Its views. One that is new and starts from now on gets its offsets here.
        as_options_say: Whether a view that is new starts where the source's options say.
    """
    live = [view for view in views if not view.error]
    offsets: dict[int, int] = {}
    if not live:
        offsets = dict(own)
    elif all(view.offsets for view in live) or (own and not as_options_say):
        for view in live:
            if not view.offsets:  # "latest" means from now on, for a view that is new too
                view.offsets = dict(own)
        # A partition that some view has had nothing of starts at its beginning, wherever that is.
        offsets = {
            p: min(view.offsets[p] for view in live)
            for p in own
            if all(p in view.offsets for view in live)
        }
    stands: dict[int, list[int]] = {}
    for view in live:
        for partition, offset in view.offsets.items():
            stands.setdefault(partition, []).append(offset)
    return Start(offsets, dict(identity), {p: (min(at), max(at)) for p, at in stands.items()})


def left_behind(begins: Mapping[int, int], views: Mapping[str, ViewRecord]) -> dict[str, str]:
    """Find the views that need what a log does not have any more.

    Args:
        begins: As in ``OffsetGoneError``.
        views: The records of all views of the source.

    Returns:
        View → why it stops; nothing where no view is left that could go on.
    """
    live = {name: record for name, record in views.items() if not record.error}
    errors: dict[str, str] = {}
    for name, record in live.items():
        for partition, begin in sorted(begins.items()):
            offset = record.offsets.get(partition)
            if offset is not None and offset < begin:
                problem = SourceError(
                    f"partition {partition} does not have offset {offset}, the next to read; it "
                    f"begins at {begin}",
                    hint="messages were deleted before the view had them: build it again with "
                    f"--rebuild {name}",
                )
                errors[name] = first_line(problem)
                break
    return errors if len(errors) < len(live) else {}


class Opening:
    """A source on its way to be open, and back. Not thread-safe.

    Attributes:
        error: Why the source stopped, or empty.
        done: True while the source is open.
        from_here: Where a view without offsets begins, when the source had to start before that.
        identity: What the source told of itself when it was opened.
        ends: Partition → where the source that stopped was known to end; empty while it is open.
    """

    def __init__(
        self, name: str, source: Source, monotonic: Callable[[], int] = monotonic_ms
    ) -> None:
        self.error = ""
        self.done = False
        self.from_here: dict[int, int] = {}
        self.identity: dict[str, str] = {}
        self.ends: dict[int, int] = {}
        self._name = name
        self._source = source
        self._monotonic = monotonic
        self._waiting: Future[tuple[dict[int, int], dict[str, str]]] | None = None
        self._retry_at_ms = 0

    def advance(self, start: Callable[[], Start], timeout_ms: int) -> bool:
        """Open the source, in a thread: one that waits for its broker must not hold up others.

        Raises:
            OffsetGoneError: The log begins after what some view needs.
        """
        if self._waiting is None:
            if self._monotonic() < self._retry_at_ms:
                return False
            told = start()
            self._waiting = in_background("open-source", lambda: self._open(told))
        if not wait([self._waiting], timeout_ms / 1_000).done:
            return False
        waiting, self._waiting = self._waiting, None
        try:
            self.from_here, self.identity = waiting.result()
        except OffsetGoneError:
            raise
        except Exception as problem:  # whatever it is, it costs this source and no other (law 7)
            self.stop(problem)
            return False
        message = "source goes on again" if self.error else "source is open"
        _log.info(message, extra={"source": self._name})
        self.error = ""
        self.ends = {}
        self.done = True
        return True

    def stop(self, problem: Exception) -> None:
        """Close the source because of a problem, and say so; it is tried again later."""
        error = first_line(problem)
        if error != self.error:
            _log.error(
                "source stopped: %s",
                error,
                exc_info=None if isinstance(problem, KeyfoldError) else problem,
                extra={"source": self._name},
            )
        self.error = error
        self.done = False
        self._retry_at_ms = self._monotonic() + RETRY_MS
        with suppress(KeyfoldError, OSError):  # what is told of a stopped source is no new problem
            self.ends |= self._source.progress().end_offsets
        self._source.close()

    def close(self) -> None:
        """Let go of the source."""
        if self._waiting is None:
            self._source.close()
        else:  # its thread has it, and nobody waits for that: it is closed when that is done
            self._waiting.add_done_callback(lambda _: self._source.close())

    def _open(self, start: Start) -> tuple[dict[int, int], dict[str, str]]:
        """Open the source so that no view misses anything; return ``from_here``, ``identity``."""
        self._source.open(start.offsets, start.identity)
        begins, from_here = self._source.start_offsets(), {}
        least = {p: low for p, (low, _) in start.needed.items() if low < begins.get(p, low)}
        if least:
            # Told to go there, the source goes, or says that the messages are gone.
            from_here = dict(begins)
            self._source.open(from_here | least, start.identity)
            begins = self._source.start_offsets()
        ends = self._source.progress().end_offsets
        gone = {
            p: begins.get(p, 0) for p, (low, _) in start.needed.items() if begins.get(p, 0) > low
        }
        for partition, (low, high) in sorted(start.needed.items()):
            begin, end = begins.get(partition, 0), ends.get(partition, 0)
            if begin > low or end < high:
                raise OffsetGoneError(
                    f"source '{self._name}': partition {partition} does not have offset "
                    f"{low if begin > low else high}, the next to read; there is {begin} up to "
                    f"{end}",
                    hint="messages were deleted before they were read: rebuild the state from what "
                    "is there",
                    begins=gone,
                )
        return from_here, dict(self._source.identity())


def first_line(problem: Exception) -> str:
    """Return what to tell of a problem, as text that can be written anywhere."""
    text = str(problem).split("\n")[0][:_ERROR_CHARACTERS_MAX] or type(problem).__name__
    return text.encode(errors="backslashreplace").decode()  # a file name may be no UTF-8
