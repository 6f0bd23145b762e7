"""The progress of the replay: a bar on a terminal, a line every two seconds otherwise."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_LINE_INTERVAL_S = 2.0


class Meter:
    """Shows accepted events, the rate since the start, and the lag of the views."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._console = Console(highlight=False)
        self._bar = Progress(
            TextColumn("replaying flights"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("replay", total=total, told="", start=False)
        self._first = 0
        self._started_s = self._line_s = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def start(self, accepted: int) -> None:
        """Begin, with what was accepted before."""
        self._first = accepted
        self._started_s = self._line_s = time.monotonic()
        self._bar.start_task(self._task)
        self._bar.update(self._task, completed=min(accepted, self._total))

    def show(self, accepted: int, lag: int) -> None:
        """Show how far it is."""
        now_s = time.monotonic()
        rate = (accepted - self._first) / max(now_s - self._started_s, 1e-3)
        told = f"{rate:,.0f} events/s, lag {lag:,}"
        self._bar.update(self._task, completed=min(accepted, self._total), told=told)
        done = accepted >= self._total and lag == 0
        if self._bar.disable and (done or now_s - self._line_s >= _LINE_INTERVAL_S):
            self._line_s = now_s
            print(f"{accepted:,} of {self._total:,} flights, {told}", flush=True)
