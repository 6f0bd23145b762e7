-- The bids, bidders and auctions of every day, by price band.
CREATE MATERIALIZED VIEW q15 AS
SELECT strftime("dateTime", '%Y-%m-%d') AS day,
  COUNT(*) AS bids,
  COUNT(*) FILTER (WHERE bid.price < 10000) AS low_bids,
  COUNT(*) FILTER (WHERE bid.price >= 10000 AND bid.price < 1000000) AS middle_bids,
  COUNT(*) FILTER (WHERE bid.price >= 1000000) AS high_bids,
  COUNT(DISTINCT bid.bidder) AS bidders,
  COUNT(DISTINCT bid.bidder) FILTER (WHERE bid.price < 10000) AS low_bidders,
  COUNT(DISTINCT bid.bidder) FILTER (WHERE bid.price >= 10000 AND bid.price < 1000000) AS middle_bidders,
  COUNT(DISTINCT bid.bidder) FILTER (WHERE bid.price >= 1000000) AS high_bidders,
  COUNT(DISTINCT bid.auction) AS auctions,
  COUNT(DISTINCT bid.auction) FILTER (WHERE bid.price < 10000) AS low_auctions,
  COUNT(DISTINCT bid.auction) FILTER (WHERE bid.price >= 10000 AND bid.price < 1000000) AS middle_auctions,
  COUNT(DISTINCT bid.auction) FILTER (WHERE bid.price >= 1000000) AS high_auctions
FROM nexmark
WHERE event_type = 2
GROUP BY day;

-- batch
SELECT strftime("dateTime", '%Y-%m-%d') AS day,
  COUNT(*) AS bids,
  count_if(bid.price < 10000)::BIGINT AS low_bids,
  count_if(bid.price BETWEEN 10000 AND 999999)::BIGINT AS middle_bids,
  count_if(bid.price > 999999)::BIGINT AS high_bids,
  COUNT(DISTINCT bid.bidder) AS bidders,
  COUNT(DISTINCT bid.bidder) FILTER (WHERE bid.price < 10000) AS low_bidders,
  COUNT(DISTINCT bid.bidder) FILTER (WHERE bid.price BETWEEN 10000 AND 999999) AS middle_bidders,
  COUNT(DISTINCT bid.bidder) FILTER (WHERE bid.price > 999999) AS high_bidders,
  COUNT(DISTINCT bid.auction) AS auctions,
  COUNT(DISTINCT bid.auction) FILTER (WHERE bid.price < 10000) AS low_auctions,
  COUNT(DISTINCT bid.auction) FILTER (WHERE bid.price BETWEEN 10000 AND 999999) AS middle_auctions,
  COUNT(DISTINCT bid.auction) FILTER (WHERE bid.price > 999999) AS high_auctions
FROM nexmark
WHERE bid IS NOT NULL
GROUP BY day;
