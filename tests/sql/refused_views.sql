-- Views that are refused: a title, the SELECT, and `line:column word | message | hint`.

-- DISTINCT ON
SELECT DISTINCT ON (user_id) user_id, qty FROM orders
--> 1:8 DISTINCT | DISTINCT ON cannot be kept | number the rows of its columns in a subquery with ROW_NUMBER(), and keep the first

-- SELECT DISTINCT of constants
SELECT DISTINCT 1 AS one, 'x' AS x FROM orders
--> 1:17 1 | SELECT DISTINCT of constants has no key | select a column of the source

-- SELECT DISTINCT of an expression without a name
SELECT DISTINCT user_id, qty + 1 FROM orders
--> 1:26 qty | key column qty + 1 has no name | write qty + 1 AS name in SELECT

-- SELECT DISTINCT of what is no key
SELECT DISTINCT ts - ts AS i FROM orders
--> 1:17 ts | a view cannot hold a value of type INTERVAL | turn it into a number, for example epoch_ms(b) - epoch_ms(a)

-- a column beside an aggregate of all events
SELECT user_id, COUNT(*) AS n FROM orders
--> 1:8 user_id | column user_id is neither in GROUP BY nor in an aggregate | add user_id to GROUP BY, or take MIN(user_id) or MAX(user_id)

-- ORDER BY
SELECT user_id, COUNT(*) FROM orders GROUP BY user_id ORDER BY user_id
--> 1:55 ORDER BY | ORDER BY cannot be kept | rows are kept in key order; GROUP BY sets it

-- LIMIT
SELECT user_id, COUNT(*) FROM orders GROUP BY user_id LIMIT 10
--> 1:55 LIMIT | LIMIT cannot be kept | ask for a page with ?limit= when you read

-- OFFSET
SELECT user_id, COUNT(*) FROM orders GROUP BY user_id OFFSET 10
--> 1:55 OFFSET | OFFSET cannot be kept | ask for a page with ?cursor= when you read

-- JOIN
SELECT user_id, COUNT(*) FROM orders LEFT JOIN orders AS b ON true GROUP BY user_id
--> 1:43 JOIN | JOIN cannot be kept | views read one source; join when you look up, or before the stream

-- two sources
SELECT user_id, COUNT(*) FROM orders, orders AS b GROUP BY user_id
--> 1:37 , | a second source cannot be kept | views read one source; join when you look up, or before the stream

-- UNION
SELECT user_id FROM orders GROUP BY user_id
UNION ALL SELECT user_id FROM orders GROUP BY user_id
--> 2:1 UNION | UNION cannot be kept | a view is one SELECT … GROUP BY …; write one view per part

-- GROUP BY in a CTE
WITH x AS (SELECT user_id, COUNT(*) AS n FROM orders GROUP BY user_id)
SELECT user_id, SUM(n) AS n FROM x GROUP BY user_id
--> 1:54 GROUP BY | GROUP BY in a subquery cannot be kept | a subquery works row by row: aggregate in the SELECT of the view

-- an aggregate in a subquery
SELECT n, COUNT(*) AS c FROM (SELECT COUNT(*) AS n FROM orders) GROUP BY n
--> 1:38 COUNT | an aggregate in a subquery cannot be kept | a subquery works row by row: aggregate in the SELECT of the view

-- an aggregate in what * replaces
SELECT qty, COUNT(*) AS c FROM (SELECT * REPLACE (MAX(qty) AS qty) FROM orders) GROUP BY qty
--> 1:51 MAX | an aggregate in a subquery cannot be kept | a subquery works row by row: aggregate in the SELECT of the view

-- DISTINCT in a subquery
SELECT user_id, COUNT(*) AS n FROM (SELECT DISTINCT user_id FROM orders) GROUP BY user_id
--> 1:44 DISTINCT | DISTINCT in a subquery cannot be kept | a subquery works row by row: aggregate in the SELECT of the view

-- HAVING in a subquery
SELECT user_id, COUNT(*) AS n FROM (SELECT user_id FROM orders HAVING qty > 1) GROUP BY user_id
--> 1:64 HAVING | HAVING in a subquery cannot be kept | a subquery works row by row: aggregate in the SELECT of the view

-- LIMIT in a subquery, which is the second pair of parentheses
SELECT lower(user_id) AS u, COUNT(*) AS n FROM ((SELECT user_id FROM orders LIMIT 3)) GROUP BY u
--> 1:77 LIMIT | LIMIT cannot be kept | ask for a page with ?limit= when you read

-- a join in a CTE
WITH x AS (SELECT orders.qty FROM orders JOIN orders AS b ON true) SELECT qty FROM x GROUP BY qty
--> 1:42 JOIN | JOIN cannot be kept | views read one source; join when you look up, or before the stream

-- UNION in a subquery
SELECT qty, COUNT(*) AS n FROM (SELECT qty FROM orders UNION SELECT tiny FROM orders) GROUP BY qty
--> 1:56 UNION | UNION cannot be kept: it compares all rows of its SELECTs | write UNION ALL, and GROUP BY or SELECT DISTINCT over it

-- EXCEPT in a subquery
SELECT qty, COUNT(*) AS n FROM (SELECT qty FROM orders EXCEPT SELECT tiny FROM orders) GROUP BY qty
--> 1:56 EXCEPT | EXCEPT cannot be kept | a view is one SELECT … GROUP BY …; write one view per part

-- UNION ALL BY NAME
SELECT qty, COUNT(*) AS n FROM (SELECT qty FROM orders UNION ALL BY NAME SELECT qty FROM orders) GROUP BY qty
--> 1:56 UNION | BY NAME cannot be kept in a UNION ALL | write SELECT … UNION ALL SELECT …, with the columns in one order

-- LIMIT behind UNION ALL
SELECT qty, COUNT(*) AS n FROM (SELECT qty FROM orders UNION ALL SELECT tiny FROM orders LIMIT 3) GROUP BY qty
--> 1:56 UNION | LIMIT cannot be kept in a UNION ALL | write SELECT … UNION ALL SELECT …, with the columns in one order

-- UNION ALL of one source
SELECT qty, COUNT(*) AS n FROM (SELECT qty FROM orders UNION ALL SELECT tiny FROM orders) GROUP BY qty
--> 1:73 tiny | the UNION ALL reads orders twice | read it once: SELECT … FROM orders WHERE … OR …, or unnest a list over it

-- UNION ALL of two columns and one
SELECT qty, COUNT(*) AS n FROM (SELECT qty FROM orders UNION ALL SELECT qty, tiny FROM orders) GROUP BY qty
--> 1:73 qty | 2 columns here, and 1 in the first SELECT of the UNION ALL | give each SELECT the same number of columns: NULL stands for one that is missing

-- GROUP BY in UNION ALL
SELECT qty, SUM(n) AS n FROM (SELECT qty, COUNT(*) AS n FROM orders GROUP BY qty UNION ALL SELECT qty, 1 FROM orders) GROUP BY qty
--> 1:69 GROUP BY | GROUP BY in a subquery cannot be kept | a subquery works row by row: aggregate in the SELECT of the view

-- an aggregate in UNION ALL
SELECT n, COUNT(*) AS m FROM (SELECT qty AS n FROM orders UNION ALL SELECT SUM(qty) FROM orders) GROUP BY n
--> 1:76 SUM | an aggregate in a subquery cannot be kept | a subquery works row by row: aggregate in the SELECT of the view

-- a window in UNION ALL
SELECT qty, COUNT(*) AS n FROM (SELECT qty FROM TUMBLE(orders, ts, INTERVAL '1' MINUTE) UNION ALL SELECT qty FROM orders) GROUP BY qty
--> 1:40 qty | a window in a SELECT of a UNION ALL cannot be kept | put the window over the union: TUMBLE((… UNION ALL …), …)

-- UNNEST in UNION ALL
SELECT qty, COUNT(*) AS n FROM (SELECT unnest(items).qty AS qty FROM orders UNION ALL SELECT qty FROM orders) GROUP BY qty
--> 1:40 unnest | UNNEST in a SELECT of a UNION ALL cannot be kept | unnest over the union: FROM (… UNION ALL …) AS u, UNNEST(u.list) AS t(element)

-- numbered rows in UNION ALL
SELECT qty, COUNT(*) AS n FROM (SELECT qty, ROW_NUMBER() OVER (PARTITION BY qty ORDER BY ts) AS r FROM orders UNION ALL SELECT qty, 1 FROM orders) GROUP BY qty
--> 1:45 ROW_NUMBER | a UNION ALL of numbered rows cannot be kept | the SELECT of the view reads them, keeps the first with WHERE r <= 10, and that is all

-- a recursive CTE
WITH RECURSIVE x AS (SELECT qty FROM orders) SELECT qty FROM x GROUP BY qty
--> 1:1 WITH | WITH RECURSIVE cannot be kept | a view reads each event once

-- a CTE that nobody reads is checked
WITH x AS (SELECT nosuch FROM orders) SELECT qty FROM orders GROUP BY qty
--> 1:19 nosuch | there is no column nosuch | known: User Id, amount, big, clock, day, doc, größe, huge, items, local, o, order_id, p, paid, positive, price, qty, ratio, s, tags, tiny, ts, user, user_id

-- a column that a subquery does not have
SELECT amount, COUNT(*) AS n FROM (SELECT qty FROM orders) GROUP BY amount
--> 1:8 amount | there is no column amount | known: qty

-- a column that a subquery does not have, qualified
SELECT COUNT(x.amount) AS n FROM (SELECT qty FROM orders) x
--> 1:16 amount | there is no column amount | known: qty

-- a column of a subquery without a name
SELECT COUNT(*) AS n FROM (SELECT qty + 1 FROM orders)
--> 1:35 qty | qty + 1 has no name | write qty + 1 AS name

-- two columns of a subquery with one name
SELECT COUNT(*) AS n FROM (SELECT qty AS a, tiny AS A FROM orders)
--> 1:45 tiny | two columns are named A | give one another name with AS

-- more names than columns
SELECT COUNT(*) AS n FROM (SELECT qty FROM orders) AS x (a, b)
--> 1:61 b | 2 names for 1 columns | give as many names as the subquery has columns

-- a computed column that is not grouped is called by its name
SELECT tiny, x, COUNT(*) AS n FROM (SELECT qty + 1 AS x, tiny FROM orders) GROUP BY tiny
--> 1:14 x | column x is neither in GROUP BY nor in an aggregate | add x to GROUP BY, or take MIN(x) or MAX(x)

-- a type that does not fit is told of where the column is used
SELECT tiny, SUM(x) AS s FROM (SELECT lower(user_id) AS x, tiny FROM orders) GROUP BY tiny
--> 1:14 SUM | no function matches the given name and argument types 'sum(VARCHAR)' | you might need to add explicit type casts

-- a parameter of a lambda that would hide a column
SELECT list_sum(list_transform([1], lambda qty: qty + y)) AS l, COUNT(*) AS n
FROM (SELECT qty AS y FROM orders) GROUP BY l
--> 1:55 y | qty has another meaning here: qty is a parameter as well | give the parameter another name

-- WHERE of a subquery without a condition
SELECT COUNT(*) AS n FROM (SELECT qty FROM orders WHERE qty)
--> 1:57 qty | WHERE takes a condition | compare it with something

-- a source that a subquery does not find
SELECT COUNT(*) AS n FROM (SELECT qty FROM ordrs)
--> 1:44 ordrs | there is no source ordrs | did you mean orders?

-- what * leaves out is not there
SELECT COUNT(*) AS n FROM (SELECT * EXCLUDE (userid) FROM orders)
--> 1:46 userid | there is no column userid | did you mean user_id?

-- a subquery that is not there
WITH paid AS (SELECT qty FROM orders) SELECT COUNT(*) AS n FROM payd
--> 1:65 payd | there is no source payd | did you mean paid?

-- * of another name
SELECT COUNT(*) AS n FROM (SELECT x.* FROM orders AS y)
--> 1:35 x | there is nothing called x here | known: y

