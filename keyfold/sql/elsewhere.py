"""Functions of other databases, and of DuckDB, that a view has not: what does the same here."""

from __future__ import annotations

LAMBDA_HINT = "write the lambda as lambda x: …, since -> reads JSON"
_QUANTILE = "approx_quantile(x, 0.5) is near it"
AGGREGATES: dict[str, str] = {
    "arbitrary": "ANY_VALUE keeps one of the values",
    "fsum": "SUM of DOUBLE is compensated already",
    "sumkahan": "SUM of DOUBLE is compensated already",
    "kahan_sum": "SUM of DOUBLE is compensated already",
    "favg": "AVG of DOUBLE is compensated already",
    "median": _QUANTILE,
    "quantile": _QUANTILE,
    "quantile_cont": _QUANTILE,
    "quantile_disc": _QUANTILE,
    "percentile_cont": _QUANTILE,
    "percentile_disc": _QUANTILE,
}
"""Aggregates that DuckDB or the parser knows."""
FUNCTIONS: dict[str, str] = {
    "latest_by_offset": "write latest(x)",
    "earliest_by_offset": "write earliest(x)",
    "collect_list": "write array_agg(x LIMIT 10)",
    "topk": "write max(x, 3), which keeps the 3 greatest",
    "to_char": "write strftime(ts, '%Y-%m-%d')",
    "date_format": "write strftime(ts, '%Y-%m-%d')",
    "iif": "write if(condition, a, b), or CASE WHEN condition THEN a ELSE b END",
    "nvl": "write coalesce(a, b)",
    "every": "write bool_and(x)",
    "logical_and": "write bool_and(x)",
    "logical_or": "write bool_or(x)",
    "booland_agg": "write bool_and(x)",
    "boolor_agg": "write bool_or(x)",
}
"""Functions that nobody here knows."""
