-- HOP and CUMULATE beside the other shapes of SQL

-- HOP over a subquery that computes and filters
CREATE SOURCE e (a VARCHAR, n BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, window_start AS w, COUNT(*) AS c, SUM(m) AS s
FROM HOP((SELECT upper(a) AS k, n * 10 AS m, ts AS t FROM e WHERE n > 0), t, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE)
GROUP BY k, w HAVING COUNT(*) > 0;
--> events
{"a":"x","n":1,"ts":"2026-01-01T00:01:10"}
{"a":"X","n":2,"ts":"2026-01-01T00:02:10"}
{"a":"x","n":0,"ts":"2026-01-01T00:02:10"}
--> rows
{"k":"X","w":"2026-01-01T00:00:00","c":1,"s":10}
{"k":"X","w":"2026-01-01T00:01:00","c":2,"s":30}
{"k":"X","w":"2026-01-01T00:02:00","c":1,"s":20}
--> ledger applied 2, filtered 1

-- CUMULATE in a plain view, under another name
CREATE SOURCE e (a VARCHAR, n BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE VIEW grown AS
SELECT a, n, window_end AS until FROM CUMULATE(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) WHERE n > 0;
CREATE MATERIALIZED VIEW v AS SELECT until, SUM(n) AS s, MAX(a) AS m FROM grown GROUP BY until;
--> events
{"a":"x","n":1,"ts":"2026-01-01T00:00:10"}
{"a":"y","n":2,"ts":"2026-01-01T00:01:10"}
{"a":"z","n":0,"ts":"2026-01-01T00:01:10"}
{"a":"w","n":5,"ts":"2026-01-01T00:03:10"}
--> rows
{"until":"2026-01-01T00:01:00","s":1,"m":"x"}
{"until":"2026-01-01T00:02:00","s":3,"m":"y"}
{"until":"2026-01-01T00:03:00","s":3,"m":"y"}
{"until":"2026-01-01T00:04:00","s":5,"m":"w"}
{"until":"2026-01-01T00:05:00","s":5,"m":"w"}
{"until":"2026-01-01T00:06:00","s":5,"m":"w"}
--> ledger applied 3, filtered 1

-- elements in HOP, with retention
CREATE SOURCE e (items VARCHAR[], ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention = '1 minute') AS
SELECT item, window_end AS w, COUNT(*) AS n
FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE), UNNEST(items) AS t(item)
GROUP BY item, window_end;
--> events
{"items":["a","b","a"],"ts":"2026-01-01T00:10:10"}
{"items":["a"],"ts":"2026-01-01T00:11:10"}
{"items":[],"ts":"2026-01-01T00:11:10"}
--> rows
{"item":"a","w":"2026-01-01T00:11:00","n":2}
{"item":"a","w":"2026-01-01T00:12:00","n":3}
{"item":"a","w":"2026-01-01T00:13:00","n":1}
{"item":"b","w":"2026-01-01T00:11:00","n":1}
{"item":"b","w":"2026-01-01T00:12:00","n":1}
--> ledger applied 2, filtered 1

-- grouping sets within the windows of HOP
CREATE SOURCE e (a VARCHAR, n BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT window_start AS w, window_end AS u, GROUPING(a) AS g, a, SUM(n) AS s
FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE) GROUP BY w, u, ROLLUP (a);
--> events
{"a":"x","n":1,"ts":"2026-01-01T00:01:10"}
{"a":null,"n":2,"ts":"2026-01-01T00:02:10"}
--> rows
{"w":"2026-01-01T00:00:00","u":"2026-01-01T00:02:00","g":0,"a":"x","s":1}
{"w":"2026-01-01T00:01:00","u":"2026-01-01T00:03:00","g":0,"a":"x","s":1}
{"w":"2026-01-01T00:01:00","u":"2026-01-01T00:03:00","g":0,"a":null,"s":2}
{"w":"2026-01-01T00:02:00","u":"2026-01-01T00:04:00","g":0,"a":null,"s":2}
{"w":"2026-01-01T00:00:00","u":"2026-01-01T00:02:00","g":1,"a":null,"s":1}
{"w":"2026-01-01T00:01:00","u":"2026-01-01T00:03:00","g":1,"a":null,"s":3}
{"w":"2026-01-01T00:02:00","u":"2026-01-01T00:04:00","g":1,"a":null,"s":2}
--> ledger applied 2

-- SELECT DISTINCT of HOP
CREATE SOURCE e (a VARCHAR, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT DISTINCT window_start AS w, a FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE);
--> events
{"a":"x","ts":"2026-01-01T00:01:10"}
{"a":"x","ts":"2026-01-01T00:01:20"}
{"a":"y","ts":"2026-01-01T00:02:10"}
{"a":"x","ts":"2026-01-01T00:02:10"}
--> rows
{"w":"2026-01-01T00:00:00","a":"x"}
{"w":"2026-01-01T00:01:00","a":"x"}
{"w":"2026-01-01T00:01:00","a":"y"}
{"w":"2026-01-01T00:02:00","a":"x"}
{"w":"2026-01-01T00:02:00","a":"y"}
--> ledger applied 4

-- every family is merged over the panes of CUMULATE
CREATE SOURCE e (a VARCHAR, n BIGINT, r DOUBLE, ok BOOLEAN, doc JSON, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT window_end AS w, FIRST_VALUE(a ORDER BY ts) AS f, LAST_VALUE(a ORDER BY ts) AS l, ARG_MAX(a, n) AS top, ARG_MIN(doc, n) AS d,
  EARLIEST(a) AS e, LATEST(a) AS z, BIT_OR(n) AS o, BOOL_AND(ok) AS ok, VAR_POP(r) AS v, MIN(a) AS m,
  SUM(r) AS s, COUNT(*) FILTER (WHERE ok) AS c
FROM CUMULATE(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY window_end;
--> events
{"a":"last in time","n":4,"r":1,"ok":true,"doc":{"k":1},"ts":"2026-01-01T00:02:10"}
{"a":"first in time","n":1,"r":3,"ok":true,"doc":{"k":2},"ts":"2026-01-01T00:00:10"}
{"a":"in between","n":2,"r":5,"ok":false,"doc":{"k":3},"ts":"2026-01-01T00:01:10"}
--> rows
{"w":"2026-01-01T00:01:00","f":"first in time","l":"first in time","top":"first in time","d":{"k":2},"e":"first in time","z":"first in time","o":1,"ok":true,"v":0.0,"m":"first in time","s":3.0,"c":1}
{"w":"2026-01-01T00:02:00","f":"first in time","l":"in between","top":"in between","d":{"k":2},"e":"first in time","z":"in between","o":3,"ok":false,"v":1.0,"m":"first in time","s":8.0,"c":1}
{"w":"2026-01-01T00:03:00","f":"first in time","l":"last in time","top":"last in time","d":{"k":2},"e":"last in time","z":"in between","o":7,"ok":false,"v":2.6666666666666665,"m":"first in time","s":9.0,"c":2}
--> ledger applied 3

-- late elements of HOP over a subquery are left out with their event
CREATE SOURCE e (items VARCHAR[], ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (on_late = 'drop') AS
SELECT window_start AS w, item, COUNT(*) AS n
FROM HOP((SELECT items AS l, ts FROM e WHERE len(items) < 3), ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE),
  UNNEST(l) AS t(item)
GROUP BY w, item;
--> events
{"items":["a","b"],"ts":"2026-01-01T00:00:30"}
{"items":["a","b","c"],"ts":"2026-01-01T00:01:10"}
{"items":["a","a"],"ts":"2026-01-01T00:00:40"}
{"items":["b"],"ts":"2026-01-01T00:01:00"}
--> rows
{"w":"2025-12-31T23:59:00","item":"a","n":1}
{"w":"2025-12-31T23:59:00","item":"b","n":1}
{"w":"2026-01-01T00:00:00","item":"a","n":1}
{"w":"2026-01-01T00:00:00","item":"b","n":2}
{"w":"2026-01-01T00:01:00","item":"b","n":1}
--> ledger applied 2, filtered 1, late 1

-- late events are dead letters of a view of one row
CREATE SOURCE e (n BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (on_late = 'dead_letter') AS SELECT COUNT(*) AS n, LATEST(n) AS l FROM e;
--> events
{"n":1,"ts":"2026-01-01T00:00:30"}
{"n":2,"ts":"2026-01-01T00:00:25"}
{"n":3,"ts":"2026-01-01T00:00:24"}
--> rows
{"n":2,"l":2}
--> ledger applied 2, dead_lettered 1

-- windows of HOP within grouping sets are shown once they are closed
CREATE SOURCE e (a VARCHAR, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
WITH named AS (SELECT upper(a) AS k, ts FROM e)
SELECT window_start AS w, GROUPING(k) AS g, k, COUNT(*) AS n, LATEST(k) AS l
FROM HOP(named, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE) GROUP BY w, ROLLUP (k)
EMIT ON WINDOW CLOSE;
--> events
{"a":"x","ts":"2026-01-01T00:01:10"}
{"a":"y","ts":"2026-01-01T00:02:10"}
{"a":"z","ts":"2026-01-01T00:03:00"}
--> rows
{"w":"2026-01-01T00:00:00","g":0,"k":"X","n":1,"l":"X"}
{"w":"2026-01-01T00:01:00","g":0,"k":"X","n":1,"l":"X"}
{"w":"2026-01-01T00:01:00","g":0,"k":"Y","n":1,"l":"Y"}
{"w":"2026-01-01T00:00:00","g":1,"k":null,"n":1,"l":"X"}
{"w":"2026-01-01T00:01:00","g":1,"k":null,"n":2,"l":"Y"}
--> ledger applied 3