-- a window over a column that is computed
SELECT window_start, COUNT(*) AS n
FROM TUMBLE((SELECT ts + INTERVAL '1' HOUR AS later FROM orders), later, INTERVAL '1' MINUTE)
GROUP BY window_start
--> 2:67 later | later is computed, and a window takes a time column of the source | put the window inside the subquery, or GROUP BY time_bucket(…)

-- a window over a column that the subquery does not have
WITH x AS (SELECT qty FROM orders)
SELECT window_start, COUNT(*) AS n FROM TUMBLE(x, ts, INTERVAL '1' MINUTE) GROUP BY window_start
--> 2:51 ts | there is no column ts in the subquery | known: qty

-- a window of a window
WITH x AS (SELECT ts FROM TUMBLE(orders, ts, INTERVAL '1' MINUTE))
SELECT window_start FROM TUMBLE(x, ts, INTERVAL '1' HOUR) GROUP BY window_start
--> 2:26 TUMBLE | a window of a window cannot be kept | take one of them

-- a subquery in WHERE
SELECT user_id, COUNT(*) FROM orders
WHERE amount > (SELECT 1) GROUP BY user_id
--> 2:17 SELECT | a subquery that is a value cannot be kept | only FROM and WITH take subqueries; combine rows of views when you read

-- EXISTS
SELECT user_id FROM orders WHERE EXISTS (SELECT 1) GROUP BY user_id
--> 1:42 SELECT | a subquery that is a value cannot be kept | only FROM and WITH take subqueries; combine rows of views when you read

-- GROUPING SETS without GROUPING
SELECT user_id, COUNT(*) AS n FROM orders GROUP BY GROUPING SETS ((user_id), ())
--> 1:68 user_id | nothing tells the rows of the grouping sets apart | add GROUPING(user_id) AS grouping to SELECT: it is the first part of the key

-- ROLLUP with a GROUPING of too little
SELECT user_id, qty, GROUPING(user_id) AS g, COUNT(*) AS n FROM orders GROUP BY ROLLUP (user_id, qty)
--> 1:89 user_id | nothing tells the rows of the grouping sets apart | add GROUPING(user_id, qty) AS grouping to SELECT: it is the first part of the key

-- one grouping set twice
SELECT user_id, GROUPING(user_id) AS g FROM orders GROUP BY GROUPING SETS ((user_id), user_id)
--> 1:87 user_id | two grouping sets are the same | keep one

-- GROUPING of what is not grouped
SELECT user_id, GROUPING(user_id, qty) AS g FROM orders GROUP BY ROLLUP (user_id)
--> 1:35 qty | GROUPING takes columns of GROUP BY, and qty is none | write it as it stands there

-- GROUPING that is not selected
SELECT user_id, GROUPING(user_id) AS g FROM orders GROUP BY CUBE (user_id, tiny), qty
--> 1:76 tiny | GROUP BY column tiny is not selected | add it to SELECT: the key columns are part of every row

-- GROUPING in HAVING alone
SELECT user_id, qty, GROUPING(user_id, qty) AS g FROM orders GROUP BY CUBE (user_id, qty)
HAVING GROUPING(qty) = 0
--> 2:8 GROUPING | GROUPING(qty) is not selected | add it to SELECT, with a name: it is a part of the key

-- GROUPING without a name
SELECT user_id, GROUPING(user_id) FROM orders GROUP BY ROLLUP (user_id)
--> 1:17 GROUPING | GROUPING(user_id) has no name | write GROUPING(user_id) AS name

-- GROUPING without grouping sets
SELECT user_id, GROUPING(user_id) AS g FROM orders GROUP BY user_id
--> 1:17 GROUPING | GROUPING needs GROUPING SETS, ROLLUP or CUBE | leave it out

-- a CUBE of too much
SELECT user_id, GROUPING() AS g FROM orders GROUP BY CUBE (user_id, qty, tiny, paid, day, ts, local)
--> 1:60 user_id | there are more than 64 grouping sets | name the sets that you need

-- an aggregate in ROLLUP
SELECT user_id, COUNT(*) AS n, GROUPING(user_id) AS g FROM orders GROUP BY ROLLUP (user_id, n)
--> 1:93 n | n is an aggregate | GROUP BY takes columns of the source

-- GROUP BY ALL
SELECT user_id, COUNT(*) FROM orders GROUP BY ALL
--> 1:47 ALL | GROUP BY ALL names no key order | list the key columns in their order

-- no GROUP BY
SELECT user_id, qty FROM orders
--> 1:8 user_id | a view without GROUP BY, DISTINCT or aggregates has no key to look it up by | add GROUP BY with the columns that applications look up, or write SELECT DISTINCT

-- a row in GROUP BY
SELECT user_id, qty FROM orders GROUP BY (user_id, qty)
--> 1:43 user_id | GROUP BY takes columns, not a row of them | leave the parentheses out

-- SELECT *
SELECT * FROM orders GROUP BY user_id
--> 1:8 * | * names no columns | list the columns

-- SELECT alias.*
SELECT o.* FROM orders AS o GROUP BY user_id
--> 1:10 * | * names no columns | list the columns

-- COLUMNS(*)
SELECT MIN(COLUMNS(*)) FROM orders GROUP BY user_id
--> 1:20 * | * names no columns | list the columns

-- no FROM
SELECT 1 AS one GROUP BY one
--> 1:8 1 | the SELECT has no FROM | read a source: FROM name

-- a window function
SELECT user_id, row_number() OVER (ORDER BY user_id) AS n FROM orders GROUP BY user_id
--> 1:17 row_number | ROW_NUMBER() is a column of a subquery, and nothing else | SELECT … FROM (SELECT *, ROW_NUMBER() OVER (…) AS rn FROM …) WHERE rn <= 10

-- a window function that is kept nowhere
SELECT user_id, s FROM (SELECT user_id, SUM(qty) OVER (PARTITION BY user_id ORDER BY ts) AS s FROM orders) WHERE s = 1
--> 1:41 SUM | window functions cannot be kept | group by the columns of PARTITION BY; of window functions there is ROW_NUMBER()

-- RANK
SELECT user_id, qty FROM (SELECT *, RANK() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders) WHERE rn = 1
--> 1:37 RANK | RANK gives rows that tie one number, so a group has any number of them | write ROW_NUMBER(), which numbers them in the order of their partitions and offsets

-- DENSE_RANK
SELECT user_id, qty FROM (SELECT *, DENSE_RANK() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders) WHERE rn = 1
--> 1:37 DENSE_RANK | DENSE_RANK gives rows that tie one number, so a group has any number of them | write ROW_NUMBER(), which numbers them in the order of their partitions and offsets

-- ROW_NUMBER without an order
SELECT user_id, qty FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id) AS rn FROM orders) WHERE rn = 1
--> 1:37 ROW_NUMBER | ROW_NUMBER() without ORDER BY depends on the batches | add ORDER BY column, or ORDER BY column DESC for the last one first

-- ROW_NUMBER without a name
SELECT user_id, qty FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts) FROM orders)
--> 1:37 ROW_NUMBER | ROW_NUMBER() has no name | write ROW_NUMBER() OVER (…) AS rn

-- ROW_NUMBER in an expression
SELECT user_id, qty FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY ts) + 1 AS rn FROM orders) WHERE rn = 1
--> 1:37 ROW_NUMBER | ROW_NUMBER() is a column of a subquery, and nothing else | SELECT … FROM (SELECT *, ROW_NUMBER() OVER (…) AS rn FROM …) WHERE rn <= 10

-- ROW_NUMBER in the WHERE of a subquery
SELECT user_id, qty FROM (SELECT * FROM orders WHERE ROW_NUMBER() OVER (ORDER BY ts) = 1)
--> 1:54 ROW_NUMBER | ROW_NUMBER() is a column of a subquery, and nothing else | SELECT … FROM (SELECT *, ROW_NUMBER() OVER (…) AS rn FROM …) WHERE rn <= 10

-- ROW_NUMBER with a frame
SELECT user_id, qty FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS rn FROM orders) WHERE rn = 1
--> 1:37 ROW_NUMBER | ROW_NUMBER() takes no arguments and no frame | write ROW_NUMBER() OVER (…)

-- ROW_NUMBER of a named window
SELECT user_id, qty FROM (SELECT *, ROW_NUMBER() OVER w AS rn FROM orders WINDOW w AS (ORDER BY ts)) WHERE rn = 1
--> 1:75 WINDOW | WINDOW cannot be kept | write it inline: OVER (PARTITION BY … ORDER BY …)

-- two ROW_NUMBERs
SELECT user_id, qty FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY ts) AS rn, ROW_NUMBER() OVER (ORDER BY ts DESC) AS back FROM orders) WHERE rn = 1
--> 1:76 ROW_NUMBER | the rows are numbered twice | keep one ROW_NUMBER()

-- ROW_NUMBER under the name of a column
SELECT user_id, qty FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY ts) AS qty FROM orders) WHERE qty = 1
--> 1:37 ROW_NUMBER | two columns are named qty | give one another name with AS

-- ROW_NUMBER beside unnest
SELECT sku, rn FROM (SELECT unnest(items).sku AS sku, ROW_NUMBER() OVER (ORDER BY ts) AS rn FROM orders) WHERE rn = 1
--> 1:55 ROW_NUMBER | unnest in the SELECT of numbered rows cannot be kept | the SELECT of the view reads them, keeps the first with WHERE rn <= 10, and that is all

-- numbered rows by what has no order
SELECT user_id, qty FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY s) AS rn FROM orders) WHERE rn = 1
--> 1:86 s | STRUCT(a INTEGER, b STRUCT("C d" VARCHAR)) has no order that is kept | order by one of its fields

-- numbered rows without a bound
SELECT user_id, qty, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders)
--> 1:41 ROW_NUMBER | nothing says how many rows of a group are kept | add WHERE rn <= 10, or rn = 1

-- numbered rows from the second on
SELECT user_id, qty, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders) WHERE rn > 1
--> 1:119 rn | the rows from the first to at most the 1000th are kept | write WHERE rn <= 10, or rn = 1

-- no numbered rows
SELECT user_id, qty, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders) WHERE rn < 1
--> 1:119 rn | the rows from the first to at most the 1000th are kept | write WHERE rn <= 10, or rn = 1

-- the second of numbered rows alone
SELECT user_id, qty, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders) WHERE rn = 2
--> 1:119 rn | the rows from the first to at most the 1000th are kept | write WHERE rn <= 10, or rn = 1

-- numbered rows up to a column
SELECT user_id, qty, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders) WHERE rn <= qty
--> 1:119 rn | the rows from the first to at most the 1000th are kept | write WHERE rn <= 10, or rn = 1

-- too many numbered rows
SELECT user_id, qty, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders) WHERE rn <= 1001
--> 1:119 rn | the rows from the first to at most the 1000th are kept | write WHERE rn <= 10, or rn = 1

-- several numbered rows, and the number is not selected
SELECT user_id, qty FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders) WHERE rn <= 3
--> 1:37 ROW_NUMBER | rn is a part of the key, and it is not selected | add rn to SELECT: the key columns are part of every row

-- numbered rows with another condition
SELECT user_id, qty FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders) WHERE rn = 1 AND qty > 2
--> 1:126 qty | a condition on rows that are numbered already cannot be kept | put it into the WHERE of the subquery, so that other rows are not numbered

-- numbered rows with two bounds
SELECT user_id, qty FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders) WHERE rn = 1 AND rn <= 1
--> 1:126 rn | two conditions bound the rows of a group | keep one

-- numbered rows with one condition or the other
SELECT user_id, qty FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders) WHERE rn = 1 OR qty > 2
--> 1:115 rn | the rows from the first to at most the 1000th are kept | write WHERE rn <= 10, or rn = 1

-- numbered rows, and PARTITION BY is not selected
SELECT qty FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders) WHERE rn = 1
--> 1:28 ROW_NUMBER | PARTITION BY column user_id is not selected | add it to SELECT: the key columns are part of every row

-- numbered rows without PARTITION BY, and the number is not selected
SELECT qty FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY ts) AS rn FROM orders) WHERE rn = 1
--> 1:28 ROW_NUMBER | rn is a part of the key, and it is not selected | add rn to SELECT: the key columns are part of every row

