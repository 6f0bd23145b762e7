"""The replay: push what the source does not have yet, and wait until it is applied."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any, Self

import httpx
import pyarrow as pa

from keyfold.demo.flights import flight_events
from keyfold.demo.progress import Meter
from keyfold.errors import KeyfoldError

SOURCE = "flights"
BATCH_EVENTS = 5_000
_LOOK_INTERVAL_S = 0.1
_TIMEOUT_S = 30.0
_RECOVER_TIMEOUT_S = 60.0
_BUSY = (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS)


class DemoError(KeyfoldError):
    """The demo cannot go on."""

    code = "demo_failed"


class Server:
    """The running server, as an application sees it."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def source(self) -> dict[str, Any] | None:
        """Return what the server says of the source; None while it cannot answer."""
        try:
            answer = self._client.get(f"/v1/sources/{SOURCE}")
        except httpx.HTTPError:
            return None
        if not answer.is_success:
            return None
        told: dict[str, Any] = answer.json()
        return told

    def push(self, events: list[str]) -> bool:
        """Push a batch; False where it is not known to have been taken.

        Raises:
            DemoError: The server refused it for good.
        """
        try:
            answer = self._client.post(
                f"/v1/sources/{SOURCE}/events",
                content="\n".join(events).encode(),
                headers={"content-type": "application/x-ndjson"},
            )
        except httpx.HTTPError:
            return False
        if answer.status_code in _BUSY:
            return False
        if not answer.is_success:
            raise DemoError(f"the server refused the events: {answer.text}")
        return True

    def wait_until_live(self, ended: threading.Event, timeout_s: float) -> int:
        """Wait until everything that was accepted is applied, and return how many events that is.

        Only then is the source's end known for sure: a writer that has just started tells the
        offsets of its last commit.

        Raises:
            DemoError: That did not come in time, or the source stopped.
        """
        deadline_s = time.monotonic() + timeout_s
        while not ended.wait(_LOOK_INTERVAL_S):
            told = self.source()
            if told is not None and told["state"] == "live" and told["lag"] == 0:
                return accepted_events(told)
            if time.monotonic() > deadline_s:
                state = told["state"] if told else "silent"
                raise DemoError(
                    f"source {SOURCE} is still {state} after {timeout_s:.0f} s",
                    hint="the log above says why; KEYFOLD_LOG_LEVEL=info says more",
                )
        raise DemoError("the roles have stopped")


def accepted_events(source: dict[str, Any]) -> int:
    """Return how many events a source has accepted in all."""
    return sum(partition["end_offset"] for partition in source["partitions"])


def replay(
    server: Server, flights: pa.Table, speed: int | None, meter: Meter, ended: threading.Event
) -> int:
    """Push the flights that the source does not have, until all are applied or ``ended`` is set.

    Returns:
        How many were pushed.

    Raises:
        DemoError: The server refused them, or did not come back.
    """
    total = flights.num_rows
    first = accepted = server.wait_until_live(ended, _RECOVER_TIMEOUT_S)
    size = BATCH_EVENTS if speed is None else max(1, min(BATCH_EVENTS, speed // 10))
    meter.start(accepted)
    while accepted < total and not ended.is_set():
        started_s, begun = time.monotonic(), accepted
        for events in flight_events(flights, accepted, size):
            if ended.is_set():
                break
            if not server.push(events):
                # A worker died on it, perhaps: ask how far it got, and go on from there.
                accepted = server.wait_until_live(ended, _RECOVER_TIMEOUT_S)
                break
            accepted += len(events)
            _show(server, meter, accepted)
            if speed is not None:
                due_s = started_s + (accepted - begun) / speed
                ended.wait(max(0.0, due_s - time.monotonic()))
    while not ended.is_set():
        lag = _show(server, meter, accepted)
        if lag == 0:
            server.wait_until_live(ended, _RECOVER_TIMEOUT_S)
            break
        ended.wait(_LOOK_INTERVAL_S)
    return max(0, accepted - first)


def _show(server: Server, meter: Meter, accepted: int) -> int | None:
    """Show how far it is; the lag counts what this process knows to be accepted."""
    told = server.source()
    if told is None:
        return None
    applied: int = sum(partition["offset"] for partition in told["partitions"])
    lag = max(0, accepted - applied)
    meter.show(accepted, lag)
    return lag
