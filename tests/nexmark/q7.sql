-- The highest bid of every ten seconds: what q7 joins its bids with.
CREATE MATERIALIZED VIEW q7 AS
SELECT window_start, window_end, MAX(bid.price) AS price
FROM TUMBLE(nexmark, "dateTime", INTERVAL '10' SECOND)
WHERE event_type = 2
GROUP BY window_start, window_end;

-- batch
SELECT window_start, window_start + INTERVAL '10' SECOND AS window_end, MAX(bid.price) AS price
FROM (SELECT *, time_bucket(INTERVAL '10' SECOND, "dateTime") AS window_start FROM nexmark)
WHERE bid IS NOT NULL
GROUP BY window_start;