-- numbered rows by one column twice
SELECT user_id, qty FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id, orders.user_id ORDER BY ts) AS rn FROM orders) WHERE rn = 1
--> 1:37 ROW_NUMBER | user_id stands twice in PARTITION BY | keep one

-- arithmetic with the number of a row
SELECT user_id, rn - 1 AS place FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders) WHERE rn = 1
--> 1:17 rn | rn - 1 computes with the number of a row | select the number itself, and compute when you read

-- GROUP BY over numbered rows
SELECT user_id, COUNT(*) AS n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders) WHERE rn = 1 GROUP BY user_id
--> 1:141 user_id | GROUP BY over numbered rows cannot be kept | the rows of the view are the numbered ones; write a second view for the groups

-- an aggregate over numbered rows
SELECT MAX(qty) AS m FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders) WHERE rn = 1
--> 1:8 MAX | an aggregate over numbered rows cannot be kept | the rows of the view are the numbered ones; write a second view for the groups

-- DISTINCT over numbered rows
SELECT DISTINCT user_id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders) WHERE rn = 1
--> 1:17 user_id | DISTINCT over numbered rows cannot be kept | the rows of the view are the numbered ones; write a second view for the groups

-- a subquery over numbered rows
SELECT user_id, COUNT(*) AS n FROM (SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders) WHERE rn = 1) GROUP BY user_id
--> 1:62 ROW_NUMBER | a subquery over numbered rows cannot be kept | the SELECT of the view reads them, keeps the first with WHERE rn <= 10, and that is all

-- windows over numbered rows
SELECT window_start, qty FROM TUMBLE((SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders), ts, INTERVAL '1' MINUTE) WHERE rn = 1
--> 1:49 ROW_NUMBER | windows over numbered rows cannot be kept | the SELECT of the view reads them, keeps the first with WHERE rn <= 10, and that is all

-- UNNEST over numbered rows
SELECT user_id, item.sku FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders), UNNEST(items) AS t(item) WHERE rn = 1
--> 1:42 ROW_NUMBER | UNNEST over numbered rows cannot be kept | the SELECT of the view reads them, keeps the first with WHERE rn <= 10, and that is all

-- LATERAL with numbered rows
SELECT user_id, sku FROM orders, LATERAL (SELECT qty AS sku, ROW_NUMBER() OVER (ORDER BY ts) AS rn) WHERE rn = 1
--> 1:62 ROW_NUMBER | LATERAL with numbered rows cannot be kept | the SELECT of the view reads them, keeps the first with WHERE rn <= 10, and that is all

-- a column of numbered rows without a name
SELECT user_id, qty + 1 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders) WHERE rn = 1
--> 1:17 qty | qty + 1 has no name | write qty + 1 AS name

-- two columns of numbered rows of one name
SELECT user_id, qty, tiny AS qty FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders) WHERE rn = 1
--> 1:22 tiny | two columns are named qty | give one another name with AS

-- a column of numbered rows that cannot be kept
SELECT user_id, ts - ts AS i FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts) AS rn FROM orders) WHERE rn = 1
--> 1:17 ts | a view cannot hold a value of type INTERVAL | turn it into a number, for example epoch_ms(b) - epoch_ms(a)

-- numbered rows of windows that share events and that PARTITION BY does not tell apart
SELECT user_id, qty FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY qty) AS rn FROM HOP(orders, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE)) WHERE rn = 1
--> 1:102 HOP | the windows of HOP share events, and PARTITION BY does not tell them apart | add window_start to PARTITION BY and SELECT

-- numbered rows of sessions
SELECT user_id, window_start, qty FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id, window_start ORDER BY ts) AS rn FROM SESSION(orders PARTITION BY user_id, ts, INTERVAL '1' MINUTE)) WHERE rn = 1
--> 1:129 SESSION | numbered rows of sessions cannot be kept | take ARG_MAX(column, ts) and its kin of each session, or number rows of TUMBLE

-- numbered rows in the order of windows that share events
SELECT window_start, qty FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start ORDER BY window_end) AS rn FROM HOP(orders, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE)) WHERE rn = 1
--> 1:96 window_end | window_end cannot order rows: an event is in several windows of HOP | group by window_end itself; SELECT and HAVING can use it in expressions

-- numbered rows with a bound of a window that share events
SELECT window_start, window_end FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start ORDER BY qty) AS rn FROM HOP(orders, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE)) WHERE rn = 1
--> 1:22 window_end | window_end cannot be a column of a row: an event is in several windows of HOP | group by window_end itself; SELECT and HAVING can use it in expressions

-- QUALIFY
SELECT user_id FROM orders GROUP BY user_id QUALIFY COUNT(*) > 1
--> 1:45 QUALIFY | QUALIFY cannot be kept | filter with WHERE or HAVING, or number rows in a subquery

-- a sample
SELECT user_id FROM orders TABLESAMPLE 10% GROUP BY user_id
--> 1:21 orders | SAMPLE after FROM cannot be kept | read the source itself

-- USING SAMPLE
SELECT user_id FROM orders GROUP BY user_id USING SAMPLE 3
--> 1:45 USING | a sample cannot be kept | filter with WHERE

-- a parameter
SELECT user_id, COUNT(*) FROM orders WHERE qty > $1 GROUP BY user_id
--> 1:50 $ | a view has no parameters | write the value

-- COLLATE
SELECT user_id COLLATE NOCASE AS u FROM orders GROUP BY u
--> 1:8 user_id | COLLATE cannot be kept | group by lower(column) instead

-- the current time
SELECT user_id, COUNT(*) FROM orders WHERE ts > now() - INTERVAL '1' DAY GROUP BY user_id
--> 1:49 now | now is not a function of the events | a view reads its events and nothing else: use a column of the event instead

-- the local time of the session
SELECT user_id, MAX(current_localtimestamp()) AS t FROM orders GROUP BY user_id
--> 1:21 current_localtimestamp | current_localtimestamp is not a function of the events | a view reads its events and nothing else: use a column of the event instead

-- the local time of day
SELECT user_id, MIN(current_localtime()) AS t FROM orders GROUP BY user_id
--> 1:21 current_localtime | current_localtime is not a function of the events | a view reads its events and nothing else: use a column of the event instead

-- the current date, without parentheses
SELECT user_id, COUNT(*) FROM orders
WHERE day = current_date GROUP BY user_id
--> 2:13 current_date | current_date is not a function of the events | a view reads its events and nothing else: use a column of the event instead

-- a random number
SELECT user_id, SUM(random()) AS r FROM orders GROUP BY user_id
--> 1:21 random | random is not a function of the events | a view reads its events and nothing else: use a column of the event instead

-- the age until today
SELECT user_id, MAX(age(ts)) AS a FROM orders GROUP BY user_id
--> 1:21 age | age is not a function of the events | a view reads its events and nothing else: use a column of the event instead

-- a setting
SELECT user_id, current_setting('threads') AS t FROM orders GROUP BY user_id
--> 1:17 current_setting | current_setting is not a function of the events | a view reads its events and nothing else: use a column of the event instead

-- the environment
SELECT getenv('HOME') AS h FROM orders GROUP BY h
--> 1:8 getenv | getenv is not a function of the events | a view reads its events and nothing else: use a column of the event instead

-- the session's user
SELECT session_user AS u, COUNT(*) FROM orders GROUP BY u
--> 1:8 session_user | session_user is not a function of the events | a view reads its events and nothing else: use a column of the event instead

-- a file
SELECT user_id FROM read_csv('/etc/passwd') GROUP BY user_id
--> 1:21 read_csv | a view cannot read READ_CSV | read a source, or TUMBLE(source, time column, INTERVAL …), HOP, CUMULATE or SESSION

-- a file by its name
SELECT user_id FROM 'passwd.csv' GROUP BY user_id
--> 1:21 'passwd.csv' | there is no source passwd.csv | known: orders

-- DuckDB's settings
SELECT name FROM duckdb_settings() GROUP BY name
--> 1:18 duckdb_settings | a view cannot read DUCKDB_SETTINGS | read a source, or TUMBLE(source, time column, INTERVAL …), HOP, CUMULATE or SESSION

-- another catalog
SELECT table_name FROM information_schema.tables GROUP BY table_name
--> 1:24 information_schema | a source has a plain name | leave the schema out

-- a sequence
SELECT user_id, MAX(nextval('s')) AS n FROM orders GROUP BY user_id
--> 1:21 nextval | nextval is not a function of the events | a view reads its events and nothing else: use a column of the event instead

-- UNNEST
SELECT unnest(items) AS item, COUNT(*) FROM orders GROUP BY item
--> 1:8 unnest | unnest makes many rows of one event | write FROM source, UNNEST(list) AS t(element), or fold it: list_sum, list_max, len, …

-- UNNEST in the WHERE of a subquery
SELECT qty, COUNT(*) AS n FROM (SELECT qty FROM orders WHERE unnest([paid])) GROUP BY qty
--> 1:62 unnest | unnest makes many rows of one event | write FROM source, UNNEST(list) AS t(element), or fold it: list_sum, list_max, len, …

-- other functions that make rows
SELECT qty, COUNT(*) AS n FROM (SELECT generate_subscripts(items, 1) AS qty FROM orders) GROUP BY qty
--> 1:40 generate_subscripts | generate_subscripts makes many rows of one event | write FROM source, UNNEST(list) AS t(element), or fold it: list_sum, list_max, len, …

-- UNNEST without a source
SELECT x, COUNT(*) AS n FROM UNNEST([1, 2]) AS t(x) GROUP BY x
--> 1:38 1 | unnest makes many rows of one event | write FROM source, UNNEST(list) AS t(element), or fold it: list_sum, list_max, len, …

-- UNNEST of no list
SELECT x, COUNT(*) AS n FROM orders, UNNEST(qty) AS t(x) GROUP BY x
--> 1:45 qty | UNNEST takes a list, and this is INTEGER | a column of the type T[] has elements

-- UNNEST of a map
SELECT x, COUNT(*) AS n FROM orders, UNNEST(tags) AS t(x) GROUP BY x
--> 1:45 tags | UNNEST takes a list, and this is MAP(VARCHAR, INTEGER) | write UNNEST(map_entries(tags)) AS t(key, value)

-- UNNEST of JSON
SELECT x, COUNT(*) AS n FROM orders, UNNEST(doc->'list') AS t(x) GROUP BY x
--> 1:45 doc | UNNEST takes a list, and this is JSON | say what it holds: UNNEST(CAST(doc -> 'list' AS JSON[]))

-- UNNEST of two lists
SELECT x, COUNT(*) AS n FROM orders, UNNEST(items, items) AS t(x, y) GROUP BY x
--> 1:45 items | UNNEST takes one list here | zip them: UNNEST(list_zip(a, b)) AS t(a, b)

-- two lists in one SELECT
SELECT x, COUNT(*) AS n FROM (SELECT unnest(items) AS x, unnest([1]) AS y FROM orders) GROUP BY x
--> 1:58 unnest | a SELECT unnests one list | put one into a subquery, or zip them: unnest(list_zip(a, b))

-- more names than fields
SELECT a, COUNT(*) AS n FROM orders, UNNEST(items) AS t(a, b, c) GROUP BY a
--> 1:63 c | an element has 2 fields, and there are 3 names | give one name, and read fields as name.field

-- more names than a number has
SELECT a, COUNT(*) AS n FROM orders, UNNEST([qty]) AS t(a, b) GROUP BY a
--> 1:60 b | an element has one column, and there are 2 names | give one name, and read fields as name.field

-- LEFT JOIN of a list with a condition
SELECT x, COUNT(*) AS n FROM orders LEFT JOIN UNNEST(items) AS t(x) ON x.qty > 1 GROUP BY x
--> 1:42 JOIN | JOIN cannot be kept | views read one source; join when you look up, or before the stream

