"""``keyfold explain``: how each view is kept, and what a group costs."""

from __future__ import annotations

from pathlib import Path

import msgspec
from rich.console import Console

from keyfold.cli.check import Compiled, compile_file, duration, window_text
from keyfold.cli.show import add_row, out, table
from keyfold.errors import SqlError, did_you_mean
from keyfold.state.layout import MEMBERS, view_prefix
from keyfold.state.spans import PLACES_BYTES
from keyfold.view.aggregate import Aggregate
from keyfold.view.distinct import SET_NUMBER_BYTES, value_sets
from keyfold.view.expression import Answer, Call, Expression, Fold, Item, Key, Literal
from keyfold.view.family.best import BEST, order_words
from keyfold.view.family.law import Slot
from keyfold.view.family.registry import FAMILIES
from keyfold.view.partial import PartialCodec
from keyfold.view.plan import ViewPlan
from keyfold.view.rowkey import encode_value
from keyfold.view.types import Physical, column_type

_VERSION_BYTES = PartialCodec(()).width
_INFIX = frozenset("= <> < <= > >= + - * / // % ||".split()) | {"and", "or"}


def explain_file(file: Path, name: str | None) -> None:
    """Print the plan of every view in the file, or of one.

    Raises:
        SqlError: The file cannot be run, or has no view of that name.
    """
    compiled = compile_file(file)
    console = out()
    for view in _chosen(compiled, file, name):
        _explain(console, view)
    for source, why in compiled.reasons.items():
        views = ", ".join(view for view, read in compiled.waiting.items() if read == source)
        if name is None and views:
            told = f"not explained: {views}, over source {source}: {why}"
            console.print(told, markup=False, soft_wrap=True)


def _chosen(compiled: Compiled, file: Path, name: str | None) -> tuple[ViewPlan, ...]:
    if name is not None and name not in compiled.views:
        hint = did_you_mean(name, compiled.views) or "it defines none"
        raise SqlError(f"{file} defines no view {name}", hint=hint)
    if name in compiled.waiting:
        source = compiled.waiting[name]
        raise SqlError(
            f"view {name} cannot be explained: the columns of source {source} are not known",
            hint=compiled.reasons[source],
        )
    return compiled.catalog.views if name is None else (compiled.catalog.view(name),)


def _explain(console: Console, view: ViewPlan) -> None:
    of = f"source{'s' if view.others else ''} {', '.join(view.sources)}"
    console.rule(f"view {view.name} of {of}", align="left", style="dim")
    keys = table("key column", "type", "computed as", "bytes")
    for key in view.keys:
        add_row(keys, [key.name, key.type, key.sql, key_bytes_text(key.type)])
    console.print(keys)
    partials = table("partial", "of", "only where", "slots, with bytes", "#bytes", "can be undone")
    for aggregate in view.aggregates:
        add_row(partials, _partial_row(aggregate))
    console.print(partials)
    outputs = table("output", "type", "finalized as")
    for output in view.outputs:
        add_row(outputs, [output.name, output.type, expression_text(view, output.expression)])
    console.print(outputs)
    for aggregate in view.shown.aggregates:
        if aggregate.family.startswith(BEST):
            arguments = [operand.sql for operand in aggregate.operands]
            words = order_words(arguments, aggregate.family)
            first = "the first" if view.top is None else f"the first {view.top.rows}"
            _line(console, f"rows of a group   {first} by {words}")
    if view.having is not None:
        _line(console, f"shown only where  {expression_text(view, view.having)}")
    _line(console, f"window            {window_text(view)}")
    kept = "for ever" if view.retention_us is None else duration(view.retention_us)
    _line(console, f"retention         {kept}")
    _line(console, f"cost of a group   {group_cost(view)}")
    for cost in value_costs(view):
        _line(console, f"cost of a value   {cost}")
    for part in view.parts:
        of = f" of {part.source}" if view.others else ""
        _line(console, f"columns read      {', '.join(part.columns_read) or 'none'}{of}")
    _line(console, f"fingerprint       {view.fingerprint}")
    for part in view.parts:
        of = f" of {part.source}" if view.others else ""
        _line(console, f"\nSQL per batch{of}:\n{part.batch_sql}\n")


def _line(console: Console, text: str) -> None:
    # SQL is meant to be copied: no markup, no cuts at the width of the terminal.
    console.print(text, markup=False, soft_wrap=True)


