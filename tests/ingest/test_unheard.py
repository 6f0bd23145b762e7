"""Law 6 for misfits: each that a view has met is a dead letter, and none comes twice."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from ingest.lane import Lane
from ingest.opening import start_of
from ingest.source.message import MessageBatch
from keyfold.sql.bind import locked_connection
from keyfold.sql.compile import compile_sql
from keyfold.state import deadletter
from keyfold.state.layout import COMMIT_KEY
from keyfold.state.memory import MemoryStore
from keyfold.state.record import CommitRecord, record_decoder, record_encoder
from keyfold.state.writer import StateWriter
from keyfold.view.plan import Catalog

VIEWS = {"users": "COUNT(*)", "ns": "SUM(n)", "ms": "SUM(m)", "both": "SUM(n + m)"}
READS = {"users": "", "ns": "n", "ms": "m", "both": "nm"}
MESSAGES = {
    "": b'{"u": "a", "n": 1, "m": 1}',
    "n": b'{"u": "a", "n": "x", "m": 1}',
    "m": b'{"u": "a", "n": 1, "m": "x"}',
    "nm": b'{"u": "a", "n": "x", "m": "x"}',
}
Letter = tuple[int, int, str]


@cache
def compiled(names: frozenset[str]) -> Catalog:
    views = "".join(
        f"CREATE MATERIALIZED VIEW {name} AS SELECT u, {VIEWS[name]} AS c FROM s GROUP BY u;"
        for name in sorted(names)
    )
    return compile_sql(
        f"CREATE SOURCE s (u VARCHAR, n INT, m INT) WITH (connector = 'events');{views}"
    )


class Writer:
    """A writer over a log that is there already: it starts, reads, commits, crashes.

    Args:
        log: Partition → for each message, which of its fields do not fit.
    """

    def __init__(self, log: Sequence[Sequence[str]]) -> None:
        self.log = log
        self.store = MemoryStore()
        self.connection = locked_connection()

    def start(self, *names: str, rebuild: Collection[str] = ()) -> None:
        catalog, gone = compiled(frozenset(names)), VIEWS.keys() - {*names}
        self.state = StateWriter(self.store, catalog, rebuild=rebuild, drop=gone)
        self.lane = Lane(self.state.catalog.sources[0], self.state, self.connection, Path("none"))
        source = self.state.record.sources["s"]
        own = {partition: told.offset for partition, told in source.partitions.items()}
        views = self.state.record.views.values()
        begin = start_of(own, {}, views, as_options_say=True).offsets
        self.at = [begin.get(partition, 0) for partition in range(len(self.log))]

    def read(self, partition: int, count: int) -> None:
        at = self.at[partition]
        kinds = self.log[partition][at : at + count]
        self.at[partition] = after = at + len(kinds)
        self.lane.apply(
            MessageBatch(
                values=pa.array([MESSAGES[kind] for kind in kinds], pa.binary()),
                partitions=np.full(len(kinds), partition, np.int32),
                offsets=np.arange(at, after),
                timestamps_ms=np.full(len(kinds), -1, np.int64),
                next_offsets={partition: after},
            ),
            0,
        )

    def commit(self) -> None:
        self.lane.before_commit(0)
        self.state.commit(0)
        self.lane.after_commit()

    def finish(self) -> None:
        for partition, log in enumerate(self.log):
            self.read(partition, len(log))
        self.commit()

    def letters(self) -> list[Letter]:
        kept = (one for _, one in deadletter.read(self.store, 0, 1 << 40))
        return sorted((one.partition, one.offset, one.field) for one in kept)

    def record(self) -> CommitRecord:
        return record_decoder.decode(self.store.get(COMMIT_KEY) or b"")


def misfits(log: Sequence[Sequence[str]], fields: str) -> list[Letter]:
    return sorted(
        (partition, offset, field)
        for partition, kinds in enumerate(log)
        for offset, kind in enumerate(kinds)
        for field in kind
        if field in fields
    )


LOG = [["", "n", "nm"], ["m", "", "n"]]


@pytest.fixture
def writer() -> Writer:
    return Writer(LOG)


def test_a_view_that_is_built_again_buries_no_misfit_again(writer: Writer) -> None:
    writer.start("users", "ns")
    writer.finish()
    writer.start("users", "ns", rebuild=["ns"])
    writer.finish()
    assert writer.letters() == misfits(LOG, "n")
    assert writer.record().views["ns"].total().dead_lettered == 3


def test_a_view_that_is_tried_again_buries_no_misfit_again(writer: Writer) -> None:
    writer.start("users", "ns")
    writer.commit()
    writer.state.fail_view("ns", "a sum does not fit")
    writer.finish()
    assert writer.letters() == misfits(LOG, "n")
    writer.start("users", "ns")
    writer.finish()
    assert writer.letters() == misfits(LOG, "n")
    assert writer.record().views["ns"].total().dead_lettered == 3


def test_a_view_that_comes_back_finds_what_it_buried_and_buries_what_came_since(
    writer: Writer,
) -> None:
    writer.start("users", "ns")
    writer.read(0, 2)
    writer.commit()
    writer.start("users")
    writer.finish()
    assert writer.letters() == [(0, 1, "n")]
    writer.start("users", "ns")
    writer.finish()
    assert writer.letters() == misfits(LOG, "n")
    assert writer.record().sources["s"].unheard == {}


def test_a_record_from_before_knows_that_its_views_have_buried_their_misfits(
    writer: Writer,
) -> None:
    writer.start("users", "ns")
    writer.finish()
    record = writer.record()
    record.sources["s"].decoded = []
    writer.store.write([], [], [], (COMMIT_KEY, record_encoder.encode(record)))
    writer.start("users", "ns", "ms")
    writer.finish()
    assert writer.letters() == misfits(LOG, "nm")


names = st.sampled_from(sorted(VIEWS))
logs = st.lists(st.lists(st.sampled_from(sorted(MESSAGES)), max_size=8), min_size=2, max_size=2)
plans = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(0, 1), st.integers(1, 4)),
        st.tuples(st.just("commit")),
        st.tuples(st.just("start"), st.sets(names, min_size=1), st.sets(names)),
        st.tuples(st.just("fail"), names),
    ),
    max_size=20,
)


@settings(max_examples=80, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(log=logs, plan=plans, last=st.sets(names, min_size=1))
@example(  # a view is dropped before it was filled, and comes back
    log=[["n"] * 6, []],
    plan=[
        ("start", {"users"}, set()),
        ("read", 0, 4),
        ("commit",),
        ("start", {"users", "ns"}, set()),
        ("read", 0, 2),
        ("commit",),
        ("start", {"users"}, set()),
        ("read", 0, 1),
        ("commit",),
    ],
    last={"ns"},
)
def test_a_misfit_is_buried_once_whatever_becomes_of_the_views(
    log: Sequence[Sequence[str]], plan: Sequence[tuple], last: Collection[str]
) -> None:
    writer = Writer(log)
    writer.start("users")
    for step in plan:
        match step:
            case ("read", partition, count):
                writer.read(partition, count)
            case ("commit",):
                writer.commit()
            case ("start", views, again):  # what was not committed is lost, as in a crash
                writer.start(*views, rebuild=again & views)
            case ("fail", view) if view in writer.state.views:
                writer.state.fail_view(view, "a reason")
    writer.start(*last)
    writer.finish()
    letters = writer.letters()
    assert len(letters) == len(set(letters))
    assert set(letters) <= set(misfits(log, "nm"))
    for view in last:
        found = [(p, o) for p, o, field in misfits(log, READS[view])]
        assert writer.record().views[view].total().dead_lettered == len(set(found))
        assert set(misfits(log, READS[view])) <= set(letters)
