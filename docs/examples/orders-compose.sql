-- The pipeline of compose.yaml: orders from Kafka, kept per user and per user and minute.
CREATE SOURCE orders (
  order_id BIGINT, user_id VARCHAR, amount DECIMAL(18,2), ts TIMESTAMPTZ,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH (connector = 'kafka', topic = 'orders', properties.bootstrap.servers = 'kafka:19092')
FORMAT PLAIN ENCODE JSON;

CREATE MATERIALIZED VIEW spend AS
SELECT user_id, COUNT(*) AS orders, SUM(amount) AS total, MAX(ts) AS last_seen
FROM orders
GROUP BY user_id;

CREATE MATERIALIZED VIEW spend_1m WITH (retention = '7 days', freshness_slo = '2 s') AS
SELECT user_id, window_start, COUNT(*) AS orders, SUM(amount) AS total
FROM TUMBLE(orders, ts, INTERVAL '1' MINUTE)
GROUP BY user_id, window_start;
