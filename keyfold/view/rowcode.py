"""The way from stored bytes to a row, written out as Python source for one view.

Reading a row is a handful of steps per column, and what a general reader spends on finding out
which steps is more than the steps themselves. They are the same for all rows of a view, so they are
written down once, as the text of two functions, and compiled. The text holds numbers and the names
of the steps only; column names, types and SQL never come into it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from keyfold.view.aggregate import finalizer, slot_spans
from keyfold.view.partial import NO_TEXT, VERSION, PartialCodec, wrong_version
from keyfold.view.plan import ViewPlan
from keyfold.view.rowkey import value_decoder
from keyfold.view.types import Physical

Row = Callable[[bytes, bytes], list[Any]]
JsonRow = Callable[[bytes, bytes], "str | None"]
Keep = Callable[[list[Any]], bool]


def row_functions(
    plan: ViewPlan,
    codec: PartialCodec,
    template: str,
    fields: Sequence[tuple[int | Callable[[list[Any]], Any], Callable[[Any], object]]],
    keep: Keep | None,
) -> tuple[Row, JsonRow]:
    """Write and compile the readers of a view's rows.

    Args:
        plan: The view's plan.
        codec: Of its partials.
        template: Of the JSON object, with one ``%s`` for each field.
        fields: Where each value is found, as a place in the row or a function of the row, and what
            writes it where it is not NULL.
        keep: Says whether HAVING keeps a row; None where all are kept.

    Returns:
        (row key, partials) → the row's key values and answers in physical form; and the same → the
        row as JSON, None where it is hidden.
    """
    names: dict[str, Any] = {
        "unpack": codec.struct.unpack_from,
        "wrong_version": wrong_version,
        "from_bytes": int.from_bytes,
        "template": template,
        "keep": keep,
    }
    steps = [*_slot_steps(codec), *_key_steps(plan, names), *_answer_steps(plan, names)]
    parts = [f"k{i}" for i in range(len(plan.keys))] + [f"a{i}" for i in range(len(plan.answers))]
    row = f"[{', '.join(parts)}]"
    written = []
    whole = keep is not None
    for i, (found, write) in enumerate(fields):
        names[f"write{i}"] = write
        if callable(found):
            whole = True
            names[f"find{i}"] = found
            steps_of = f"x{i} = find{i}(row)"
        else:
            steps_of = f"x{i} = {parts[found]}"
        text = f"x{i}" if write is str else f"write{i}(x{i})"
        written.append((steps_of, f"'null' if x{i} is None else {text}"))
    json_steps = [f"row = {row}"] if whole else []
    if keep is not None:
        json_steps += ["if not keep(row):", "    return None"]
    json_steps += [step for step, _ in written]
    json_steps.append(f"return template % ({''.join(text + ', ' for _, text in written)})")
    source = _function("row", [*steps, f"return {row}"])
    source += _function("json_row", [*steps, *json_steps])
    exec(compile(source, f"<rows of {plan.name!r}>", "exec"), names)  # noqa: S102 (see above)
    return names["row"], names["json_row"]


def _function(name: str, steps: Sequence[str]) -> str:
    return f"def {name}(key, value):\n" + "".join(f"    {step}\n" for step in steps)


def _slot_steps(codec: PartialCodec) -> list[str]:
    """The steps from the partials' bytes to slot values ``s0``, ``s1`` and so on."""
    slots = [f"s{i}" for i in range(len(codec.slots))]
    steps = [
        f"({', '.join(['version', *slots])},) = unpack(value)",
        f"if version != {VERSION}:",
        "    raise wrong_version(version)",
    ]
    steps += [
        f"s{i} = from_bytes(s{i}, 'little', signed={slot.physical is Physical.I128})"
        for i, slot in enumerate(codec.slots)
        if slot.physical in (Physical.I128, Physical.U128)
    ]
    if codec.text_slots:
        steps.append(f"at = {codec.width}")
    for i in codec.text_slots:
        decoded = "" if codec.slots[i].physical is Physical.BYTES else ".decode()"
        steps += [
            f"if s{i} == {NO_TEXT}:",
            f"    s{i} = None",
            "else:",
            f"    end = at + s{i}",
            f"    s{i} = value[at:end]{decoded}",
            "    at = end",
        ]
    return steps


def _key_steps(plan: ViewPlan, names: dict[str, Any]) -> list[str]:
    """The steps from the row key to key values ``k0``, ``k1`` and so on."""
    steps = ["at = 0"] if plan.keys else []
    for i, kind in enumerate(plan.key_types):
        names[f"decode{i}"] = value_decoder(kind.physical)
        steps += [
            "if key[at] == 2:",
            f"    k{i} = None",
            "    at += 1",
            "else:",
            f"    k{i}, at = decode{i}(key, at + 1)",
        ]
    return steps


def _answer_steps(plan: ViewPlan, names: dict[str, Any]) -> list[str]:
    """The steps from slot values to answers ``a0``, ``a1`` and so on."""
    spans = slot_spans(plan.aggregates)
    steps = []
    for i, answer in enumerate(plan.answers):
        aggregate = plan.aggregates[answer.aggregate]
        names[f"final{i}"] = finalizer(answer.final, aggregate)
        span = spans[answer.aggregate]
        slots = ", ".join(f"s{slot}" for slot in range(span.start, span.stop))
        steps.append(f"a{i} = final{i}({slots})")
    return steps
