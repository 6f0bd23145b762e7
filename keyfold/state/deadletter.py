"""Dead letters: messages that could not be used, kept whole, with the reason.

They are written in the commit that moves the offsets past them, so none is lost and none comes
twice. The oldest go once there are more than ``dead_letters_max``; the ledger still counts them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import msgspec

from keyfold.state.layout import dead_letter_key, dead_letter_number
from keyfold.state.protocol import Reader


class DeadLetter(msgspec.Struct, frozen=True):
    """A message that could not be used.

    Attributes:
        source: Name of the source.
        partition: Where it came from.
        offset: Where it came from.
        timestamp_ms: When the log took it in, or -1.
        reason: What is wrong with it.
        value: Its bytes, None for a tombstone.
        view: The view that could not use it; empty when it could not be decoded at all.
        field: The field that does not fit, or empty.
        key: The message key, if it has one.
        headers: The message headers, if it has some.
        time_ms: When it became a dead letter.
    """

    source: str
    partition: int
    offset: int
    timestamp_ms: int
    reason: str
    value: bytes | None
    view: str = ""
    field: str = ""
    key: bytes | None = None
    headers: list[tuple[str, bytes | None]] | None = None
    time_ms: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it for people: text where the bytes are UTF-8, else base64."""
        return {
            "source": self.source,
            "view": self.view or None,
            "partition": self.partition,
            "offset": self.offset,
            "timestamp_ms": self.timestamp_ms,
            "reason": self.reason,
            "field": self.field or None,
            "value": _text(self.value),
            "key": _text(self.key),
            "headers": [[name, _text(value)] for name, value in self.headers or []],
            "dead_lettered_at_ms": self.time_ms,
        }


def _text(raw: bytes | None) -> str | dict[str, str] | None:
    if raw is None:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(DeadLetter)


def encode(letter: DeadLetter) -> bytes:
    """Return the stored form."""
    return _encoder.encode(letter)


def read(
    store: Reader, first: int, after: int, *, newest_first: bool = False
) -> Iterator[tuple[int, DeadLetter]]:
    """Yield (number, letter) for the numbers first <= number < after that are kept."""
    for key, raw in store.scan(
        dead_letter_key(first), dead_letter_key(after), backwards=newest_first
    ):
        yield dead_letter_number(key), _decoder.decode(raw)
