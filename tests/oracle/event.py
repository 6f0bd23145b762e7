"""Expressions over one event: conditions, keys, computed columns."""

from __future__ import annotations

from tests.oracle.values import KINDS, Kind, maybe
from tests.oracle.view import View


def computed(view: View) -> tuple[str, Kind]:
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
    options += [(f"{c}['a']", KINDS[0]) for c in view.of("map")]
    return chance.choice(options)


def condition(view: View) -> str:
    """A condition over one event that never fails."""
    chance = view.chance
    scalar = chance.choice(view.scalars)
    options = [f"{scalar} IS NOT NULL", f"NOT ({scalar} IS NULL)", "o % 4 <> 1", "p < 2"]
    options += [f"{c} > {chance.randint(-2, 3)}" for c in view.of("int", "moments", "sum")
                if c not in view.of("truth")]  # fmt: skip
    options += [f"{c} IN ('a', 'b', '')" for c in view.of("text")]
    options += view.of("truth")
    options += [f"len({c}) > 0" for c in view.of("list", "structs")]
    options += [f"cardinality({c}) > 1" for c in view.of("map")]
    options += [f"map_contains({c}, 'b')" for c in view.of("map")]
    first = chance.choice(options)
    if maybe(chance, 0.3):
        return f"({first} {chance.choice(['AND', 'OR'])} {chance.choice(options)})"
    return first


def key(view: View) -> str:
    """A key column."""
    chance = view.chance
    options = [*view.scalars, "p", "o % 2"]
    options += [f"{c} % 3" for c in view.of("int")]
    options += [f"{c} > 0" for c in view.of("int", "moments", "rough")]
    options += [f"coalesce({c}, 'none')" for c in view.of("text")]
    options += [f"CAST({c} AS BIGINT)" for c in view.of("text") if maybe(chance, 0.1)]
    options += [f"{c}.x" for c in view.of("struct")] + [f"{c}.t" for c in view.of("struct")]
    options += [f"{c}[1]" for c in view.of("list")] + [f"len({c})" for c in view.of("list")]
    options += [f"{c}->>'a'" for c in view.of("json")]
    options += [f"{c}['a']" for c in view.of("map")] + [f"map_keys({c})[1]" for c in view.of("map")]
    options += view.of("list", "struct", "structs", "map")
    options += [f"{chance.choice(view.scalars)} IS NULL", "date_trunc('hour', ts)"]
    chosen = chance.choice(options)
    return "x" if chosen == view.twin else chosen
