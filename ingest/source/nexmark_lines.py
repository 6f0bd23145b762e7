"""Nexmark events as JSON: ``{"event_type":2,"person":null,"auction":null,"bid":{…},"dateTime":…}``.

Of the three objects two are null. Texts are of the benchmark's sizes and letters. They are made
once for a seed, some thousands of each kind, and events draw from them: then a line is a few
copies, made by columns.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.source.nexmark_rules import (
    CATEGORIES,
    FIRST_CATEGORY,
    FIRST_ID,
    Draw,
    Draws,
    Events,
    Kind,
    kinds,
)

_TEXTS: Final = 4_096
_EXTRAS_PER_SIZE: Final = 32
_EXTRA_SIZE_MAX: Final = 560
_CHANNELS: Final = 10_000
_CARD_NUMBERS: Final = 10_000
_BYTES: Final = {Kind.PERSON: 200, Kind.AUCTION: 500, Kind.BID: 100}
_TEXT_SIZE_MIN: Final = 3
_HOT_CHANNELS: Final = ("Google", "Facebook", "Baidu", "Apple")
_FIRST_NAMES: Final = (
    "Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter",
)  # fmt: skip
_LAST_NAMES: Final = (
    "Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris",
)  # fmt: skip
_CITIES: Final = (
    "Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle",
    "Kent", "Cheyenne",
)  # fmt: skip
_STATES: Final = ("AZ", "CA", "ID", "OR", "WA", "WY")


class NexmarkLines:
    """Makes the events of a seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._items = self._texts(Draw.NAME, 20)
        self._descriptions = self._texts(Draw.DESCRIPTION, 100)
        self._mailboxes = self._texts(Draw.MAILBOX, 7)
        self._domains = self._texts(Draw.DOMAIN, 5)
        self._names = pa.array([f"{a} {b}" for a in _FIRST_NAMES for b in _LAST_NAMES])
        self._cities, self._states = pa.array(_CITIES), pa.array(_STATES)
        self._cards = pa.array([f"{number:04}" for number in range(_CARD_NUMBERS)])
        self._channels = self._channel_fields()
        self._extras = self._extra_texts()

    def lines(self, numbers: np.ndarray) -> pa.Array:
        """Return events by their numbers, int64[n] from 0, as a binary array of n JSON objects."""
        of_kind = kinds(numbers)
        rows = [np.flatnonzero(of_kind == kind) for kind in Kind]
        makers = (self._persons, self._auctions, self._bids)
        parts = [
            make(Events(self._seed, numbers[here]))
            for make, here in zip(makers, rows, strict=True)
            if len(here)
        ]
        if not parts:
            return pa.array([], pa.binary())
        if len(parts) == 1:
            return parts[0]
        places = np.empty(len(numbers), np.int64)
        places[np.concatenate(rows)] = np.arange(len(numbers))
        return pa.concat_arrays(parts).take(pa.array(places))

    def _persons(self, events: Events) -> pa.Array:
        draws, time = events.draws, _time_texts(events.times_ms())
        name, city = _drawn(self._names, draws, Draw.NAME), _drawn(self._cities, draws, Draw.CITY)
        state = _drawn(self._states, draws, Draw.STATE)
        mailbox = _drawn(self._mailboxes, draws, Draw.MAILBOX)
        email = _joined(mailbox, "@", _drawn(self._domains, draws, Draw.DOMAIN), ".com")
        parts = [_drawn(self._cards, draws, Draw.CARD + i) for i in range(4)]
        card = pc.binary_join_element_wise(*parts, " ")
        size = 8 + sum(_lengths(text) for text in (name, email, card, city, state))
        return _joined(
            '{"event_type":0,"person":{"id":', _number_texts(FIRST_ID + events.last_person),
            ',"name":"', name, '","emailAddress":"', email, '","creditCard":"', card,
            '","city":"', city, '","state":"', state, '","dateTime":"', time,
            '","extra":"', self._extra(draws, Kind.PERSON, size),
            '"},"auction":null,"bid":null,"dateTime":"', time, '"}',
        ).cast(pa.binary())  # fmt: skip

    def _auctions(self, events: Events) -> pa.Array:
        draws, time = events.draws, _time_texts(events.times_ms())
        item = _drawn(self._items, draws, Draw.NAME)
        description = _drawn(self._descriptions, draws, Draw.DESCRIPTION)
        price = events.price()
        size = 8 * 6 + _lengths(item) + _lengths(description)
        return _joined(
            '{"event_type":1,"person":null,"auction":{"id":',
            _number_texts(FIRST_ID + events.last_auction), ',"itemName":"', item,
            '","description":"', description, '","initialBid":', _number_texts(price),
            ',"reserve":', _number_texts(price + events.price(Draw.RESERVE)),
            ',"dateTime":"', time, '","expires":"', _time_texts(events.expires_ms()),
            '","seller":', _number_texts(events.seller()), ',"category":',
            _number_texts(FIRST_CATEGORY + draws.below(Draw.CATEGORY, CATEGORIES)),
            ',"extra":"', self._extra(draws, Kind.AUCTION, size),
            '"},"bid":null,"dateTime":"', time, '"}',
        ).cast(pa.binary())  # fmt: skip

    def _bids(self, events: Events) -> pa.Array:
        draws, time = events.draws, _time_texts(events.times_ms())
        hot = draws.below(Draw.HOT_CHANNEL, 2) > 0
        bounds = np.where(hot, len(_HOT_CHANNELS), _CHANNELS)
        channel = draws.below(Draw.CHANNEL, bounds) + np.where(hot, 0, len(_HOT_CHANNELS))
        return _joined(
            '{"event_type":2,"person":null,"auction":null,"bid":{"auction":',
            _number_texts(events.bid_auction()), ',"bidder":', _number_texts(events.bidder()),
            ',"price":', _number_texts(events.price()),
            self._channels.take(pa.array(channel)), time,
            '","extra":"', self._extra(draws, Kind.BID, 8 * 4),
            '"},"dateTime":"', time, '"}',
        ).cast(pa.binary())  # fmt: skip

    def _extra(self, draws: Draws, kind: Kind, size: np.ndarray | int) -> pa.Array:
        """Return what brings events of such sizes to the average of their kind, ± 20 %."""
        wanted = np.asarray(_BYTES[kind] - size)
        spare = (wanted + 2) // 5
        sizes = wanted - spare + draws.below(Draw.EXTRA_SIZE, 2 * spare)
        which = draws.below(Draw.EXTRA, _EXTRAS_PER_SIZE)
        return self._extras.take(pa.array(sizes * _EXTRAS_PER_SIZE + which))

    def _extra_texts(self) -> pa.Array:
        """Return letters of every size, so many texts of each."""
        count = _EXTRA_SIZE_MAX * _EXTRAS_PER_SIZE
        letters = self._letters(Draw.EXTRA, count + _EXTRA_SIZE_MAX)
        return pa.array(
            [letters[at : at + at // _EXTRAS_PER_SIZE] for at in range(count)], pa.string()
        )

    def _channel_fields(self) -> pa.Array:
        """Return the fields ``channel`` and ``url`` of a bid, the hot ones first."""
        count = len(_HOT_CHANNELS) + _CHANNELS
        words = self._texts(Draw.CHANNEL, 5, space="_", count=3 * count).to_pylist()
        channels = [*_HOT_CHANNELS, *(f"channel-{number}" for number in range(_CHANNELS))]
        draws = Draws(self._seed, np.arange(count) + (Draw.CHANNEL << 32))
        with_id = draws.below(Draw.HOT_CHANNEL, 10) > 0
        fields = []
        for i, channel in enumerate(channels):
            path = "/".join(words[3 * i : 3 * i + 3])
            url = f"https://www.nexmark.com/{path}/item.htm?query=1"
            if i >= len(_HOT_CHANNELS) and with_id[i]:
                url += f"&channel_id={_reversed_bits(i - len(_HOT_CHANNELS))}"
            fields.append(f',"channel":"{channel}","url":"{url}","dateTime":"')
        return pa.array(fields)

    def _texts(
        self, draw: Draw, size_max: int, *, space: str = " ", count: int = _TEXTS
    ) -> pa.Array:
        """Return texts of 3 to ``size_max`` - 1 letters, of which one in 13 is a space."""
        letters = self._letters(draw, count * size_max, space)
        draws = Draws(self._seed, np.arange(count) + (draw << 32))
        sizes = _TEXT_SIZE_MIN + draws.below(Draw.TEXT_LENGTH, size_max - _TEXT_SIZE_MIN)
        return pa.array(
            [
                letters[at * size_max : at * size_max + size].strip()
                for at, size in enumerate(sizes.tolist())
            ]
        )

    def _letters(self, draw: Draw, count: int, space: str = "") -> str:
        draws = Draws(self._seed, np.arange(count) + (draw << 32))
        letters = ord("a") + draws.below(Draw.TEXT_LETTER, 26)
        if space:
            letters[draws.below(Draw.TEXT_SPACE, 13) == 0] = ord(space)
        return letters.astype(np.uint8).tobytes().decode("ascii")


def _joined(*parts: pa.Array | str) -> pa.Array:
    return pc.binary_join_element_wise(*parts, "")


def _drawn(texts: pa.Array, draws: Draws, draw: int) -> pa.Array:
    return texts.take(pa.array(draws.below(draw, len(texts))))


def _lengths(texts: pa.Array) -> np.ndarray:
    return np.asarray(pc.binary_length(texts).to_numpy())


def _number_texts(numbers: np.ndarray) -> pa.Array:
    return pa.array(numbers).cast(pa.string())


def _time_texts(times_ms: np.ndarray) -> pa.Array:
    """Return times as ``2015-07-15 00:00:00.000``."""
    return pa.array(times_ms.astype("datetime64[ms]")).cast(pa.string())


def _reversed_bits(number: int) -> int:
    """Return the magnitude of the 32-bit number with its bits in the opposite order."""
    turned = int(f"{number:032b}"[::-1], 2)
    return turned if turned < 1 << 31 else (1 << 32) - turned
