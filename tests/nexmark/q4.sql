-- The highest bid of every auction that has one, and its category: what q4 averages by category.
-- q4 counts the bids from the auction's start to its end alone, and these are all: whether a bid
-- counts there is said by another event, and a view decides on each event by itself.
CREATE MATERIALIZED VIEW q4 AS
SELECT coalesce(auction.id, bid.auction) AS auction, MAX(auction.category) AS category,
  MAX(bid.price) AS final
FROM nexmark
WHERE event_type > 0
GROUP BY 1
HAVING MAX(auction.category) IS NOT NULL AND MAX(bid.price) IS NOT NULL;

-- batch
SELECT A.auction.id AS auction, A.auction.category AS category, MAX(B.bid.price) AS final
FROM nexmark A JOIN nexmark B ON A.auction.id = B.bid.auction
GROUP BY ALL;
