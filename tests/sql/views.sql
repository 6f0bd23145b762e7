-- Views that are kept: a title, then the SELECT. Read by tests/sql/test_batch_equals_sql.py.

-- counts and sums
SELECT user_id, COUNT(*) AS n, COUNT(amount) AS c, SUM(amount) AS t FROM orders GROUP BY
  user_id;

-- qualified and otherwise spelled names are one key
SELECT O.User_ID, USER_ID AS u2, SUM(o.amount) AS t FROM orders o GROUP BY user_id;

-- quoted names
SELECT "User Id", "user" AS u, "größe" AS g, MAX("größe") AS m FROM orders GROUP BY
  "user", 1, "größe";

-- struct paths
SELECT s.a, (s).b."C d" AS cd, COUNT(*) AS n FROM orders GROUP BY s.a, orders.s.b."C d";

-- list elements
SELECT items[1].sku AS sku, len(items) AS l, SUM(items[1].qty) AS q FROM orders GROUP BY
  1, 2;

-- JSON and map paths
SELECT doc->>'$.k' AS k, doc->'a.b' AS ab, tags['x'] AS x, SUM((doc->>'n')::INTEGER) AS n
  FROM orders GROUP BY 1, 2, 3;

-- a computed key by its alias
SELECT lower(user_id) || '!' AS u, COUNT(*) AS n FROM orders GROUP BY u;

-- a method is a call
SELECT user_id.upper() AS u, COUNT(*) AS n FROM orders GROUP BY upper(user_id);

-- a boolean key, HAVING on its alias
SELECT amount > 50 AS rich, COUNT(*) AS n FROM orders GROUP BY 1 HAVING rich;

-- arithmetic keys, by expression and by ordinal
SELECT (order_id % 7) AS m, order_id // 7 % 3 AS d, COUNT(*) AS n FROM orders GROUP BY
  order_id % 7, 2;

-- SUM and AVG of every numeric type
SELECT tiny, SUM(tiny) AS a, AVG(tiny) AS b, SUM(paid) AS c, SUM(positive) AS d, SUM(big)
  AS e, AVG(big) AS f, SUM(huge) AS g, AVG(huge) AS h, SUM(ratio) AS i, AVG(price) AS j,
  SUM(qty) AS k FROM orders GROUP BY tiny;

-- MIN and MAX of every ordered type
SELECT paid, MIN(user_id) AS a, MAX(amount) AS b, MIN(qty) AS c, MAX(price) AS d,
  MIN(ratio) AS e, MAX(paid) AS f, MIN(big) AS g, MAX(huge) AS h, MIN(positive) AS i,
  MAX(day) AS j, MIN(local) AS k, MAX(ts) AS l, MIN(clock) AS m, MAX(tiny) AS o FROM orders
  GROUP BY paid;

-- truth, bits and any value
SELECT tiny, bool_and(paid) AS a, BOOL_OR(qty > 8) AS b, bool_or(amount > 10) FILTER (WHERE
  paid) AS c, bit_and(qty) AS d, bit_or(tiny) AS e, bit_xor(order_id) AS f, bit_xor(big) AS
  g, bit_or(positive) FILTER (WHERE qty > 5) AS h, any_value(tiny) AS i FROM orders GROUP BY
  tiny;

-- deviations of every numeric type
SELECT user_id, stddev(qty) AS a, stddev_pop(amount) AS b, stddev_samp(price) AS c,
  variance(ratio) AS d, var_pop(huge) AS e, var_samp(big) AS f, var_samp(positive) FILTER
  (WHERE paid) AS g, stddev(tiny) FILTER (WHERE qty > 90) AS h, var_samp(qty) FILTER (WHERE
  order_id = 3) AS i, var_pop(qty) FILTER (WHERE order_id = 3) AS j, round(stddev(qty), 3)
  AS k FROM orders GROUP BY user_id;

