"""FROM's window calls: TUMBLE, HOP, CUMULATE, SESSION → the source that they read, and the window.

A call of SESSION comes as ``SESSION(source, partition column…, time column, gap)``: the parser made
a comma of PARTITION BY.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlglot import exp

from keyfold.errors import SqlError, SqlLocation, did_you_mean
from keyfold.sql.dialect import call_name, sql_text
from keyfold.sql.location import SqlText
from keyfold.sql.relation import WINDOW_COLUMNS, Relation
from keyfold.sql.source import interval_us
from keyfold.sql.sourceplan import visible_columns
from keyfold.view.plan import SourcePlan, Window
from keyfold.view.types import TIMESTAMP, TIMESTAMPTZ

PANES_MAX = 1_440
"""Panes in a window: a day by the minute. Every lookup of a row reads and merges so many."""


@dataclass(frozen=True, slots=True)
class _Form:
    """How a window is called.

    Attributes:
        spans: What its intervals are, before the offset.
        takes: Its arguments in words.
        hint: A call of it.
        partitioned: Whether columns may stand before the time column.
    """

    spans: tuple[str, ...]
    takes: str
    hint: str
    partitioned: bool = False


_FORMS = {
    "tumble": _Form(("size",), "a size", "write TUMBLE(source, time column, INTERVAL '1' MINUTE)"),
    "hop": _Form(
        ("slide", "size"),
        "a slide, a size",
        "write HOP(source, time column, INTERVAL '1' MINUTE, INTERVAL '10' MINUTE): slide, size",
    ),
    "cumulate": _Form(
        ("step", "size"),
        "a step, a largest size",
        "write CUMULATE(source, time column, INTERVAL '1' HOUR, INTERVAL '1' DAY): step, size",
    ),
    "session": _Form(
        ("gap",),
        "a gap",
        "write SESSION(source PARTITION BY column, time column, INTERVAL '10' MINUTE)",
        partitioned=True,
    ),
}
TUMBLE_HINT = _FORMS["tumble"].hint
NamedSource = Callable[[exp.Expr], SourcePlan]


def windowed_source(text: SqlText, call: exp.Expr, named: NamedSource) -> SourcePlan:
    """Return the source that a window call reads.

    Args:
        text: The file.
        call: The call that stands in FROM.
        named: Finds a source by the node of its name.

    Raises:
        SqlError: It is no call of a window, or has another number of arguments.
    """
    name = call_name(call)
    form = _FORMS.get(name)
    if form is None:
        raise text.error(
            call,
            f"a view cannot read {name.upper()}",
            "read a source, or TUMBLE(source, time column, INTERVAL …), HOP, CUMULATE or SESSION",
        )
    least, given = 2 + len(form.spans), len(call.expressions)
    if given < least or (given > least + 1 and not form.partitioned):
        rest = f", {form.takes} and maybe an offset"
        if form.partitioned:
            rest = f" and {form.takes}"
        raise text.error(call, f"{name.upper()} takes a source, a time column{rest}", form.hint)
    return named(call.expressions[0])


def time_place(call: exp.Expr) -> int:
    """Return which argument of a window call is its time column; there need be none."""
    form = _FORMS.get(call_name(call))
    return len(call.expressions) - 2 if form is not None and form.partitioned else 1


def partition_columns(call: exp.Expr) -> list[exp.Expr]:
    """Return what a window call says in PARTITION BY."""
    columns: list[exp.Expr] = []
    for one in call.expressions[1 : time_place(call)]:
        columns += one.expressions if isinstance(one, exp.Tuple) else [one.unnest()]
    return columns


def window_of(text: SqlText, call: exp.Expr, named: NamedSource) -> tuple[SourcePlan, Window]:
    """Return the source that a window call reads, and the window.

    Raises:
        SqlError: An argument is none of its kind; at the argument.
    """
    source = windowed_source(text, call, named)
    kind = call_name(call)
    form = _FORMS[kind]
    column = _time_column(text, call, source)
    count = len(form.spans)
    spans = [_span(text, call, at) for at in range(len(call.expressions) - time_place(call) - 1)]
    for (span_us, place), what in zip(spans, form.spans, strict=False):
        if span_us <= 0:
            raise SqlError(f"a window has a positive {what}", hint=form.hint, location=place)
    offset_us = spans[count][0] if len(spans) > count else 0
    (size_us, place) = spans[count - 1]
    if count == 1:
        return source, Window(kind, column, size_us, offset_us % size_us)
    step_us = spans[0][0]
    if size_us % step_us:
        raise SqlError(
            f"the size of {kind.upper()} is no multiple of its {form.spans[0]}",
            hint=f"{form.hint.removeprefix('write ')}; "
            f"events are kept by {form.spans[0]}, and windows are made of whole ones",
            location=place,
        )
    if size_us // step_us > PANES_MAX:
        raise SqlError(
            f"a window of {kind.upper()} has {size_us // step_us} {form.spans[0]}s, "
            f"and {PANES_MAX} is the most",
            hint=f"every lookup merges so many: make the {form.spans[0]} longer",
            location=place,
        )
    window = Window(kind, column, size_us, 0, step_us)
    return source, Window(kind, column, size_us, offset_us % window.expiry_us, step_us)


def _span(text: SqlText, call: exp.Expr, at: int) -> tuple[int, SqlLocation]:
    # Before the time column there may be a subquery, with intervals of its own.
    time = time_place(call)
    place = text.word_after(call.expressions[time], "INTERVAL", at + 1)
    return interval_us(text, call.expressions[time + 1 + at], place), place


def _time_column(text: SqlText, call: exp.Expr, source: SourcePlan) -> str:
    arguments, name = call.expressions, call_name(call).upper()
    columns = {column.name.lower(): column for column in visible_columns(source)}
    time = arguments[time_place(call)]
    named = time.name.lower() if isinstance(time, exp.Column) else ""
    column = columns.get(named)
    times = [c.name for c in columns.values() if c.type in (TIMESTAMP, TIMESTAMPTZ)]
    if column is None or column.type not in (TIMESTAMP, TIMESTAMPTZ):
        kind = f": it is {column.type}" if column else ""
        raise text.error(
            time,
            f"{sql_text(time)} is no TIMESTAMP or TIMESTAMPTZ column of {source.name}{kind}",
            did_you_mean(named, times) or f"declare one in CREATE SOURCE {source.name}",
        )
    for taken in WINDOW_COLUMNS:
        if taken in columns:
            raise text.error(
                arguments[0],
                f"source {source.name} has a column {taken}, which {name} adds",
                f"rename it in CREATE SOURCE, or read the source without {name}",
            )
    return column.name


def window_key(
    reads: Relation,
    keys: Sequence[str],
    sets: Sequence[frozenset[int]] = (),
    clause: str = "GROUP BY",
) -> int | None:
    """Return the index of the key column that says which window a row is of.

    Args:
        reads: What is read, in windows or not.
        keys: The SQL of the key columns.
        sets: Grouping sets, each as indices of keys; empty where there is one of all keys.
        clause: Where the key columns are listed.

    Raises:
        SqlError: Windows share events, and no key column tells them apart.
    """
    window, call = reads.window, reads.call
    if window is None or call is None:
        return None
    if window.session:
        return len(keys) - 1
    # Windows of CUMULATE share their start, so only their end tells them apart.
    only_end = window.kind == "cumulate" and window.panes > 1
    telling = WINDOW_COLUMNS[1:] if only_end else WINDOW_COLUMNS
    index = next((i for i, key in enumerate(keys) if key in telling), None)
    if window.panes == 1:
        return index
    share = f"the windows of {window.kind.upper()} share events, and"
    if index is None:
        raise reads.text.error(
            call,
            f"{share} {clause} does not tell them apart",
            f"add {telling[0]} to {clause} and SELECT",
        )
    bounds = frozenset(i for i, key in enumerate(keys) if key in telling)
    if not all(bounds <= one for one in sets):
        # A row of all windows would count an event once, and SQL counts it in each of them.
        raise reads.text.error(
            call,
            f"{share} a grouping set is not of one window",
            f"group the sets within a window: GROUP BY {keys[index]}, ROLLUP (…)",
        )
    return index
