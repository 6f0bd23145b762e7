-- The bids of every auction and day, by price band, and their prices.
CREATE MATERIALIZED VIEW q17 AS
SELECT bid.auction AS auction, strftime("dateTime", '%Y-%m-%d') AS day,
  COUNT(*) AS bids,
  COUNT(*) FILTER (WHERE bid.price < 10000) AS low_bids,
  COUNT(*) FILTER (WHERE bid.price >= 10000 AND bid.price < 1000000) AS middle_bids,
  COUNT(*) FILTER (WHERE bid.price >= 1000000) AS high_bids,
  MIN(bid.price) AS least, MAX(bid.price) AS greatest, AVG(bid.price) AS mean,
  SUM(bid.price) AS total
FROM nexmark
WHERE event_type = 2
GROUP BY bid.auction, day;

-- batch
SELECT bid.auction AS auction, strftime("dateTime", '%Y-%m-%d') AS day,
  COUNT(*) AS bids,
  count_if(bid.price < 10000)::BIGINT AS low_bids,
  count_if(bid.price BETWEEN 10000 AND 999999)::BIGINT AS middle_bids,
  count_if(bid.price > 999999)::BIGINT AS high_bids,
  MIN(bid.price) AS least, MAX(bid.price) AS greatest, AVG(bid.price) AS mean,
  SUM(bid.price)::BIGINT AS total
FROM nexmark
WHERE bid IS NOT NULL
GROUP BY bid.auction, day;
