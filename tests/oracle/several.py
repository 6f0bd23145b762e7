"""Aggregates that keep values: of one event, in bounded lists, by how often they come, as sketches.

Each is made as ``Call`` says, and DuckDB is asked for the same over all events. A value of one
event is chosen among those that its elements share (``View.events``): two elements of one event
have one place, so nothing says which of them comes first.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.oracle.values import maybe
from tests.oracle.view import (
    ABOUT,
    CLOSE,
    EXACT,
    JSON,
    MAP,
    MAPS,
    OBJECT,
    TEXTS,
    View,
    nested_bound,
)

LISTED = {EXACT: JSON, MAP: MAPS}
"""How a list is compared, by how its values are."""


@dataclass(frozen=True)
class Call:
    """An aggregate.

    Attributes:
        told: As a view has it.
        asked: As DuckDB is asked, ``{where}`` standing for the condition of FILTER; empty where
            it is the same.
        bound: How it is compared.
    """

    told: str
    asked: str = ""
    bound: str = EXACT

    def under(self, condition: str) -> tuple[str, str, str]:
        """Return (as told, as asked, bound) with a condition, which may be empty."""
        filter_ = f" FILTER (WHERE {condition})" if condition else ""
        asked = self.asked.replace("{where}", condition or "true")
        return self.told + filter_, asked or self.told + filter_, self.bound


def picked(view: View) -> Call:
    """The value of one event."""
    chance = view.chance
    value, bound = _value(view)
    rank = chance.choice(view.scalars)
    down = " DESC" if maybe(chance, 0.5) else ""
    told, asked = f"ORDER BY {rank}{down}", f"{value} ORDER BY {rank}{down}, p, o"
    least, most = f"{value} ORDER BY {rank}, p, o", f"{value} ORDER BY {rank} DESC, p, o"
    known, ranked = f"{value} IS NOT NULL", f"{rank} IS NOT NULL"
    both = f"{known} AND {ranked}"
    options = [
        (f"first_value({value} {told})", f"first({asked})", ranked),
        (f"last_value({value} {told})", f"last({asked})", ranked),
        (f"first({value} IGNORE NULLS {told})", f"first({asked})", both),
        (f"last_value({value} {told} IGNORE NULLS)", f"last({asked})", both),
        (f"arg_min({value}, {rank})", f"first({least})", both),
        (f"max_by({value}, {rank})", f"first({most})", both),
        (f"arg_min_null({value}, {rank})", f"first({least})", ranked),
        (f"arg_max_null({value}, {rank})", f"first({most})", ranked),
        (f"earliest({value})", f"first({value} ORDER BY o, p)", known),
        (f"latest({value})", f"last({value} ORDER BY o, p)", known),
    ]
    told, asked, counts = chance.choice(options)
    return Call(told, f"{asked} FILTER (WHERE {{where}} AND {counts})", bound)


def listed(view: View) -> Call:
    """The first values of an order, or what is made of them."""
    chance = view.chance
    order, by, ranked = "", "o, p", "true"
    if maybe(chance, 0.6):
        rank = chance.choice(view.scalars)
        down = " DESC" if maybe(chance, 0.5) else ""
        order, by, ranked = f" ORDER BY {rank}{down}", f"{rank}{down}, p, o", f"{rank} IS NOT NULL"
    limit, most = "", view.list_limit
    if maybe(chance, 0.6):
        most = chance.choice([1, 2, 3, 1000])
        limit = f" LIMIT {most}"
    value, bound = _value(view)
    text = chance.choice(view.events)
    other = chance.choice([*view.events, *view.of("list", "struct", "structs")])
    known = f"{ranked} AND {text} IS NOT NULL"
    match chance.choice(["list", "string", "object"]):
        case "list":
            name = chance.choice(["array_agg", "list", "json_group_array"])
            asked = _first(most, value, by, ranked)
            return Call(f"{name}({value}{order}{limit})", asked, LISTED.get(bound, bound))
        case "string":
            separator = chance.choice([", ", "", "''"])
            texts = _first(most, f"CAST({text} AS VARCHAR)", by, known)
            return Call(
                f"string_agg({text}, '{separator}'{order}{limit})",
                f"array_to_string({texts}, '{separator}')",
            )
    pair = f"{{'k': CAST({text} AS VARCHAR), 'v': {other}}}"
    told = f"json_object_agg({text}, {other}{order}{limit})"
    return Call(told, _first(most, pair, by, known), OBJECT)


def topped(view: View) -> Call:
    """The n least or greatest values, or those of the n least or greatest ranks."""
    chance = view.chance
    value, rank, n = chance.choice(view.events), chance.choice(view.scalars), chance.randint(1, 4)
    known, both = f"{value} IS NOT NULL", f"{value} IS NOT NULL AND {rank} IS NOT NULL"
    options = [
        (f"min({value}, {n})", value, known),
        (f"max({value}, {n})", f"{value} DESC", known),
        (f"arg_min({value}, {rank}, {n})", f"{rank}, p, o", both),
        (f"arg_max({value}, {rank}, {n})", f"{rank} DESC, p, o", both),
    ]
    told, by, counts = chance.choice(options)
    return Call(told, _first(n, value, by, counts), JSON)


def _first(n: int, value: str, by: str, counts: str) -> str:
    """DuckDB's list of the first n values of an order among those that count."""
    return f"(array_agg({value} ORDER BY {by}) FILTER (WHERE {{where}} AND {counts}))[:{n}]"


