CREATE TABLE orders (user_id STRING, amount BIGINT, ts BIGINT) WITH ({source});
CREATE TABLE totals (
  user_id STRING, orders BIGINT, total BIGINT, last_ts BIGINT, PRIMARY KEY (user_id) NOT ENFORCED
) WITH ('connector' = 'last-row');
INSERT INTO totals
SELECT user_id, COUNT(*), SUM(amount), MAX(ts) FROM orders GROUP BY user_id;
