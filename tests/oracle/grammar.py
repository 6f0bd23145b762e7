"""Generated cases: a source, a view, its events, how they are cut, and the same question to DuckDB.

Everything is chosen by one ``Random``: that of a seed, or Hypothesis's own, which can shrink it.
"""

from __future__ import annotations

from random import Random

from tests.laws.streams import Step
from tests.oracle.case import Case
from tests.oracle.event import condition, key
from tests.oracle.messages import make_messages
from tests.oracle.numbered import numbered
from tests.oracle.output import having, output
from tests.oracle.relation import From, from_clause
from tests.oracle.source import make_source, unite
from tests.oracle.values import KINDS, maybe
from tests.oracle.view import EXACT, View, nested_bound


def make_case(chance: Random) -> Case:
    """Make a case of a random source, which is the same for the same choices."""
    kinds = [(f"c{i}", chance.choice(KINDS)) for i in range(chance.randint(2, 7))]
    ts_type = chance.choice(["TIMESTAMP", "TIMESTAMPTZ"])
    sources, union = [make_source(chance, "e", kinds, "ts", ts_type)], ""
    view = View(chance, list(kinds))
    view.scalars = [*view.plain(), "ts"]
    if maybe(chance, 0.25):
        view.many = True
        others, union = unite(view, sources[0])
        sources += others
    watermark = all(source.watermark for source in sources)

    read = from_clause(view, ts_type, union)
    timed = view.window is not None and watermark
    retention_s = chance.choice([60, 600]) if timed and maybe(chance, 0.4) else None
    closed = timed and maybe(chance, 0.3)
    on_late = chance.choice(["apply", "apply", "drop", "dead_letter"]) if watermark else "apply"
    options = [f"retention = '{retention_s} seconds'"] if retention_s is not None else []
    options += [f"on_late = '{on_late}'"] if on_late != "apply" or maybe(chance, 0.1) else []
    if maybe(chance, 0.2):
        view.list_limit = chance.choice([1, 3])
        options.append(f"list_limit = {view.list_limit}")
    chosen = f" WITH ({', '.join(options)})" if options else ""

    lives = retention_s is not None or closed
    sql = "".join(source.statement for source in sources) + read.views
    beside = None
    orders = view.by is None and not view.many and "UNNEST" not in read.kept
    if orders and maybe(chance, 0.15):
        told, asked, bounds = numbered(view, read, _window_keys(view, lives))
    else:
        told, asked, bounds, beside = _grouped(view, read, lives)
    views = [("v", told)]
    if beside and maybe(chance, 0.3):  # views that differ in their aggregates share a query
        views.insert(chance.randint(0, 1), ("beside", beside))
    for name, query in views:
        sql += f"CREATE MATERIALIZED VIEW {name}{chosen} AS\n{read.with_}"
        sql += f"{query}{' EMIT ON WINDOW CLOSE' if closed else ''};\n"
    return Case(
        sql=sql,
        batch=read.asked_with + (asked if lives else asked.replace("{shown}", "true")),
        sources=tuple(sources),
        key=tuple(view.keys),
        bounds=bounds,
        messages=tuple(one for source in sources for one in make_messages(chance, source)),
        plan=_plan(chance, [source.name for source in sources]),
        window=view.window,
        retention_s=retention_s,
        closed=closed,
        on_late=on_late,
    )


def _grouped(view: View, read: From, lives: bool) -> tuple[str, str, dict[str, str], str | None]:
    """Return (a query with GROUP BY, the same for DuckDB, bounds, one of other aggregates)."""
    chance = view.chance
    selected, grouped, bounds = _grouping(view, lives)
    filtered = condition(view)
    if view.by is not None:  # sessions are filtered by what parts them, or before they are made
        filtered = f"{view.by[0]} IS NOT NULL" if view.by else ""
    where = filtered if maybe(chance, 0.4) else ""
    told = f"{read.kept}{where and f' WHERE {where}'}"
    asked = f"{read.asked} WHERE {where}{' AND ' if where else ''}{{shown}}"
    if maybe(chance, 0.08) and view.keys and not grouped.startswith("SETS "):
        head = f"SELECT DISTINCT {', '.join(selected)}"
        return f"{head}\nFROM {told}", f"{head} FROM {asked}", bounds, None
    group = f" GROUP BY {grouped.removeprefix('SETS ')}" if grouped else ""
    outputs, asked_outputs, more = _outputs(view)
    hidden = asked_hidden = ""
    if maybe(chance, 0.25):
        hidden, asked_hidden = (f" HAVING {text}" for text in having(view))
    others = _outputs(view)[0]
    return (
        f"SELECT {', '.join(selected + outputs)}\nFROM {told}{group}{hidden}",
        f"SELECT {', '.join(selected + asked_outputs)} FROM {asked}{group}{asked_hidden}",
        bounds | more,
        f"SELECT {', '.join(selected + others)}\nFROM {told}{group}",
    )


