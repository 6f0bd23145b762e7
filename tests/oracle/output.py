"""SELECT and HAVING: aggregates and what stands around them."""

from __future__ import annotations

from tests.oracle.event import condition
from tests.oracle.several import Call, different, listed, picked, sketched, tallied, topped
from tests.oracle.values import maybe
from tests.oracle.view import CLOSE, EXACT, MOMENT, ROUGH, TEXTS, View


def output(view: View) -> tuple[str, str, str]:
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
    if maybe(chance, 0.1):
        return f"{told} IS NULL", f"{asked} IS NULL", EXACT
    return told, asked, bound


def _call(view: View) -> tuple[str, str, str]:
    """Return the same of an aggregate alone."""
    chance = view.chance
    makes = [_plain, _plain, tallied, sketched, different]
    if not view.many:  # the others choose by the place in a source
        makes += [picked, listed, topped]
    call = chance.choice(makes)(view)
    return call.under(condition(view) if maybe(chance, 0.25) else "")


def _plain(view: View) -> Call:
    """An aggregate of numbers: counts, sums, extremes, moments."""
    chance = view.chance
    scalar = chance.choice(view.scalars)
    distinct = "DISTINCT " if maybe(chance, 0.1) else ""
    options = [
        Call("COUNT(*)"), Call(f"COUNT({scalar})"),
        Call(f"MIN({distinct}{scalar})"), Call(f"MAX({distinct}{scalar})"),
        Call(f"any_value({scalar})", f"MIN({scalar}) FILTER (WHERE {{where}})"),
    ]  # fmt: skip
    truth = condition(view)
    options += [Call(f"{name}({truth})") for name in ("bool_and", "bool_or", "count_if")]
    for c in view.of("sum"):
        options += [Call(f"SUM({c})")]
        options += [Call(f"AVG({c})", bound=CLOSE)] if c not in view.of("truth") else []
    for c in view.of("rough"):
        options += [
            Call(f"{told}({c})", f"{asked}({c}) FILTER (WHERE {{where}})", ROUGH)
            for told, asked in (("SUM", "fsum"), ("AVG", "favg"))
        ]
    for c in view.of("bits"):
        options += [Call(f"{name}({c})") for name in ("bit_and", "bit_or", "bit_xor")]
    moments = view.of("moments", "spread")
    if moments:
        y, x = chance.choice(moments), chance.choice(moments)
        one = ("var_pop", "var_samp", "stddev_pop", "stddev_samp", "variance", "stddev")
        two = ("covar_pop", "covar_samp", "corr", "regr_slope", "regr_intercept", "regr_r2",
               "regr_avgx", "regr_avgy", "regr_sxx", "regr_syy", "regr_sxy")  # fmt: skip
        options += [Call(f"{chance.choice(one)}({x})", bound=MOMENT)] * 2
        options += [Call(f"{chance.choice(two)}({y}, {x})", bound=MOMENT)] * 2
        options += [Call(f"regr_count({y}, {x})")]
    return chance.choice(options)


def having(view: View) -> tuple[str, str]:
    """A condition on groups, and the same for DuckDB."""
    chance = view.chance
    if maybe(chance, 0.2):
        told, asked, bound = _call(view)
        if bound != TEXTS:  # DuckDB takes no lambda there
            return f"{told} IS NOT NULL", f"{asked} IS NOT NULL"
    options = ["COUNT(*) > 1", f"MAX({chance.choice(view.scalars)}) IS NOT NULL"]
    options += [f"{chance.choice(view.keys)} IS NOT NULL"] if view.keys else []
    options += [f"SUM({c}) > 0" for c in view.of("int", "decimal", "moments")]
    options += [f"NOT (MIN({c}) < 0 OR COUNT({c}) = 2)" for c in view.of("int")]
    options += [f"MIN({c}) = 'a'" for c in view.of("text")]
    text = chance.choice(options)
    return text, text
