-- The bids of every bidder in ten seconds, by event time.
CREATE MATERIALIZED VIEW q12 AS
SELECT bid.bidder AS bidder, window_start, window_end, COUNT(*) AS bids
FROM TUMBLE(nexmark, "dateTime", INTERVAL '10' SECOND)
WHERE event_type = 2
GROUP BY bid.bidder, window_start, window_end;

-- batch
SELECT bid.bidder AS bidder, window_start, window_start + INTERVAL '10' SECOND AS window_end,
  COUNT(*) AS bids
FROM (SELECT *, time_bucket(INTERVAL '10' SECOND, "dateTime") AS window_start FROM nexmark)
WHERE bid IS NOT NULL
GROUP BY bidder, window_start;
