"""One serving worker: what its routes share, and the chores beside the requests."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from keyfold.settings import Settings
from serving.limits import SWEEP_INTERVAL_S, Bodies, sweep
from serving.metrics import SAVE_INTERVAL_S, ServingMetrics
from serving.push import RETAIN_INTERVAL_S, PushLogs
from serving.replica import LiveState

_logger = logging.getLogger("keyfold.serving")


class Worker:
    """What the routes of one process share.

    Attributes:
        settings: The settings.
        number: Of the worker, from 0.
        run: Name of the run that it belongs to, whose writer it waits for; empty for none.
        state: The newest state.
        metrics: What is counted.
        pushes: The logs of the ``events`` sources.
        bodies: The bodies that are held, and their bound.
        request_timeout_s: Time to send a request, and to get its answer.
    """

    def __init__(self, settings: Settings, number: int, run: str = "") -> None:
        self.settings = settings
        self.number = number
        self.run = run
        self.state = LiveState(settings)
        self.metrics = ServingMetrics(settings.data_dir / "serving", number)
        self.pushes = PushLogs(settings.data_dir, number, settings.workers)
        self.bodies = Bodies()
        self.request_timeout_s = settings.request_timeout_ms / 1000
        self._chores: list[asyncio.Task[None]] = []

    def start(self, connections: Callable[[], Iterable[object]]) -> None:
        """Begin the chores, on the running loop; the state was started before."""

        def cut_off() -> None:
            sweep(connections(), asyncio.get_running_loop().time(), self.request_timeout_s)

        self._chores = [
            asyncio.create_task(_every(SWEEP_INTERVAL_S, cut_off)),
            asyncio.create_task(_every(SAVE_INTERVAL_S, self._save)),
            asyncio.create_task(_every(RETAIN_INTERVAL_S, self._retain)),
        ]

    async def close(self) -> None:
        """End the chores; what was pushed is written first."""
        for chore in self._chores:
            chore.cancel()
        await asyncio.to_thread(self.pushes.close)
        self.state.close()
        self._save()

    def _save(self) -> None:
        if self.settings.data_dir.is_dir():
            self.metrics.save()

    def _retain(self) -> None:
        reader = self.state.reader
        if reader is not None:
            self.pushes.retain(reader.catalog.catalog, reader.record, time.monotonic())


async def _every(interval_s: float, chore: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(interval_s)
        try:
            chore()
        except Exception:
            _logger.exception("a chore failed")