-- a subquery with a FROM behind LATERAL
SELECT a, COUNT(*) AS n FROM orders AS o, LATERAL (SELECT b.qty AS a FROM orders AS b) GROUP BY a
--> 1:59 b | a subquery behind LATERAL has no FROM here | write LATERAL (SELECT unnest(list) AS element), or CROSS JOIN UNNEST(list)

-- a name that two tables of FROM have
SELECT qty, COUNT(*) AS n FROM orders, LATERAL (SELECT tiny + 1 AS qty) AS l GROUP BY qty
--> 1:8 qty | there are two columns qty | write orders.qty or l.qty

-- an aggregate that is not kept
SELECT user_id, median(amount) AS m FROM orders GROUP BY user_id
--> 1:17 median | median cannot be kept | approx_quantile(x, 0.5) is near it

-- a list without a bound
SELECT user_id, list(amount ORDER BY ts LIMIT 0) AS l FROM orders GROUP BY user_id
--> 1:17 list | list needs a bound from 1 to 1000 | write list(x ORDER BY y LIMIT 10)

-- texts without a constant between them
SELECT user_id, string_agg(user_id, upper(user_id)) AS l FROM orders GROUP BY user_id
--> 1:37 upper | the separator of string_agg is a text, the same for all events | write string_agg(x, ', ')

-- texts and too many arguments
SELECT user_id, string_agg(user_id, ',', ';') AS l FROM orders GROUP BY user_id
--> 1:17 string_agg | string_agg takes an argument and a separator | write string_agg(x, ', ' ORDER BY y)

-- texts with too large a bound
SELECT user_id, string_agg(user_id, ',' LIMIT 2000) AS l FROM orders GROUP BY user_id
--> 1:17 string_agg | string_agg needs a bound from 1 to 1000 | write string_agg(x LIMIT 10)

-- different texts of what is none
SELECT user_id, string_agg(DISTINCT qty, ',') AS l FROM orders GROUP BY user_id
--> 1:37 qty | different texts cannot be kept of INTEGER | make texts of them: CAST(qty AS VARCHAR)

-- an object of one column
SELECT user_id, json_object_agg(qty) AS o FROM orders GROUP BY user_id
--> 1:17 json_object_agg | json_object_agg takes two arguments here | write json_object_agg(key, value)

-- an object of what is not exact inside
SELECT user_id, json_object_agg(user_id, [price]) AS o FROM orders GROUP BY user_id
--> 1:43 price | a value of type DOUBLE[] has DOUBLE inside | take its fields, or cast them to DECIMAL

-- an object of different pairs
SELECT user_id, json_object_agg(DISTINCT user_id, qty) AS o FROM orders GROUP BY user_id
--> 1:17 json_object_agg | json_object_agg(DISTINCT …) cannot be kept | make the column a key and count the rows, or drop DISTINCT

-- a list with too large a bound
SELECT user_id, array_agg(amount ORDER BY ts LIMIT 1001) AS l FROM orders GROUP BY user_id
--> 1:17 array_agg | array_agg needs a bound from 1 to 1000 | write array_agg(x ORDER BY y LIMIT 10)

-- a list with a bound of an event
SELECT user_id, array_agg(amount LIMIT qty) AS l FROM orders GROUP BY user_id
--> 1:40 qty | array_agg needs a bound from 1 to 1000 | write array_agg(x ORDER BY y LIMIT 10)

-- the greatest of no number
SELECT user_id, max(amount, 0) AS l FROM orders GROUP BY user_id
--> 1:17 max | max needs a bound from 1 to 1000 | write it as a number, the last argument

-- different values in an order of their own
SELECT user_id, list(DISTINCT qty ORDER BY ts LIMIT 3) AS l FROM orders GROUP BY user_id
--> 1:44 ts | different values are kept from the least on | write ORDER BY qty

-- different values from the greatest on
SELECT user_id, list(DISTINCT qty ORDER BY qty DESC LIMIT 3) AS l FROM orders GROUP BY user_id
--> 1:44 qty | different values are kept from the least on | write ORDER BY qty

-- a mode with a bound that is too high
SELECT user_id, mode(qty LIMIT 1001) AS m FROM orders GROUP BY user_id
--> 1:17 mode | mode needs a bound from 1 to 1000 | write mode(x LIMIT 10)

-- a histogram of structs
SELECT user_id, histogram(s LIMIT 10) AS h FROM orders GROUP BY user_id
--> 1:27 s | STRUCT(a INTEGER, b STRUCT("C d" VARCHAR)) has no order that is kept | take one of its fields

-- a list of lists of doubles
SELECT user_id, list([price] LIMIT 3) AS l FROM orders GROUP BY user_id
--> 1:23 price | a value of type DOUBLE[] has DOUBLE inside | take its fields, or cast them to DECIMAL

-- the first three
SELECT user_id, first(qty ORDER BY ts LIMIT 3) AS f FROM orders GROUP BY user_id
--> 1:17 first | LIMIT changes nothing in first | leave it out

-- an aggregate with a syntax of its own
SELECT user_id, json_group_structure(user_id) AS s FROM orders GROUP BY user_id
--> 1:17 json_group_structure | json_group_structure cannot be kept | docs/sql.md lists the aggregates that can be kept, under Aggregates

-- an aggregate with a neighbour that is kept
SELECT user_id, fsum(price) AS s FROM orders GROUP BY user_id
--> 1:17 fsum | fsum cannot be kept | SUM of DOUBLE is compensated already

-- an aggregate of pairs over one column
SELECT user_id, corr(price) AS c FROM orders GROUP BY user_id
--> 1:17 corr | corr takes two arguments here | write corr(y, x)

-- the deviation of a text
SELECT user_id, stddev(user_id) AS s FROM orders GROUP BY user_id
--> 1:17 stddev | no function matches the given name and argument types 'stddev(VARCHAR)' | you might need to add explicit type casts

-- the first of no order
SELECT user_id, first(qty) AS f FROM orders GROUP BY user_id
--> 1:17 first | first without an order depends on the batches | write first(qty ORDER BY column), or EARLIEST for the order of the source

-- the last of no order
SELECT user_id, last_value(s.a) AS f FROM orders GROUP BY user_id
--> 1:17 last_value | last_value without an order depends on the batches | write last_value((s).a ORDER BY column), or LATEST for the order of the source

-- the first by two columns
SELECT user_id, first_value(qty ORDER BY ts, order_id) AS f FROM orders GROUP BY user_id
--> 1:46 order_id | an aggregate orders by one expression | leave it out, since events that tie are in the order of their partitions and offsets; or number rows in a subquery: ROW_NUMBER() OVER (PARTITION BY a ORDER BY b, c)

-- the first by NULL
SELECT user_id, first_value(qty ORDER BY ts NULLS FIRST) AS f FROM orders GROUP BY user_id
--> 1:42 ts | an event without a value to order by does not count | leave NULLS FIRST out, or order by coalesce(column, …)

-- the first by a struct
SELECT user_id, first_value(qty ORDER BY s) AS f FROM orders GROUP BY user_id
--> 1:42 s | STRUCT(a INTEGER, b STRUCT("C d" VARCHAR)) has no order that is kept | order by one of its fields

-- a value of a list with doubles
SELECT user_id, latest([price]) AS f FROM orders GROUP BY user_id
--> 1:25 price | a value of type DOUBLE[] has DOUBLE inside | take its fields, or cast them to DECIMAL

-- an order for what has its own
SELECT user_id, latest(qty ORDER BY ts) AS f FROM orders GROUP BY user_id
--> 1:17 latest | ORDER BY changes nothing in latest | leave it out

-- an argument too few
SELECT user_id, arg_max(qty) AS f FROM orders GROUP BY user_id
--> 1:17 arg_max | arg_max takes two arguments here | write arg_max(y, x)

-- the first, where another is meant
SELECT user_id, arbitrary(qty) AS f FROM orders GROUP BY user_id
--> 1:17 arbitrary | arbitrary cannot be kept | ANY_VALUE keeps one of the values

-- bits of a fraction
SELECT user_id, bit_and(price) AS b FROM orders GROUP BY user_id
--> 1:17 bit_and | no function matches the given name and argument types 'bit_and(DOUBLE)' | you might need to add explicit type casts

-- DISTINCT where it changes the answer
SELECT user_id, bit_xor(DISTINCT qty) AS b FROM orders GROUP BY user_id
--> 1:17 bit_xor | bit_xor(DISTINCT …) cannot be kept | make the column a key and count the rows, or drop DISTINCT

-- an aggregate of a list is none
SELECT user_id, COUNT(*) FILTER (WHERE paid) AS n, lower(user_id) FILTER (WHERE paid) AS l
FROM orders GROUP BY user_id
--> 1:52 lower | lower is no aggregate | FILTER follows an aggregate

-- WITHIN GROUP
SELECT user_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) AS p FROM orders GROUP BY user_id
--> 1:17 percentile_cont | WITHIN GROUP cannot be kept | approx_quantile(x, 0.5) is near it

-- a sum of different doubles
SELECT user_id, SUM(DISTINCT price) AS n FROM orders GROUP BY user_id
--> 1:30 price | sum(DISTINCT …) over DOUBLE cannot be kept | cast it to DECIMAL: sums of these are exact

-- COUNT(DISTINCT *)
SELECT user_id, COUNT(DISTINCT *) AS n FROM orders GROUP BY user_id
--> 1:32 * | * names no columns | list the columns

-- a row of different values
SELECT user_id, COUNT(DISTINCT (qty, paid)) AS n FROM orders GROUP BY user_id
--> 1:33 qty | a row is no value that can be kept | write count(DISTINCT qty, paid): where one of these is NULL, the event does not count

-- different values of two columns in a sum
SELECT user_id, SUM(DISTINCT qty, tiny) AS n FROM orders GROUP BY user_id
--> 1:17 SUM | sum takes one argument here | write sum(column)

-- different values with doubles inside
SELECT user_id, COUNT(DISTINCT [price]) AS n FROM orders GROUP BY user_id
--> 1:33 price | a value of type DOUBLE[] has DOUBLE inside | take its fields, or cast them to DECIMAL

-- different values of no type
SELECT user_id, COUNT(DISTINCT NULL) AS n FROM orders GROUP BY user_id
--> 1:17 COUNT | a view cannot hold a value of type "NULL" | give it a type, for example CAST(NULL AS BIGINT)

-- different values in an order
SELECT user_id, COUNT(DISTINCT qty ORDER BY ts) AS n FROM orders GROUP BY user_id
--> 1:17 COUNT | ORDER BY changes nothing in count | leave it out

-- different values of a type that a view cannot hold
SELECT user_id, COUNT(DISTINCT ts - ts) AS n FROM orders GROUP BY user_id
--> 1:32 ts | a view cannot hold a value of type INTERVAL | turn it into a number, for example epoch_ms(b) - epoch_ms(a)

-- COUNT of two columns
SELECT user_id, COUNT(qty, paid) AS n FROM orders GROUP BY user_id
--> 1:17 COUNT | count takes one argument here | COUNT(*) counts rows

-- an aggregate in an aggregate
SELECT user_id, SUM(COUNT(*)) AS n FROM orders GROUP BY user_id
--> 1:21 COUNT | an aggregate cannot stand in an aggregate | write a view for the inner one, or aggregate the columns themselves

-- an aggregate in WHERE
SELECT user_id FROM orders WHERE COUNT(*) > 1 GROUP BY user_id
--> 1:34 COUNT | an aggregate cannot stand in WHERE | use HAVING

-- an aggregate in GROUP BY
SELECT user_id FROM orders GROUP BY user_id, COUNT(*)
--> 1:46 COUNT | an aggregate cannot stand in GROUP BY | use HAVING to filter by it

-- an aggregate in GROUP BY by its position
SELECT user_id, COUNT(*) FROM orders GROUP BY 1, 2
--> 1:50 2 | 2 is an aggregate | GROUP BY takes columns of the source

-- an aggregate in GROUP BY by its alias
SELECT user_id, COUNT(*) AS n FROM orders GROUP BY user_id, n
--> 1:61 n | n is an aggregate | GROUP BY takes columns of the source

-- SUM of a text
SELECT qty, SUM(user_id) AS s FROM orders GROUP BY qty
--> 1:13 SUM | no function matches the given name and argument types 'sum(VARCHAR)' | you might need to add explicit type casts

