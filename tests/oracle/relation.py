"""FROM: subqueries, windows, sessions and lists, as a view has them and as DuckDB does."""

from __future__ import annotations

from dataclasses import dataclass

from tests.oracle.event import computed, condition, key
from tests.oracle.values import KINDS, maybe
from tests.oracle.view import View, Window

TUMBLES = [(60, 0), (300, 0), (60, 7), (300, -20)]
"""Sizes and offsets, in seconds."""
SHARED = [
    ("HOP", 60, 240, 0), ("HOP", 30, 150, 20), ("HOP", 60, 60, 0), ("HOP", 100, 300, -10),
    ("CUMULATE", 60, 300, 0), ("CUMULATE", 20, 120, -10), ("CUMULATE", 60, 60, 7),
]  # fmt: skip
"""Slides or steps, sizes and offsets."""


@dataclass(frozen=True)
class From:
    """What stands in FROM, and before the view.

    Attributes:
        views: Plain views of the pipeline.
        with_: WITH before SELECT.
        asked_with: The same for DuckDB, which has it in place of the plain views, too.
        kept: FROM of the view.
        asked: FROM of the question to DuckDB.
    """

    views: str
    with_: str
    asked_with: str
    kept: str
    asked: str


def from_clause(view: View, ts_type: str, union: str) -> From:
    """Choose what a view reads; its columns, windows and PARTITION BY go into ``view``.

    Args:
        view: The view.
        ts_type: The type of its time column.
        union: Of several sources, the UNION ALL; of one, nothing.
    """
    chance = view.chance
    views, named = [], []  # plain views, and what WITH names
    relation = "m" if union else "e"
    match chance.choice(["view", "with", "subquery"]) if union else "":
        case "view":
            views.append(("m", union))
        case "with":
            named.append(("m", union))
        case "subquery":
            relation = f"({union})"
    if maybe(chance, 0.35):
        column, kind = computed(view)
        where = f" WHERE {condition(view)}" if maybe(chance, 0.5) else ""
        over = f"{relation} AS s" if relation.startswith("(") else relation
        inner = f"SELECT *, {column} AS x FROM {over}{where}"
        view.twin = column
        view.columns.append(("x", kind))
        view.scalars.append("x")
        match chance.choice(["subquery", "with", "view", "nested"]):
            case "subquery":
                relation = f"({inner})"
            case "view" if not named:
                views.append(("w", inner))
                relation = "w"
            case "nested":
                named.append(("u", inner))
                named.append(("w", f"SELECT * FROM u WHERE {condition(view)}"))
                relation = "w"
            case _:
                named.append(("w", inner))
                relation = "w"
    view.events = list(view.scalars)
    kinds = ["", "", "", "tumble", "tumble", "shared", "shared", "session"]
    kind = chance.choice(kinds)
    match kind:
        case "tumble":
            kept, asked = _tumble(view, relation, ts_type)
        case "shared":
            kept, asked = _shared(view, relation, ts_type)
        case "session":
            kept, asked = _sessions(view, relation)
        case _:
            kept = asked = f"{relation} AS s" if relation.startswith("(") else relation
    if kind != "session":
        lists = _lists(view)
        kept, asked = kept + lists, asked + lists
    plain = "".join(f"CREATE VIEW {name} AS {query};\n" for name, query in views)
    return From(plain, _with(named), _with(views + named), kept, asked)


def _with(named: list[tuple[str, str]]) -> str:
    listed = ", ".join(f"{name} AS ({query})" for name, query in named)
    return f"WITH {listed} " if listed else ""


def _lists(view: View) -> str:
    """Maybe unnest a list."""
    chance, names = view.chance, view.of("list", "structs", "map")
    if not names or maybe(chance, 0.4):
        return ""
    name, place = chance.choice(names), maybe(chance, 0.5)
    join = chance.choice([", UNNEST({})", " CROSS JOIN UNNEST({})", " LEFT JOIN UNNEST({})"])
    unnested = f"map_entries({name})" if name in view.of("map") else name
    text = join.format(unnested) + (" WITH ORDINALITY" if place else "")
    text += " AS t(item, place)" if place else " AS t(item)"
    item = {"list": "item", "structs": "item.x", "map": "item.value"}[_use(view, name)]
    view.columns.append((item, KINDS[0]))
    view.scalars += [item] + (["place"] if place else [])
    return text + (" ON true" if "LEFT" in join else "")


