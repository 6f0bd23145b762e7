CREATE TABLE nexmark (
  event_type INT, bid ROW<bidder BIGINT>, `dateTime` TIMESTAMP(3),
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ({source});
CREATE TABLE q12 (
  bidder BIGINT, window_start TIMESTAMP(3), window_end TIMESTAMP(3), bids BIGINT
) WITH ('connector' = 'last-row');
CREATE TEMPORARY VIEW bids AS
SELECT bid.bidder AS bidder, `dateTime` FROM nexmark WHERE event_type = 2;
INSERT INTO q12
SELECT bidder, window_start, window_end, COUNT(*)
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
GROUP BY bidder, window_start, window_end;