-- AVG of a moment
SELECT user_id, AVG(ts) AS a FROM orders GROUP BY user_id
--> 1:21 ts | avg over TIMESTAMP WITH TIME ZONE cannot be kept | make a number of it: avg(CAST(… AS DOUBLE)) or avg(epoch_ms(…))

-- MIN of a struct
SELECT user_id, MIN(s) AS m FROM orders GROUP BY user_id
--> 1:21 s | min over STRUCT(a INTEGER, b STRUCT("C d" VARCHAR)) cannot be kept | take min of one of its fields

-- MAX of a JSON
SELECT user_id, MAX(doc) AS m FROM orders GROUP BY user_id
--> 1:21 doc | max over JSON cannot be kept | take max of a value in it: max(CAST(doc ->> 'field' AS BIGINT))

-- MIN of a list
SELECT user_id, MIN(items) AS m FROM orders GROUP BY user_id
--> 1:21 items | min over STRUCT(sku VARCHAR, qty INTEGER)[] cannot be kept | take min of a field of its elements: list_min([x.field for x in items])

-- MAX of a map
SELECT user_id, MAX(tags) AS m FROM orders GROUP BY user_id
--> 1:21 tags | max over MAP(VARCHAR, INTEGER) cannot be kept | take max of one of its values: max(tags['key'])

-- any value that is nested
SELECT user_id, any_value(doc) AS m FROM orders GROUP BY user_id
--> 1:27 doc | any_value over JSON cannot be kept | take latest(doc), or arg_max(doc, …)

-- a nested column beside an aggregate
SELECT user_id, doc, COUNT(*) AS n FROM orders GROUP BY user_id
--> 1:17 doc | column doc is neither in GROUP BY nor in an aggregate | add doc to GROUP BY, or take latest(doc)

-- a histogram of bins
SELECT user_id, histogram(qty, [1, 2]) AS m FROM orders GROUP BY user_id
--> 1:17 histogram | histogram takes one argument here | it counts each value; of bins: histogram(CASE WHEN qty <= 1 THEN 1 WHEN qty <= 2 THEN 2 END)

-- PostgreSQL's aggregate of conditions
SELECT user_id, EVERY(paid) AS m FROM orders GROUP BY user_id
--> 1:17 EVERY | there is no function every | write bool_and(x)

-- another database's aggregate of conditions
SELECT user_id, logical_or(paid) AS m FROM orders GROUP BY user_id
--> 1:17 logical_or | there is no function logical_or | write bool_or(x)

-- rows of the elements of a JSON array
SELECT user_id, v, COUNT(*) AS n FROM orders, jsonb_array_elements(doc -> 'l') AS v GROUP BY user_id, v
--> 1:45 , | a second source cannot be kept | write UNNEST(CAST(doc -> 'l' AS JSON[])) AS t(v)

-- rows of the texts of a JSON array
SELECT user_id, v, COUNT(*) AS n FROM orders CROSS JOIN json_array_elements_text(doc) AS v GROUP BY user_id, v
--> 1:52 JOIN | JOIN cannot be kept | write UNNEST(CAST(doc AS VARCHAR[])) AS t(v)

-- EMIT ON UPDATE
SELECT user_id, COUNT(*) AS n FROM orders GROUP BY user_id EMIT ON UPDATE
--> 1:60 EMIT | EMIT ON UPDATE cannot be kept | leave it out: a view has each event after the next commit

-- a lambda with an arrow
SELECT user_id, MAX(len(list_transform(items, x -> x))) AS n FROM orders GROUP BY user_id
--> 1:47 x | there is no column x | write the lambda as lambda x: …, since -> reads JSON

-- a lambda with an arrow around an aggregate
SELECT user_id, list_max(list_transform(array_agg(qty LIMIT 2), x -> x + 1)) AS n FROM orders GROUP BY user_id
--> 1:65 x | there is no column x | write the lambda as lambda x: …, since -> reads JSON

-- a field of JSON around an aggregate
SELECT user_id, latest(doc) ->> 'k' AS n FROM orders GROUP BY user_id
--> 1:17 latest | ->> cannot stand around aggregates or key columns | apply it inside the aggregate, or group by its result

-- a pattern over a key
SELECT user_id, user_id ~ 'a' AS m, COUNT(*) AS n FROM orders GROUP BY user_id
--> 1:17 user_id | ~ cannot stand around aggregates or key columns | group by its result; a condition on keys belongs in WHERE

-- a pattern of SQL over a key
SELECT user_id, user_id SIMILAR TO 'a' AS m, COUNT(*) AS n FROM orders GROUP BY user_id
--> 1:17 user_id | SIMILAR TO cannot stand around aggregates or key columns | group by its result; a condition on keys belongs in WHERE

-- a list of aggregates
SELECT user_id, [MIN(qty), MAX(qty)] AS m FROM orders GROUP BY user_id
--> 1:18 MIN | […] cannot stand around aggregates or key columns | select its parts, each with a name of its own

-- a struct of aggregates
SELECT user_id, {'a': MIN(qty)} AS m FROM orders GROUP BY user_id
--> 1:23 MIN | {…} cannot stand around aggregates or key columns | select its parts, each with a name of its own

-- an interval that aggregates are compared with
SELECT user_id, CASE WHEN MAX(ts) - MIN(ts) > INTERVAL '1 hour' THEN 1 END AS m FROM orders GROUP BY user_id
--> 1:27 MAX | an interval cannot be compared with aggregates or key columns | count what lies between: date_diff('second', MIN(ts), MAX(ts))

-- UHUGEINT beside a column of another type
SELECT user_id, MAX(CAST(qty AS UHUGEINT)) > COUNT(*) AS m FROM orders GROUP BY user_id
--> 1:17 MAX | this compares UHUGEINT with BIGINT | cast it inside the aggregate, to DECIMAL(38,0): MAX(CAST(h AS DECIMAL(38,0)))

-- MAX of NULL
SELECT user_id, MAX(NULL) AS m FROM orders GROUP BY user_id
--> 1:17 MAX | max of NULL has no type | give it one: CAST(NULL AS BIGINT)

-- a difference of moments
SELECT user_id, MAX(ts) - MIN(ts) AS d FROM orders GROUP BY user_id
--> 1:17 MAX | a view cannot hold a value of type INTERVAL | count what lies between: date_diff('second', MIN(ts), MAX(ts))

-- FILTER without a condition
SELECT user_id, COUNT(*) FILTER (WHERE qty) AS n FROM orders GROUP BY user_id
--> 1:40 qty | FILTER takes a condition | compare it with something

-- WHERE without a condition
SELECT user_id FROM orders WHERE qty GROUP BY user_id
--> 1:34 qty | WHERE takes a condition | compare it with something

-- HAVING without a condition
SELECT user_id, COUNT(*) AS n FROM orders GROUP BY user_id HAVING n
--> 1:67 n | HAVING takes a condition | compare it with something

-- a column that is not grouped
SELECT user_id, amount FROM orders GROUP BY user_id
--> 1:17 amount | column amount is neither in GROUP BY nor in an aggregate | add amount to GROUP BY, or take MIN(amount) or MAX(amount)

-- a field that is not grouped
SELECT user_id, s.a FROM orders GROUP BY user_id
--> 1:17 s.a | (s).a is neither in GROUP BY nor in an aggregate | add it to GROUP BY as it stands here, or take MIN or MAX of it

-- a column that is not grouped, in HAVING
SELECT user_id, COUNT(*) AS n FROM orders GROUP BY user_id
HAVING n > 1 AND amount > 5
--> 2:18 amount | column amount is neither in GROUP BY nor in an aggregate | add amount to GROUP BY, or take MIN(amount) or MAX(amount)

-- a key that is not selected
SELECT COUNT(*) AS n FROM orders GROUP BY user_id
--> 1:43 user_id | GROUP BY column user_id is not selected | add it to SELECT: the key columns are part of every row

-- a key that is selected as something else
SELECT lower(user_id) AS user_id, COUNT(*) AS n FROM orders GROUP BY user_id
--> 1:70 user_id | GROUP BY column user_id is not selected | user_id is the source's column here: group by the expression that SELECT calls so

-- a key without a name
SELECT lower(user_id), COUNT(*) AS n FROM orders GROUP BY lower(user_id)
--> 1:8 lower | key column LOWER(user_id) has no name | write LOWER(user_id) AS name in SELECT

-- an expression without a name
SELECT user_id, SUM(qty) + 1 FROM orders GROUP BY user_id
--> 1:17 SUM | SUM(qty) + 1 has no name | write SUM(qty) + 1 AS name

-- a key twice
SELECT user_id, COUNT(*) AS n FROM orders GROUP BY user_id, orders.USER_ID
--> 1:61 orders | user_id stands twice in GROUP BY | keep one

-- a name twice
SELECT user_id, COUNT(*) AS n, SUM(qty) AS N FROM orders GROUP BY user_id
--> 1:32 SUM | two columns are named N | give one another name with AS

-- a position that there is not
SELECT user_id FROM orders GROUP BY 2
--> 1:37 2 | SELECT has no column 2 | it has 1; write a position or a column

-- a key of a type that is not kept
SELECT ts - ts AS i, COUNT(*) AS n FROM orders GROUP BY i
--> 1:57 i | a view cannot hold a value of type INTERVAL | turn it into a number, for example epoch_ms(b) - epoch_ms(a)

-- a source that there is not
SELECT user_id FROM ordrs GROUP BY user_id
--> 1:21 ordrs | there is no source ordrs | did you mean orders?

-- a column that there is not
SELECT userid FROM orders GROUP BY 1
--> 1:8 userid | there is no column userid | did you mean user_id?

-- a column of another name for the source
SELECT orders.user_id FROM orders AS o GROUP BY user_id
--> 1:8 orders | there is no column orders | the source is called o here; did you mean order_id?

-- a field that there is not
SELECT s.nothing AS x FROM orders GROUP BY x
--> 1:8 s.nothing | could not find key "nothing" in struct | these are DuckDB's words; its documentation has the functions and types

-- a SELECT alias in an aggregate
SELECT user_id, SUM(qty) AS total, total + 1 AS more FROM orders GROUP BY user_id
--> 1:36 total | there is no column total | it is a name that SELECT gives: repeat its expression here

-- a function that there is not
SELECT user_id FROM orders WHERE lenght(user_id) > 2 GROUP BY user_id
--> 1:34 lenght | there is no function lenght | did you mean length?

-- a function of PostgreSQL's jsonb that has no equal
SELECT user_id FROM orders WHERE jsonb_typeof(doc) = 'object' GROUP BY user_id
--> 1:34 jsonb_typeof | there is no function jsonb_typeof | did you mean json_type?

-- a function with the wrong types
SELECT user_id FROM orders WHERE date_trunc('hour', qty) = ts GROUP BY user_id
--> 1:34 date_trunc | no function matches the given name and argument types 'date_trunc(STRING_LITERAL, INTEGER)' | you might need to add explicit type casts

-- a misspelt function around an aggregate
SELECT user_id, rond(AVG(amount)) AS m FROM orders GROUP BY user_id
--> 1:17 rond | there is no function rond | did you mean round?

-- a misspelt aggregate
SELECT user_id, SUMM(amount) AS s FROM orders GROUP BY user_id
--> 1:17 SUMM | there is no function summ | did you mean sum?

-- a function that there is not, beside a key
SELECT user_id, fzqxw(amount) AS m FROM orders GROUP BY user_id
--> 1:17 fzqxw | there is no function fzqxw | docs/sql.md lists what can stand around aggregates; the rest are DuckDB's

-- a function around an aggregate
SELECT user_id, md5(MAX(user_id)) AS m FROM orders GROUP BY user_id
--> 1:17 md5 | md5 cannot stand around aggregates or key columns | apply it inside the aggregate, or group by its result

-- a function around a key, in HAVING
SELECT user_id FROM orders GROUP BY user_id HAVING user_id GLOB 'a*'
--> 1:52 user_id | GLOB cannot stand around aggregates or key columns | group by its result; a condition on keys belongs in WHERE

