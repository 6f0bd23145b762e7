-- SELECT DISTINCT, and aggregates without GROUP BY

-- a global aggregate over no events is one row
CREATE SOURCE e (a BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT COUNT(*) AS n, SUM(a) AS s, MIN(a) AS m, AVG(a) AS g FROM e;
--> events
--> rows
{"n":0,"s":null,"m":null,"g":null}
--> ledger

-- a global aggregate over filtered events alone is the row of no events
CREATE SOURCE e (a BIGINT, t VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT COUNT(*) AS n, SUM(a) AS s, MAX(t) AS t, MAX(a) AS m FROM e WHERE a > 5;
--> events
{"a":1,"t":"x"}
{"a":2}
{"a":null}
--> rows
{"n":0,"s":null,"t":null,"m":null}
--> ledger filtered 3

-- a global aggregate
CREATE SOURCE e (a BIGINT, t VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT COUNT(*) AS n, SUM(a) AS s, MAX(t) AS t, SUM(a) * 2 AS d, 'all' AS label FROM e WHERE a > 0;
--> events
{"a":1,"t":"x"}
{"a":2}
{"a":-1}
{"a":9223372036854775807}
nonsense
--> rows
{"n":3,"s":9223372036854775810,"t":"x","d":18446744073709551620,"label":"all"}
--> ledger applied 3, filtered 1, dead_lettered 1

-- a global aggregate over NULLs alone
CREATE SOURCE e (a DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT COUNT(*) AS n, COUNT(a) AS c, SUM(a) AS s FROM e GROUP BY ();
--> events
{"a":null}
{}
--> rows
{"n":2,"c":0,"s":null}

-- HAVING hides the one row
CREATE SOURCE e (a BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT SUM(a) AS s FROM e HAVING COUNT(*) > 2;
--> events
{"a":1}
{"a":2}
--> rows

-- HAVING without an aggregate in SELECT
CREATE SOURCE e (a BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT 'busy' AS word FROM e HAVING COUNT(*) > 1;
--> events
{"a":1}
{"a":2}
--> rows
{"word":"busy"}

-- an event that the SQL fails on costs itself
CREATE SOURCE e (a VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT SUM(a::INTEGER) AS s, COUNT(*) AS n FROM e;
--> events
{"a":"1"}
{"a":"x"}
{"a":"3"}
{"a":"y"}
--> rows
{"s":4,"n":2}
--> ledger applied 2, dead_lettered 2

-- one row over windows
CREATE SOURCE e (a BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT COUNT(*) AS n, MIN(window_start) AS first FROM TUMBLE(e, ts, INTERVAL '1' MINUTE);
--> events
{"a":1,"ts":"2026-01-01T00:02:03"}
{"a":1,"ts":"2026-01-01T00:01:03"}
--> rows
{"n":2,"first":"2026-01-01T00:01:00"}

-- DISTINCT of one row changes nothing
CREATE SOURCE e (a BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT DISTINCT MAX(a) AS m FROM e;
--> events
{"a":4}
{"a":7}
--> rows
{"m":7}

-- SELECT DISTINCT makes the columns the key, in their order
CREATE SOURCE e (a BIGINT, b VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT DISTINCT b, a FROM e;
--> events
{"a":2,"b":"x"}
{"a":1,"b":"x"}
{"a":2,"b":"x"}
{"a":2,"b":null}
{"a":null,"b":""}
{}
{}
--> rows
{"b":"","a":null}
{"b":"x","a":1}
{"b":"x","a":2}
{"b":null,"a":2}
{"b":null,"a":null}
--> ledger applied 7

-- SELECT DISTINCT of expressions, constants and a column twice
CREATE SOURCE e (a BIGINT, b VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT DISTINCT lower(b) AS k, 'x' AS c, a % 2 AS odd, a % 2 AS again FROM e WHERE a > 0;
--> events
{"a":1,"b":"X"}
{"a":3,"b":"x"}
{"a":4,"b":"x"}
{"a":-4,"b":"x"}
--> rows
{"k":"x","c":"x","odd":0,"again":0}
{"k":"x","c":"x","odd":1,"again":1}
--> ledger applied 3, filtered 1

-- DISTINCT takes 0.0 and -0.0 for one, and every NaN for one
CREATE SOURCE e (x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT DISTINCT x * 1 AS x FROM e;
--> events
{"x":0.0}
{"x":-0.0}
{"x":-1.5}
{"x":"nan"}
{"x":"-nan"}
--> rows
{"x":-1.5}
{"x":0.0}
{"x":"NaN"}

-- DISTINCT with GROUP BY changes nothing
CREATE SOURCE e (a BIGINT, b BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT DISTINCT a, MAX(b) AS m FROM e GROUP BY a;
--> events
{"a":1,"b":2}
{"a":1,"b":3}
{"a":2,"b":3}
--> rows
{"a":1,"m":3}
{"a":2,"m":3}

-- DISTINCT windows
CREATE SOURCE e (a BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention = '1 hour') AS
SELECT DISTINCT window_start, a FROM TUMBLE(e, ts, INTERVAL '1' MINUTE);
--> events
{"a":1,"ts":"2026-01-01T00:02:03"}
{"a":1,"ts":"2026-01-01T00:02:59"}
{"a":2,"ts":"2026-01-01T00:02:59"}
--> rows
{"window_start":"2026-01-01T00:02:00","a":1}
{"window_start":"2026-01-01T00:02:00","a":2}

-- a column that the view does not read may be of any type
CREATE SOURCE e (a BIGINT, big HUGEINT, doc JSON, docs JSON[]) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT a, COUNT(*) AS n FROM e GROUP BY a;
--> events
{"a":1,"big":1,"doc":{"b":1}}
{"a":1}
--> rows
{"a":1,"n":2}

-- nor one in a source of windows, where another of such a type is read
CREATE SOURCE e (doc JSON, big HUGEINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT window_start AS w, MAX(big) AS m FROM TUMBLE(e, ts, INTERVAL '1' MINUTE) GROUP BY w;
--> events
{"doc":{"b":1},"big":170141183460469231731687303715884105727,"ts":"2026-01-01T00:00:10"}
--> rows
{"w":"2026-01-01T00:00:00","m":170141183460469231731687303715884105727}
