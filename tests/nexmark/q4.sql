-- The highest bid of every auction, among those from its start to its end, and its category: what
-- q4 averages by category. A view reads each event by itself, so it keeps the bids of an auction,
-- the highest first, and asks when it is read which of them came in time. A list holds 1000 at
-- most; the busiest auction of a million events has 867. Of an auction with more, whose first 1000
-- bids all lie outside its time, the answer would be NULL, and the row hidden.
CREATE MATERIALIZED VIEW q4 AS
SELECT coalesce(auction.id, bid.auction) AS id, MAX(auction.category) AS category,
  list_max([b.price for b in array_agg({'price': bid.price, 'at': bid."dateTime"} ORDER BY bid.price DESC LIMIT 1000)
    if b."at" BETWEEN MIN(auction."dateTime") AND MAX(auction.expires)]) AS final
FROM nexmark
WHERE event_type > 0
GROUP BY 1
HAVING final IS NOT NULL;

-- batch
SELECT A.auction.id AS id, A.auction.category AS category, MAX(B.bid.price) AS final
FROM nexmark A, nexmark B
WHERE A.auction.id = B.bid.auction
  AND B.bid."dateTime" BETWEEN A.auction."dateTime" AND A.auction.expires
GROUP BY A.auction.id, A.auction.category;