-- pairs
SELECT user_id, covar_pop(amount, qty) AS a, covar_samp(qty, price) AS b, corr(amount,
  price) AS c, regr_slope(amount, qty) AS d, regr_intercept(amount, qty) AS e,
  regr_r2(amount, qty) AS f, regr_count(amount, qty) AS g, regr_avgx(amount, qty) AS h,
  regr_avgy(amount, qty) AS i, regr_sxx(amount, qty) AS j, regr_syy(amount, qty) AS k,
  regr_sxy(amount, qty) AS l, corr(qty, tiny) FILTER (WHERE order_id = 3) AS m,
  regr_r2(qty, 1.0) AS n, regr_intercept(qty, 1.0) AS o, regr_r2(1.0, qty) AS q FROM orders
  GROUP BY user_id;

-- one event's value
SELECT qty, FIRST(user_id ORDER BY ts) AS a, last(amount ORDER BY local) FILTER (WHERE local
  IS NOT NULL) AS b, first(big ORDER BY order_id DESC) AS c, LAST(price ORDER BY ts DESC) AS
  d, arg_min(amount, order_id) AS e, arg_max(huge, ts) AS f, min_by(day, user_id ||
  order_id) AS g, max_by(clock, positive) AS h, arg_max_null(local, ts) AS i,
  arg_min(ratio, order_id) FILTER (WHERE paid) AS j, first(s ORDER BY - huge) FILTER (WHERE
  false) AS k, last(doc ORDER BY order_id) AS l, first(items ORDER BY order_id) AS m,
  arg_min(user_id, order_id) || '!' AS n FROM orders GROUP BY qty;

-- the n least and greatest
SELECT qty, max(amount, 2) AS a, min(order_id, 3) AS b, arg_max(user_id, order_id, 2) AS c,
  min_by(ts, order_id, 2) AS d, max(user_id, 3) FILTER (WHERE paid) AS e, min(big, 2) AS f,
  arg_min(items, order_id, 2) AS g, max(huge, 1) AS h, arg_max(day, ts, 3) AS i, max(clock, 2)
  AS j, min(paid, 2) FILTER (WHERE false) AS k, arg_max(doc, huge, 2) AS l FROM orders GROUP BY
  qty;

-- count_if over NULLs alone is NULL
SELECT paid, count_if(paid) AS a, count_if(paid OR qty > 3) AS b, countif(NOT paid) AS c,
  count_if(paid) FILTER (WHERE qty < 5) AS d, COUNT(*) AS n FROM orders GROUP BY paid;

-- FILTER, count_if and MIN(DISTINCT)
SELECT day, COUNT(*) FILTER (WHERE paid) AS a, SUM(amount) FILTER (WHERE user_id = 'a''b')
  AS b, count_if(qty > 3) AS c, count_if(paid) FILTER (WHERE qty < 5) AS e, AVG(price)
  FILTER (WHERE price IS NOT NULL) AS f, MIN(DISTINCT qty) AS g FROM orders GROUP BY day;

-- expressions around aggregates
SELECT user_id, SUM(amount) / COUNT(*) AS a, round(AVG(amount), 2) AS b, CASE WHEN
  COUNT(*) > 50 THEN 'many' WHEN COUNT(*) > 10 THEN 'some' END AS c, IF(SUM(qty) > 100, 1,
  2) AS d, COALESCE(MIN(price), -1.5) AS e, MAX(qty) BETWEEN 1 AND 9 AS f, COUNT(*) IN (1,
  2, 90) AS g, SUM(price) IS NULL AS h, MAX(day) >= '2020-06-01' AS i, -SUM(qty) AS j, NOT
  (COUNT(*) > 3 OR MAX(paid)) AS k, GREATEST(MIN(qty), 3) AS l, NULLIF(COUNT(*), 3) AS m,
  (MAX(paid)) IS TRUE AS o, MAX(qty) IS DISTINCT FROM 9 AS q, MAX(qty) % 4 AS r, SUM(qty) //
  3 AS t, mod(COUNT(*), 5) AS v, sqrt(COUNT(*)) AS w, CAST(SUM(amount) AS DOUBLE) AS x,
  SUM(amount)::VARCHAR AS y, CASE user_id WHEN 'a''b' THEN 1 ELSE 0 END AS z, MAX(tiny) +
  5::BIGINT AS aa, MAX(tiny) + 5 AS bb, MAX(day) - MIN(day) AS cc, length(user_id) AS dd
  FROM orders GROUP BY user_id;

