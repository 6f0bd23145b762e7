CREATE TABLE nexmark (
  event_type INT, bid ROW<auction BIGINT, price BIGINT>, `dateTime` TIMESTAMP(3)
) WITH ({source});
CREATE TABLE q17 (
  auction BIGINT, `day` STRING, bids BIGINT, low_bids BIGINT, middle_bids BIGINT, high_bids BIGINT,
  least BIGINT, greatest BIGINT, mean DOUBLE, total BIGINT,
  PRIMARY KEY (auction, `day`) NOT ENFORCED
) WITH ('connector' = 'last-row');
INSERT INTO q17
SELECT bid.auction, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd'),
  COUNT(*),
  COUNT(*) FILTER (WHERE bid.price < 10000),
  COUNT(*) FILTER (WHERE bid.price >= 10000 AND bid.price < 1000000),
  COUNT(*) FILTER (WHERE bid.price >= 1000000),
  MIN(bid.price), MAX(bid.price), SUM(bid.price) / CAST(COUNT(*) AS DOUBLE), SUM(bid.price)
FROM nexmark
WHERE event_type = 2
GROUP BY bid.auction, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd');
