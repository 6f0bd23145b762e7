"""``keyfold push``: the NDJSON events on stdin, in batches, into an ``events`` source.

A batch that was answered is durable, and one that was refused was not taken. Where there is no
answer or the server failed, it may or may not have been taken; the error says which lines it was.
"""

from __future__ import annotations

import os
import shlex
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from keyfold.cli.client import ServerError, ask, connect, path
from keyfold.cli.show import err, out
from keyfold.errors import SettingsError

BATCH_BYTES_MAX = 8 << 20
"""Half of what a server takes by default, whatever the number of events."""
RETRIES_MAX = 5
RETRY_WAIT_S = 0.5
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_BUSY = ("busy", "not_caught_up")  # refused before anything was written
_UNSURE = ("no_answer", "no_problem", "internal_error", "bad_state", "answer_timeout")


@dataclass(slots=True)
class Accepted:
    """What a server took so far.

    Attributes:
        events: Their number.
        lines: Lines of the input that they end at, blank ones included.
        unusable: Events that are no JSON objects, and become dead letters.
        offsets: By partition: first and last offset.
    """

    events: int = 0
    lines: int = 0
    unusable: int = 0
    offsets: dict[int, tuple[int, int]] = field(default_factory=dict)

    def add(self, answer: dict[str, Any], lines: int) -> None:
        """Note an answered batch, which ended at so many lines of the input."""
        self.events += answer["accepted"]
        self.lines = lines
        partition = answer["partition"]
        first, _ = self.offsets.get(partition, (answer["first_offset"], 0))
        self.offsets[partition] = (first, answer["last_offset"])

    def text(self, source: str) -> str:
        """Say it in a line."""
        where = "; ".join(
            f"partition {partition}, offsets {first} to {last}"
            for partition, (first, last) in sorted(self.offsets.items())
        )
        noun = "event" if self.events == 1 else "events"
        return f"{self.events:,} {noun} accepted by {source}{f': {where}' if where else ''}"


def push_stdin(
    source: str, others: list[str], url: str | None, token: str | None, batch: int
) -> None:
    """Send stdin, show progress on a terminal, and print what was accepted.

    Raises:
        SettingsError: A file was named: only the shell opens files.
        ServerError: The server refused a batch or does not answer; the message says from which
            line on to send again.
    """
    if others:
        raise SettingsError(
            f"push reads stdin and opens no file, {others[0]} was given",
            hint=f"write `keyfold push {source} < {shlex.quote(others[0])}`",
        )
    accepted = Accepted()
    size = _input_bytes()
    columns = (TextColumn("pushing"), BarColumn(), TextColumn("{task.fields[told]}"))
    console = err()
    with (
        connect(url, token) as client,
        Progress(
            *columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal
        ) as bar,
    ):
        task = bar.add_task("push", total=size, told="")
        started_s = time.monotonic()
        for events, count, lines in batches(sys.stdin.buffer, batch):
            try:
                accepted.add(send(client, source, events), lines)
                accepted.unusable += unusable(events)
            except ServerError as problem:
                raise stopped(problem, accepted, source, count) from problem
            rate = accepted.events / max(time.monotonic() - started_s, 1e-3)
            told = f"{accepted.events:,} events, {rate:,.0f} events/s"
            bar.update(task, advance=len(events), told=told)
    out().print(accepted.text(source), markup=False)
    if accepted.unusable:
        many = "1 line is" if accepted.unusable == 1 else f"{accepted.unusable:,} lines are"
        console.print(
            f"warning: {many} no JSON object, and a dead letter now: `keyfold dead-letters` shows "
            "them\nhint: send one object per line; `jq -c .` writes pretty-printed JSON so, and "
            "`jq -c '.[]'` an array",
            markup=False,
        )


def unusable(events: bytes) -> int:
    """Count the lines of an NDJSON batch that are no JSON objects."""
    try:
        _OBJECT.decode_lines(events)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return sum(not _is_object(line) for line in events.splitlines())
    return 0


def _is_object(line: bytes) -> bool:
    try:
        _OBJECT.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def send(client: httpx.Client, source: str, events: bytes) -> dict[str, Any]:
    """Push one NDJSON batch, again where the server is busy, and return its answer.

    Raises:
        ServerError: It was refused, or there is no answer.
    """
    for retry in range(RETRIES_MAX + 1):
        try:
            answer = ask(
                client,
                "POST",
                path("v1", "sources", source, "events"),
                content=events,
                headers={"content-type": "application/x-ndjson"},
            )
        except ServerError as problem:
            # Only what was surely not taken is sent again.
            if problem.code not in _BUSY or retry == RETRIES_MAX:
                raise
            time.sleep(RETRY_WAIT_S * 2**retry)
        else:
            taken: dict[str, Any] = answer.json()
            return taken
    raise AssertionError("unreachable")


def batches(lines: Iterable[bytes], events_max: int) -> Iterator[tuple[bytes, int, int]]:
    """Cut lines into batches, without the blank ones.

    Yields:
        (the batch, its events, number of the input line that it ends at).
    """
    pending: list[bytes] = []
    size, at = 0, 0
    for line in lines:
        event = line.strip()
        if (
            pending
            and event
            and (len(pending) == events_max or size + len(event) > BATCH_BYTES_MAX)
        ):
            yield b"\n".join(pending) + b"\n", len(pending), at
            pending, size = [], 0
        at += 1
        if event:
            pending.append(event)
            size += len(event) + 1
    if pending:
        yield b"\n".join(pending) + b"\n", len(pending), at


def stopped(problem: ServerError, accepted: Accepted, source: str, count: int) -> ServerError:
    """Return the problem with what was accepted before it, and what of the input is left to send.

    ``count`` events were in the batch that it is about.
    """
    rest = f"`tail -n +{accepted.lines + 1}` of the input"
    if problem.code not in _UNSURE:
        hints = [problem.hint, f"the rest is {rest}" if accepted.events else ""]
        return ServerError(
            f"{problem.message}; {accepted.text(source)}",
            hint="; ".join(filter(None, hints)),
            code=problem.code,
        )
    return ServerError(
        f"{problem.message}; {accepted.text(source)}; the {count:,} after them may have been taken",
        hint=f"compare with `GET /v1/sources/{source}`; what was not answered is {rest}",
        code=problem.code,
    )


def _input_bytes() -> int | None:
    """The size of stdin where it is a file: progress then has an end."""
    told = os.fstat(sys.stdin.fileno())
    return told.st_size if stat.S_ISREG(told.st_mode) else None
