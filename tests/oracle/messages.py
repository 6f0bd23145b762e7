"""Generated messages: whole ones, misfits, duplicates, and what is no JSON object at all."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tests.oracle.values import Kind, maybe

BROKEN = ("", "[1]", "{", "nonsense", "null", '"text"')


@dataclass(frozen=True)
class Message:
    """A message.

    Attributes:
        partition: Where it lies.
        text: What it says.
        row: What DuckDB is told, as SQL literals; None where the message is a dead letter.
        misfits: The columns that it does not fit; a view that reads one must not count it.
        second: Its event time, if it can be read.
    """

    partition: int
    text: str
    row: tuple[str, ...] | None
    misfits: frozenset[str] = frozenset()
    second: int | None = None

    def message(self) -> bytes:
        return self.text.encode()


def make_messages(
    chance: Random, kinds: list[tuple[str, Kind]], watermark: bool
) -> tuple[Message, ...]:
    """Make the messages of a source with these columns and ``ts``, out of order."""
    offsets = [0, 0, 0]
    made: list[Message] = []
    for _ in range(chance.choice([0, 3, 10, 20, 40])):
        partition = chance.randint(0, 2)
        if maybe(chance, 0.05):
            made.append(Message(partition, chance.choice(BROKEN), None))
        elif made and maybe(chance, 0.1):
            made.append(_again(chance.choice(made), partition, offsets[partition]))
        else:
            made.append(_message(chance, kinds, watermark, partition, offsets[partition]))
        offsets[partition] += 1
    return tuple(made)


def _again(other: Message, partition: int, offset: int) -> Message:
    """The same message once more: another event, with a place of its own."""
    row = other.row and (*other.row[:-2], str(partition), str(offset))
    return Message(partition, other.text, row, other.misfits, other.second)


def _message(
    chance: Random, kinds: list[tuple[str, Kind]], watermark: bool, partition: int, offset: int
) -> Message:
    fields, row, misfits = [], [], set()
    for name, kind in kinds:
        fate = chance.random()
        if fate < 0.08:
            row.append("NULL")
        elif fate < 0.16:
            fields.append(f'"{name}":null')
            row.append("NULL")
        elif fate < 0.18 and kind.misfits:
            misfit = chance.choice(kind.misfits)
            fields.append(f'"{name}":{misfit}')
            row.append("NULL")
            misfits.add(name)
        else:
            text, literal = kind.draw(chance)
            fields.append(f'"{name}":{text}')
            row.append(literal)
    second: int | None = None
    if maybe(chance, 0.04):
        row.append("NULL")
    else:
        step = chance.choice([1, 1, 10, 60])  # some lie at the bounds of windows, or tie
        second = chance.randint(0, 1500 // step) * step
        at = f"2026-03-01T00:{second // 60:02}:{second % 60:02}"
        fields.append(f'"ts":"{at}{chance.choice(["", "Z"])}"')
        row.append(f"'{at}'")
    fields.append('"other":[1]')
    chance.shuffle(fields)
    text = "{" + ",".join(fields) + "}"
    dead = watermark and second is None
    whole = None if dead else (*row, str(partition), str(offset))
    return Message(partition, text, whole, frozenset(misfits), second)
