"""Views over windows that share events, and DuckDB's answers to them."""

from __future__ import annotations

from tests.laws.stream import PIPELINE

SOURCE = PIPELINE[: PIPELINE.index("CREATE MATERIALIZED VIEW")]
_ITEMS = (
    "COUNT(*) AS n, COUNT(amount) AS paid, SUM(amount) AS total, MIN(id) AS least, "
    "MAX(user_id) AS name, SUM(weight) AS weight, AVG(amount) AS mean"
)


def shared(kind: str, step_s: int, size_s: int, offset_s: int = 0) -> tuple[str, str]:
    """A window call, and what it stands for: a relation with an event for each of its windows."""
    call = f"{kind}(orders, ts, INTERVAL '{step_s}' SECOND, INTERVAL '{size_s}' SECOND"
    call += f", INTERVAL '{offset_s}' SECOND)" if offset_s else ")"
    us = f"(epoch_us(ts) - {offset_s}000000)"
    if kind == "HOP":
        start = f"{us} // {step_s}000000 * {step_s}000000 - i * {step_s}000000"
        end = f"{start} + {size_s}000000"
        where = "true"
    else:
        start = f"{us} // {size_s}000000 * {size_s}000000"
        end = f"{start} + (i + 1) * {step_s}000000"
        where = f"{end} > {us}"
    bounds = ", ".join(
        f"make_timestamp(({bound} + {offset_s}000000)::BIGINT)::TIMESTAMPTZ AS {name}"
        for bound, name in ((start, "window_start"), (end, "window_end"))
    )
    relation = f"(SELECT *, {bounds} FROM orders, range({size_s // step_s}) AS t(i) WHERE {where})"
    return call, relation


HOP = shared("HOP", 60, 240)
HOP_OFFSET = shared("HOP", 30, 150, 20)
HOP_WHOLE = shared("HOP", 60, 60)
CUMULATE = shared("CUMULATE", 60, 300)
CUMULATE_OFFSET = shared("CUMULATE", 20, 120, -10)
LIVE = " WHERE window_end + INTERVAL '5 minutes' > (SELECT MAX(ts) - INTERVAL '5 s' FROM orders)"
VIEWS: dict[str, tuple[tuple[str, str], str, str, str, str]] = {
    # Name → window, key, retention, WHERE, HAVING.
    "user_hop": (HOP, "user_id, window_start", "5 minutes", "", ""),
    "hop_user": (HOP_OFFSET, "window_start, window_end, user_id", "", "", "COUNT(*) > 1"),
    "hop_ends": (HOP, "window_end, user_id, window_start, large", "5 minutes", "amount > 0", ""),
    "hop_all": (HOP_OFFSET, "window_end", "", "", ""),
    "hop_whole": (HOP_WHOLE, "window_start", "5 minutes", "", ""),
    "user_sum": (CUMULATE, "user_id, window_start, window_end", "5 minutes", "", ""),
    "sum_user": (CUMULATE_OFFSET, "window_end, user_id, window_start", "", "id % 2 = 0", ""),
    "sum_all": (CUMULATE, "window_end", "5 minutes", "", "COUNT(*) > 2"),
}
_DIFFERENT = (
    f"{_ITEMS}, COUNT(DISTINCT id) AS ids, SUM(DISTINCT amount) AS amounts, "
    "COUNT(DISTINCT user_id) FILTER (WHERE id % 7 > 2) AS users, "
    "COUNT(DISTINCT amount) FILTER (WHERE amount > 0) AS some, AVG(DISTINCT id % 7) AS middle"
)
DIFFERENT = ("user_hop", "hop_user", "hop_ends", "hop_all", "hop_whole", "user_sum", "sum_user")
CLOSED = ("user_hop", "hop_all", "hop_whole", "user_sum", "sum_user")
KEYS = {name: view[1].split(", ") for name, view in VIEWS.items()}
KEYS |= {f"{name}_closed": KEYS[name] for name in CLOSED}
KEYS |= {f"{name}_different": KEYS[name] for name in DIFFERENT}


def _select(source: str, key: str, where: str, having: str, items: str = _ITEMS) -> str:
    keys = key.replace("large", "amount > 10 AS large")
    return (
        f"SELECT {keys}, {items} FROM {source}{f' WHERE {where}' if where else ''} "
        f"GROUP BY {key}{f' HAVING {having}' if having else ''}"
    )


SQL = SOURCE + "\n".join(
    f"CREATE MATERIALIZED VIEW {name} "
    f"{f'''WITH (retention = '{retention}')''' if retention else ''} AS "
    f"{_select(window[0], key, where, having)};"
    for name, (window, key, retention, where, having) in VIEWS.items()
)
SQL += "\n" + "\n".join(
    f"CREATE MATERIALIZED VIEW {name}_closed "
    f"{f'''WITH (retention = '{retention}')''' if retention else ''} AS "
    f"{_select(window[0], key, where, having)} EMIT ON WINDOW CLOSE;"
    for name, (window, key, retention, where, having) in VIEWS.items()
    if name in CLOSED
)
"""Some of the views once more, hiding windows until they are closed."""
SQL += "\n" + "\n".join(
    f"CREATE MATERIALIZED VIEW {name}_different "
    f"{f'''WITH (retention = '{retention}')''' if retention else ''} AS "
    f"{_select(window[0], key, where, having, _DIFFERENT)};"
    for name, (window, key, retention, where, having) in VIEWS.items()
    if name in DIFFERENT
)
"""And some with different values."""
BATCH = {
    name: _select(f"(SELECT * FROM {window[1]}{LIVE if retention else ''})", key, where, having)
    for name, (window, key, retention, where, having) in VIEWS.items()
}
BATCH |= {
    f"{name}_closed": BATCH[name].replace(
        f"FROM (SELECT * FROM {VIEWS[name][0][1]}",
        f"FROM (SELECT * FROM (SELECT * FROM {VIEWS[name][0][1]} WHERE window_end <= "
        "(SELECT MAX(ts) - INTERVAL '5 s' FROM orders))",
    )
    for name in CLOSED
}
BATCH |= {f"{name}_different": BATCH[name].replace(_ITEMS, _DIFFERENT) for name in DIFFERENT}
