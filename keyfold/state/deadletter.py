"""Dead letters: messages that could not be used, kept whole, with the reason.

They are written in the commit that moves the offsets past them, so none is lost and none comes
twice. The oldest go once there are more than ``dead_letters_max``; the ledger still counts them.

A source that is built again buries the same messages again, and a view does those that it cannot
evaluate: letters with its name. (A field that does not fit is the source's matter.) The old
letters stay, since the log may not have those messages any more; each names its build, and who asks
sees the present ones.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from keyfold.state.layout import dead_letter_key, dead_letter_number
from keyfold.state.protocol import Reader
from keyfold.state.record import CommitRecord, StoredCatalog, ViewRecord
from keyfold.view.plan import Catalog, SourcePlan, ViewPlan


class DeadLetter(msgspec.Struct, frozen=True):
    """A message that could not be used.

    Attributes:
        source: Name of the source.
        partition: Where it came from.
        offset: Where it came from.
        timestamp_ms: When the log took it in, or -1.
        reason: What is wrong with it.
        value: Its bytes, None for a tombstone.
        view: The view whose SQL cannot be evaluated on it. Empty where it could not be decoded:
            then no view could use it, or those that read ``field`` could not.
        field: The place that does not fit its type, a column or in one (``items[1].qty``); or
            empty.
        key: The message key, if it has one.
        headers: The message headers, if it has some and their names are UTF-8.
        time_ms: When it became a dead letter.
        build: Id of the view, or of the source where ``view`` is empty, at that time
            (``StoredCatalog``); 0 for a source in its first build, and in letters of earlier forms.
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
    build: int = 0

    def as_dict(self, *, earlier: bool) -> dict[str, Any]:
        """Return it for people: text where the bytes are UTF-8, else base64.

        Args:
            earlier: It is of an earlier build.
        """
        return {
            "source": self.source,
            "view": self.view or None,
            "partition": self.partition,
            "offset": self.offset,
            "timestamp_ms": self.timestamp_ms if self.timestamp_ms >= 0 else None,
            "reason": self.reason,
            "field": self.field or None,
            "value": _text(self.value),
            "key": _text(self.key),
            "headers": [[name, _text(value)] for name, value in self.headers or []],
            "dead_lettered_at_ms": self.time_ms,
            "earlier_build": earlier,
        }


def _text(raw: bytes | None) -> str | dict[str, str] | None:
    if raw is None:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}


def earlier_builds(stored: StoredCatalog) -> Callable[[DeadLetter], bool]:
    """Return what says of a letter that its view or source was built again since, or dropped."""
    sources = {one.name: stored.source_ids.get(one.name, 0) for one in stored.catalog.sources}

    def earlier(letter: DeadLetter) -> bool:
        if letter.view:
            return letter.build not in (0, stored.view_ids.get(letter.view))
        return letter.build != sources.get(letter.source)

    return earlier


def counted_in(
    view: ViewPlan, catalog: Catalog, record: ViewRecord
) -> Callable[[DeadLetter], bool]:
    """Return what says of a letter of the present build that the view's ledger counts it.

    Its own do; and of those of a source as a whole what is no event, has no event time, or does
    not fit in a column that the view reads: as far as the view has read.
    """
    parts = {
        part.source: _counted_of(part, catalog.source(part.source), record.part(part.source))
        for part in view.parts
    }

    def counted(letter: DeadLetter) -> bool:
        if letter.view or letter.source not in parts:
            return letter.view == view.name
        return parts[letter.source](letter)

    return counted


def asked_for(
    stored: StoredCatalog,
    record: CommitRecord,
    source: str | None,
    view: str | None,
    *,
    every: bool,
) -> Callable[[DeadLetter], bool]:
    """Return what says of a letter that it is among those that somebody asked for.

    Args:
        stored: The catalog.
        record: The commit that is read.
        source: Only of this source; None: of any.
        view: Only what this view's ledger counts, and its own; None: of any. One that was dropped
            has its own alone.
        every: Those of earlier builds too.
    """
    earlier = earlier_builds(stored)
    plan = next((one for one in stored.catalog.views if one.name == view), None)
    counted = counted_in(plan, stored.catalog, record.views[plan.name]) if plan else None

    def asked(letter: DeadLetter) -> bool:
        if source not in (None, letter.source) or (not every and earlier(letter)):
            return False
        return view in (None, letter.view) or (counted is not None and counted(letter))

    return asked


def _counted_of(
    view: ViewPlan, source: SourcePlan, record: ViewRecord
) -> Callable[[DeadLetter], bool]:
    """Return the same of the letters of a source as a whole."""
    names = [*(column.name for column in source.columns), *(one.name for one in source.includes)]
    columns = sorted(names, key=len, reverse=True)
    all_read = "" if source.watermark is None else source.watermark.column

    def counted(letter: DeadLetter) -> bool:
        if letter.offset >= record.offsets.get(letter.partition, 0):
            return False
        column = next((name for name in columns if _lies_in(letter.field, name)), "")
        return column in ("", all_read) or column in view.columns_read

    return counted


def _lies_in(place: str, column: str) -> bool:
    return place == column or place.startswith((f"{column}.", f"{column}["))


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