def _outputs(view: View) -> tuple[list[str], list[str], dict[str, str]]:
    """Return (what is selected, the same as DuckDB is asked, bounds) of some outputs."""
    told, asked, bounds = [], [], {}
    for i in range(view.chance.randint(1, 5)):
        one, other, bounds[f"a{i}"] = output(view)
        told.append(f"{one} AS a{i}")
        asked.append(f"{other} AS a{i}")
    return told, asked, bounds


def _grouping(view: View, lives: bool) -> tuple[list[str], str, dict[str, str]]:
    """Return (selected key columns, GROUP BY, bounds); fills in ``view.keys``."""
    chance = view.chance
    if view.by is not None:
        return _grouping_of_sessions(view, view.by)
    keys = list(dict.fromkeys(key(view) for _ in range(chance.choice([0, 1, 1, 1, 2, 2, 3]))))
    windows = _window_keys(view, lives)
    # sqlglot takes no comparison for a key within ROLLUP (…).
    compares = any(" > " in key or " IS " in key for key in keys)
    sets = len(keys) > 0 and not compares and maybe(chance, 0.15)
    # Keys within grouping sets are columns of their own, or GROUPING could not name them.
    names = [f"k{i}" for i in range(len(keys))]
    told = [f"{key} AS {name}" for key, name in zip(keys, names, strict=True)]
    view.keys = [*windows, *names]
    bounds = dict.fromkeys(windows, EXACT) | _key_bounds(view, names, keys)
    selected = [*windows, *told]
    if sets:
        listed = ", ".join(keys)
        each = ", ".join(f"({key})" for key in keys)
        forms = [f"ROLLUP ({listed})", f"CUBE ({listed})", f"GROUPING SETS (({listed}), ())"]
        forms += [f"GROUPING SETS ({each})", f"{keys[0]}, ROLLUP ({', '.join(keys[1:])})"]
        form = chance.choice(forms[:4] if len(keys) == 1 else forms)
        view.keys.insert(0, "g")
        bounds["g"] = EXACT
        grouped = ", ".join([*windows, form])
        return [f"GROUPING({listed}) AS g", *selected], f"SETS {grouped}", bounds
    references = [
        chance.choice([name, key, str(len(windows) + i + 1)])
        for i, (name, key) in enumerate(zip(names, keys, strict=True))
    ]
    return selected, ", ".join([*windows, *references]), bounds


def _window_keys(view: View, lives: bool) -> list[str]:
    """The bounds of windows that are key columns."""
    if view.window is None:
        return []
    if view.window.kind == "tumble" and not lives and maybe(view.chance, 0.2):
        return []
    # Windows of CUMULATE share their start.
    bounds = ["window_end"] if view.window.kind == "cumulate" else ["window_start", "window_end"]
    if maybe(view.chance, 0.2):
        return view.chance.sample(["window_start", "window_end"], 2)
    return [view.chance.choice(bounds)]


def _key_bounds(view: View, names: list[str], keys: list[str]) -> dict[str, str]:
    """How key columns are compared; nested ones are JSON."""
    return {name: nested_bound(view, key) for name, key in zip(names, keys, strict=True)}


def _grouping_of_sessions(view: View, by: list[str]) -> tuple[list[str], str, dict[str, str]]:
    """Return the same for sessions: their keys in any order, and maybe their ends."""
    by = view.chance.sample(by, len(by))
    names = [f"k{i}" for i in range(len(by))]
    view.keys = [*names, "window_start"]
    windows = ["window_start"] + (["window_end"] if maybe(view.chance, 0.7) else [])
    selected = [f"{key} AS {name}" for key, name in zip(by, names, strict=True)] + windows
    grouped = list(by)
    for bound in windows:  # wherever they stand, the key has the start last, and the end not
        grouped.insert(view.chance.randint(0, len(grouped)), bound)
    bounds = _key_bounds(view, names, by) | dict.fromkeys(windows, EXACT)
    return selected, ", ".join(grouped), bounds


def _plan(chance: Random, sources: list[str]) -> tuple[Step, ...]:
    return tuple(
        Step(
            chance.choice(sources),
            chance.randint(1, 15),
            chance.choice(["commit", "crash", "go on"]),
        )
        for _ in range(chance.randint(0, 8 * len(sources)))
    )
