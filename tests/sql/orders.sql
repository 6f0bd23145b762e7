-- Events for tests/sql/test_batch_equals_sql.py: every type, NULLs, moments before the epoch.
INSERT INTO orders BY NAME
SELECT
  i AS order_id,
  CASE hash(i, 1) % 6 WHEN 0 THEN 'a''b' WHEN 1 THEN 'B' WHEN 2 THEN 'b' WHEN 3 THEN 'ü'
    WHEN 4 THEN '' END AS user_id,
  CASE WHEN i % 11 > 0 THEN (hash(i, 2) % 20000)::DECIMAL(18,2) / 100 - 50 END AS amount,
  hash(i, 3) % 10 AS qty,
  CASE WHEN i % 9 > 0 THEN (hash(i, 4) % 7) / 2.0 - 1 ELSE '-0.0'::DOUBLE END AS price,
  (hash(i, 5) % 5) / 10 AS ratio,
  i % 3 = 0 AS paid,
  (hash(i, 6)::HUGEINT * 1000000000) * (CASE WHEN i % 2 = 0 THEN 1 ELSE -1 END) AS big,
  (hash(i, 7) % 1000000)::HUGEINT * 1000000000000 AS huge,
  hash(i, 8) // 1000 AS positive,
  i % 100 - 50 AS tiny,
  DATE '2019-12-01' + (hash(i, 9) % 300)::INTEGER AS day,
  CASE WHEN i % 50 > 0
    THEN make_timestamp((hash(i, 10) % 3000000000000)::BIGINT - 1000000000000) END AS local,
  make_timestamp((hash(i, 11) % 900000000)::BIGINT - 300000000) AS ts,
  TIME '10:00:00' + to_minutes(i % 5) AS clock,
  {'a': i % 4, 'b': {'C d': chr((97 + i % 3)::INTEGER)}} AS s,
  CASE WHEN i % 5 > 0
    THEN [{'sku': 'k' || i % 3, 'qty': i % 4}, {'sku': 'z', 'qty': 2}] END AS items,
  '{"k": "v' || i % 3 || '", "a.b": ' || i % 2 || ', "n": ' || i || '}' AS doc,
  MAP {'x': i % 3} AS tags,
  'U' || i % 2 AS "User Id",
  'w' || i % 3 AS "user",
  i % 4 AS "größe",
  i % 3 AS p,
  i AS o
FROM range(?) r(i)