-- a cast of text around an aggregate
SELECT qty, CAST(MAX(user_id) AS INTEGER) AS m FROM orders GROUP BY qty
--> 1:18 MAX | a cast from VARCHAR to INTEGER cannot stand around aggregates | cast inside the aggregate, or group by the cast

-- TRY_CAST around an aggregate
SELECT qty, TRY_CAST(SUM(amount) AS INTEGER) AS m FROM orders GROUP BY qty
--> 1:22 SUM | TRY_CAST from DECIMAL(38,2) to INTEGER cannot stand around aggregates | cast inside the aggregate, or group by the cast

-- a comparison of two kinds
SELECT user_id, MAX(ts) > 5 AS b FROM orders GROUP BY user_id
--> 1:17 MAX | this compares TIMESTAMP WITH TIME ZONE with INTEGER | cast one side to the other's type

-- a comparison with no moment
SELECT user_id FROM orders GROUP BY user_id HAVING MAX(ts) > 'soon'
--> 1:62 'soon' | invalid timestamp field format: "soon", expected format is (YYYY-MM-DD HH:MM[:SS[.US]][±HH[:MM[:SS]]| ZONE]) | these are DuckDB's words; its documentation has the functions and types

-- window_start without a window
SELECT window_start, COUNT(*) AS n FROM orders GROUP BY window_start
--> 1:8 window_start | there is no column window_start | it comes with a window: FROM TUMBLE(source, time column, INTERVAL '1' MINUTE)

-- window_end beside window_start
SELECT window_start, window_end FROM TUMBLE(orders, ts, INTERVAL '1' MINUTE) GROUP BY window_start
--> 1:22 window_end | window_end is not in GROUP BY | add window_end to GROUP BY; a window's start and end decide each other

-- SESSION without a gap
SELECT window_start FROM SESSION(orders PARTITION BY user_id, ts) GROUP BY window_start
--> 1:54 user_id | user_id is no TIMESTAMP or TIMESTAMPTZ column of orders: it is VARCHAR | known: local, ts

-- SESSION of its time alone
SELECT window_start FROM SESSION(orders, INTERVAL '5' MINUTE) GROUP BY window_start
--> 1:26 SESSION | SESSION takes a source, a time column and a gap | write SESSION(source PARTITION BY column, time column, INTERVAL '10' MINUTE)

-- SESSION with a gap of nothing
SELECT user_id, window_start FROM SESSION(orders PARTITION BY user_id, ts, INTERVAL '0' MINUTE) GROUP BY user_id, window_start
--> 1:76 INTERVAL | a window has a positive gap | write SESSION(source PARTITION BY column, time column, INTERVAL '10' MINUTE)

-- SESSION over a time that is none
SELECT user_id, window_start FROM SESSION(orders PARTITION BY user_id, day, INTERVAL '5' MINUTE) GROUP BY user_id, window_start
--> 1:72 day | day is no TIMESTAMP or TIMESTAMPTZ column of orders: it is DATE | known: local, ts

-- SESSION by a column that is not there
SELECT user_id, window_start FROM SESSION(orders PARTITION BY usr_id, ts, INTERVAL '5' MINUTE) GROUP BY user_id, window_start
--> 1:63 usr_id | there is no column usr_id | did you mean user_id?

-- SESSION by a bound of its windows
SELECT window_start FROM SESSION(orders PARTITION BY window_start, ts, INTERVAL '5' MINUTE) GROUP BY window_start
--> 1:54 window_start | there is no column window_start | it comes with a window: FROM TUMBLE(source, time column, INTERVAL '1' MINUTE)

-- SESSION by a column that a subquery leaves out
SELECT a, window_start FROM SESSION((SELECT user_id AS a, ts FROM orders) PARTITION BY user_id, ts, INTERVAL '5' MINUTE) GROUP BY a, window_start
--> 1:88 user_id | there is no column user_id | known: a, ts

-- SESSION without its window in GROUP BY
SELECT user_id, COUNT(*) AS n FROM SESSION(orders PARTITION BY user_id, ts, INTERVAL '5' MINUTE) GROUP BY user_id
--> 1:36 SESSION | GROUP BY does not tell the sessions apart | add window_start to GROUP BY and SELECT

-- SESSION by its end
SELECT user_id, window_end FROM SESSION(orders PARTITION BY user_id, ts, INTERVAL '5' MINUTE) GROUP BY user_id, window_end
--> 1:33 SESSION | GROUP BY does not tell the sessions apart | add window_start to GROUP BY and SELECT

-- an end of SESSION that is not in GROUP BY
SELECT user_id, window_start, window_end FROM SESSION(orders PARTITION BY user_id, ts, INTERVAL '5' MINUTE) GROUP BY user_id, window_start
--> 1:31 window_end | window_end is not in GROUP BY | add window_end to GROUP BY; a window's start and end decide each other

-- SESSION without its PARTITION BY in GROUP BY
SELECT window_start, COUNT(*) AS n FROM SESSION(orders PARTITION BY user_id, ts, INTERVAL '5' MINUTE) GROUP BY window_start
--> 1:69 user_id | PARTITION BY column user_id is not in GROUP BY | add user_id to GROUP BY and SELECT: the rows are the sessions of each user_id

-- a key within the sessions
SELECT user_id, window_start, day FROM SESSION(orders PARTITION BY user_id, ts, INTERVAL '5' MINUTE) GROUP BY user_id, window_start, day
--> 1:134 day | "day" is in GROUP BY and not in PARTITION BY of SESSION | add it to PARTITION BY: the rows are sessions, and not parts of them

-- one row of all sessions
SELECT COUNT(*) AS n FROM SESSION(orders PARTITION BY user_id, ts, INTERVAL '5' MINUTE)
--> 1:55 user_id | PARTITION BY column user_id is not in GROUP BY | add user_id to GROUP BY and SELECT: the rows are the sessions of each user_id

-- an expression over a bound of SESSION as a key
SELECT user_id, date_trunc('day', window_start) AS d FROM SESSION(orders PARTITION BY user_id, ts, INTERVAL '5' MINUTE) GROUP BY user_id, d
--> 1:35 window_start | window_start cannot be part of a key: an event does not know where its session begins and ends | group by window_start itself; SELECT and HAVING can use it in expressions

-- a bound of SESSION in an aggregate
SELECT user_id, window_start, MAX(epoch_ms(window_end)) AS n FROM SESSION(orders PARTITION BY user_id, ts, INTERVAL '5' MINUTE) GROUP BY user_id, window_start
--> 1:44 window_end | window_end cannot stand in an aggregate: an event does not know where its session begins and ends | group by window_end itself; SELECT and HAVING can use it in expressions

-- a bound of SESSION in WHERE
SELECT user_id, window_start FROM SESSION(orders PARTITION BY user_id, ts, INTERVAL '5' MINUTE) WHERE window_start > ts GROUP BY user_id, window_start
--> 1:103 window_start | window_start cannot stand in WHERE: an event does not know where its session begins and ends | group by window_start itself; SELECT and HAVING can use it in expressions

-- WHERE behind SESSION
SELECT user_id, window_start FROM SESSION(orders PARTITION BY user_id, ts, INTERVAL '5' MINUTE) WHERE user_id = 'a' AND amount > 0 GROUP BY user_id, window_start
--> 1:121 amount | WHERE behind SESSION reads amount, which is not in its PARTITION BY | leave events out before they make sessions: SESSION((SELECT * FROM source WHERE …) PARTITION BY …)

-- WHERE behind SESSION in a subquery
SELECT user_id, window_start FROM (SELECT * FROM SESSION(orders PARTITION BY user_id, ts, INTERVAL '5' MINUTE) WHERE qty > 0) GROUP BY user_id, window_start
--> 1:118 qty | WHERE behind SESSION reads qty, which is not in its PARTITION BY | leave events out before they make sessions: SESSION((SELECT * FROM source WHERE …) PARTITION BY …)

-- grouping sets of SESSION
SELECT GROUPING(user_id) AS g, user_id, window_start FROM SESSION(orders PARTITION BY user_id, ts, INTERVAL '5' MINUTE) GROUP BY window_start, ROLLUP (user_id)
--> 1:59 SESSION | grouping sets of sessions cannot be kept | write a view for each, with the PARTITION BY that belongs to it

-- UNNEST behind SESSION
SELECT user_id, window_start, COUNT(i) AS n FROM SESSION(orders PARTITION BY user_id, ts, INTERVAL '5' MINUTE), UNNEST(items) AS t(i) GROUP BY user_id, window_start
--> 1:120 items | a list cannot be unnested behind SESSION | make the elements before the sessions: SESSION((SELECT …, unnest(list) AS element FROM source) PARTITION BY …)

-- SESSION of SESSION
SELECT user_id, window_start FROM SESSION((SELECT * EXCLUDE (window_start, window_end) FROM SESSION(orders PARTITION BY user_id, ts, INTERVAL '5' MINUTE)) PARTITION BY user_id, ts, INTERVAL '5' MINUTE) GROUP BY user_id, window_start
--> 1:35 SESSION | a window of a window cannot be kept | take one of them

-- HOP without a size
SELECT window_start FROM HOP(orders, ts, INTERVAL '1' MINUTE) GROUP BY window_start
--> 1:26 HOP | HOP takes a source, a time column, a slide, a size and maybe an offset | write HOP(source, time column, INTERVAL '1' MINUTE, INTERVAL '10' MINUTE): slide, size

-- HOP of a size that is no multiple of the slide
SELECT window_start FROM HOP(orders, ts, INTERVAL '2' MINUTE, INTERVAL '5' MINUTE) GROUP BY window_start
--> 1:63 INTERVAL | the size of HOP is no multiple of its slide | HOP(source, time column, INTERVAL '1' MINUTE, INTERVAL '10' MINUTE): slide, size; events are kept by slide, and windows are made of whole ones

-- HOP of a slide that is longer than the size
SELECT window_start FROM HOP(orders, ts, INTERVAL '5' MINUTE, INTERVAL '1' MINUTE) GROUP BY window_start
--> 1:63 INTERVAL | the size of HOP is no multiple of its slide | HOP(source, time column, INTERVAL '1' MINUTE, INTERVAL '10' MINUTE): slide, size; events are kept by slide, and windows are made of whole ones

-- HOP of no slide
SELECT window_start FROM HOP(orders, ts, INTERVAL '0' MINUTE, INTERVAL '5' MINUTE) GROUP BY window_start
--> 1:42 INTERVAL | a window has a positive slide | write HOP(source, time column, INTERVAL '1' MINUTE, INTERVAL '10' MINUTE): slide, size

-- HOP of too many slides
SELECT window_start FROM HOP(orders, ts, INTERVAL '1' SECOND, INTERVAL '1' DAY) GROUP BY window_start
--> 1:63 INTERVAL | a window of HOP has 86400 slides, and 1440 is the most | every lookup merges so many: make the slide longer

-- HOP without a window in the key
SELECT user_id, COUNT(*) AS n FROM HOP(orders, ts, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE) GROUP BY user_id
--> 1:36 HOP | the windows of HOP share events, and GROUP BY does not tell them apart | add window_start to GROUP BY and SELECT

-- HOP with its window in WHERE
SELECT window_start FROM HOP(orders, ts, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE) WHERE window_end > ts GROUP BY window_start
--> 1:90 window_end | window_end cannot stand in WHERE: an event is in several windows of HOP | group by window_end itself; SELECT and HAVING can use it in expressions

-- HOP with its window in an expression of the key
SELECT date_trunc('day', window_start) AS d, window_end FROM HOP(orders, ts, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE) GROUP BY d, window_end
--> 1:26 window_start | window_start cannot be part of a key: an event is in several windows of HOP | group by window_start itself; SELECT and HAVING can use it in expressions

-- HOP with its window in an aggregate
SELECT window_start, MAX(ts - window_start > INTERVAL '1' MINUTE) AS m FROM HOP(orders, ts, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE) GROUP BY window_start
--> 1:31 window_start | window_start cannot stand in an aggregate: an event is in several windows of HOP | group by window_start itself; SELECT and HAVING can use it in expressions

