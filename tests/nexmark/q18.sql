-- The last bid of every bidder on every auction; of bids at one time that of the least partition
-- and offset, which is where event i is: i % 4 and i // 4.
CREATE MATERIALIZED VIEW q18 AS
SELECT bidder, auction, price, channel, url, "dateTime", extra
FROM (
  SELECT bid.bidder AS bidder, bid.auction AS auction, bid.price AS price, bid.channel AS channel,
    bid.url AS url, "dateTime", bid.extra AS extra,
    ROW_NUMBER() OVER (PARTITION BY bid.bidder, bid.auction ORDER BY "dateTime" DESC) AS rank_number
  FROM nexmark WHERE event_type = 2
)
WHERE rank_number <= 1;

-- batch
SELECT bid.bidder AS bidder, bid.auction AS auction, bid.price AS price, bid.channel AS channel,
  bid.url AS url, "dateTime", bid.extra AS extra
FROM nexmark
WHERE bid IS NOT NULL
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY bid.bidder, bid.auction ORDER BY "dateTime" DESC, rowid % 4, rowid // 4
) = 1;