-- constants
SELECT user_id, 'x' AS k, 1.50 AS d, -7 AS i, NULL AS n, TRUE AS t, DATE '2020-01-01' AS
  dd, TIMESTAMP '2020-01-01 10:00:00' AS tt, 1e3 AS e, 12345678901234567890 AS h FROM orders
  GROUP BY user_id;

-- an alias that is also a column, in HAVING
SELECT user_id, SUM(amount) AS amount FROM orders GROUP BY user_id HAVING amount > 500;

-- a key and an alias that swap names, aggregates in HAVING only
SELECT user_id AS k, qty AS user_id, COUNT(*) AS n FROM orders GROUP BY orders.user_id,
  qty HAVING user_id > 'a' AND AVG(price) > 1 AND n > 2;

-- keys alone
SELECT user_id FROM orders WHERE amount > 20 AND user_id IS NOT NULL GROUP BY user_id;

-- a boolean column as WHERE
SELECT user_id, COUNT(*) AS n FROM orders WHERE paid GROUP BY user_id;

-- floating keys
SELECT price, ratio, COUNT(*) AS n FROM orders GROUP BY price, ratio;

-- wide keys
SELECT huge, big, positive, clock, COUNT(*) AS n FROM orders GROUP BY 1, 2, 3, 4;

-- INCLUDE columns
SELECT p, MAX(o) AS last FROM orders GROUP BY p;

-- nested keys
SELECT {'u': user_id, 'q': qty} AS both, [qty, tiny] AS l, COUNT(*) AS n FROM orders GROUP
  BY 1, 2;

-- a lambda that reads a column
SELECT list_sum(list_transform(items, lambda x: x.qty + qty)) AS l, COUNT(*) AS n FROM
  orders GROUP BY l;

-- a list comprehension
SELECT [x.sku for x in items if x.qty > 1] AS l, COUNT(*) AS n FROM orders GROUP BY l;

-- functions of time
SELECT strftime(local, '%Y-%m') AS m, date_trunc('month', day) AS d, extract(dow FROM
  local) AS w, COUNT(*) AS n FROM orders GROUP BY m, d, w;

-- TUMBLE, qualified window_start
SELECT user_id, window_start, COUNT(*) AS n, SUM(amount) AS t FROM TUMBLE(orders, ts,
  INTERVAL '1' MINUTE) AS w GROUP BY w.user_id, w.window_start;