def _partial_row(aggregate: Aggregate) -> list[object]:
    slots = ", ".join(
        f"{slot.name} {slot.physical} {slot_bytes_text(slot)}" for slot in aggregate.slots
    )
    inverse = "yes" if FAMILIES[aggregate.family].inverse else "no"
    size = PartialCodec(aggregate.slots).width - _VERSION_BYTES
    return [aggregate.family, aggregate.text, aggregate.where or "any", slots, size, inverse]


def slot_bytes_text(slot: Slot) -> str:
    """Say how many bytes a slot takes in a partial."""
    width = PartialCodec((slot,)).width - _VERSION_BYTES
    return f"{width} + {_content(slot)}" if slot.physical.varies else str(width)


def _content(slot: Slot) -> str:
    return "bytes" if slot.physical is Physical.BYTES else "text"


def key_bytes_text(type_name: str) -> str:
    """Say how many bytes a value of a key column takes in a row key."""
    fixed, variable = _key_bytes(type_name)
    return f"{fixed} + text" if variable else str(fixed)


def _key_bytes(type_name: str) -> tuple[int, bool]:
    """Return (bytes of tag, terminator and fixed value; whether text comes on top)."""
    physical = column_type(type_name).physical
    variable = physical.varies
    empty: object = b"" if physical is Physical.BYTES else ""
    return len(encode_value(physical, empty if variable else 0)), variable


def group_cost(view: ViewPlan) -> str:
    """Say what one group takes in the state, before compression."""
    key = len(view_prefix(0)) + sum(_key_bytes(column.type)[0] for column in view.keys)
    partial = PartialCodec(view.slots).width
    texts = [f"the text of {column.name}" for column in view.keys if _key_bytes(column.type)[1]]
    texts += [
        f"the {_content(slot)} of {aggregate.family}({aggregate.text})"
        for aggregate in view.aggregates
        for slot in aggregate.slots
        if slot.physical.varies
    ]
    more = "".join(f" + {text}" for text in texts)
    return f"{key + partial} bytes (key {key}, partial {partial}){more}"


def value_costs(view: ViewPlan) -> list[str]:
    """Say what each different value takes in each set of a group, before compression."""
    key = len(MEMBERS + view_prefix(0)) + sum(_key_bytes(column.type)[0] for column in view.keys)
    texts = [f"the text of {column.name}" for column in view.keys if _key_bytes(column.type)[1]]
    costs = []
    for one in value_sets(view.aggregates):
        sizes = [_key_bytes(operand.type) for operand in one.operands]
        told = texts + [
            f"the text of {operand.sql}"
            for operand, (_, varies) in zip(one.operands, sizes, strict=True)
            if varies
        ]
        more = "".join(f" + {text}" for text in told)
        size = key + SET_NUMBER_BYTES + sum(fixed for fixed, _ in sizes)
        size += PLACES_BYTES if view.tiled else 0
        where = f" where {one.where}" if one.where else ""
        listed = ", ".join(operand.sql for operand in one.operands)
        tile = ""
        if view.tiled and view.window is not None:
            tile = f" in each tile of {duration(view.window.size_us)}"
        costs.append(f"{size} bytes{more}, for each DISTINCT {listed}{where}{tile}")
    return costs


def expression_text(view: ViewPlan, expression: Expression) -> str:
    """Write an output's expression in SQL's words."""
    match expression:
        case Key(index=index):
            return view.keys[index].name
        case Answer(index=index):
            answer = view.answers[index]
            aggregate = view.shown.aggregates[answer.aggregate]
            where = f" FILTER (WHERE {aggregate.where})" if aggregate.where else ""
            words = aggregate.words(answer.final.function)
            if answer.final.detail is not msgspec.UNSET:
                words = f"{words.removesuffix(')')}, {answer.final.detail!r})"
            return f"{words}{where}"
        case Literal(value=value):
            return "NULL" if value is None else repr(value)
        case Item(path=path):
            return ".".join(["item", *path])
        case Fold():
            return _fold_text(view, expression)
        case Call(function=function, arguments=arguments):
            texts = [expression_text(view, argument) for argument in arguments]
            if function in _INFIX and len(texts) > 1:
                return f"({f' {function.upper()} '.join(texts)})"
            if function == "cast":
                return f"CAST({texts[0]} AS {expression.type})"
            return f"{function}({', '.join(texts)})"


def _fold_text(view: ViewPlan, fold: Fold) -> str:
    value = expression_text(view, fold.value) if fold.value is not None else "item"
    conditions = " AND ".join(expression_text(view, one) for one in fold.conditions)
    chosen = f" if {conditions}" if conditions else ""
    return f"{fold.function}([{value} for item in {expression_text(view, fold.items)}{chosen}])"