-- HOP with a grouping set of all windows
SELECT GROUPING(window_start) AS g, window_start, COUNT(*) AS n FROM HOP(orders, ts, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE) GROUP BY ROLLUP (window_start)
--> 1:70 HOP | the windows of HOP share events, and a grouping set is not of one window | group the sets within a window: GROUP BY window_start, ROLLUP (…)

-- HOP in one row about all of them
SELECT COUNT(*) AS n FROM HOP(orders, ts, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)
--> 1:27 HOP | the windows of HOP share events, and GROUP BY does not tell them apart | add window_start to GROUP BY and SELECT

-- HOP in a subquery, with its window in WHERE
SELECT ws, COUNT(*) AS n FROM (SELECT window_start AS ws FROM HOP(orders, ts, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)) WHERE ws > TIMESTAMPTZ '2026-01-01' GROUP BY ws
--> 1:128 ws | window_start cannot stand in WHERE: an event is in several windows of HOP | group by window_start itself; SELECT and HAVING can use it in expressions

-- HOP with its window in a list
SELECT window_start, t, COUNT(*) AS n FROM HOP(orders, ts, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE), UNNEST([window_end]) AS u(t) GROUP BY window_start, t
--> 1:111 window_end | window_end cannot be unnested: an event is in several windows of HOP | group by window_end itself; SELECT and HAVING can use it in expressions

-- HOP over a subquery with an interval, of no slide
SELECT window_start FROM HOP((SELECT ts FROM orders WHERE ts - INTERVAL '1' DAY IS NOT NULL), ts, INTERVAL '0' MINUTE, INTERVAL '5' MINUTE) GROUP BY window_start
--> 1:99 INTERVAL | a window has a positive slide | write HOP(source, time column, INTERVAL '1' MINUTE, INTERVAL '10' MINUTE): slide, size

-- CUMULATE without a step
SELECT window_end FROM CUMULATE(orders, ts, INTERVAL '1' DAY) GROUP BY window_end
--> 1:24 CUMULATE | CUMULATE takes a source, a time column, a step, a largest size and maybe an offset | write CUMULATE(source, time column, INTERVAL '1' HOUR, INTERVAL '1' DAY): step, size

-- CUMULATE by the start that its windows share
SELECT window_start FROM CUMULATE(orders, ts, INTERVAL '1' HOUR, INTERVAL '1' DAY) GROUP BY window_start
--> 1:26 CUMULATE | the windows of CUMULATE share events, and GROUP BY does not tell them apart | add window_end to GROUP BY and SELECT

-- TUMBLE without a size
SELECT window_start FROM TUMBLE(orders, ts) GROUP BY window_start
--> 1:26 TUMBLE | TUMBLE takes a source, a time column, a size and maybe an offset | write TUMBLE(source, time column, INTERVAL '1' MINUTE)

-- TUMBLE over a number
SELECT window_start FROM TUMBLE(orders, qty, INTERVAL '1' MINUTE) GROUP BY window_start
--> 1:41 qty | qty is no TIMESTAMP or TIMESTAMPTZ column of orders: it is INTEGER | known: local, ts

-- TUMBLE over a column that there is not
SELECT window_start FROM TUMBLE(orders, tss, INTERVAL '1' MINUTE) GROUP BY window_start
--> 1:41 tss | tss is no TIMESTAMP or TIMESTAMPTZ column of orders | did you mean ts?

-- TUMBLE of texts
SELECT window_start FROM TUMBLE('orders', 'ts', INTERVAL '1' MINUTE) GROUP BY window_start
--> 1:33 'orders' | a source's name belongs here | write TUMBLE(source, time column, INTERVAL '1' MINUTE)

-- TUMBLE by months
SELECT window_start FROM TUMBLE(orders, ts, INTERVAL '1' MONTH) GROUP BY window_start
--> 1:45 INTERVAL | the length of a month depends on the calendar | use days

-- TUMBLE of no size
SELECT window_start FROM TUMBLE(orders, ts, INTERVAL '0' SECOND) GROUP BY window_start
--> 1:45 INTERVAL | a window has a positive size | write TUMBLE(source, time column, INTERVAL '1' MINUTE)

-- TUMBLE of a negative size
SELECT window_start FROM TUMBLE(orders, ts, INTERVAL '-5' SECOND) GROUP BY window_start
--> 1:45 INTERVAL | a window has a positive size | write TUMBLE(source, time column, INTERVAL '1' MINUTE)

-- TUMBLE by a number
SELECT window_start FROM TUMBLE(orders, ts, 60) GROUP BY window_start
--> 1:45 60 | an interval belongs here | write INTERVAL '5' MINUTE

-- TUMBLE with an offset of months
SELECT window_start FROM TUMBLE(orders, ts, INTERVAL '1' DAY, INTERVAL '1' MONTH) GROUP BY window_start
--> 1:63 INTERVAL | the length of a month depends on the calendar | use days

-- TUMBLE over a source that there is not
SELECT window_start FROM TUMBLE(order_s, ts, INTERVAL '1' DAY) GROUP BY window_start
--> 1:33 order_s | there is no source order_s | did you mean orders?

-- an alias that renames columns
SELECT a FROM orders AS o(a, b) GROUP BY a
--> 1:25 o | an alias cannot rename columns here | name columns with AS in SELECT

-- a source with a schema
SELECT user_id FROM main.orders GROUP BY user_id
--> 1:21 main | a source has a plain name | leave the schema out

-- two commas
SELECT user_id,, qty FROM orders GROUP BY user_id, qty
--> 1:16 , | syntax error at ',' | look at this word and those before it; a name that is an SQL word takes quotes

-- a misspelt FROM
SELECT user_id FRM orders GROUP BY user_id
--> 1:20 orders | syntax error at 'orders' | look at this word and those before it; a name that is an SQL word takes quotes

-- a word too many
SELECT user_id FROM orders GROUP user_id
--> 1:34 user_id | syntax error at 'user_id' | look at this word and those before it; a name that is an SQL word takes quotes

-- a parenthesis too many
SELECT user_id, COUNT(*)) FROM orders GROUP BY user_id
--> 1:25 ) | syntax error at ')' | look at this word and those before it; a name that is an SQL word takes quotes

