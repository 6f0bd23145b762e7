-- How many bids a bidder makes in a session, which ten seconds without one end.
CREATE MATERIALIZED VIEW q11 AS
SELECT bidder, window_start, window_end, COUNT(*) AS bids
FROM SESSION(
  (SELECT bid.bidder AS bidder, "dateTime" FROM nexmark WHERE event_type = 2)
  PARTITION BY bidder, "dateTime", INTERVAL '10' SECOND)
GROUP BY bidder, window_start, window_end;

-- batch
SELECT bidder, min(t) AS window_start, max(t) + INTERVAL '10' SECOND AS window_end, COUNT(*) AS bids
FROM (
  SELECT *, count(*) FILTER (WHERE before IS NULL OR t > before + INTERVAL '10' SECOND)
    OVER (PARTITION BY bidder ORDER BY t) AS session
  FROM (
    SELECT bid.bidder AS bidder, "dateTime" AS t,
      lag("dateTime") OVER (PARTITION BY bid.bidder ORDER BY "dateTime") AS before
    FROM nexmark WHERE bid IS NOT NULL))
GROUP BY bidder, session;
