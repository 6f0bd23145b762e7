"""Nexmark events: by the rules of the benchmark, and the same for one seed however they are cut."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from ingest.source.nexmark_lines import NexmarkLines
from ingest.source.nexmark_rules import Events, Kind, bid_numbers, kinds, times_ms
from keyfold.sql.nexmark import COLUMNS

GOLDEN = Path(__file__).with_name("nexmark_events.ndjson")
GOLDEN_NUMBERS = (0, 1, 2, 3, 4, 5, 48, 400_000)
MILLION = np.arange(1_000_000)


@pytest.fixture(scope="module")
def maker() -> NexmarkLines:
    return NexmarkLines(1)


@pytest.fixture(scope="module")
def events(maker: NexmarkLines) -> duckdb.DuckDBPyConnection:
    """The first 60,000 events as a table, and each one's number."""
    connection = duckdb.connect()
    shape = json.dumps(dict(COLUMNS))
    raw = pa.table({"n": np.arange(60_000), "v": maker.lines(np.arange(60_000)).cast(pa.utf8())})
    connection.register("raw", raw)
    connection.execute(
        f"CREATE TABLE events AS SELECT n, unnest(from_json_strict(v, '{shape}')) FROM raw"
    )
    return connection


def count(connection: duckdb.DuckDBPyConnection, condition: str, of: str = "events") -> int:
    return int(one(connection, f"SELECT COUNT(*) FROM {of} WHERE {condition}"))


def one(connection: duckdb.DuckDBPyConnection, query: str) -> float:
    ((value,),) = connection.sql(query).fetchall()
    return float(value)


# --- bytes -----------------------------------------------------------------------------------


def test_events_have_these_bytes(maker: NexmarkLines) -> None:
    found = maker.lines(np.array(GOLDEN_NUMBERS)).to_pylist()
    assert found == GOLDEN.read_bytes().splitlines()


def test_an_event_is_the_same_alone_and_in_any_company(maker: NexmarkLines) -> None:
    whole = maker.lines(np.arange(2_000))
    assert NexmarkLines(1).lines(np.arange(2_000)) == whole
    for start, step in ((0, 1), (1, 2), (1_234, 1), (3, 50), (48, 50)):
        part = np.arange(start, 2_000, step)
        assert maker.lines(part) == whole.take(pa.array(part))
    backwards = np.arange(1_999, -1, -7)
    assert maker.lines(backwards) == whole.take(pa.array(backwards))
    assert len(maker.lines(np.arange(0))) == 0


def test_another_seed_gives_other_events_at_the_same_times(maker: NexmarkLines) -> None:
    ours = [json.loads(line) for line in maker.lines(np.arange(500)).to_pylist()]
    for seed in (0, 2, 1 << 32, (1 << 63) - 1):
        others = [json.loads(line) for line in NexmarkLines(seed).lines(np.arange(500)).to_pylist()]
        assert [event["dateTime"] for event in others] == [event["dateTime"] for event in ours]
        bids = [(a["bid"], b["bid"]) for a, b in zip(ours, others, strict=True) if a["bid"]]
        assert all(bid != other for bid, other in bids)


# --- what was measured over a million --------------------------------------------------------


def test_a_million_events_have_the_shares_that_were_measured() -> None:
    of_kind = kinds(MILLION)
    assert np.bincount(of_kind).tolist() == [20_000, 60_000, 920_000]
    bids = Events(1, MILLION[of_kind == Kind.BID])
    auctions, prices = bids.bid_auction(), bids.price()
    assert np.mean(auctions % 100 == 0) == pytest.approx(0.505, abs=0.002)
    assert len(np.unique(auctions)) == pytest.approx(59_962, abs=60)
    assert len(np.unique(bids.bidder())) == pytest.approx(19_922, abs=60)
    assert np.median(prices) == pytest.approx(1e5, rel=0.02)
    assert prices.min() >= 100
    assert prices.max() <= 100_000_000


def test_bids_have_numbers_of_their_own() -> None:
    bids = MILLION[kinds(MILLION) == Kind.BID]
    assert bid_numbers(np.arange(len(bids))).tolist() == bids.tolist()


# --- the rules -------------------------------------------------------------------------------


