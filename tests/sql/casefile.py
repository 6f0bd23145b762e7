"""Hand-written cases of SQL: what a view answers to a few events, whatever the batches are.

A file under ``tests/sql/cases/`` has any number of cases, each after an empty line::

    -- title
    CREATE SOURCE … ; CREATE MATERIALIZED VIEW v AS … ;
    --> events
    one message per line
    --> rows
    one row of v as JSON per line, in key order
    --> ledger applied 3, filtered 1

The ledger may be left out. Events are those of the first source; ``--> events b`` has those of
source ``b``, and they come after. A message is applied as it stands, so it may be no JSON. Numbers
are compared with all of their digits; a line ``-- words`` before the first title is a comment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from ingest.lane import Lane
from ingest.source.message import MessageBatch
from keyfold.state.memory import MemoryStore
from keyfold.state.reader import ViewReader, live_rows
from keyfold.state.reads import row_reads
from keyfold.state.writer import StateWriter
from keyfold.view.plan import Catalog
from keyfold.view.row import CompiledView
from keyfold.view.rowkey import prefix_end

DIRECTORY = Path(__file__).parent / "cases"
_PARTS = re.compile(r"\n--> (events(?: \w+)?|rows|ledger)")
_FATES = ("applied", "filtered", "late", "dead_lettered")


@dataclass(frozen=True)
class Case:
    """A case.

    Attributes:
        sql: The file's statements; the view is called ``v``.
        messages: The events, in order: of which source (empty: the first), and what it gave.
        rows: What the view must answer, in key order.
        ledger: What must have become of the events; None where the case does not say.
    """

    sql: str
    messages: tuple[tuple[str, bytes], ...]
    rows: list[object]
    ledger: dict[str, int] | None


def cases() -> dict[str, Case]:
    """Return all cases by file and title."""
    found = {}
    for path in sorted(DIRECTORY.glob("*.sql")):
        for part in re.split(r"\n\n(?=-- )", path.read_text().strip())[1:]:
            title, _, body = part.partition("\n")
            name = f"{path.stem}: {title.removeprefix('-- ')}"
            assert name not in found, f"two cases are called {name}"
            found[name] = _case(body)
    return found


def _case(body: str) -> Case:
    sql, *rest = _PARTS.split(body)
    parts = dict(zip(rest[::2], rest[1::2], strict=True))
    ledger = None
    if "ledger" in parts:
        ledger = dict.fromkeys(_FATES, 0)
        ledger |= {fate: int(n) for fate, n in re.findall(r"(\w+) (\d+)", parts["ledger"])}
    rows = [exact(line) for line in parts["rows"].strip().splitlines()]
    messages = [
        (name.removeprefix("events").strip(), line)
        for name, text in parts.items()
        if name.startswith("events")
        for line in text.strip().encode().splitlines()
    ]
    return Case(sql, tuple(messages), rows, ledger)


def exact(text: str) -> object:
    """Read JSON without losing a digit."""
    return json.loads(text, parse_float=Decimal)


class Kept:
    """A pipeline in memory that is given messages by the batch."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, catalog: Catalog) -> None:
        self._catalog = catalog
        self._store = MemoryStore()
        self._state = StateWriter(self._store, catalog)
        self._lanes = {
            source.name: Lane(source, self._state, connection, Path("nowhere"))
            for source in catalog.sources
        }
        self._offsets = dict.fromkeys(self._lanes, 0)

    def apply(self, messages: Sequence[bytes], source: str = "") -> None:
        """Apply the next messages of a source as one batch, and commit it."""
        source = source or next(iter(self._lanes))
        first, end = self._offsets[source], self._offsets[source] + len(messages)
        self._offsets[source] = end
        batch = MessageBatch(
            values=pa.array(messages, pa.binary()),
            partitions=np.zeros(len(messages), np.int32),
            offsets=np.arange(first, end),
            timestamps_ms=np.full(len(messages), -1, np.int64),
            next_offsets={0: end},
        )
        self._lanes[source].apply(batch, 0)
        for lane in self._lanes.values():
            lane.before_commit(0)
        self._state.commit(0)
        for lane in self._lanes.values():
            lane.after_commit()

    def rows(self, name: str = "v") -> list[str]:
        """Return the rows of a view as readers write them, in key order."""
        record = self._state.record
        assert not record.views[name].error, record.views[name].error
        plan = self._catalog.view(name)
        prefix = self._state.views[name].prefix
        reader = ViewReader(plan, CompiledView(plan), prefix, prefix_end(prefix))
        hides = reader.compiled.hides(record.stream_time_us(plan))
        scan = row_reads(plan, prefix, self._store).scan(prefix, prefix_end(prefix))
        stored = live_rows(reader, scan, hides)
        texts = [reader.compiled.json_row(key, value) for key, value in stored]
        return [text for text in texts if text is not None]

    def ledger(self, name: str = "v") -> dict[str, int]:
        """Return what became of the messages in a view."""
        total = self._state.record.views[name].total()
        return {fate: getattr(total, fate) for fate in _FATES}


def kept(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog, case: Case, sizes: Sequence[int]
) -> tuple[list[object], dict[str, int]]:
    """Return (rows, ledger) once a case's messages were applied in batches of these sizes."""
    pipeline = Kept(connection, catalog)
    at = 0
    for size in sizes:
        part = case.messages[at : at + size]
        for source in dict.fromkeys(source for source, _ in part):
            pipeline.apply([line for own, line in part if own == source], source)
        at += size
    assert at >= len(case.messages)
    return [exact(row) for row in pipeline.rows()], pipeline.ledger()