-- a parenthesis too few
SELECT user_id, COUNT(* FROM orders GROUP BY user_id
--> 1:25 FROM | syntax error at 'FROM' | look at this word and those before it; a name that is an SQL word takes quotes

-- no SELECT
INSERT INTO orders VALUES (1)
--> 1:1 INSERT | a SELECT belongs after AS | CREATE MATERIALIZED VIEW v AS SELECT …

-- VALUES
VALUES (1)
--> 1:1 VALUES | VALUES cannot be kept | a view is one SELECT … GROUP BY …; write one view per part

-- DuckDB's <=>
SELECT user_id FROM orders WHERE qty <=> 1 GROUP BY user_id
--> 1:38 <=> | <=> means different things in different databases | write IS NOT DISTINCT FROM, or list_cosine_distance(a, b)

-- unicode before the place
SELECT "größe", 'ü' AS ü, nosuch FROM orders GROUP BY "größe"
--> 1:27 nosuch | there is no column nosuch | known: User Id, amount, big, clock, day, doc, größe, huge, items, local, o, order_id, p, paid, positive, price, qty, ratio, s, tags, tiny, ts, user, user_id

-- a moment that is none, in WHERE
SELECT user_id FROM orders WHERE qty > 1 AND ts > 'soon' GROUP BY user_id
--> 1:51 'soon' | invalid timestamp field format: "soon", expected format is (YYYY-MM-DD HH:MM[:SS[.US]][±HH[:MM[:SS]]| ZONE]) | these are DuckDB's words; its documentation has the functions and types

-- a literal that is none
SELECT TIMESTAMP 'now' AS t, COUNT(*) AS n FROM orders GROUP BY t
--> 1:18 'now' | invalid timestamp field format: "now", expected format is (YYYY-MM-DD HH:MM[:SS[.US]][±HH[:MM[:SS]]| ZONE]) | these are DuckDB's words; its documentation has the functions and types

-- a pattern that is none
SELECT user_id FROM orders WHERE regexp_matches(user_id, '(') GROUP BY user_id
--> 1:34 regexp_matches | missing ): ( | these are DuckDB's words; its documentation has the functions and types

-- a key that does not fit its cast
SELECT CAST('x' AS INTEGER) + qty AS q, COUNT(*) AS n FROM orders GROUP BY q
--> 1:13 'x' | could not convert string 'x' to INT32 | these are DuckDB's words; its documentation has the functions and types

-- a nested key with a DOUBLE inside
SELECT [price] AS l, COUNT(*) AS n FROM orders GROUP BY [price]
--> 1:58 price | a key of type DOUBLE[] has DOUBLE inside | group by its fields, or cast them to DECIMAL

-- a quantile in windows that share events
SELECT window_start, approx_quantile(qty, 0.5) AS m
FROM HOP(orders, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE) GROUP BY window_start
--> 1:22 approx_quantile | approx_quantile cannot be kept in windows of HOP | its sketch throws dice when it is merged, and a row must read the same each time: use TUMBLE

-- a quantile of texts
SELECT qty, approx_quantile(user_id, 0.5) AS m FROM orders GROUP BY qty
--> 1:29 user_id | approx_quantile over VARCHAR cannot be kept | make a number of it: CAST(… AS DOUBLE) or epoch_ms(…)

-- a quantile beyond the greatest
SELECT qty, approx_percentile(price, 95) AS m FROM orders GROUP BY qty
--> 1:13 approx_percentile | a quantile has a rank from 0 to 1, the same for all events | write approx_quantile(x, 0.5), or approx_quantile(x, [0.25, 0.5, 0.75])

-- a quantile that an event says
SELECT qty, approx_quantile(price, ratio) AS m FROM orders GROUP BY qty
--> 1:36 ratio | a quantile has a rank from 0 to 1, the same for all events | write approx_quantile(x, 0.5), or approx_quantile(x, [0.25, 0.5, 0.75])

-- a quantile without a rank
SELECT qty, approx_quantile(price) AS m FROM orders GROUP BY qty
--> 1:13 approx_quantile | approx_quantile takes two arguments here | write approx_quantile(x, 0.5)

-- the most frequent of no number
SELECT qty, approx_top_k(user_id, 0) AS m FROM orders GROUP BY qty
--> 1:13 approx_top_k | approx_top_k needs a number from 1 to 1000 | write approx_top_k(x, 10)

-- about how many of what is not exact inside
SELECT qty, approx_count_distinct([price]) AS m FROM orders GROUP BY qty
--> 1:36 price | a value of type DOUBLE[] has DOUBLE inside | take its fields, or cast them to DECIMAL

-- about how many of several columns
SELECT qty, approx_count_distinct(paid, tiny) AS m FROM orders GROUP BY qty
--> 1:13 approx_count_distinct | approx_count_distinct takes one argument here | write approx_count_distinct(column)

-- the least span of time
SELECT qty, MIN(local - local) AS m FROM orders GROUP BY qty
--> 1:17 local | a view cannot hold a value of type INTERVAL | turn it into a number, for example epoch_ms(b) - epoch_ms(a)

-- a sum of UHUGEINT
SELECT qty, SUM(CAST(qty AS UHUGEINT)) AS m FROM orders GROUP BY qty
--> 1:22 qty | sum over UHUGEINT cannot be kept | cast it to DECIMAL(38,0)

-- arithmetic with UHUGEINT
SELECT qty, MAX(CAST(qty AS UHUGEINT)) + 1 AS m FROM orders GROUP BY qty
--> 1:13 MAX | an output column cannot apply + to UHUGEINT | cast it to DECIMAL(38,0) inside the aggregate or the GROUP BY expression

-- a sum of UUID
SELECT qty, SUM(CAST(user_id AS UUID)) AS m FROM orders GROUP BY qty
--> 1:13 SUM | no function matches the given name and argument types 'sum(UUID)' | you might need to add explicit type casts

-- the least time with a zone
SELECT qty, MIN(CAST(local AS TIMETZ)) AS m FROM orders GROUP BY qty
--> 1:22 local | a view cannot hold a value of type TIME WITH TIME ZONE | cast it to VARCHAR

-- the least bits
SELECT qty, MIN(CAST(user_id AS BIT)) AS m FROM orders GROUP BY qty
--> 1:22 user_id | a view cannot hold a value of type BIT | cast it to VARCHAR

-- seconds compared with microseconds
SELECT qty, MAX(CAST(local AS TIMESTAMP_S)) = MAX(local) AS m FROM orders GROUP BY qty
--> 1:13 MAX | this compares TIMESTAMP_S with TIMESTAMP | cast one side to the other's type

-- different spans of time
SELECT qty, COUNT(DISTINCT local - local) AS m FROM orders GROUP BY qty
--> 1:28 local | a view cannot hold a value of type INTERVAL | turn it into a number, for example epoch_ms(b) - epoch_ms(a)

-- a list that is not folded
SELECT qty, list_filter(array_agg(tiny), lambda x: x > 1) AS l FROM orders GROUP BY qty
--> 1:13 list_filter | list_filter cannot stand around aggregates or key columns | it makes a list, and a view answers one value of it: list_max, list_min, list_sum, list_count, list_first, list_last, len

-- an element that is a struct
SELECT qty, list_max([b for b in array_agg({'x': tiny})]) AS l FROM orders GROUP BY qty
--> 1:34 array_agg | an element of type STRUCT(x TINYINT) cannot stand here | take one of its fields

-- a field that the elements do not have
SELECT qty, list_max([b.y for b in array_agg({'x': tiny})]) AS l FROM orders GROUP BY qty
--> 1:23 b | STRUCT(x TINYINT) has no field y | name one that it has

-- a fold of what is no list
SELECT qty, list_max(MAX(tiny)) AS l FROM orders GROUP BY qty
--> 1:22 MAX | TINYINT is no list | list_max takes a list, as array_agg is

-- a filter that is no condition
SELECT qty, list_max([x for x in list(tiny) if x]) AS l FROM orders GROUP BY qty
--> 1:48 x | a list is filtered by a condition | compare it with something

-- a list that is transformed and then filtered
SELECT qty, list_max(list_filter(list_transform(list(tiny), lambda x: x + 1), lambda y: y > 1)) AS l FROM orders GROUP BY qty
--> 1:34 list_transform | what was made of a list is not filtered or transformed again | filter first, and transform once

-- a parameter for the place of an element
SELECT qty, list_max(list_filter(list(tiny), lambda x, i: i > 1)) AS l FROM orders GROUP BY qty
--> 1:53 x | this lambda has several parameters | write lambda x: …

-- the sum of doubles of a list
SELECT qty, list_sum(list(price)) AS l FROM orders GROUP BY qty
--> 1:13 list_sum | list_sum over DOUBLE cannot stand around aggregates | cast its values to DECIMAL: sums of these are exact

-- an aggregate of an element
SELECT qty, list_max([MAX(x) for x in list(tiny)]) AS l FROM orders GROUP BY qty
--> 1:27 x | x is an element of a list here, and an aggregate reads events | give the parameter a name that no column has

-- a fold in the condition of a fold
SELECT qty, list_max([a for a in list(tiny) if len([b for b in list(qty) if b > a]) = 1]) AS l FROM orders GROUP BY qty
--> 1:48 len | len would read its list for each element of the list around it | compare elements with keys and aggregates, such as MAX(x)

-- a fold in the value of a fold
SELECT qty, list_sum([list_count([y for y in list(tiny) if y < x]) for x in list(tiny)]) AS l FROM orders GROUP BY qty
--> 1:23 list_count | list_count would read its list for each element of the list around it | compare elements with keys and aggregates, such as MAX(x)

-- a fold in a lambda of a fold, which reads no element
SELECT qty, list_sum(list_transform(list(tiny), lambda x: x - array_length(list(tiny)))) AS l FROM orders GROUP BY qty
--> 1:63 array_length | array_length would read its list for each element of the list around it | compare elements with keys and aggregates, such as MAX(x)

-- the greatest by several columns
SELECT user_id, arg_max(qty, (ts, tiny)) AS q FROM orders GROUP BY user_id
--> 1:31 ts | a view cannot hold a value of type TUPLE(TIMESTAMP WITH TIME ZONE, TINYINT) | several columns order rows in a subquery: ROW_NUMBER() OVER (PARTITION BY a ORDER BY b, c); a value is a struct, {'b': b, 'c': c}

-- QUANTILE_CONT
SELECT user_id, quantile_cont(qty, 0.5) AS q FROM orders GROUP BY user_id
--> 1:17 quantile_cont | quantile_cont cannot be kept | approx_quantile(x, 0.5) is near it

-- Flink's group window
SELECT user_id, COUNT(*) AS n FROM orders GROUP BY user_id, TUMBLE(ts, INTERVAL '1' MINUTE)
--> 1:61 TUMBLE | TUMBLE stands in FROM only | write FROM TUMBLE(orders, ts, INTERVAL '1' MINUTE), and window_start in SELECT and GROUP BY

-- the start of Flink's group window
SELECT user_id, HOP_START(ts, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE) AS w, COUNT(*) AS n FROM orders GROUP BY user_id, w
--> 1:17 HOP_START | HOP_START stands in FROM only | write FROM HOP(orders, ts, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE), and window_start in SELECT and GROUP BY

-- the end of Flink's group window
SELECT user_id, SESSION_END(ts, INTERVAL '1' MINUTE) AS w, COUNT(*) AS n FROM orders GROUP BY user_id, w
--> 1:17 SESSION_END | SESSION_END stands in FROM only | write FROM SESSION(orders, ts, INTERVAL '1' MINUTE), and window_end in SELECT and GROUP BY

-- the window of ksqlDB
SELECT user_id, COUNT(*) AS n FROM orders WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY user_id EMIT CHANGES
--> 1:43 WINDOW | WINDOW TUMBLING cannot be kept | write FROM TUMBLE(source, ts, INTERVAL '1' MINUTE), and window_start in SELECT and GROUP BY

-- the hopping window of ksqlDB
SELECT user_id, COUNT(*) AS n FROM orders WINDOW HOPPING (SIZE 1 MINUTE, ADVANCE BY 10 SECONDS) GROUP BY user_id
--> 1:43 WINDOW | WINDOW HOPPING cannot be kept | write FROM HOP(source, ts, INTERVAL '10' SECOND, INTERVAL '1' MINUTE), and window_start in SELECT and GROUP BY

-- EMIT CHANGES
SELECT user_id, COUNT(*) AS n FROM orders GROUP BY user_id EMIT CHANGES
--> 1:60 EMIT | EMIT CHANGES cannot be kept | leave it out: a view has each event after the next commit

-- EMIT FINAL
SELECT user_id, COUNT(*) AS n FROM orders GROUP BY user_id EMIT FINAL
--> 1:60 EMIT | EMIT FINAL cannot be kept | write EMIT ON WINDOW CLOSE

-- LATEST_BY_OFFSET
SELECT user_id, LATEST_BY_OFFSET(qty) AS q FROM orders GROUP BY user_id
--> 1:17 LATEST_BY_OFFSET | there is no function latest_by_offset | write latest(x)

-- EARLIEST_BY_OFFSET
SELECT user_id, EARLIEST_BY_OFFSET(qty) AS q FROM orders GROUP BY user_id
--> 1:17 EARLIEST_BY_OFFSET | there is no function earliest_by_offset | write earliest(x)

-- COLLECT_LIST
SELECT user_id, COLLECT_LIST(qty) AS q FROM orders GROUP BY user_id
--> 1:17 COLLECT_LIST | there is no function collect_list | write array_agg(x LIMIT 10)

-- TOPK
SELECT user_id, TOPK(qty, 3) AS q FROM orders GROUP BY user_id
--> 1:17 TOPK | there is no function topk | write max(x, 3), which keeps the 3 greatest

-- a part of an aggregate
SELECT qty, MAX(user_id)[1] AS first FROM orders GROUP BY qty
--> 1:13 MAX | MAX(user_id)[1] cannot stand around aggregates | keep the aggregate itself, and take it apart when you read the row

-- concat of what readers have no text of
SELECT user_id, concat(user_id, '-', MAX(ts)) AS q FROM orders GROUP BY user_id
--> 1:17 concat | concat of TIMESTAMP WITH TIME ZONE cannot stand around aggregates | make a text of it inside the aggregate, or group by that: MAX(CAST(… AS VARCHAR))

-- concat of a text and a list
SELECT user_id, concat(user_id, [1, 2]) AS q FROM orders GROUP BY user_id
--> 1:34 1 | a constant of type INTEGER[] cannot stand here | cast it

-- a constant list of decimals
SELECT user_id, coalesce(array_agg(amount), [1.0]) AS q FROM orders GROUP BY user_id
--> 1:46 1.0 | a constant of type DECIMAL(2,1)[] cannot stand here | cast it

-- a separator that is no text
SELECT user_id, concat_ws(COUNT(*), user_id) AS q FROM orders GROUP BY user_id
--> 1:17 concat_ws | no function matches the given name and argument types 'concat_ws(BIGINT, VARCHAR)' | you might need to add explicit type casts

-- a pattern that is not constant
SELECT user_id, MAX(user_id) ILIKE user_id AS q FROM orders GROUP BY user_id
--> 1:17 MAX | ilike of VARCHAR, VARCHAR cannot stand around aggregates | write the pattern as a constant: LIKE 'a%'; or compare inside the aggregate

-- an interval beside an aggregate that is not constant
SELECT user_id, MAX(ts) + INTERVAL (COUNT(*)) MINUTE AS e FROM orders GROUP BY user_id
--> 1:17 MAX | an interval that is not constant cannot stand around aggregates or key columns | write INTERVAL '1' HOUR, or add it where events are read: MAX(ts + INTERVAL …)

-- a unit that readers do not know
SELECT user_id, date_trunc('century', MAX(ts)) AS e FROM orders GROUP BY user_id
--> 1:17 date_trunc | date_trunc cannot stand around aggregates or key columns | apply it inside the aggregate, or group by its result

-- DISTINCT ON with ORDER BY
SELECT DISTINCT ON (user_id) user_id, qty FROM orders ORDER BY user_id, ts DESC
--> 1:8 DISTINCT | DISTINCT ON cannot be kept | number the rows of its columns in a subquery with ROW_NUMBER(), and keep the first

-- TO_CHAR
SELECT to_char(ts, 'YYYY') AS y, COUNT(*) AS n FROM orders GROUP BY y
--> 1:8 to_char | there is no function to_char | write strftime(ts, '%Y-%m-%d')

-- IIF
SELECT iif(qty > 1, 1, 2) AS y, COUNT(*) AS n FROM orders GROUP BY y
--> 1:8 iif | there is no function iif | write if(condition, a, b), or CASE WHEN condition THEN a ELSE b END

-- a constant divided by zero, in a longer condition
SELECT user_id, COUNT(*) AS n FROM orders WHERE qty > 1 AND 5 % 0 = 1 GROUP BY user_id
--> 1:61 5 | division by zero in expression (5 % 0) | divide by nullif(x, 0): what is divided by NULL is NULL

-- a chained comparison
SELECT user_id, COUNT(*) AS n FROM orders WHERE 1 < qty < 5 AND tiny > 0 GROUP BY user_id
--> 1:57 < | syntax error: chained comparisons are not supported, use AND to combine comparisons | write it as two: a < b AND b < c

-- a cast that DuckDB binds, and has not
SELECT ts::TIME AS t, COUNT(*) AS n FROM orders GROUP BY t
--> 1:8 ts | there is no cast from TIMESTAMP WITH TIME ZONE to TIME | cast to TIMESTAMP first: CAST(CAST(… AS TIMESTAMP) AS TIME)

-- a cast to a number that DuckDB binds, and has not
SELECT user_id, COUNT(*) AS n FROM orders WHERE ts::BIGINT > 5 GROUP BY user_id
--> 1:49 ts | there is no cast from TIMESTAMP WITH TIME ZONE to BIGINT | take a part of it, as epoch(…) and extract(…) do