def _use(view: View, name: str) -> str:
    return next(use for use in ("list", "structs", "map") if name in view.of(use))


def _call(view: View, name: str, relation: str, *spans_s: int) -> str:
    """A call of a window, in either spelling."""
    spans = ", ".join(f"INTERVAL '{span}' SECOND" for span in spans_s)
    if not relation.startswith("(") and maybe(view.chance, 0.3):
        return f"TABLE({name}(TABLE {relation}, DESCRIPTOR(ts), {spans}))"
    return f"{name}({relation}, ts, {spans})"


def _tumble(view: View, relation: str, ts_type: str) -> tuple[str, str]:
    size_s, offset_s = view.chance.choice(TUMBLES)
    view.window = Window("tumble", size_s, size_s, offset_s)
    kept = _call(view, "TUMBLE", relation, size_s, *([offset_s] if offset_s else []))
    start = (
        f"time_bucket(INTERVAL '{size_s} seconds', ts, "
        f"{ts_type} '1970-01-01 00:00:00' + INTERVAL '{offset_s} seconds')"
    )
    asked = (
        f"(SELECT *, {start} AS window_start, {start} + INTERVAL '{size_s} seconds' "
        f"AS window_end FROM {relation}) AS s"
    )
    return kept, asked


def _shared(view: View, relation: str, ts_type: str) -> tuple[str, str]:
    """HOP or CUMULATE; DuckDB has an event once for each of its windows."""
    name, step_s, size_s, offset_s = view.chance.choice(SHARED)
    view.window = Window(name.lower(), step_s, size_s, offset_s)
    kept = _call(view, name, relation, step_s, size_s, *([offset_s] if offset_s else []))
    second = f"(epoch(ts)::BIGINT - {offset_s})"
    if name == "HOP":
        start = f"{second} // {step_s} * {step_s} - nth * {step_s}"
        end, held = f"{start} + {size_s}", "ts IS NOT NULL"
    else:
        start = f"{second} // {size_s} * {size_s}"
        end = f"{start} + (nth + 1) * {step_s}"
        held = f"{end} > {second}"
    bounds = ", ".join(
        f"make_timestamp(({bound} + {offset_s}) * 1000000)::{ts_type} AS {column}"
        for bound, column in ((start, "window_start"), (end, "window_end"))
    )
    asked = (
        f"(SELECT *, {bounds} FROM {relation}, range({size_s // step_s}) AS r(nth) "
        f"WHERE {held} OR (ts IS NULL AND nth = 0)) AS s"
    )
    return kept, asked


def _sessions(view: View, relation: str) -> tuple[str, str]:
    chance = view.chance
    view.by = list(dict.fromkeys(key(view) for _ in range(chance.choice([0, 1, 1, 2]))))
    gap_s = chance.choice([1, 60, 200])
    view.window = Window("session", gap_s, gap_s)
    gap = f"INTERVAL '{gap_s}' SECOND"
    listed = ", ".join(view.by)
    by = f"PARTITION BY {listed}" if view.by else ""
    form = "({})" if len(view.by) > 1 and maybe(chance, 0.5) else "{}"
    parted = f" PARTITION BY {form.format(listed)}" if view.by else ""
    kept = f"SESSION({relation}{parted}, ts, {gap})"
    if not relation.startswith("(") and maybe(chance, 0.3):
        kept = f"TABLE(SESSION(TABLE {relation}{parted}, DESCRIPTOR(ts), {gap}))"
    over = f"OVER ({by} ORDER BY ts NULLS LAST)"
    begins = f"coalesce(ts > lag(ts) {over} + {gap}, true) AS begins"
    events = f"(SELECT *, {begins} FROM {relation})"
    events = f"(SELECT *, count(*) FILTER (WHERE begins) {over} AS nth FROM {events})"
    one = f"OVER (PARTITION BY {', '.join([*view.by, 'nth'])})"
    bounds = f"min(ts) {one} AS window_start, max(ts) {one} + {gap} AS window_end"
    return kept, f"(SELECT *, {bounds} FROM {events}) AS s"