def tallied(view: View) -> Call:
    """Different values, or how often each comes."""
    chance = view.chance
    value, text = chance.choice(view.scalars), chance.choice(["", *view.of("text")])
    most = chance.choice([1, 2, 3, 1000])
    limit, kept = f" LIMIT {most}", most
    if maybe(chance, 0.3):
        limit, kept = "", view.list_limit
    if text and maybe(chance, 0.3):
        asked = f"array_to_string({_different(text)}[:{kept}], '-')"
        return Call(f"string_agg(DISTINCT {text}, '-'{limit})", asked)
    where = f"FILTER (WHERE {{where}} AND {value} IS NOT NULL)"
    whole = f"CASE WHEN COUNT(DISTINCT {value}) {where} BETWEEN 1 AND {most} THEN"
    match chance.choice(["values", "histogram", "mode"]):
        case "values":
            form = chance.choice(["array_agg(DISTINCT {})", "list(DISTINCT {})", "collect_set({})"])
            return Call(form.format(value + limit), f"{_different(value)}[:{kept}]", JSON)
        case "histogram":
            asked = f"{whole} histogram({value}) {where} END"
            return Call(f"histogram({value} LIMIT {most})", asked, MAP)
    asked = f"{whole} mode({value} ORDER BY {value}) {where} END"
    return Call(f"mode({value} LIMIT {most})", asked)


def _different(value: str) -> str:
    """DuckDB's list of different values, from the least on."""
    filter_ = f"FILTER (WHERE {{where}} AND {value} IS NOT NULL)"
    return f"list_sort(array_agg(DISTINCT {value}) {filter_})"


def sketched(view: View) -> Call:
    """What is near enough; of so few values, quantiles and the most frequent ones are exact."""
    chance = view.chance
    value = chance.choice(view.scalars)
    asked = f"COUNT(DISTINCT {value}) FILTER (WHERE {{where}})"
    options = [Call(f"approx_count_distinct({value})", asked, ABOUT)] * 2
    value, k = chance.choice([*view.of("int", "text", "truth"), "p", "o"]), chance.randint(1, 4)
    known = f"FILTER (WHERE {{where}} AND {value} IS NOT NULL)"
    asked = f"most(array_agg(CAST(to_json({value}) AS VARCHAR)) {known}, {k})"
    options.append(Call(f"approx_top_k({value}, {k})", asked, TEXTS))
    numbers = view.of("int", "decimal", "moments", "rough")
    if numbers and (view.window is None or view.window.kind in ("tumble", "session")):
        value, rank = chance.choice(numbers), chance.choice(["0", "0.5", "0.9", "1"])
        known = f"FILTER (WHERE {{where}} AND {value} IS NOT NULL)"
        asked = f"quantile_disc(CAST({value} AS DOUBLE), {rank}) {known}"
        options.append(Call(f"approx_quantile({value}, {rank})", asked))
    return chance.choice(options)


def different(view: View) -> Call:
    """COUNT, SUM and AVG of different values."""
    chance = view.chance
    one, other = chance.choice(view.scalars), chance.choice(view.scalars)
    both = f"FILTER (WHERE {{where}} AND {one} IS NOT NULL AND {other} IS NOT NULL)"
    options = [Call(f"COUNT(DISTINCT {one})")]
    options += [Call(f"COUNT(DISTINCT {one}, {other})", f"COUNT(DISTINCT ({one}, {other})) {both}")]
    options += [Call(f"COUNT(DISTINCT {c})") for c in view.of("list", "struct", "structs", "map")]
    for c in view.of("int", "decimal"):
        options += [Call(f"SUM(DISTINCT {c})"), Call(f"AVG(DISTINCT {c})", bound=CLOSE)]
    return chance.choice(options)


def _value(view: View) -> tuple[str, str]:
    """A value of the event, maybe a nested one, and how it is compared."""
    nested = view.of(*"list", "struct", "structs", "json", "map")
    if not nested or maybe(view.chance, 0.7):
        return view.chance.choice(view.events), EXACT
    name = view.chance.choice(nested)
    return name, nested_bound(view, name)
