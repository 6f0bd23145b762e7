-- Subqueries, CTEs and plain views, which work row by row

-- a subquery over no events
CREATE SOURCE e (a BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT COUNT(*) AS n, MAX(b) AS m FROM (SELECT a + 1 AS b FROM e);
--> events
--> rows
{"n":0,"m":null}
--> ledger

-- what a subquery leaves out is filtered, and so is what the view leaves out
CREATE SOURCE e (a BIGINT, b BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, COUNT(*) AS n FROM (SELECT a % 2 AS k, b FROM e WHERE a > 0) WHERE b < 9 GROUP BY k;
--> events
{"a":1,"b":1}
{"a":1,"b":9}
{"a":-1,"b":1}
{"a":2,"b":1}
{"a":null,"b":1}
{"a":3,"b":null}
--> rows
{"k":0,"n":1}
{"k":1,"n":1}
--> ledger applied 2, filtered 4

-- what a subquery lets through can be cast outside of it, what it does not is filtered
CREATE SOURCE e (t VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
WITH numbers AS (SELECT t FROM e WHERE regexp_matches(t, '^[0-9]+$'))
SELECT SUM(t::BIGINT) AS s FROM numbers WHERE t::BIGINT > 1;
--> events
{"t":"1"}
{"t":"x"}
{"t":"2"}
{"t":"3"}
{"t":null}
--> rows
{"s":5}
--> ledger applied 2, filtered 3

-- what a subquery cannot compute is a dead letter of the views that need it
CREATE SOURCE e (t VARCHAR, a BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT a, SUM(n) AS s FROM (SELECT t::BIGINT AS n, a FROM e) GROUP BY a;
--> events
{"t":"1","a":1}
{"t":"x","a":1}
{"t":"2","a":2}
--> rows
{"a":1,"s":1}
{"a":2,"s":2}
--> ledger applied 2, dead_lettered 1

-- a column of a subquery that is not read costs nothing
CREATE SOURCE e (t VARCHAR, a BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT a, COUNT(*) AS c FROM (SELECT t::BIGINT AS n, a FROM e) GROUP BY a;
--> events
{"t":"1","a":1}
{"t":"x","a":1}
--> rows
{"a":1,"c":2}
--> ledger applied 2

-- names of a CTE hide those of a source, and NULL is a key
CREATE SOURCE e (a BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
WITH e AS (SELECT nullif(a, 1) AS a FROM e) SELECT e.a, COUNT(*) AS n FROM e GROUP BY e.a;
--> events
{"a":1}
{"a":2}
{"a":null}
--> rows
{"a":2,"n":1}
{"a":null,"n":2}

-- a plain view, and one that reads it
CREATE SOURCE e (a BIGINT, b VARCHAR, price DECIMAL(9,2)) WITH (connector = 'events');
CREATE VIEW sane AS SELECT a, upper(b) AS name, price * 2 AS twice FROM e WHERE a IS NOT NULL;
CREATE VIEW big AS SELECT * FROM sane WHERE twice >= 2;
CREATE MATERIALIZED VIEW v AS
SELECT name, SUM(big.twice) AS s, MIN(a) AS a FROM big WHERE a < 10 GROUP BY name;
--> events
{"a":1,"b":"x","price":1.50}
{"a":2,"b":"X","price":0.99}
{"a":3,"b":"X","price":1.25}
{"a":12,"b":"X","price":1.25}
{"b":"X","price":1.25}
{"a":4,"b":null,"price":1}
--> rows
{"name":"X","s":5.50,"a":1}
{"name":null,"s":2.00,"a":4}
--> ledger applied 3, filtered 3

-- a plain view under another name, with names for its columns
CREATE SOURCE e (a BIGINT, b VARCHAR) WITH (connector = 'events');
CREATE VIEW plain AS SELECT b, a FROM e;
CREATE MATERIALIZED VIEW v AS SELECT p.x, MAX(p.y) AS y FROM plain AS p (x, y) GROUP BY p.x;
--> events
{"a":1,"b":"x"}
{"a":2,"b":"x"}
--> rows
{"x":"x","y":2}

-- windows over a subquery that names the time otherwise, with retention
CREATE SOURCE e (a BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention = '1 hour') AS
SELECT t.window_start AS w, odd, COUNT(*) AS n
FROM TUMBLE((SELECT ts AS moment, a % 2 AS odd FROM e WHERE a > 0), moment, INTERVAL '1' MINUTE) AS t
GROUP BY t.window_start, odd;
--> events
{"a":1,"ts":"2026-01-01T00:00:10"}
{"a":3,"ts":"2026-01-01T00:00:50"}
{"a":4,"ts":"2026-01-01T00:01:00"}
{"a":-4,"ts":"2026-01-01T00:01:00"}
--> rows
{"w":"2026-01-01T00:00:00","odd":1,"n":2}
{"w":"2026-01-01T00:01:00","odd":0,"n":1}
--> ledger applied 3, filtered 1

-- windows over a CTE and over a plain view, in Flink's spelling
CREATE SOURCE e (a BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE VIEW timed AS SELECT * FROM e WHERE a > 0;
CREATE MATERIALIZED VIEW v AS
WITH more AS (SELECT *, a * 10 AS ten FROM timed)
SELECT window_end, SUM(ten) AS s
FROM TABLE(TUMBLE(TABLE more, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_end;
--> events
{"a":1,"ts":"2026-01-01T00:00:10"}
{"a":0,"ts":"2026-01-01T00:00:10"}
{"a":2,"ts":"2026-01-01T00:00:10"}
--> rows
{"window_end":"2026-01-01T00:01:00","s":30}

-- retention reads the window of a subquery, by the name that it has there
CREATE SOURCE e (a BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention = '1 minute') AS
SELECT until, COUNT(*) AS n
FROM (SELECT window_end AS until FROM TUMBLE(e, ts, INTERVAL '1' MINUTE)) GROUP BY until;
--> events
{"a":1,"ts":"2026-01-01T00:00:10"}
{"a":1,"ts":"2026-01-01T01:00:10"}
--> rows
{"until":"2026-01-01T01:01:00","n":1}
--> ledger applied 2
