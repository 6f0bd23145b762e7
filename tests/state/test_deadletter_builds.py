"""Dead letters of a view or source that was built again: kept, and told from the present ones."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from keyfold.sql.compile import compile_sql
from keyfold.state import deadletter
from keyfold.state.deadletter import DeadLetter
from keyfold.state.layout import CATALOG_KEY
from keyfold.state.memory import MemoryStore
from keyfold.state.record import catalog_decoder
from keyfold.state.writer import StateWriter

ORDERS = "CREATE SOURCE orders (u VARCHAR, n BIGINT) WITH (connector = 'events');"
CLICKS = "CREATE SOURCE clicks (u VARCHAR) WITH (connector = 'events');"
V = "CREATE MATERIALIZED VIEW v AS SELECT u, SUM(n) AS s FROM orders GROUP BY u;"
W = "CREATE MATERIALIZED VIEW w AS SELECT u, MAX(n) AS m FROM orders GROUP BY u;"
ALL = ORDERS + CLICKS + V + W


class Life:
    """One state through several lives of its writer; each buries one message per source and view.

    Each letter's reason is the number of the life that buried it.
    """

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.number = 0

    def live(self, sql: str, *rebuild: str, drop: Sequence[str] = ()) -> None:
        self.number += 1
        state = StateWriter(self.store, compile_sql(sql), rebuild=rebuild, drop=drop)
        named = [("orders", ""), ("orders", "v"), ("orders", "w"), ("clicks", "")]
        known = {""} | {view.name for view in state.catalog.views}
        sources = {source.name for source in state.catalog.sources}
        for source, view in named:
            if source in sources and view in known:
                state.bury(DeadLetter(source, 0, 7, -1, str(self.number), b"{", view))
        state.commit(0)
        self.record = state.record

    def letters(self, *, present: bool) -> list[str]:
        raw = self.store.get(CATALOG_KEY)
        assert raw is not None
        earlier = deadletter.earlier_builds(catalog_decoder.decode(raw))
        kept = deadletter.read(self.store, 0, self.record.dead_letter_next)
        return [
            f"{letter.view or letter.source} {letter.reason}"
            for _, letter in kept
            if not (present and earlier(letter))
        ]


FIRST = ["orders 1", "v 1", "w 1", "clicks 1"]


@pytest.mark.parametrize(
    ("sql", "rebuild", "drop", "present"),
    [
        (ALL, [], [], [*FIRST, "orders 2", "v 2", "w 2", "clicks 2"]),
        (ALL, ["v"], [], ["orders 1", "w 1", "clicks 1", "orders 2", "v 2", "w 2", "clicks 2"]),
        (ALL, ["orders"], [], ["clicks 1", "orders 2", "v 2", "w 2", "clicks 2"]),
        (ALL, ["clicks"], [], ["orders 1", "v 1", "w 1", "orders 2", "v 2", "w 2", "clicks 2"]),
        (
            ORDERS + CLICKS + V,
            [],
            ["w"],
            ["orders 1", "v 1", "clicks 1", "orders 2", "v 2", "clicks 2"],
        ),
        (ORDERS + V + W, [], ["clicks"], ["orders 1", "v 1", "w 1", "orders 2", "v 2", "w 2"]),
    ],
)
def test_letters_of_what_was_built_again_or_dropped_are_kept_as_earlier_ones(
    sql: str, rebuild: list[str], drop: list[str], present: list[str]
) -> None:
    life = Life()
    life.live(ALL)
    life.live(sql, *rebuild, drop=drop)
    assert life.letters(present=True) == present
    assert [one for one in life.letters(present=False) if one.endswith("1")] == FIRST


def test_a_view_or_source_that_comes_back_is_another_build() -> None:
    life = Life()
    life.live(ALL)
    life.live(ORDERS + V, drop=["w", "clicks"])
    life.live(ALL)
    assert life.letters(present=True) == [
        *("orders 1", "v 1", "orders 2", "v 2"),
        *("orders 3", "v 3", "w 3", "clicks 3"),
    ]
    assert len(life.letters(present=False)) == 10


def test_letters_and_catalogs_of_the_form_without_builds_are_present() -> None:
    life = Life()
    life.live(ALL)
    raw = life.store.get(CATALOG_KEY)
    assert raw is not None
    old = msgspec.json.decode(raw)
    del old["source_ids"]
    earlier = deadletter.earlier_builds(catalog_decoder.decode(msgspec.json.encode(old)))
    assert not earlier(DeadLetter("orders", 0, 7, -1, "no", b"{", "v"))
    assert not earlier(DeadLetter("orders", 0, 7, -1, "no", b"{"))