-- TUMBLE with an offset, window_end in the key
SELECT window_end, window_start, MAX(ts) AS last FROM TUMBLE(orders, ts, INTERVAL '7
  minutes', INTERVAL '90' SECOND) GROUP BY window_end, 2;

-- Flink's TUMBLE over TIMESTAMP before the epoch, in expressions
SELECT date_trunc('day', window_start) AS d, epoch_ms(window_end) AS e, COUNT(*) AS n FROM
  TABLE(TUMBLE(TABLE orders, DESCRIPTOR(local), INTERVAL '1 hour 30 minutes')) WHERE
  window_start < TIMESTAMP '2020-01-01' GROUP BY d, e;

-- TUMBLE, window_start by alias and in HAVING
SELECT window_start AS ws, COUNT(*) AS n, MAX(qty) AS m FROM tumble(orders, local,
  interval 5 second) GROUP BY ws HAVING MIN(local) < ws;

-- the keys alone
SELECT DISTINCT user_id, qty FROM orders;

-- distinct expressions over some events
SELECT DISTINCT date_trunc('month', ts) AS month, lower(user_id) AS u, 'x' AS x, s.a AS a FROM
  orders WHERE qty > 3;

-- one row about all events
SELECT COUNT(*) AS n, COUNT(amount) AS c, SUM(amount) AS t, MIN(user_id) AS u, MAX(price) AS p,
  AVG(qty) AS a, SUM(price) AS s FROM orders;

-- one row about no event
SELECT COUNT(*) AS n, SUM(amount) AS t, MIN(user_id) AS u, MAX(ts) AS m, SUM(price) AS s,
  SUM(big) AS b FROM orders WHERE qty > 1000;

-- one row, by an empty GROUP BY
SELECT COUNT(*) AS n, SUM(big) AS b FROM orders GROUP BY () HAVING COUNT(*) > 1;

-- one row that HAVING hides
SELECT COUNT(*) AS n, SUM(big) AS b FROM orders HAVING COUNT(*) > 1000;

-- a subquery that names, computes and filters
SELECT k, day, COUNT(*) AS n, SUM(double) AS d FROM (SELECT lower(user_id) AS k, day, amount * 2 AS
  double FROM orders WHERE qty > 2) AS s WHERE s.double > 10 GROUP BY s.k, day;

-- a subquery in a subquery, columns that swap names
SELECT qty, user_id, COUNT(*) AS n, MAX(o.c) AS c FROM (SELECT user_id AS qty, qty AS user_id, c FROM
  (SELECT *, amount + 1 AS c FROM orders WHERE paid) WHERE qty % 2 = 0) o WHERE c > 3 GROUP BY 1, 2;

-- a CTE, and one that reads it, with names of its own
WITH paid AS (SELECT * FROM orders WHERE paid), named(who, much) AS (SELECT user_id, amount FROM
  paid AS p WHERE p.qty > 1) SELECT who, SUM(much) AS s, COUNT(*) AS n FROM named GROUP BY who
  HAVING COUNT(*) > 1;

-- a CTE within a subquery, and stars with EXCLUDE and REPLACE
SELECT user_id, MIN(qty) AS q, MAX(amount) AS a FROM (WITH x AS (SELECT * EXCLUDE (price) REPLACE
  (-qty AS qty) FROM orders) SELECT x.* FROM x) t(i) GROUP BY user_id;

-- a condition of a subquery guards the cast outside
SELECT n % 3 AS k, COUNT(*) AS c, SUM(n) AS s FROM (SELECT (doc->>'n')::INTEGER AS n FROM orders WHERE
  TRY_CAST(doc->>'n' AS INTEGER) IS NOT NULL) WHERE n > 1 GROUP BY k;

-- a subquery of structs, lists and lambdas
SELECT st.a AS a, first, len(big) AS l, COUNT(*) AS n FROM (SELECT s AS st, items[1].sku AS first,
  [i.qty FOR i IN items IF i.qty > 2] AS big FROM orders) GROUP BY st.a, 2, len(big);

-- a key that is an expression over a computed column, and a constant column
SELECT k + 1 AS k1, k + 1 > 2 AS big, c, COUNT(*) AS n FROM (SELECT qty * 2 AS k, 'x' AS c FROM
  orders) GROUP BY k + 1, c;

-- an expression over computed keys
SELECT a, b, a + b AS sum, COUNT(*) AS n FROM (SELECT qty + 1 AS a, order_id % 3 AS b FROM orders)
  GROUP BY a, b HAVING a + b > 2;

-- SELECT DISTINCT of a subquery
SELECT DISTINCT month, u FROM (SELECT date_trunc('month', ts) AS month, lower(user_id) AS u FROM
  orders);

-- one row about a subquery
SELECT COUNT(*) AS n, SUM(x) AS s FROM (SELECT amount * 2 AS x FROM orders WHERE paid);

-- windows in a subquery
SELECT ws, u, COUNT(*) AS n FROM (SELECT window_start AS ws, lower(user_id) AS u FROM
  TUMBLE(orders, ts, INTERVAL '1' MINUTE) WHERE qty > 1) GROUP BY ws, u;

-- windows in a CTE, with both ends
WITH w AS (SELECT *, window_end AS until FROM tumble(orders, local, interval 5 second)) SELECT
  until, window_start, SUM(qty) AS q FROM w GROUP BY until, window_start;

-- the elements of a list of structs
SELECT t.i.sku AS sku, COUNT(*) AS n, SUM(i.qty) AS q FROM orders CROSS JOIN UNNEST(items) AS t(i)
  GROUP BY i.sku;

-- the elements of a list, by a comma, under the name of the alias
SELECT user_id, item.sku, MAX(item.qty) AS m FROM orders AS o, UNNEST(o.items) AS item WHERE qty > 2
  AND item.qty IS NOT NULL GROUP BY user_id, item.sku;

-- the places of elements
SELECT place, COUNT(*) AS n, MIN(it.sku) AS s FROM orders, UNNEST(items) WITH ORDINALITY AS
  t(it, place) GROUP BY place;

-- the places of elements, under DuckDB's names
SELECT ordinality AS place, COUNT(*) AS n, SUM("unnest".qty) AS q FROM orders, UNNEST(items) WITH
  ORDINALITY GROUP BY place;

-- LATERAL
SELECT x, COUNT(*) AS n FROM orders CROSS JOIN LATERAL unnest([qty, qty + 1]) AS t(x) GROUP BY x;

-- LATERAL with a subquery
SELECT sku, COUNT(*) AS n, SUM(double) AS d FROM orders o CROSS JOIN LATERAL (SELECT unnest(o.items).sku
  AS sku, qty * 2 AS double WHERE paid) t GROUP BY sku;

-- LATERAL with a subquery, joined ON true, with names of its own
SELECT a.k AS k, COUNT(*) AS n FROM orders JOIN LATERAL (SELECT unnest(items)) AS a(k) ON true GROUP BY
  a.k;

-- LEFT JOIN keeps events without elements
SELECT user_id, x.sku AS sku, COUNT(*) AS n, COUNT(x.qty) AS q FROM orders LEFT JOIN UNNEST(items) AS
  t(x) ON true GROUP BY user_id, x.sku;

-- LEFT JOIN with places
SELECT n, COUNT(*) AS c FROM orders LEFT JOIN UNNEST(items) WITH ORDINALITY AS t(x, n) ON true GROUP BY
  n;

-- INNER JOIN with a condition on the element
SELECT x.sku AS sku, COUNT(*) AS n FROM orders JOIN UNNEST(items) AS t(x) ON x.qty > orders.qty GROUP BY
  x.sku;

-- unnest in the SELECT of a subquery
SELECT i.sku AS sku, user_id, COUNT(*) AS n FROM (SELECT user_id, unnest(items) AS i FROM orders WHERE
  qty > 1) WHERE i.qty > 1 GROUP BY sku, user_id;

-- one list twice in a SELECT, beside a star
WITH x AS (SELECT *, unnest(items).sku AS sku, unnest(items).qty AS many FROM orders) SELECT sku, day,
  SUM(many) AS m FROM x GROUP BY sku, day;

-- lists of lists, one after the other
SELECT b, COUNT(*) AS n FROM orders, UNNEST([[qty], [qty, tiny], []]) AS t(a), UNNEST(a) AS u(b) GROUP BY
  b;

-- two lists, each with each
SELECT a, b.sku AS sku, COUNT(*) AS n FROM orders, UNNEST([1, 2]) AS t(a), UNNEST(items) AS u(b) WHERE
  a < 2 OR paid GROUP BY a, sku;

-- the entries of a map
SELECT e.key AS k, SUM(e.value) AS v, COUNT(*) AS n FROM orders, UNNEST(map_entries(tags)) AS t(e) GROUP
  BY e.key;

-- elements in windows
SELECT window_start, x.sku AS sku, COUNT(*) AS n FROM TUMBLE(orders, ts, INTERVAL '1' MINUTE) AS w,
  UNNEST(w.items) AS t(x) GROUP BY window_start, sku;

-- one row about all elements
SELECT COUNT(*) AS n, SUM(x.qty) AS q FROM orders, UNNEST(items) AS t(x) WHERE x.qty > 1;

-- the elements themselves
SELECT DISTINCT x.sku AS sku, x.qty AS q FROM orders, UNNEST(items) AS t(x);

-- a lambda over elements
SELECT list_sum(list_transform(u.l, lambda e: e + 1)) AS sum, COUNT(*) AS n FROM orders, UNNEST([[qty], [1,
  tiny]]) AS u(l) GROUP BY sum;

-- ROLLUP, with real NULLs beside those of subtotals
SELECT GROUPING(user_id, qty) AS g, user_id, qty, COUNT(*) AS n, SUM(amount) AS s, MAX(qty) AS m FROM
  orders GROUP BY ROLLUP (user_id, qty);

-- CUBE, with one GROUPING for each column, and a condition
SELECT user_id, paid, GROUPING(user_id) AS gu, GROUPING(paid) AS gp, COUNT(*) AS n, AVG(price) AS a FROM
  orders WHERE qty > 2 GROUP BY CUBE (user_id, paid);

-- GROUPING SETS of expressions, by alias and by position, GROUPING_ID of all
SELECT lower(user_id) AS u, qty % 2 AS odd, GROUPING_ID() AS g, COUNT(*) AS n, SUM(qty % 2) AS s FROM
  orders GROUP BY GROUPING SETS ((u, 2), (2), ());

-- sets of sets, composite steps, and a column in every set
SELECT day, user_id, qty, paid, GROUPING(user_id, qty, paid, day) AS g, COUNT(*) AS n FROM orders GROUP
  BY day, GROUPING SETS (ROLLUP ((user_id, qty), paid), (qty), (paid, qty));

-- expressions over GROUPING, and HAVING of it
SELECT GROUPING(user_id, day) AS g, user_id, day, CASE WHEN GROUPING(user_id, day) = 1 THEN 'all days'
  ELSE 'a day' END AS what, COUNT(*) AS n FROM orders GROUP BY ROLLUP (user_id, day) HAVING
  GROUPING(user_id, day) < 3 AND COUNT(*) > 2;

-- keys of doubles, structs and JSON in grouping sets
SELECT price * 0 AS zero, items, doc->'k' AS k, GROUPING(price * 0, items, doc->'k') AS g, COUNT(*) AS n
  FROM orders GROUP BY CUBE (zero, items, k);

-- grouping sets of windows
SELECT window_start, window_end, user_id, GROUPING(window_start, user_id) AS g, GROUPING(window_end) AS
  e, COUNT(*) AS n FROM TUMBLE(orders, ts, INTERVAL '1' MINUTE) GROUP BY GROUPING SETS ((window_start,
  user_id), (window_start, window_end), (user_id), ());

-- grouping sets over no event
SELECT GROUPING(user_id) AS g, user_id, COUNT(*) AS n, SUM(qty) AS q FROM orders WHERE qty > 1000 GROUP
  BY ROLLUP (user_id);

-- grouping sets of elements
SELECT GROUPING(user_id, x.sku) AS g, user_id, x.sku AS sku, SUM(x.qty) AS q FROM (SELECT * FROM orders
  WHERE paid), UNNEST(items) AS t(x) GROUP BY CUBE (user_id, x.sku);

-- one grouping set is a GROUP BY
SELECT user_id, qty, COUNT(*) AS n FROM orders GROUP BY GROUPING SETS ((user_id, qty));

-- JSON paths in functions, keys and conditions
SELECT json_extract_string(doc, '$.k') AS k, doc->'a.b' AS ab, len(doc->'k') AS l, COUNT(*) AS n,
  SUM((doc->'n')::INTEGER) AS s, MAX(doc->>'k') AS m FROM orders WHERE json_exists(doc, '$.k') AND
  doc->>'$.k' <> 'v0' GROUP BY k, 2, len(doc->'k');

-- JSON that is not there is NULL
SELECT doc->'no'->'where' AS nowhere, doc->>'$.n[0]' AS element, COUNT(*) AS n, COUNT(doc->'no') AS c FROM
  orders GROUP BY 1, 2;

-- whole JSON and maps as keys
SELECT doc, tags, COUNT(*) AS n FROM orders WHERE order_id < 50 GROUP BY doc, tags;

-- maps: elements, keys and size
SELECT tags['x'] AS x, tags['nothing'] AS none, map_contains(tags, 'x') AS has, cardinality(tags) AS
  size, SUM(tags['x']) AS s FROM orders GROUP BY 1, 2, 3, 4;

-- lists and structs that are made here
SELECT [qty % 2, tiny % 2] AS pair, {'a': paid, 'b': s.a} AS st, COUNT(*) AS n FROM orders GROUP BY 1, 2;

-- Flink's HOP over TIMESTAMP before the epoch, in expressions over its key
SELECT window_start AS ws, qty, window_end, window_end > TIMESTAMP '1970-01-01' AS after, COUNT(*) AS n,
  AVG(price) AS mean FROM TABLE(HOP(TABLE orders, DESCRIPTOR(local), INTERVAL '30' MINUTE, INTERVAL
  '2' HOUR)) GROUP BY ws, qty, window_end HAVING COUNT(*) > 1;

-- CUMULATE over TIMESTAMP, window_end alone
SELECT window_end, MAX(qty) AS m, SUM(amount) AS t FROM CUMULATE(orders, local, INTERVAL '1'
  HOUR, INTERVAL '6' HOUR, INTERVAL '90' MINUTE) WHERE qty > 1 GROUP BY window_end;

-- different values of every type
SELECT tiny, COUNT(DISTINCT qty) AS a, COUNT(DISTINCT amount) AS b, COUNT(DISTINCT price) AS c,
  COUNT(DISTINCT ratio) AS d, COUNT(DISTINCT paid) AS e, COUNT(DISTINCT big) AS f, COUNT(DISTINCT
  huge) AS g, COUNT(DISTINCT positive) AS h, COUNT(DISTINCT day) AS i, COUNT(DISTINCT local) AS j,
  COUNT(DISTINCT ts) AS k, COUNT(DISTINCT clock) AS l, COUNT(DISTINCT user_id) AS m, COUNT(DISTINCT
  s) AS n, COUNT(DISTINCT items) AS o, COUNT(DISTINCT tags) AS q FROM orders GROUP BY tiny;

-- sums and means of different values
SELECT user_id, SUM(DISTINCT qty) AS a, AVG(DISTINCT qty) AS b, SUM(DISTINCT amount) AS c,
  AVG(DISTINCT amount) AS d, SUM(DISTINCT big) AS e, SUM(DISTINCT huge) AS f, SUM(DISTINCT positive)
  AS g, SUM(DISTINCT paid) AS h, SUM(DISTINCT tiny) AS i, COUNT(DISTINCT qty) AS j, SUM(qty) AS k
  FROM orders GROUP BY user_id;

-- different values under conditions, and over all events
SELECT COUNT(DISTINCT user_id) AS a, COUNT(DISTINCT user_id) FILTER (WHERE qty > 3) AS b,
  COUNT(DISTINCT lower(user_id)) FILTER (WHERE qty <= 3 OR paid) AS c, COUNT(DISTINCT qty % 3) AS d,
  COUNT(DISTINCT user_id) / COUNT(*) AS e FROM orders WHERE amount IS NOT NULL;

-- different values in grouping sets and windows
SELECT GROUPING(user_id, qty) AS g, window_start, user_id, qty, COUNT(DISTINCT user_id) AS a,
  COUNT(DISTINCT tiny) AS b, SUM(DISTINCT tiny) FILTER (WHERE paid) AS c
  FROM TUMBLE(orders, ts, INTERVAL '1' MINUTE) GROUP BY window_start, CUBE (user_id, qty);

-- different values of elements
SELECT user_id, COUNT(DISTINCT x.sku) AS skus, SUM(DISTINCT x.qty) AS q FROM orders, UNNEST(items)
  AS t(x) GROUP BY user_id HAVING COUNT(DISTINCT x.sku) > 0;

-- the last row of a key
SELECT user_id, order_id, amount, price, ratio, paid, big, huge, positive, day, local, ts, clock, s, items,
  doc, tags, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts DESC, order_id) AS rn
  FROM orders) WHERE rn = 1;

