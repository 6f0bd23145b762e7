"""Generated messages: whole ones, misfits, duplicates, and what is no JSON object at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from tests.oracle.source import Source
from tests.oracle.values import EPOCH_MS, maybe

BROKEN = ("", "[1]", "{", "nonsense", "null", '"text"')


@dataclass(frozen=True)
class Message:
    """A message.

    Attributes:
        source: Where it lies.
        partition: And in which part of it.
        text: What it says.
        row: What DuckDB is told, as SQL literals; None where the message is a dead letter.
        misfits: The columns that it does not fit; a view that reads one must not count it.
        second: Its event time, if it can be read.
        timestamp_ms: Its own timestamp, -1 without one.
        moves: Whether its event time moves time on.
    """

    source: str
    partition: int
    text: str
    row: tuple[str, ...] | None
    misfits: frozenset[str] = frozenset()
    second: int | None = None
    timestamp_ms: int = -1
    moves: bool = True

    def message(self) -> bytes:
        return self.text.encode()


def make_messages(chance: Random, source: Source) -> tuple[Message, ...]:
    """Make the messages of a source, out of order."""
    offsets = [0, 0, 0]
    made: list[Message] = []
    for _ in range(chance.choice([0, 3, 10, 20, 40])):
        partition = chance.randint(0, 2)
        if maybe(chance, 0.05):
            one = Message(source.name, partition, chance.choice(BROKEN), None)
        elif made and maybe(chance, 0.1):
            one = _again(chance.choice(made), partition, offsets[partition])
        else:
            one = _message(chance, source, partition, offsets[partition])
        made.append(_stamped(chance, source, one))
        offsets[partition] += 1
    return tuple(made)


def _stamped(chance: Random, source: Source, message: Message) -> Message:
    """Give a message a timestamp of its own, mostly near its event's time."""
    if not source.stamped or maybe(chance, 0.1):
        return replace(message, timestamp_ms=-1, moves=True)
    second = message.second
    if second is None or maybe(chance, 0.2):
        at_s = chance.randint(0, 1500)
    else:
        at_s = second + chance.choice([0, 0, 3, 60, -20, -300, -3600, -3601])
    timestamp_ms = EPOCH_MS + at_s * 1_000
    moves = second is None or source.moves(second, timestamp_ms)
    return replace(message, timestamp_ms=timestamp_ms, moves=moves)


def _again(other: Message, partition: int, offset: int) -> Message:
    """The same message once more: another event, with a place of its own."""
    row = other.row and (*other.row[:-2], str(partition), str(offset))
    return replace(other, partition=partition, row=row)


def _message(chance: Random, source: Source, partition: int, offset: int) -> Message:
    fields, row, misfits = [], [], set()
    for name, kind in source.kinds:
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
        fields.append(f'"{source.time}":"{at}{chance.choice(["", "Z"])}"')
        row.append(f"'{at}'")
    fields.append('"other":[1]')
    chance.shuffle(fields)
    text = "{" + ",".join(fields) + "}"
    dead = source.watermark and second is None
    whole = None if dead else (*row, str(partition), str(offset))
    return Message(source.name, partition, text, whole, frozenset(misfits), second)
