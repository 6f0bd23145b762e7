"""The rules of the Nexmark benchmark: what event number i says, in columns of numbers.

Of 50 events one is a new person, three are new auctions and 46 are bids. Half of the bids go to a
hot auction and half to one of those in flight; three of four come from a hot bidder. Sizes and
constants are the defaults of the public benchmark (github.com/nexmark/nexmark).

Everything that is drawn is a hash of (seed, what is drawn, number of the event): so any event can
be made at any time, alone or among others, and is the same.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np

EPOCH_EVENTS: Final = 50
EPOCH_AUCTIONS: Final = 3
EPOCH_BIDS: Final = 46
FIRST_ID: Final = 1_000
FIRST_CATEGORY: Final = 10
CATEGORIES: Final = 5
AUCTIONS_IN_FLIGHT: Final = 100
PEOPLE_ACTIVE: Final = 1_000
LEAD_IDS: Final = 10
HOT_EVERY: Final = 100
HOT_AUCTION_RATIO: Final = 2
HOT_SELLER_RATIO: Final = 4
HOT_BIDDER_RATIO: Final = 4
BASE_MS: Final = 1_436_918_360_000
"""2015-07-14T23:59:20Z. The benchmark leaves it open: here a day ends within 400,000 events."""

_EVENTS_PER_MS: Final = 10
_FIRST_EVENT_ID: Final = 2
_BIDS_FROM: Final = 4
_GOLDEN: Final = 0x9E3779B97F4A7C15
_MIX: Final = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_WORD: Final = (1 << 64) - 1


class Kind(IntEnum):
    """What an event is, as its ``event_type``."""

    PERSON = 0
    AUCTION = 1
    BID = 2


class Draw(IntEnum):
    """What is drawn; each is independent of the others. The numbers are part of the events."""

    HOT_AUCTION = 1
    AUCTION = 2
    HOT_PERSON = 3
    PERSON = 4
    PRICE = 5
    RESERVE = 6
    HOT_CHANNEL = 7
    CHANNEL = 8
    CATEGORY = 9
    LENGTH_MS = 10
    NAME = 11
    DESCRIPTION = 12
    MAILBOX = 13
    DOMAIN = 14
    CITY = 15
    STATE = 16
    EXTRA_SIZE = 17
    EXTRA = 18
    CARD = 19  # and the three after it
    TEXT_LENGTH = 30
    TEXT_SPACE = 31
    TEXT_LETTER = 32


class Draws:
    """Uniform numbers for each of n events, by splitmix64 (Steele et al., 2014)."""

    def __init__(self, seed: int, numbers: np.ndarray) -> None:
        self._seed = seed
        self._steps = (numbers + 1).astype(np.uint64) * np.uint64(_GOLDEN)

    def below(self, draw: int, bounds: np.ndarray | int) -> np.ndarray:
        """Return int64[n], each in [0, its bound), where a bound is below 2**31."""
        high = (self._bits(draw) >> np.uint64(32)).astype(np.int64)
        return (high * bounds) >> 32

    def unit(self, draw: int) -> np.ndarray:
        """Return float64[n] in [0, 1)."""
        return (self._bits(draw) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def _bits(self, draw: int) -> np.ndarray:
        key = self._seed
        for word in (draw, self._seed >> 32):
            key = _mixed_number((key + (word + 1) * _GOLDEN) & _WORD)
        bits = self._steps + np.uint64(key)
        for shift, factor in _MIX:
            bits ^= bits >> np.uint64(shift)
            bits *= np.uint64(factor)
        return bits ^ (bits >> np.uint64(31))


def _mixed_number(word: int) -> int:
    for shift, factor in _MIX:
        word = ((word ^ (word >> shift)) * factor) & _WORD
    return word ^ (word >> 31)


class Events:
    """What n events say, as far as all kinds share it.

    Attributes:
        numbers: int64[n], from 0.
        draws: Their random numbers.
        last_person: int64[n], the newest person at that moment, from 0.
        last_auction: int64[n], likewise.
    """

    def __init__(self, seed: int, numbers: np.ndarray) -> None:
        self.numbers = numbers
        self.draws = Draws(seed, numbers)
        self.last_person, place = np.divmod(numbers + _FIRST_EVENT_ID, EPOCH_EVENTS)
        self.last_auction = (
            self.last_person * EPOCH_AUCTIONS + np.minimum(place, EPOCH_AUCTIONS) - 1
        )

    def times_ms(self) -> np.ndarray:
        """Return the ``dateTime`` of each."""
        return times_ms(self.numbers)

    def bid_auction(self) -> np.ndarray:
        """Return the auction that each bids for."""
        hot = self.draws.below(Draw.HOT_AUCTION, HOT_AUCTION_RATIO) > 0
        first = np.maximum(self.last_auction - AUCTIONS_IN_FLIGHT, 0)
        width = self.last_auction - first + 1 + LEAD_IDS
        one = first + self.draws.below(Draw.AUCTION, width)
        return FIRST_ID + np.where(hot, self.last_auction // HOT_EVERY * HOT_EVERY, one)

    def bidder(self) -> np.ndarray:
        """Return who bids: a hot bidder is the next after a hot seller."""
        hot = self.draws.below(Draw.HOT_PERSON, HOT_BIDDER_RATIO) > 0
        return FIRST_ID + np.where(
            hot, self.last_person // HOT_EVERY * HOT_EVERY + 1, self._person()
        )

    def seller(self) -> np.ndarray:
        """Return who sells."""
        hot = self.draws.below(Draw.HOT_PERSON, HOT_SELLER_RATIO) > 0
        return FIRST_ID + np.where(hot, self.last_person // HOT_EVERY * HOT_EVERY, self._person())

    def price(self, draw: int = Draw.PRICE) -> np.ndarray:
        """Return a price: its logarithm is uniform."""
        return np.rint(10.0 ** (6.0 * self.draws.unit(draw)) * 100.0).astype(np.int64)

    def expires_ms(self) -> np.ndarray:
        """Return when an auction ends: on average when as many began as are in flight."""
        ahead = AUCTIONS_IN_FLIGHT * EPOCH_EVENTS // EPOCH_AUCTIONS
        now = self.times_ms()
        horizon = times_ms(self.numbers + ahead) - now
        length = 1 + self.draws.below(Draw.LENGTH_MS, np.maximum(2 * horizon, 1))
        return np.asarray(now + length)

    def _person(self) -> np.ndarray:
        people = self.last_person + 1
        active = np.minimum(people, PEOPLE_ACTIVE)
        oldest = people - active
        return np.asarray(oldest + self.draws.below(Draw.PERSON, active + LEAD_IDS))


def times_ms(numbers: np.ndarray) -> np.ndarray:
    """Return the ``dateTime`` of each event in ms since the epoch: 10,000 a second."""
    return BASE_MS + (numbers + 1) // _EVENTS_PER_MS


def kinds(numbers: np.ndarray) -> np.ndarray:
    """Return the ``Kind`` of each event, as int64[n]."""
    place = (numbers + _FIRST_EVENT_ID) % EPOCH_EVENTS
    return (place >= 1).astype(np.int64) + (place >= _BIDS_FROM)


def bid_numbers(bids: np.ndarray) -> np.ndarray:
    """Return the number that bid k, from 0, has among all events."""
    epochs, places = np.divmod(bids, EPOCH_BIDS)
    return epochs * EPOCH_EVENTS + places + _BIDS_FROM - _FIRST_EVENT_ID