def test_ids_count_up_and_nothing_refers_to_what_is_too_old_or_too_far_ahead(
    events: duckdb.DuckDBPyConnection,
) -> None:
    people = events.sql("SELECT person.id FROM events WHERE event_type = 0 ORDER BY n").fetchall()
    assert [id for (id,) in people] == [1_001 + i for i in range(len(people))]
    auctions = events.sql("SELECT auction.id FROM events WHERE event_type = 1 ORDER BY n")
    ids = [id for (id,) in auctions.fetchall()]
    assert ids == [1_001 + i for i in range(len(ids))]
    last_person = "(n + 2) // 50"
    last_auction = "(n + 2) // 50 * 3 + 2"  # at a bid
    near = f"{last_person} - 1000 + 1 AND {last_person} + 10"
    hot = f"{last_person} // 100 * 100"
    assert count(events, f"bid.auction - 1000 > {last_auction} + 10") == 0
    old = f"bid.auction - 1000 < {last_auction} - 100 AND bid.auction % 100 != 0"
    assert count(events, old) == 0
    assert count(events, f"bid.bidder - 1000 NOT BETWEEN {near} AND bid.bidder % 100 != 1") == 0
    assert count(events, f"auction.seller - 1000 NOT BETWEEN {near}") == 0
    bids, sales = count(events, "event_type = 2"), count(events, "event_type = 1")
    assert count(events, f"bid.bidder = 1001 + {hot}") / bids == pytest.approx(0.75, abs=0.02)
    assert count(events, f"auction.seller = 1000 + {hot}") / sales == pytest.approx(0.75, abs=0.03)
    assert count(events, "auction.category NOT BETWEEN 10 AND 14") == 0


def test_an_event_is_of_one_kind_and_at_its_time(events: duckdb.DuckDBPyConnection) -> None:
    for kind, name in enumerate(("person", "auction", "bid")):
        assert count(events, f"(event_type = {kind}) != ({name} IS NOT NULL)") == 0
        assert count(events, f'{name}."dateTime" != "dateTime"') == 0
    ms = [
        at for (at,) in events.sql('SELECT epoch_ms("dateTime") FROM events ORDER BY n').fetchall()
    ]
    assert ms == times_ms(np.arange(60_000)).tolist()
    assert ms[9] - ms[8] == 1
    assert ms[-1] - ms[0] == 6_000
    length_ms = 'epoch_ms(auction.expires) - epoch_ms("dateTime")'
    assert count(events, f"{length_ms} NOT BETWEEN 1 AND 334") == 0
    assert count(events, "auction.reserve < auction.initialBid + 100") == 0


def test_sizes_are_those_of_the_benchmark(events: duckdb.DuckDBPyConnection) -> None:
    text = "length(person.{0})"
    person = " + ".join(
        [
            "8",
            *(
                text.format(name)
                for name in ("name", "emailAddress", "creditCard", "city", "state")
            ),
        ]
    )
    auction = "48 + length(auction.itemName) + length(auction.description)"
    for name, size, average in (
        ("person", person, 200),
        ("auction", auction, 500),
        ("bid", "32", 100),
    ):
        room = f"({average} - ({size}))"
        extra = f"length({name}.extra)"
        assert count(events, f"{extra} < {room} * 0.8 - 1 OR {extra} > {room} * 1.2 + 1") == 0
        mean = one(events, f"SELECT AVG({extra} + {size}) FROM events")
        assert mean == pytest.approx(average, rel=0.02)
    assert count(events, "length(auction.itemName) > 19 OR length(auction.description) > 99") == 0
    assert count(events, "NOT regexp_full_match(person.creditCard, '(\\d{4} ){3}\\d{4}')") == 0


def test_half_of_the_bids_come_over_a_hot_channel_and_a_channel_has_one_url(
    events: duckdb.DuckDBPyConnection,
) -> None:
    named = "bid.channel IN ('Google', 'Facebook', 'Baidu', 'Apple')"
    bids = count(events, "event_type = 2")
    assert count(events, named) / bids == pytest.approx(0.5, abs=0.02)
    channels = (
        "(SELECT DISTINCT bid.channel AS channel, bid.url AS url FROM events WHERE bid IS NOT NULL)"
    )
    names = one(events, f"SELECT COUNT(DISTINCT channel) FROM {channels}")
    assert names == count(events, "true", channels)
    others = count(events, "channel LIKE 'channel-%'", channels)
    with_id = count(events, "url LIKE '%&channel_id=%'", channels)
    assert with_id / others == pytest.approx(0.9, abs=0.02)
    form = r"https://www\.nexmark\.com/[a-z_]+/[a-z_]+/[a-z_]+/item\.htm\?query=1(&channel_id=\d+)?"
    assert count(events, f"NOT regexp_full_match(url, '{form}')", channels) == 0
    assert count(events, "bid.channel = 'channel-1' AND bid.url NOT LIKE '%=2147483648'") == 0
