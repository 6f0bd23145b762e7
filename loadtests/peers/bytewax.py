"""Bytewax: its KafkaSource, a delta per batch and user, and stateful keys; no recovery store."""

from __future__ import annotations

import multiprocessing
import socket
import sys
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from loadtests.peers import peer

peer.enter("bytewax")

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import cluster_main

from loadtests.peers.chunks import CONSUMER_SETTINGS
from loadtests.peers.totals import Delta, add, decode_lines

_BATCH_MESSAGES = 10_000
_CONSUMER = {
    key: str(each).lower()
    for key, each in CONSUMER_SETTINGS.items()
    if not key.startswith("enable.auto")
}


class _Run:
    """What one process of the cluster found."""

    def __init__(self) -> None:
        self.started_s = 0.0
        self.ended_s = 0.0
        self.rows: list[tuple[str, tuple[int, int, int]]] = []


class _Totals(StatefulBatchLogic):
    """The totals of one user, given out when the topic is at its end."""

    def __init__(self, run: _Run, state: list[int] | None) -> None:
        self._run = run
        self._state = state or [0, 0, 0]

    def on_batch(self, batch):
        state = self._state
        for orders, total, last_ts in batch:
            state[0] += orders
            state[1] += total
            state[2] = max(state[2], last_ts)
        return (), False

    def on_eof(self):
        if not self._run.ended_s:
            self._run.ended_s = perf_counter()
        return (tuple(self._state),), True

    def snapshot(self):
        return list(self._state)


class _Collect(DynamicSink):
    def __init__(self, run: _Run) -> None:
        self._run = run

    def build(self, step_id, worker_index, worker_count):
        return _CollectPartition(self._run)


class _CollectPartition(StatelessSinkPartition):
    def __init__(self, run: _Run) -> None:
        self._run = run

    def write_batch(self, items) -> None:
        self._run.rows.extend(items)


def _flow(request: peer.Request, run: _Run) -> Dataflow:
    def deltas(messages):
        if not run.started_s:
            run.started_s = perf_counter()
        delta = Delta()
        add(delta, decode_lines(b"\n".join([each.value for each in messages])))
        return delta.items()

    flow = Dataflow("peer")
    source = KafkaSource(
        [request.bootstrap],
        [request.topic],
        tail=False,
        batch_size=_BATCH_MESSAGES,
        add_config=dict(_CONSUMER),
    )
    stream = op.input("orders", flow, source)
    keyed = op.flat_map_batch("deltas", stream, deltas)
    totals = op.stateful_batch("totals", keyed, lambda state: _Totals(run, state))
    op.output("table", totals, _Collect(run))
    return flow


def _process(request: peer.Request, addresses: list[str], place: int, answers) -> None:
    run = _Run()
    cluster_main(_flow(request, run), addresses, place)
    answers.put((run.started_s, run.ended_s, run.rows))


def _addresses(count: int) -> list[str]:
    """Free addresses for the processes; one alone needs none."""
    if count == 1:
        return []
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


def main() -> None:
    request = peer.request()
    deadline = peer.Deadline(request.timeout_s)
    addresses = _addresses(request.parallelism)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    processes = [
        context.Process(target=_process, args=(request, addresses, place, answers), daemon=True)
        for place in range(request.parallelism)
    ]
    for each in processes:
        each.start()
    try:
        found = [answers.get(timeout=deadline.left_s()) for _ in processes]
    finally:
        for each in processes:
            each.terminate()
            each.join(30)
    columns: list[list[object]] = [[], [], [], []]
    for _, _, rows in found:
        for user_id, row in rows:
            for column, value in zip(columns, (user_id, *row), strict=True):
                column.append(value)
    if sum(columns[1]) != request.events:
        sys.exit(f"error: {sum(columns[1])} events were applied, not {request.events}")
    peer.write_table(request.output, columns)
    started_s = min(started for started, _, _ in found if started)
    peer.report(
        "bytewax",
        version("bytewax"),
        request.events,
        max(ended for _, ended, _ in found) - started_s,
        "from the first batch that is decoded to the end of the input at the last process's state",
        {
            "processes": request.parallelism,
            "workers_per_process": 1,
            "batch_size": _BATCH_MESSAGES,
            "recovery": "none",
            **_CONSUMER,
        },
    )


if __name__ == "__main__":
    main()
