-- The bids of every auction in ten seconds, every two seconds: what q5 takes the hottest of.
CREATE MATERIALIZED VIEW q5 AS
SELECT bid.auction AS auction, window_start, window_end, COUNT(*) AS bids
FROM HOP(nexmark, "dateTime", INTERVAL '2' SECOND, INTERVAL '10' SECOND)
WHERE event_type = 2
GROUP BY bid.auction, window_start, window_end;

-- batch
SELECT bid.auction AS auction, window_start, window_start + INTERVAL '10' SECOND AS window_end,
  COUNT(*) AS bids
FROM (
  SELECT *, time_bucket(INTERVAL '2' SECOND, "dateTime") - to_seconds(2 * i) AS window_start
  FROM nexmark, range(5) AS t(i)
)
WHERE bid IS NOT NULL
GROUP BY bid.auction, window_start;
