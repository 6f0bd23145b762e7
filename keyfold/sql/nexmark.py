"""The columns that a ``nexmark`` source has where its statement lists none.

One event is a new person, a new auction or a bid, as ``event_type`` says: 0, 1 or 2. The columns of
the other two are NULL.
"""

from __future__ import annotations

from typing import Final

_TIME: Final = '"dateTime" TIMESTAMP, '
COLUMNS: Final = (
    ("event_type", "INTEGER"),
    (
        "person",
        "STRUCT(id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR, "
        f"state VARCHAR, {_TIME}extra VARCHAR)",
    ),
    (
        "auction",
        "STRUCT(id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, "
        f"reserve BIGINT, {_TIME}expires TIMESTAMP, seller BIGINT, category BIGINT, "
        "extra VARCHAR)",
    ),
    (
        "bid",
        "STRUCT(auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, "
        f"{_TIME}extra VARCHAR)",
    ),
    ("dateTime", "TIMESTAMP"),
)
WATERMARK: Final = ("dateTime", 4_000_000)
"""Column and delay in µs, where the statement has no WATERMARK."""
