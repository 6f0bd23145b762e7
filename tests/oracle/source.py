"""Sources: one, or several that a UNION ALL makes the relation ``m`` of.

The relation has the columns of the first source, ``e``. The others have columns of narrower types,
or none and a constant in its place, under names of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.oracle.event import condition
from tests.oracle.values import EPOCH_MS, Kind, maybe, narrower
from tests.oracle.view import View

SKEW_DEFAULT_S = 3600


@dataclass(frozen=True)
class Source:
    """A source.

    Attributes:
        kinds: Names and kinds of its columns, but the time.
        time: The time column.
        ts_type: Its type.
        watermark: Whether it is the event time.
        delay_s: How far the watermark lies behind.
        skew_s: ``max_future_skew``; None: the default.
        idle_s: ``idle_timeout``; None: no partition is idle.
        stamped: Whether messages have timestamps.
    """

    name: str
    kinds: tuple[tuple[str, Kind], ...]
    time: str
    ts_type: str
    watermark: bool
    delay_s: int
    skew_s: int | None
    idle_s: int | None
    stamped: bool

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Names and types of its table in DuckDB."""
        told = [(name, kind.type) for name, kind in self.kinds]
        return [*told, (self.time, self.ts_type), ("p", "INTEGER"), ("o", "BIGINT")]

    @property
    def statement(self) -> str:
        declared = ", ".join(f"{name} {type_}" for name, type_ in self.columns[:-2])
        if self.watermark:
            delay = f"INTERVAL '{self.delay_s}' SECOND"
            declared += f", WATERMARK FOR {self.time} AS {self.time} - {delay}"
        options = ["connector = 'events'"]
        options += [f"max_future_skew = '{self.skew_s} s'"] if self.skew_s is not None else []
        options += [f"idle_timeout = '{self.idle_s} s'"] if self.idle_s is not None else []
        return (
            f"CREATE SOURCE {self.name} ({declared}) INCLUDE partition AS p INCLUDE offset AS o\n"
            f"WITH ({', '.join(options)});\n"
        )

    def moves(self, second: int, timestamp_ms: int) -> bool:
        """Whether an event moves time: it is not dated too far after its message."""
        skew_s = SKEW_DEFAULT_S if self.skew_s is None else self.skew_s
        return timestamp_ms < 0 or EPOCH_MS + second * 1_000 <= timestamp_ms + skew_s * 1_000


def make_source(
    chance: Random, name: str, kinds: Sequence[tuple[str, Kind]], time: str, ts_type: str
) -> Source:
    """Choose how the time of a source with these columns runs."""
    watermark = chance.random() < 0.7
    return Source(
        name=name,
        kinds=tuple(kinds),
        time=time,
        ts_type=ts_type,
        watermark=watermark,
        delay_s=chance.choice([0, 5]),
        skew_s=chance.choice([None, None, 0, 20, 300]),
        idle_s=chance.choice([None, None, 1, 30, 300]) if watermark else None,
        stamped=maybe(chance, 0.7),
    )


def unite(view: View, first: Source) -> tuple[list[Source], str]:
    """Return sources beside a first one, and the UNION ALL of all of them."""
    chance = view.chance
    others = []
    selects = [_select(first, [f"{name} AS {name}" for name, _ in first.kinds], view)]
    for name in chance.choice([["f"], ["f"], ["f", "g"]]):
        kinds: list[tuple[str, Kind]] = []
        made = []
        for column, kind in first.kinds:
            match chance.choice(["column", "column", "column", "constant", "null"]):
                case "column":
                    kinds.append((f"{name}{len(kinds)}", chance.choice(narrower(kind))))
                    made.append(f"{kinds[-1][0]} AS {column}")
                case "constant":
                    made.append(f"{kind.draw(chance)[1]} AS {column}")
                case "null":
                    made.append(f"NULL AS {column}")
        other = make_source(chance, name, kinds, f"{name}_at", first.ts_type)
        others.append(other)
        selects.append(_select(other, made, view))
    if "NULL AS" not in selects[1]:  # whose columns come first has a say in nothing but names
        chance.shuffle(selects)
    return others, "\nUNION ALL ".join(selects)


def _select(source: Source, made: Sequence[str], view: View) -> str:
    """A SELECT of the union, maybe with a condition on the source's own columns."""
    own = View(view.chance, list(source.kinds))
    own.scalars = [*own.plain(), source.time]
    where = f" WHERE {condition(own)}" if maybe(view.chance, 0.3) else ""
    items = ", ".join([*made, f"{source.time} AS ts", "p", "o"])
    return f"SELECT {items} FROM {source.name}{where}"
