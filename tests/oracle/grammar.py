"""Generated cases: a source, a view, its events, how they are cut, and the same question to DuckDB.

Everything is chosen by one ``Random``: that of a seed, or Hypothesis's own, which can shrink it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

from tests.laws.stream import Step
from tests.oracle.messages import Message, make_messages
from tests.oracle.values import KINDS, NESTED, Kind, maybe

EXACT, CLOSE, MOMENT, ROUGH = "exact", "close", "moment", "rough"
"""How an output is compared: as it is, by the last digits, or by the stated bound."""


@dataclass(frozen=True)
class Case:
    """A case.

    Attributes:
        sql: The pipeline; the source is ``e``, the view ``v``.
        batch: What DuckDB is asked over a table ``e``; ``{live}`` stands where a window must be
            live, if the view has a retention.
        columns: Names and types of that table.
        key: The key columns, in order.
        bounds: How each output is compared.
        messages: The events, in log order.
        plan: How they are cut, and where the process dies.
        retention_s: Window end + this must lie after the watermark; None without retention.
        delay_s: How far the watermark lies behind.
        gap_s: What ends a session; None where the windows are no sessions.
    """

    sql: str
    batch: str
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]
    bounds: dict[str, str]
    messages: tuple[Message, ...]
    plan: tuple[Step, ...]
    retention_s: int | None
    delay_s: int
    gap_s: int | None = None


@dataclass
class View:
    """A view while it is made: the columns that it can read, and its parts as written so far.

    Attributes:
        by: PARTITION BY of sessions; None where there are none.
        gap_s: What ends them.
    """

    chance: Random
    columns: list[tuple[str, Kind]]
    scalars: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    by: list[str] | None = None
    gap_s: int | None = None

    def of(self, *uses: str) -> list[str]:
        return [name for name, kind in self.columns if kind.uses & set(uses)]


def make_case(chance: Random) -> Case:
    """Make a case of a random source, which is the same for the same choices."""
    kinds = [(f"c{i}", chance.choice(KINDS)) for i in range(chance.randint(2, 7))]
    watermark = chance.random() < 0.7
    ts_type = chance.choice(["TIMESTAMP", "TIMESTAMPTZ"])
    columns = [(name, kind.type) for name, kind in kinds] + [("ts", ts_type)]
    view = View(chance, list(kinds))
    view.scalars = [name for name, kind in kinds if not kind.uses & NESTED] + ["ts"]

    before, ours, theirs, windows = _from(view, ts_type)
    retention_s = chance.choice([60, 600]) if windows and watermark and maybe(chance, 0.5) else None
    delay_s = chance.choice([0, 5])
    selected, grouped, bounds = _grouping(view, windows, retention_s is not None)
    conditions = [_condition(view)]
    if view.by is not None:  # sessions are filtered by what parts them, or before they are made
        conditions = [f"{column} IS NOT NULL" for column in view.by[:1]]
    where = f" WHERE {conditions[0]}" if conditions and maybe(chance, 0.4) else ""
    distinct = maybe(chance, 0.08) and bool(view.keys) and not grouped.startswith("SETS ")
    outputs, batch_outputs, having = [], [], ""
    if not distinct:
        for i in range(chance.randint(1, 5)):
            told, asked, bound = _output(view)
            outputs.append(f"{told} AS a{i}")
            batch_outputs.append(f"{asked} AS a{i}")
            bounds[f"a{i}"] = bound
        if maybe(chance, 0.25):
            having = f" HAVING {_having(view)}"
    group = "" if distinct or not grouped else f" GROUP BY {grouped.removeprefix('SETS ')}"
    head = "SELECT DISTINCT" if distinct else "SELECT"

    declared = ", ".join(f"{name} {type_}" for name, type_ in columns)
    if watermark:
        declared += f", WATERMARK FOR ts AS ts - INTERVAL '{delay_s}' SECOND"
    options = f" WITH (retention = '{retention_s} seconds')" if retention_s is not None else ""
    create, with_ = before
    live = "{live}" if retention_s is not None else ""
    sql = (
        f"CREATE SOURCE e ({declared}) INCLUDE partition AS p INCLUDE offset AS o\n"
        f"WITH (connector = 'events');\n{create}CREATE MATERIALIZED VIEW v{options} AS\n"
        f"{'' if create else with_}{head} {', '.join(selected + outputs)}\n"
        f"FROM {ours}{where}{group}{having};\n"
    )
    if live:
        where += (" AND " if where else " WHERE ") + live
    batch = (
        f"{with_}{head} {', '.join(selected + batch_outputs)} FROM {theirs}{where}{group}{having}"
    )
    return Case(
        sql=sql,
        batch=batch,
        columns=(*columns, ("p", "INTEGER"), ("o", "BIGINT")),
        key=tuple(view.keys),
        bounds=bounds,
        messages=make_messages(chance, kinds, watermark),
        plan=_plan(chance),
        retention_s=retention_s,
        delay_s=delay_s,
        gap_s=view.gap_s,
    )


def without(case: Case, places: range) -> Case:
    """Return a case without the messages at these places; those behind them move up."""
    offsets = [0, 0, 0]
    kept = []
    for i, message in enumerate(case.messages):
        if i not in places:
            offset = str(offsets[message.partition])
            kept.append(replace(message, row=message.row and (*message.row[:-1], offset)))
            offsets[message.partition] += 1
    return replace(case, messages=tuple(kept))


def _from(view: View, ts_type: str) -> tuple[tuple[str, str], str, str, bool]:
    """Return (a plain view, a WITH), FROM as it is kept, FROM in batch, whether it has windows."""
    chance = view.chance
    before, relation = ("", ""), "e"
    inner = ""
    if maybe(chance, 0.35):
        computed, kind = _computed(view)
        condition = f" WHERE {_condition(view)}" if maybe(chance, 0.5) else ""
        inner = f"SELECT *, {computed} AS x FROM e{condition}"
        view.columns.append(("x", kind))
        view.scalars.append("x")
        match chance.choice(["subquery", "with", "view"]):
            case "subquery":
                relation = f"({inner}) AS s"
            case "with":
                before, relation = ("", f"WITH w AS ({inner}) "), "w"
            case "view":
                before = (f"CREATE VIEW w AS {inner};\n", f"WITH w AS ({inner}) ")
                relation = "w"
    if relation in ("e", "w") and maybe(chance, 0.15):
        return before, *_sessions(view, relation), True
    if relation in ("e", "w") and maybe(chance, 0.3):
        size, offset = chance.choice([(60, 0), (300, 0), (60, 7)])
        shift = f", INTERVAL '{offset}' SECOND" if offset else ""
        ours = f"TUMBLE({relation}, ts, INTERVAL '{size}' SECOND{shift})"
        start = (
            f"time_bucket(INTERVAL '{size} seconds', ts, "
            f"{ts_type} '1970-01-01 00:00:00' + INTERVAL '{offset} seconds')"
        )
        theirs = (
            f"(SELECT *, {start} AS window_start, {start} + INTERVAL '{size} seconds' "
            f"AS window_end FROM {relation}) AS s"
        )
        return before, ours, theirs, True
    lists = view.of("list", "structs")
    if lists and maybe(chance, 0.7):
        name = chance.choice(lists)
        place = maybe(chance, 0.5)
        join = chance.choice([", UNNEST({})", " CROSS JOIN UNNEST({})", " LEFT JOIN UNNEST({})"])
        relation += join.format(name) + (" WITH ORDINALITY" if place else "")
        relation += " AS t(item, place)" if place else " AS t(item)"
        relation += " ON true" if "LEFT" in join else ""
        item = "item" if name in view.of("list") else "item.x"
        view.columns.append((item, KINDS[0]))
        view.scalars += [item] + (["place"] if place else [])
    return before, relation, relation, False


def _sessions(view: View, relation: str) -> tuple[str, str]:
    """Return SESSION as it is kept, and in batch."""
    chance = view.chance
    view.by = list(dict.fromkeys(_key(view) for _ in range(chance.choice([0, 1, 1, 2]))))
    view.gap_s = chance.choice([1, 60, 200])
    gap = f"INTERVAL '{view.gap_s}' SECOND"
    listed = ", ".join(view.by)
    by = f"PARTITION BY {listed}" if view.by else ""
    form = "({})" if len(view.by) > 1 and maybe(chance, 0.5) else "{}"
    parted = f" PARTITION BY {form.format(listed)}" if view.by else ""
    ours = f"SESSION({relation}{parted}, ts, {gap})"
    if maybe(chance, 0.3):
        ours = f"TABLE(SESSION(TABLE {relation}{parted}, DESCRIPTOR(ts), {gap}))"
    over = f"OVER ({by} ORDER BY ts NULLS LAST)"
    begins = f"coalesce(ts > lag(ts) {over} + {gap}, true) AS begins"
    events = f"(SELECT *, {begins} FROM {relation})"
    events = f"(SELECT *, count(*) FILTER (WHERE begins) {over} AS nth FROM {events})"
    one = f"OVER (PARTITION BY {', '.join([*view.by, 'nth'])})"
    bounds = f"min(ts) {one} AS window_start, max(ts) {one} + {gap} AS window_end"
    return ours, f"(SELECT *, {bounds} FROM {events}) AS s"


def _computed(view: View) -> tuple[str, Kind]:
    """An expression over one event, and a kind that may do what it may."""
    chance = view.chance
    options = [("o % 3", KINDS[0]), ("p + 1", KINDS[1])]
    options += [(f"{c} % 3", KINDS[0]) for c in view.of("int")]
    options += [(f"abs({c}::HUGEINT) + 1", KINDS[4]) for c in view.of("int")]
    options += [(f"{c}::BIGINT - 1", KINDS[0]) for c in view.of("moments")]
    texts = next(kind for kind in KINDS if "text" in kind.uses)
    options += [(f"lower({c}) || '.'", texts) for c in view.of("text")]
    options += [(f"CAST({c} AS BIGINT)", KINDS[0]) for c in view.of("text") if maybe(chance, 0.2)]
    options += [(f"{c}.t", texts) for c in view.of("struct")]
    options += [(f"{c}->>'a'", texts) for c in view.of("json")]
    return chance.choice(options)


def _condition(view: View) -> str:
    """A condition over one event that never fails."""
    chance = view.chance
    scalar = chance.choice(view.scalars)
    options = [f"{scalar} IS NOT NULL", f"NOT ({scalar} IS NULL)", "o % 4 <> 1", "p < 2"]
    options += [f"{c} > {chance.randint(-2, 3)}" for c in view.of("int", "moments", "sum")
                if c not in view.of("truth")]  # fmt: skip
    options += [f"{c} IN ('a', 'b', '')" for c in view.of("text")]
    options += view.of("truth")
    options += [f"len({c}) > 0" for c in view.of("list", "structs")]
    first = chance.choice(options)
    if maybe(chance, 0.3):
        return f"({first} {chance.choice(['AND', 'OR'])} {chance.choice(options)})"
    return first


def _key(view: View) -> str:
    chance = view.chance
    options = [*view.scalars, "p", "o % 2"]
    options += [f"{c} % 3" for c in view.of("int")]
    options += [f"{c} > 0" for c in view.of("int", "moments", "rough")]
    options += [f"coalesce({c}, 'none')" for c in view.of("text")]
    options += [f"CAST({c} AS BIGINT)" for c in view.of("text") if maybe(chance, 0.1)]
    options += [f"{c}.x" for c in view.of("struct")] + [f"{c}.t" for c in view.of("struct")]
    options += [f"{c}[1]" for c in view.of("list")] + [f"len({c})" for c in view.of("list")]
    options += [f"{c}->>'a'" for c in view.of("json")]
    options += [f"{chance.choice(view.scalars)} IS NULL", "date_trunc('hour', ts)"]
    return chance.choice(options)


def _grouping(view: View, windowed: bool, lives: bool) -> tuple[list[str], str, dict[str, str]]:
    """Return (selected key columns, GROUP BY, bounds); fills in ``view.keys``."""
    chance = view.chance
    if view.by is not None:
        return _grouping_of_sessions(view, view.by)
    keys = [_key(view) for _ in range(chance.choice([0, 1, 1, 1, 2, 2, 3]))]
    windows = []
    if windowed and (lives or maybe(chance, 0.8)):
        windows = [chance.choice(["window_start", "window_end"])]
        if maybe(chance, 0.2):
            windows = ["window_start", "window_end"]
    keys = list(dict.fromkeys(keys))
    # sqlglot takes no comparison for a key within ROLLUP (…).
    compares = any(" > " in key or " IS " in key for key in keys)
    sets = len(keys) > 0 and not compares and maybe(chance, 0.15)
    # Keys within grouping sets are columns of their own, or GROUPING could not name them.
    names = [f"k{i}" for i in range(len(keys))]
    told = [f"{key} AS {name}" for key, name in zip(keys, names, strict=True)]
    view.keys = [*windows, *names]
    bounds = dict.fromkeys(view.keys, EXACT)
    selected = [*windows, *told]
    if sets:
        listed = ", ".join(keys)
        form = chance.choice(
            [f"ROLLUP ({listed})", f"CUBE ({listed})", f"GROUPING SETS (({listed}), ())"]
        )
        view.keys.insert(0, "g")
        bounds["g"] = EXACT
        grouped = ", ".join([*windows, form])
        return [f"GROUPING({listed}) AS g", *selected], f"SETS {grouped}", bounds
    references = [
        chance.choice([name, key, str(len(windows) + i + 1)])
        for i, (name, key) in enumerate(zip(names, keys, strict=True))
    ]
    return selected, ", ".join([*windows, *references]), bounds


def _grouping_of_sessions(view: View, by: list[str]) -> tuple[list[str], str, dict[str, str]]:
    """Return the same for sessions: their keys in any order, and maybe their ends."""
    by = view.chance.sample(by, len(by))
    view.keys = [*(f"k{i}" for i in range(len(by))), "window_start"]
    windows = ["window_start"] + (["window_end"] if maybe(view.chance, 0.7) else [])
    selected = [f"{key} AS k{i}" for i, key in enumerate(by)] + windows
    grouped = list(by)
    for bound in windows:  # wherever they stand, the key has the start last, and the end not
        grouped.insert(view.chance.randint(0, len(grouped)), bound)
    return selected, ", ".join(grouped), dict.fromkeys([*view.keys, *windows], EXACT)


def _output(view: View) -> tuple[str, str, str]:
    """Return (an output, the same for DuckDB, how it is compared)."""
    chance = view.chance
    whole = view.of("int")
    if maybe(chance, 0.35):
        options = [
            ("COUNT(*) * 2 + 1", EXACT),
            ("CASE WHEN COUNT(*) >= 3 THEN 'many' WHEN COUNT(*) = 2 THEN 'two' END", EXACT),
            ("nullif(COUNT(*), 2)", EXACT),
            (f"MAX({chance.choice(view.scalars)}) IS NULL", EXACT),
            (f"COUNT({chance.choice(view.scalars)}) / COUNT(*)", CLOSE),
        ]
        for c in whole:
            options += [
                (f"SUM({c}) / COUNT(*)", CLOSE), (f"SUM({c}) % 3", EXACT),
                (f"SUM({c}) // 2", EXACT), (f"coalesce(MAX({c}), 0)", EXACT),
                (f"MAX({c})::HUGEINT - MIN({c})::HUGEINT", EXACT),
                (f"abs(SUM({c}))", EXACT), (f"-SUM({c}) + COUNT({c})", EXACT),
                (f"CAST(SUM({c}) AS VARCHAR)", EXACT), (f"greatest(MIN({c}), 1)", EXACT),
                (f"SUM({c}) BETWEEN -2 AND 5", EXACT), (f"SUM({c}) IN (1, 2, NULL)", EXACT),
                (f"MAX({c}) IS DISTINCT FROM MIN({c})", EXACT),
                (f"SUM({c}) / nullif(MAX({c}), 0)", CLOSE),
                (f"CAST(SUM({c}) AS DOUBLE)", EXACT),
            ]  # fmt: skip
        for c in view.of("decimal"):
            options += [
                (f"round(SUM({c}), 1)", EXACT), (f"SUM({c}) + 1", EXACT),
                (f"MAX({c}) - MIN({c})", EXACT), (f"CAST(MIN({c}) AS VARCHAR)", EXACT),
                (f"SUM({c}) / COUNT(*)", CLOSE), (f"floor(MAX({c}))", EXACT),
                (f"CAST(MAX({c}) AS DOUBLE)", EXACT), (f"CAST(MIN({c}) AS BIGINT)", EXACT),
            ]  # fmt: skip
        for c in view.of("moments"):
            options += [(f"SUM({c}) * 0.5", EXACT), (f"MIN({c}) > MAX({c})", EXACT)]
        for c in view.of("text"):
            options += [
                (f"MAX({c}) || '!'", EXACT), (f"length(MIN({c}))", EXACT),
                (f"coalesce(MIN({c}), '?')", EXACT), (f"MIN({c}) < MAX({c})", EXACT),
            ]  # fmt: skip
        text, bound = chance.choice(options)
        return text, text, bound
    told, asked, bound = _call(view)
    if maybe(chance, 0.25):
        condition = _condition(view)
        told, asked = (f"{call} FILTER (WHERE {condition})" for call in (told, asked))
    return told, asked, bound


def _call(view: View) -> tuple[str, str, str]:
    """Return an aggregate as kept, as asked of DuckDB, and how it is compared."""
    chance = view.chance
    scalar = chance.choice(view.scalars)
    distinct = "DISTINCT " if maybe(chance, 0.1) else ""
    options = [
        ("COUNT(*)", "", EXACT), (f"COUNT({scalar})", "", EXACT),
        (f"MIN({distinct}{scalar})", "", EXACT), (f"MAX({distinct}{scalar})", "", EXACT),
        (f"any_value({scalar})", f"MIN({scalar})", EXACT),
    ]  # fmt: skip
    if view.by is None:  # in sessions different values are refused
        options += [(f"COUNT(DISTINCT {scalar})", "", EXACT)]
        for c in view.of("int", "decimal"):
            options += [(f"SUM(DISTINCT {c})", "", EXACT), (f"AVG(DISTINCT {c})", "", CLOSE)]
    condition = _condition(view)
    options += [(f"{name}({condition})", "", EXACT) for name in ("bool_and", "bool_or")]
    options += [(f"count_if({condition})", "", EXACT)]
    for c in view.of("sum"):
        options += [(f"SUM({c})", "", EXACT)]
        options += [(f"AVG({c})", "", CLOSE)] if c not in view.of("truth") else []
    for c in view.of("rough"):
        options += [(f"SUM({c})", f"fsum({c})", ROUGH), (f"AVG({c})", f"favg({c})", ROUGH)]
    for c in view.of("bits"):
        options += [(f"{name}({c})", "", EXACT) for name in ("bit_and", "bit_or", "bit_xor")]
    moments = view.of("moments")
    if moments:
        y, x = chance.choice(moments), chance.choice(moments)
        one = ("var_pop", "var_samp", "stddev_pop", "stddev_samp", "variance", "stddev")
        two = ("covar_pop", "covar_samp", "corr", "regr_slope", "regr_intercept", "regr_r2",
               "regr_avgx", "regr_avgy", "regr_sxx", "regr_syy", "regr_sxy")  # fmt: skip
        options += [(f"{chance.choice(one)}({x})", "", MOMENT)] * 2
        options += [(f"{chance.choice(two)}({y}, {x})", "", MOMENT)] * 2
        options += [(f"regr_count({y}, {x})", "", EXACT)]
    told, asked, bound = chance.choice(options)
    return told, asked or told, bound


def _having(view: View) -> str:
    chance = view.chance
    options = ["COUNT(*) > 1", f"MAX({chance.choice(view.scalars)}) IS NOT NULL"]
    options += [f"{chance.choice(view.keys)} IS NOT NULL"] if view.keys else []
    options += [f"SUM({c}) > 0" for c in view.of("int", "decimal", "moments")]
    options += [f"NOT (MIN({c}) < 0 OR COUNT({c}) = 2)" for c in view.of("int")]
    options += [f"MIN({c}) = 'a'" for c in view.of("text")]
    return chance.choice(options)


def _plan(chance: Random) -> tuple[Step, ...]:
    return tuple(
        Step(chance.randint(1, 15), chance.choice(["commit", "crash", "go on"]))
        for _ in range(chance.randint(0, 8))
    )