-- the first row of a computed key, by a rank with NULLs and ties
SELECT lower(user_id) || '!' AS u, qty AS q, amount, upper("user") AS loud, amount * 2 AS twice
  FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY lower(user_id) || '!', qty
  ORDER BY amount, p, o) AS n FROM orders WHERE order_id % 5 > 0) AS t WHERE t.n <= 1;

-- the first row by several ranks, up and down, NULLs first and last
SELECT qty, order_id, local, user_id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY qty
  ORDER BY user_id DESC NULLS FIRST, local NULLS FIRST, price DESC, big, order_id DESC) AS rn FROM orders) WHERE 2 > rn;

-- the first row of a window, from a CTE
WITH numbered AS (SELECT *, row_number() OVER (PARTITION BY window_start, user_id ORDER BY price DESC
  NULLS LAST, order_id) AS rn FROM TUMBLE(orders, ts, INTERVAL '1' MINUTE))
  SELECT window_start, user_id, window_end, price, order_id FROM numbered WHERE rn BETWEEN 1 AND 1;

-- the first row of windows that share events
SELECT window_start, paid, price, order_id FROM (SELECT *, row_number() OVER (PARTITION BY window_start, paid
  ORDER BY price DESC, order_id) AS rn
  FROM TABLE(HOP(TABLE orders, DESCRIPTOR(local), INTERVAL '30' MINUTE, INTERVAL '2' HOUR))) WHERE rn = 1;

