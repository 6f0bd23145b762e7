"""A real state in RocksDB for the tests of the lake: plans by hand, rows by physical value."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from keyfold.settings import Settings
from keyfold.state.counter import CounterWriter, Status
from keyfold.state.layout import counter_path, state_directory
from keyfold.state.reader import StateReader
from keyfold.state.record import PartitionRecord
from keyfold.state.rocks import RocksStore
from keyfold.state.writer import StateWriter
from keyfold.view import expression as ex
from keyfold.view.aggregate import Aggregate, Final
from keyfold.view.plan import (
    Answer,
    Catalog,
    KeyColumn,
    Output,
    SourcePlan,
    ViewPlan,
    Watermark,
    Window,
    fingerprint,
)
from lake.status import LakeStatus, read_status
from tests.delta import Rows, delta_of

SOURCE = SourcePlan(
    name="orders",
    connector="events",
    options={},
    columns=(),
    includes=(),
    encode="json",
    watermark=Watermark("ts", 0),
    max_future_skew_us=0,
    sql="",
    fingerprint="source",
)
_pids = count(1)


def status_of(directory: Path) -> LakeStatus:
    """What the lake process last said; an empty status before it said anything."""
    return read_status(directory) or LakeStatus()


def plan(
    name: str,
    keys: dict[str, str],
    answers: dict[str, tuple[Aggregate, Final]] | None = None,
    *,
    extra: Sequence[Output] = (),
    having: ex.Expression | None = None,
    window: Window | None = None,
    retention_us: int | None = None,
    window_key: int | None = None,
) -> ViewPlan:
    """A view that selects its keys, then its answers, then ``extra``."""
    answers = answers or {}
    outputs = [
        Output(key, kind, ex.Key(index, kind)) for index, (key, kind) in enumerate(keys.items())
    ]
    outputs += [
        Output(answer, final.type, ex.Answer(index, final.type))
        for index, (answer, (_, final)) in enumerate(answers.items())
    ]
    return ViewPlan(
        name=name,
        source="orders",
        keys=tuple(
            KeyColumn(key, kind, "window_end" if index == window_key else key)
            for index, (key, kind) in enumerate(keys.items())
        ),
        aggregates=tuple(aggregate for aggregate, _ in answers.values()),
        answers=tuple(Answer(index, final) for index, (_, final) in enumerate(answers.values())),
        outputs=(*outputs, *extra),
        having=having,
        window=window,
        retention_us=retention_us,
        window_key=window_key,
        freshness_slo_ms=0,
        batch_sql="",
        count_sql="",
        columns_read=(),
        sql="",
        fingerprint=fingerprint(name, keys, list(answers.values()), having),
    )


COUNT = (Aggregate("count"), Final("count", "BIGINT"))
SUM = (Aggregate("sum_int", "amount", "BIGINT"), Final("sum", "HUGEINT"))
SPEND = plan("spend", {"user_id": "VARCHAR"}, {"orders": COUNT, "total": SUM})


class LakeState:
    """One data directory with a writer, as the ingest process would keep it."""

    def __init__(self, directory: Path, *views: ViewPlan, **options: Any) -> None:
        self.directory = directory
        self.store = RocksStore(state_directory(directory))
        self.writer = StateWriter(self.store, Catalog((SOURCE,), views), **options)
        self.counter = CounterWriter(counter_path(directory))
        self.source = self.writer.record.sources["orders"]
        if not self.source.identity:
            self.source.identity = {"log_id": "first"}
        self.commit()

    def put(self, view: str, rows: Rows) -> None:
        """Merge rows: physical key values → physical slot values; one message each."""
        state = self.writer.views[view]
        self.writer.merge(view, *delta_of(state.plan, state.prefix, rows))
        self.advance(view, len(rows))

    def advance(self, view: str, messages: int) -> None:
        """Move a view and its source on by some messages of partition 0."""
        offsets = self.writer.record.views[view].offsets
        offsets[0] = offsets.get(0, 0) + messages
        at = self.source.partitions.setdefault(0, PartitionRecord(0))
        at.offset = max(at.offset, offsets[0])

    def commit(self) -> None:
        """Commit what was put, and publish it."""
        sequence = self.writer.commit(now_ms=0)
        self.counter.publish(sequence, 0, Status())

    def reader(self) -> StateReader:
        """A secondary, as the lake process would open it."""
        pid = os.getpid() * 1000 + next(_pids)
        return StateReader.open(self.directory, pid, block_cache_bytes=8 << 20)

    def close(self) -> None:
        self.counter.close()
        self.writer.close()


def settings_for(directory: Path, **changes: Any) -> Settings:
    return Settings(data_dir=directory, **changes)
