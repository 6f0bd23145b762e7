"""The first rows of each key: ROW_NUMBER() in a subquery, of which the first are kept."""

from __future__ import annotations

from tests.oracle.event import condition, key
from tests.oracle.relation import From
from tests.oracle.values import maybe
from tests.oracle.view import EXACT, View, nested_bound


def numbered(view: View, read: From, windows: list[str]) -> tuple[str, str, dict[str, str]]:
    """Return (a query, the same for DuckDB, bounds); fills in ``view.keys``.

    Args:
        view: The view; it has no sessions and no lists.
        read: What it reads.
        windows: The bounds of windows in the key.
    """
    chance = view.chance
    keys = list(dict.fromkeys(key(view) for _ in range(chance.choice([0, 1, 1, 2]))))
    names = [f"k{i}" for i in range(len(keys))]
    values = [_value(view) for _ in range(chance.randint(1, 4))]
    bounds = dict.fromkeys(windows, EXACT)
    bounds |= {k: nested_bound(view, sql) for k, sql in zip(names, keys, strict=True)}
    bounds |= {f"a{i}": bound for i, (_, bound) in enumerate(values)}
    selected = [*windows, *(f"{sql} AS {k}" for k, sql in zip(names, keys, strict=True))]
    selected += [f"{value} AS a{i}" for i, (value, _) in enumerate(values)]
    view.keys = [*windows, *names]
    most = chance.choice([1, 1, 2, 4])
    if most > 1 or not view.keys:
        view.keys.append("rn")
    if view.keys[-1] == "rn" or maybe(chance, 0.3):
        selected.append("rn")
        bounds["rn"] = EXACT
    parts = ", ".join([*windows, *keys])
    by = f"PARTITION BY {parts} " if parts else ""
    order = ", ".join(_order(view) for _ in range(chance.choice([1, 1, 2])))
    where = condition(view) if maybe(chance, 0.4) else ""
    first = chance.choice([f"rn <= {most}", f"rn < {most + 1}", f"rn BETWEEN 1 AND {most}"])

    def query(relation: str, tie: str, where: str) -> str:
        number = f"ROW_NUMBER() OVER ({by}ORDER BY {order}{tie}) AS rn"
        inner = f"SELECT *, {number} FROM {relation}{where and f' WHERE {where}'}"
        return f"SELECT {', '.join(selected)}\nFROM ({inner}) WHERE {first}"

    shown = f"{where} AND {{shown}}" if where else "{shown}"
    return query(read.kept, "", where), query(read.asked, ", p, o", shown), bounds


def _value(view: View) -> tuple[str, str]:
    """A column, and how it is compared."""
    name, _ = view.chance.choice([*view.columns, ("o", None)])
    return name, nested_bound(view, name)


def _order(view: View) -> str:
    chance = view.chance
    down, nulls = chance.choice(["", " DESC"]), chance.choice(["", " NULLS FIRST"])
    return f"{chance.choice(view.scalars)}{down}{nulls}"
