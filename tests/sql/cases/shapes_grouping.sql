-- GROUPING SETS, ROLLUP and CUBE

-- over no events there is the total
CREATE SOURCE e (a VARCHAR, b BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT GROUPING(a, b) AS g, a, b, COUNT(*) AS n, SUM(b) AS s FROM e GROUP BY ROLLUP (a, b);
--> events
--> rows
{"g":3,"a":null,"b":null,"n":0,"s":null}
--> ledger

-- grouping sets without the empty one have no row over no events
CREATE SOURCE e (a VARCHAR, b BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT GROUPING(a) AS g, a, b, COUNT(*) AS n FROM e GROUP BY GROUPING SETS ((a), (b));
--> events
--> rows
--> ledger

-- a NULL is another key than a subtotal, and an event is applied once
CREATE SOURCE e (a VARCHAR, b BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT GROUPING(a, b) AS g, a, b, COUNT(*) AS n, SUM(b) AS s FROM e GROUP BY ROLLUP (a, b);
--> events
{"a":"x","b":1}
{"a":"x","b":null}
{"a":"x","b":1}
{"a":null,"b":null}
{"a":null,"b":2}
--> rows
{"g":0,"a":"x","b":1,"n":2,"s":2}
{"g":0,"a":"x","b":null,"n":1,"s":null}
{"g":0,"a":null,"b":2,"n":1,"s":2}
{"g":0,"a":null,"b":null,"n":1,"s":null}
{"g":1,"a":"x","b":null,"n":3,"s":2}
{"g":1,"a":null,"b":null,"n":2,"s":2}
{"g":3,"a":null,"b":null,"n":5,"s":4}
--> ledger applied 5

-- filtered events make no row of any set, but for the total that was there
CREATE SOURCE e (a VARCHAR, b BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT GROUPING(a) AS g, a, COUNT(*) AS n FROM e WHERE b > 1 GROUP BY CUBE (a);
--> events
{"a":"x","b":1}
{"a":"y","b":1}
--> rows
{"g":1,"a":null,"n":0}
--> ledger filtered 2

-- retention within windows
CREATE SOURCE e (a VARCHAR, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention = '1 minute') AS
SELECT window_start AS w, GROUPING(a) AS g, a, COUNT(*) AS n
FROM TUMBLE(e, ts, INTERVAL '1' MINUTE) GROUP BY w, ROLLUP (a);
--> events
{"a":"x","ts":"2026-01-01T00:00:10"}
{"a":"x","ts":"2026-01-01T01:00:10"}
{"a":"y","ts":"2026-01-01T01:00:10"}
--> rows
{"w":"2026-01-01T01:00:00","g":0,"a":"x","n":1}
{"w":"2026-01-01T01:00:00","g":0,"a":"y","n":1}
{"w":"2026-01-01T01:00:00","g":1,"a":null,"n":2}
--> ledger applied 3

-- an event that a key cannot be computed of is a dead letter of all sets
CREATE SOURCE e (a VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT GROUPING(a::INTEGER) AS g, a::INTEGER AS k, COUNT(*) AS n FROM e GROUP BY ROLLUP (a::INTEGER);
--> events
{"a":"1"}
{"a":"x"}
{"a":"2"}
--> rows
{"g":0,"k":1,"n":1}
{"g":0,"k":2,"n":1}
{"g":1,"k":null,"n":2}
--> ledger applied 2, dead_lettered 1
