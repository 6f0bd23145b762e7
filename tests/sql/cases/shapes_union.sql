-- UNION ALL of several sources

-- a column of each source, and a constant that tells them apart
CREATE SOURCE a (k VARCHAR, x INTEGER) WITH (connector = 'events');
CREATE SOURCE b (name VARCHAR, y BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT kind, k, COUNT(*) AS n, SUM(x) AS total
FROM (SELECT 'sale' AS kind, k, x FROM a UNION ALL SELECT 'refund', name, -y FROM b)
GROUP BY kind, k;
--> events
{"k":"u","x":5}
{"k":"w","x":7}
{"k":"u"}
--> events b
{"name":"u","y":3}
{"name":"u","y":4000000000}
--> rows
{"kind":"refund","k":"u","n":2,"total":-4000000003}
{"kind":"sale","k":"u","n":2,"total":5}
{"kind":"sale","k":"w","n":1,"total":7}
--> ledger applied 5

-- one row of both sources
CREATE SOURCE a (k VARCHAR, x INTEGER) WITH (connector = 'events');
CREATE SOURCE b (k VARCHAR, x INTEGER) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, COUNT(*) AS n, AVG(x) AS mean, MIN(x) AS low, MAX(x) AS high
FROM (SELECT * FROM a UNION ALL SELECT * FROM b) AS u GROUP BY u.k;
--> events
{"k":"u","x":1}
{"k":"u","x":8}
--> events b
{"k":"u","x":9}
{"x":2}
--> rows
{"k":"u","n":3,"mean":6.0,"low":1,"high":9}
{"k":null,"n":1,"mean":2.0,"low":2,"high":2}

-- WHERE in each SELECT and over the union
CREATE SOURCE a (k VARCHAR, x VARCHAR) WITH (connector = 'events');
CREATE SOURCE b (k VARCHAR, y INTEGER) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, SUM(x) AS total FROM (
  SELECT k, CAST(x AS INTEGER) AS x FROM a WHERE regexp_matches(x, '^\d+$')
  UNION ALL
  SELECT k, y FROM b WHERE y > 2
) WHERE x < 100 GROUP BY k HAVING SUM(x) > 3;
--> events
{"k":"u","x":"1"}
{"k":"u","x":"many"}
{"k":"u","x":"500"}
{"k":"w","x":"2"}
--> events b
{"k":"u","y":3}
{"k":"u","y":2}
{"k":"w","y":400}
--> rows
{"k":"u","total":4}
--> ledger applied 3, filtered 4

-- what cannot be cast costs its event
CREATE SOURCE a (k VARCHAR, x VARCHAR) WITH (connector = 'events');
CREATE SOURCE b (k VARCHAR, y INTEGER) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, SUM(x) AS total
FROM (SELECT k, CAST(x AS INTEGER) AS x FROM a UNION ALL SELECT k, y FROM b) GROUP BY k;
--> events
{"k":"u","x":"1"}
{"k":"u","x":"many"}
{"k":"u","x":"2"}
--> events b
{"k":"u","y":"few"}
{"k":"u","y":3}
--> rows
{"k":"u","total":6}
--> ledger applied 3, dead_lettered 2

-- a CTE, with the names of its columns given
CREATE SOURCE a (k VARCHAR, x INTEGER) WITH (connector = 'events');
CREATE SOURCE b (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
WITH u(who, what) AS (SELECT k, x FROM a UNION ALL (SELECT k, x * 2 FROM b WHERE x > 1))
SELECT who, MAX(what) AS high FROM u GROUP BY who;
--> events
{"k":"u","x":3}
--> events b
{"k":"u","x":2.5}
{"k":"u","x":0.5}
--> rows
{"who":"u","high":5.0}
--> ledger applied 2, filtered 1

-- a plain view of three sources, with what they lack as NULL
CREATE SOURCE a (k VARCHAR, x INTEGER) WITH (connector = 'events');
CREATE SOURCE b (k VARCHAR, day DATE) WITH (connector = 'events');
CREATE SOURCE c (k INTEGER) WITH (connector = 'events');
CREATE VIEW u AS
  SELECT k, x, NULL AS day FROM a UNION ALL SELECT k, NULL, day FROM b
  UNION ALL SELECT k, 9, NULL FROM c;
CREATE MATERIALIZED VIEW v AS
SELECT k, COUNT(*) AS n, MAX(x) AS x, MIN(day) AS day FROM u GROUP BY k;
--> events
{"k":"7","x":3}
--> events b
{"k":"7","day":"2026-03-01"}
--> events c
{"k":7}
{"k":8}
--> rows
{"k":"7","n":3,"x":9,"day":"2026-03-01"}
{"k":"8","n":1,"x":9,"day":null}

-- the same column twice in one SELECT
CREATE SOURCE a (k VARCHAR, x INTEGER) WITH (connector = 'events');
CREATE SOURCE b (k VARCHAR, x INTEGER, y INTEGER) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, l, SUM(x) AS x, SUM(y) AS y
FROM (SELECT k, k AS l, x, x AS y FROM a UNION ALL SELECT k, 'w', x, y FROM b) GROUP BY k, l;
--> events
{"k":"u","x":1}
{"k":"w","x":2}
--> events b
{"k":"w","x":10,"y":20}
{"k":"u","x":100,"y":200}
--> rows
{"k":"u","l":"u","x":1,"y":1}
{"k":"u","l":"w","x":100,"y":200}
{"k":"w","l":"w","x":12,"y":22}

-- different values of both sources are one set
CREATE SOURCE a (k VARCHAR, x INTEGER) WITH (connector = 'events');
CREATE SOURCE b (k VARCHAR, x INTEGER) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, COUNT(DISTINCT x) AS n FROM (SELECT k, x FROM a UNION ALL SELECT k, x FROM b) GROUP BY k;
--> events
{"k":"u","x":1}
{"k":"u","x":2}
--> events b
{"k":"u","x":2}
{"k":"u","x":3}
--> rows
{"k":"u","n":3}

-- SELECT DISTINCT is UNION
CREATE SOURCE a (k VARCHAR) WITH (connector = 'events');
CREATE SOURCE b (k VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT DISTINCT kind, k FROM (SELECT 1 AS kind, k FROM a UNION ALL SELECT 2, k FROM b);
--> events
{"k":"u"}
{"k":"u"}
--> events b
{"k":"u"}
--> rows
{"kind":1,"k":"u"}
{"kind":2,"k":"u"}

-- no GROUP BY, and no events of one source
CREATE SOURCE a (x INTEGER) WITH (connector = 'events');
CREATE SOURCE b (x INTEGER) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT COUNT(*) AS n, SUM(x) AS total FROM (SELECT x FROM a UNION ALL SELECT x FROM b);
--> events
--> events b
{"x":3}
--> rows
{"n":1,"total":3}

-- elements of a list over the union
CREATE SOURCE a (tags VARCHAR[]) WITH (connector = 'events');
CREATE SOURCE b (words VARCHAR[], w INTEGER) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT tag, COUNT(*) AS n
FROM (SELECT tags, 1 AS w FROM a UNION ALL SELECT words, w FROM b WHERE w > 0) AS u,
  UNNEST(u.tags) AS t(tag)
GROUP BY tag;
--> events
{"tags":["x","y"]}
{"tags":[]}
--> events b
{"words":["y","z"],"w":1}
{"words":["z"],"w":0}
--> rows
{"tag":"x","n":1}
{"tag":"y","n":2}
{"tag":"z","n":1}
--> ledger applied 2, filtered 2

-- TUMBLE over the union, each source with a time of its own
CREATE SOURCE a (k VARCHAR, ts TIMESTAMP) WITH (connector = 'events');
CREATE SOURCE b (k VARCHAR, moment TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT window_start, COUNT(*) AS n
FROM TUMBLE((SELECT k, ts FROM a UNION ALL SELECT k, moment FROM b), ts, INTERVAL '1' MINUTE)
GROUP BY window_start;
--> events
{"ts":"2026-03-01 00:00:10"}
{"ts":"2026-03-01 00:01:10"}
--> events b
{"moment":"2026-03-01 00:01:00"}
--> rows
{"window_start":"2026-03-01T00:00:00","n":1}
{"window_start":"2026-03-01T00:01:00","n":2}

-- retention by the later of two sources
CREATE SOURCE a (ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE SOURCE b (moment TIMESTAMP, WATERMARK FOR moment AS moment) WITH (connector = 'events');
CREATE VIEW u AS SELECT ts FROM a UNION ALL SELECT moment FROM b;
CREATE MATERIALIZED VIEW v WITH (retention = '1 minute') AS
SELECT window_start, COUNT(*) AS n FROM TUMBLE(u, ts, INTERVAL '1' MINUTE) GROUP BY window_start;
--> events
{"ts":"2026-03-01 00:00:10"}
{"ts":"2026-03-01 00:01:10"}
--> events b
{"moment":"2026-03-01 00:02:30"}
--> rows
{"window_start":"2026-03-01T00:01:00","n":1}
{"window_start":"2026-03-01T00:02:00","n":1}

-- HOP over the union
CREATE SOURCE a (ts TIMESTAMP, x INTEGER) WITH (connector = 'events');
CREATE SOURCE b (ts TIMESTAMP, x INTEGER) WITH (connector = 'events');
CREATE VIEW u AS SELECT * FROM a UNION ALL SELECT * FROM b;
CREATE MATERIALIZED VIEW v AS
SELECT window_start, SUM(x) AS total
FROM HOP(u, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE) GROUP BY window_start;
--> events
{"ts":"2026-03-01 00:00:10","x":1}
--> events b
{"ts":"2026-03-01 00:01:10","x":2}
--> rows
{"window_start":"2026-02-28T23:59:00","total":1}
{"window_start":"2026-03-01T00:00:00","total":3}
{"window_start":"2026-03-01T00:01:00","total":2}

-- the first row of each key of two sources
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE SOURCE f (k VARCHAR, y INTEGER, sent TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, x, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM (SELECT k, x, ts FROM e UNION ALL SELECT k, y, sent FROM f)) WHERE rn = 1;
--> events
{"k":"a","x":1,"ts":"2026-01-01T00:00:00"}
{"k":"a","x":2,"ts":"2026-01-03T00:00:00"}
{"k":"b","x":3,"ts":"2026-01-01T00:00:00"}
--> events f
{"k":"a","y":4,"sent":"2026-01-02T00:00:00"}
{"k":"b","y":5,"sent":"2026-01-02T00:00:00"}
{"k":"c","y":6}
--> rows
{"k":"a","x":2,"ts":"2026-01-03T00:00:00"}
{"k":"b","x":5,"ts":"2026-01-02T00:00:00"}
{"k":"c","x":6,"ts":null}
--> ledger applied 6

-- rows that tie are in the order of the names of their sources, wherever these stand
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE SOURCE d (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, x, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY k) AS rn FROM (SELECT k, x FROM e UNION ALL SELECT k, x FROM d)) WHERE rn <= 3;
--> events
{"k":"a","x":1}
{"k":"a","x":2}
{"k":"b","x":3}
--> events d
{"k":"b","x":4}
{"k":"a","x":5}
{"k":"a","x":6}
--> rows
{"k":"a","x":5,"rn":1}
{"k":"a","x":6,"rn":2}
{"k":"a","x":1,"rn":3}
{"k":"b","x":4,"rn":1}
{"k":"b","x":3,"rn":2}
--> ledger applied 6

-- numbered rows of windows of two sources, of what a SELECT lets through
CREATE SOURCE e (x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE SOURCE f (x DOUBLE, ts TIMESTAMP) WITH (connector = 'events');
CREATE VIEW u AS SELECT 'e' AS s, x, ts FROM e WHERE x < 9 UNION ALL SELECT 'f', x, ts FROM f;
CREATE MATERIALIZED VIEW v AS
SELECT window_start, place, x, s FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start ORDER BY x DESC NULLS FIRST) AS place FROM TUMBLE(u, ts, INTERVAL '1' MINUTE)) WHERE place <= 2;
--> events
{"x":1,"ts":"2026-01-01T00:00:00"}
{"x":9,"ts":"2026-01-01T00:00:10"}
{"x":3,"ts":"2026-01-01T00:01:00"}
{"x":"many","ts":"2026-01-01T00:01:00"}
--> events f
{"x":2.5,"ts":"2026-01-01T00:00:00"}
{"x":"NaN","ts":"2026-01-01T00:01:00"}
{"x":null,"ts":"2026-01-01T00:01:20"}
{"x":0.5,"ts":"2026-01-01T00:00:30"}
--> rows
{"window_start":"2026-01-01T00:00:00","place":1,"x":2.5,"s":"f"}
{"window_start":"2026-01-01T00:00:00","place":2,"x":1.0,"s":"e"}
{"window_start":"2026-01-01T00:01:00","place":1,"x":null,"s":"f"}
{"window_start":"2026-01-01T00:01:00","place":2,"x":"NaN","s":"f"}
--> ledger applied 6, filtered 1, dead_lettered 1

-- what is picked and listed in an order, of two sources
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE SOURCE f (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE VIEW u AS SELECT * FROM f UNION ALL SELECT * FROM e;
CREATE MATERIALIZED VIEW v AS
SELECT k, last_value(x ORDER BY ts) AS l, arg_min(x, ts) AS a, array_agg(x ORDER BY ts LIMIT 3) AS xs, string_agg(k, '' ORDER BY ts) AS t, max(x, 2) AS top FROM u GROUP BY k;
--> events
{"k":"a","x":1,"ts":"2026-01-01T00:00:00"}
{"k":"a","x":2,"ts":"2026-01-03T00:00:00"}
{"k":"a","x":3,"ts":"2026-01-03T00:00:00"}
--> events f
{"k":"a","x":4,"ts":"2026-01-03T00:00:00"}
{"k":"a","x":5,"ts":"2026-01-01T00:00:00"}
{"k":"a","x":null,"ts":"2025-01-01T00:00:00"}
--> rows
{"k":"a","l":4,"a":1,"xs":[null,1,5],"t":"aaaaaa","top":[5,4]}
--> ledger applied 6

-- sessions of events of two sources, which one of them joins
CREATE SOURCE a (k VARCHAR, ts TIMESTAMP) WITH (connector = 'events');
CREATE SOURCE b (who VARCHAR, sent TIMESTAMP, ok BOOLEAN) WITH (connector = 'events');
CREATE VIEW u AS SELECT k, ts, 'a' AS origin FROM a UNION ALL SELECT who, sent, 'b' FROM b WHERE ok;
CREATE MATERIALIZED VIEW v AS
SELECT k, window_start, window_end, COUNT(*) AS n, COUNT(DISTINCT origin) AS origins
FROM SESSION(u PARTITION BY k, ts, INTERVAL '10' SECOND) GROUP BY k, window_start, window_end;
--> events
{"k":"x","ts":"2026-01-01 00:00:00"}
{"k":"x","ts":"2026-01-01 00:00:20"}
{"k":"y","ts":"2026-01-01 00:00:20"}
--> events b
{"who":"x","sent":"2026-01-01 00:00:10","ok":true}
{"who":"y","sent":"2026-01-01 00:00:10","ok":false}
{"who":null,"sent":"2026-01-01 00:00:10","ok":true}
--> rows
{"k":"x","window_start":"2026-01-01T00:00:00","window_end":"2026-01-01T00:00:30","n":3,"origins":2}
{"k":"y","window_start":"2026-01-01T00:00:20","window_end":"2026-01-01T00:00:30","n":1,"origins":1}
{"k":null,"window_start":"2026-01-01T00:00:10","window_end":"2026-01-01T00:00:20","n":1,"origins":1}