-- the first of all rows
SELECT rn, order_id, amount FROM (SELECT *, row_number() OVER (ORDER BY amount DESC, order_id) AS rn
  FROM orders) WHERE 1 = rn;

-- the first element of lists
SELECT sku, item.qty AS qty, order_id FROM (SELECT item, item.sku AS sku, order_id, row_number() OVER (PARTITION BY
  item.sku ORDER BY item.qty DESC, order_id) AS rn FROM orders, UNNEST(items) AS t(item)) WHERE rn = 1;

-- the first rows of a key, with every type
SELECT user_id, rn, order_id, amount, price, ratio, paid, big, huge, positive, day, local, ts, clock, s, items,
  doc, tags FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts DESC, order_id) AS rn
  FROM orders) WHERE rn <= 7;

-- more rows than a key has, by ranks of every type
SELECT rn AS place, qty, order_id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY qty ORDER BY paid, tiny DESC,
  big, huge DESC NULLS FIRST, ratio, price DESC, clock, day DESC, local NULLS FIRST, positive, "user" DESC, amount, order_id)
  AS rn FROM orders WHERE order_id % 2 = 0) WHERE rn < 101;

-- the first rows by texts and NULLs
SELECT n, tiny % 3 AS t, user_id, order_id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY tiny % 3
  ORDER BY user_id DESC NULLS FIRST, amount, order_id DESC) AS n FROM orders) WHERE 20 >= n;

-- the first rows of a window
SELECT window_end, user_id, rn, price, order_id FROM (SELECT *, row_number() OVER (PARTITION BY window_end, user_id
  ORDER BY price DESC NULLS LAST, order_id) AS rn FROM TUMBLE(orders, ts, INTERVAL '1' MINUTE)) WHERE rn <= 2;

-- the first rows of windows that share events
SELECT window_start, paid, rn, price, order_id FROM (SELECT *, row_number() OVER (PARTITION BY window_start, paid
  ORDER BY price DESC, order_id) AS rn
  FROM TABLE(HOP(TABLE orders, DESCRIPTOR(local), INTERVAL '30' MINUTE, INTERVAL '2' HOUR))) WHERE rn <= 3;

-- the first of all rows, several of them
SELECT rn, order_id, amount FROM (SELECT *, row_number() OVER (ORDER BY amount DESC, order_id) AS rn
  FROM orders) WHERE rn BETWEEN 1 AND 12;
