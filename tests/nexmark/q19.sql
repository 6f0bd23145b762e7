-- The ten dearest bids of every auction; of bids of one price those of the least partition and
-- offset, which is where event i is: i % 4 and i // 4.
CREATE MATERIALIZED VIEW q19 AS
SELECT auction, rank_number, bidder, price, channel, url, "dateTime", extra
FROM (
  SELECT bid.auction AS auction, bid.bidder AS bidder, bid.price AS price, bid.channel AS channel,
    bid.url AS url, "dateTime", bid.extra AS extra,
    ROW_NUMBER() OVER (PARTITION BY bid.auction ORDER BY bid.price DESC) AS rank_number
  FROM nexmark WHERE event_type = 2
)
WHERE rank_number <= 10;

-- batch
SELECT bid.auction AS auction, ROW_NUMBER() OVER w AS rank_number, bid.bidder AS bidder,
  bid.price AS price, bid.channel AS channel, bid.url AS url, "dateTime", bid.extra AS extra
FROM nexmark
WHERE bid IS NOT NULL
WINDOW w AS (PARTITION BY bid.auction ORDER BY bid.price DESC, rowid % 4, rowid // 4)
QUALIFY rank_number <= 10;
