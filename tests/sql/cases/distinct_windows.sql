-- Different values in windows that share events, and in sessions that become one

-- HOP: a value counts once in a window, in whichever panes it is
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, COUNT(DISTINCT x) AS n, SUM(DISTINCT x) AS t, AVG(DISTINCT x) AS m, COUNT(*) AS c FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY k, window_start;
--> events
{"k":"a","x":1,"ts":"1970-01-01T00:00:10"}
{"k":"a","x":1,"ts":"1970-01-01T00:02:10"}
{"k":"a","x":2,"ts":"1970-01-01T00:02:20"}
{"k":"a","x":2,"ts":"1970-01-01T00:03:20"}
{"k":"a","x":1,"ts":"1970-01-01T00:05:20"}
{"k":"b","x":1,"ts":"1970-01-01T00:01:20"}
--> rows
{"k":"a","s":"1969-12-31T23:58:00","n":1,"t":1,"m":1.0,"c":1}
{"k":"a","s":"1969-12-31T23:59:00","n":1,"t":1,"m":1.0,"c":1}
{"k":"a","s":"1970-01-01T00:00:00","n":2,"t":3,"m":1.5,"c":3}
{"k":"a","s":"1970-01-01T00:01:00","n":2,"t":3,"m":1.5,"c":3}
{"k":"a","s":"1970-01-01T00:02:00","n":2,"t":3,"m":1.5,"c":3}
{"k":"a","s":"1970-01-01T00:03:00","n":2,"t":3,"m":1.5,"c":2}
{"k":"a","s":"1970-01-01T00:04:00","n":1,"t":1,"m":1.0,"c":1}
{"k":"a","s":"1970-01-01T00:05:00","n":1,"t":1,"m":1.0,"c":1}
{"k":"b","s":"1969-12-31T23:59:00","n":1,"t":1,"m":1.0,"c":1}
{"k":"b","s":"1970-01-01T00:00:00","n":1,"t":1,"m":1.0,"c":1}
{"k":"b","s":"1970-01-01T00:01:00","n":1,"t":1,"m":1.0,"c":1}
--> ledger applied 6

-- HOP: events that come in the other order, and again
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, COUNT(DISTINCT x) AS n, SUM(DISTINCT x) AS t FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '4' MINUTE) GROUP BY k, window_start;
--> events
{"k":"a","x":7,"ts":"1970-01-01T00:06:00"}
{"k":"a","x":7,"ts":"1970-01-01T00:03:00"}
{"k":"a","x":5,"ts":"1970-01-01T00:04:00"}
{"k":"a","x":7,"ts":"1970-01-01T00:00:00"}
{"k":"a","x":7,"ts":"1970-01-01T00:05:00"}
{"k":"a","x":7,"ts":"1970-01-01T00:03:00"}
{"k":"a","x":5,"ts":"1970-01-01T00:02:00"}
--> rows
{"k":"a","s":"1969-12-31T23:57:00","n":1,"t":7}
{"k":"a","s":"1969-12-31T23:58:00","n":1,"t":7}
{"k":"a","s":"1969-12-31T23:59:00","n":2,"t":12}
{"k":"a","s":"1970-01-01T00:00:00","n":2,"t":12}
{"k":"a","s":"1970-01-01T00:01:00","n":2,"t":12}
{"k":"a","s":"1970-01-01T00:02:00","n":2,"t":12}
{"k":"a","s":"1970-01-01T00:03:00","n":2,"t":12}
{"k":"a","s":"1970-01-01T00:04:00","n":2,"t":12}
{"k":"a","s":"1970-01-01T00:05:00","n":1,"t":7}
{"k":"a","s":"1970-01-01T00:06:00","n":1,"t":7}
--> ledger applied 7

-- HOP: the other window column in the key, before the epoch, and shifted
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT window_end AS e, k, window_start AS s, COUNT(DISTINCT x) AS n FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE, INTERVAL '15' SECOND) GROUP BY window_end, k, window_start;
--> events
{"k":"a","x":1,"ts":"1969-12-31T23:59:00"}
{"k":"a","x":1,"ts":"1969-12-31T23:59:20"}
{"k":"a","x":2,"ts":"1970-01-01T00:00:14"}
{"k":"b","x":2,"ts":"1970-01-01T00:00:15"}
{"k":"a","x":2,"ts":"1970-01-01T00:00:15"}
--> rows
{"e":"1969-12-31T23:59:15","k":"a","s":"1969-12-31T23:57:15","n":1}
{"e":"1970-01-01T00:00:15","k":"a","s":"1969-12-31T23:58:15","n":2}
{"e":"1970-01-01T00:01:15","k":"a","s":"1969-12-31T23:59:15","n":2}
{"e":"1970-01-01T00:01:15","k":"b","s":"1969-12-31T23:59:15","n":1}
{"e":"1970-01-01T00:02:15","k":"a","s":"1970-01-01T00:00:15","n":1}
{"e":"1970-01-01T00:02:15","k":"b","s":"1970-01-01T00:00:15","n":1}
--> ledger applied 5

-- HOP: no time, no value, and a FILTER of its own
CREATE SOURCE e (k VARCHAR, x BIGINT, ok BOOLEAN, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT window_start AS s, COUNT(DISTINCT x) AS n, COUNT(DISTINCT x) FILTER (WHERE ok) AS f, SUM(DISTINCT x) FILTER (WHERE ok) AS t FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE) GROUP BY window_start;
--> events
{"x":1,"ok":true,"ts":"1970-01-01T00:00:10"}
{"x":1,"ok":false,"ts":"1970-01-01T00:01:10"}
{"x":null,"ok":true,"ts":"1970-01-01T00:02:10"}
{"x":2,"ok":null,"ts":"1970-01-01T00:02:20"}
{"x":1,"ok":true}
{"x":1,"ok":false}
{"x":3,"ok":false}
--> rows
{"s":"1969-12-31T23:59:00","n":1,"f":1,"t":1}
{"s":"1970-01-01T00:00:00","n":1,"f":1,"t":1}
{"s":"1970-01-01T00:01:00","n":2,"f":0,"t":null}
{"s":"1970-01-01T00:02:00","n":1,"f":0,"t":null}
{"s":null,"n":2,"f":1,"t":1}
--> ledger applied 7

-- HOP: pairs, texts with zero bytes, nested values and doubles
CREATE SOURCE e (a VARCHAR, d DOUBLE, l BIGINT[], ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT window_start AS s, COUNT(DISTINCT a) AS a, COUNT(DISTINCT d) AS d, COUNT(DISTINCT l) AS l, COUNT(DISTINCT a, d) AS p FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE) GROUP BY window_start;
--> events
{"a":"","d":0.0,"l":[1],"ts":"1970-01-01T00:00:10"}
{"a":"\u0000","d":-0.0,"l":[1],"ts":"1970-01-01T00:01:10"}
{"a":"\u0000\u0001","d":"NaN","l":[],"ts":"1970-01-01T00:01:10"}
{"a":"","d":"-NaN","l":null,"ts":"1970-01-01T00:02:10"}
{"a":null,"d":1.5,"l":[null],"ts":"1970-01-01T00:02:10"}
--> rows
{"s":"1969-12-31T23:59:00","a":1,"d":1,"l":1,"p":1}
{"s":"1970-01-01T00:00:00","a":3,"d":2,"l":2,"p":3}
{"s":"1970-01-01T00:01:00","a":3,"d":3,"l":3,"p":3}
{"s":"1970-01-01T00:02:00","a":1,"d":2,"l":1,"p":1}
--> ledger applied 5

-- HOP: the largest whole numbers cancel in each window
CREATE SOURCE e (x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT window_start AS s, SUM(DISTINCT x) AS t, AVG(DISTINCT x) AS m FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE) GROUP BY window_start;
--> events
{"x":9223372036854775807,"ts":"1970-01-01T00:00:10"}
{"x":-9223372036854775808,"ts":"1970-01-01T00:01:10"}
{"x":9223372036854775807,"ts":"1970-01-01T00:01:10"}
{"x":-9223372036854775808,"ts":"1970-01-01T00:02:10"}
--> rows
{"s":"1969-12-31T23:59:00","t":9223372036854775807,"m":9.223372036854776e+18}
{"s":"1970-01-01T00:00:00","t":-1,"m":-0.5}
{"s":"1970-01-01T00:01:00","t":-1,"m":-0.5}
{"s":"1970-01-01T00:02:00","t":-9223372036854775808,"m":-9.223372036854776e+18}
--> ledger applied 4

-- HOP: at the ends of time
CREATE SOURCE e (x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT window_start AS s, COUNT(DISTINCT x) AS n FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY window_start;
--> events
{"x":1,"ts":"294247-01-10 03:57:50"}
{"x":1,"ts":"294247-01-10 03:58:50"}
{"x":2,"ts":"294247-01-10 03:59:50"}
{"x":1,"ts":"290309-12-22 (BC) 00:01:00"}
{"x":1,"ts":"290309-12-22 (BC) 00:02:00"}
{"x":1,"ts":"infinity"}
{"x":2,"ts":"2026-01-01 00:00:00"}
--> rows
{"s":"-290308-12-21T23:59:00","n":1}
{"s":"-290308-12-22T00:00:00","n":1}
{"s":"-290308-12-22T00:01:00","n":1}
{"s":"-290308-12-22T00:02:00","n":1}
{"s":"2025-12-31T23:58:00","n":1}
{"s":"2025-12-31T23:59:00","n":1}
{"s":"2026-01-01T00:00:00","n":1}
{"s":"294247-01-10T03:55:00","n":1}
{"s":"294247-01-10T03:56:00","n":1}
{"s":"294247-01-10T03:57:00","n":2}
{"s":"294247-01-10T03:58:00","n":2}
{"s":"294247-01-10T03:59:00","n":1}
{"s":null,"n":1}
--> ledger applied 7

-- HOP: a slide that is the whole window
CREATE SOURCE e (x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT window_start AS s, COUNT(DISTINCT x) AS n FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '1' MINUTE) GROUP BY window_start;
--> events
{"x":1,"ts":"1970-01-01T00:00:10"}
{"x":1,"ts":"1970-01-01T00:00:20"}
{"x":1,"ts":"1970-01-01T00:01:10"}
--> rows
{"s":"1970-01-01T00:00:00","n":1}
{"s":"1970-01-01T00:01:00","n":1}
--> ledger applied 3

-- HOP: HAVING looks at the values of a whole window
CREATE SOURCE e (x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT window_start AS s, COUNT(*) AS c FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE) GROUP BY window_start HAVING COUNT(DISTINCT x) > 1;
--> events
{"x":1,"ts":"1970-01-01T00:00:10"}
{"x":2,"ts":"1970-01-01T00:01:10"}
{"x":2,"ts":"1970-01-01T00:02:10"}
--> rows
{"s":"1970-01-01T00:00:00","c":2}
--> ledger applied 3

-- HOP: grouping sets, each with values of its own
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT GROUPING(k) AS g, window_start AS s, k, COUNT(DISTINCT x) AS n FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE) GROUP BY window_start, ROLLUP (k);
--> events
{"k":"a","x":1,"ts":"1970-01-01T00:00:10"}
{"k":"b","x":1,"ts":"1970-01-01T00:01:10"}
{"k":"a","x":2,"ts":"1970-01-01T00:01:10"}
--> rows
{"g":0,"s":"1969-12-31T23:59:00","k":"a","n":1}
{"g":0,"s":"1970-01-01T00:00:00","k":"a","n":2}
{"g":0,"s":"1970-01-01T00:00:00","k":"b","n":1}
{"g":0,"s":"1970-01-01T00:01:00","k":"a","n":1}
{"g":0,"s":"1970-01-01T00:01:00","k":"b","n":1}
{"g":1,"s":"1969-12-31T23:59:00","k":null,"n":1}
{"g":1,"s":"1970-01-01T00:00:00","k":null,"n":2}
{"g":1,"s":"1970-01-01T00:01:00","k":null,"n":2}
--> ledger applied 3

-- HOP: what has expired goes, and what shares a tile with it stays
CREATE SOURCE e (x BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention = '1 second') AS SELECT window_start AS s, COUNT(DISTINCT x) AS n, COUNT(*) AS c FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY window_start;
--> events
{"x":1,"ts":"1970-01-01T00:00:10"}
{"x":1,"ts":"1970-01-01T00:01:10"}
{"x":1,"ts":"1970-01-01T00:03:10"}
{"x":2,"ts":"1970-01-01T00:04:10"}
{"x":1,"ts":"1970-01-01T00:05:10"}
--> rows
{"s":"1970-01-01T00:03:00","n":2,"c":3}
{"s":"1970-01-01T00:04:00","n":2,"c":2}
{"s":"1970-01-01T00:05:00","n":1,"c":1}
--> ledger applied 5

-- HOP: shown once it is closed, and late events dropped
CREATE SOURCE e (x BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (on_late = 'drop') AS SELECT window_start AS s, COUNT(DISTINCT x) AS n FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE) GROUP BY window_start EMIT ON WINDOW CLOSE;
--> events
{"x":1,"ts":"1970-01-01T00:00:10"}
{"x":1,"ts":"1970-01-01T00:01:10"}
{"x":3,"ts":"1970-01-01T00:00:20"}
{"x":2,"ts":"1970-01-01T00:03:10"}
--> rows
{"s":"1969-12-31T23:59:00","n":1}
{"s":"1970-01-01T00:00:00","n":1}
{"s":"1970-01-01T00:01:00","n":1}
--> ledger applied 3, late 1

-- HOP: over UNION ALL, a value of two sources counts once
CREATE SOURCE e (x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE SOURCE f (y INTEGER, sent TIMESTAMP) WITH (connector = 'events');
CREATE VIEW u AS SELECT x, ts FROM e UNION ALL SELECT y, sent FROM f;
CREATE MATERIALIZED VIEW v AS SELECT window_start AS s, COUNT(DISTINCT x) AS n FROM HOP(u, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE) GROUP BY window_start;
--> events
{"x":1,"ts":"1970-01-01T00:00:10"}
{"x":2,"ts":"1970-01-01T00:02:10"}
--> events f
{"y":1,"sent":"1970-01-01T00:01:10"}
{"y":3,"sent":"1970-01-01T00:01:10"}
--> rows
{"s":"1969-12-31T23:59:00","n":1}
{"s":"1970-01-01T00:00:00","n":2}
{"s":"1970-01-01T00:01:00","n":3}
{"s":"1970-01-01T00:02:00","n":1}
--> ledger applied 4

-- HOP: elements of lists
CREATE SOURCE e (tags VARCHAR[], ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT window_start AS s, COUNT(DISTINCT tag) AS n, COUNT(*) AS c FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE), UNNEST(tags) AS t(tag) GROUP BY window_start;
--> events
{"tags":["x","y","x"],"ts":"1970-01-01T00:00:10"}
{"tags":["y","z"],"ts":"1970-01-01T00:01:10"}
--> rows
{"s":"1969-12-31T23:59:00","n":2,"c":3}
{"s":"1970-01-01T00:00:00","n":3,"c":5}
{"s":"1970-01-01T00:01:00","n":2,"c":2}
--> ledger applied 2

-- CUMULATE: a value counts from the first step that has it
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, COUNT(DISTINCT x) AS n, SUM(DISTINCT x) AS t, AVG(DISTINCT x) AS m FROM CUMULATE(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"1970-01-01T00:01:10"}
{"k":"a","x":2,"ts":"1970-01-01T00:02:10"}
{"k":"a","x":1,"ts":"1970-01-01T00:02:20"}
{"k":"a","x":2,"ts":"1970-01-01T00:00:20"}
{"k":"a","x":2,"ts":"1970-01-01T00:04:00"}
{"k":"b","x":2,"ts":"1970-01-01T00:02:59"}
--> rows
{"k":"a","s":"1970-01-01T00:00:00","e":"1970-01-01T00:01:00","n":1,"t":2,"m":2.0}
{"k":"a","s":"1970-01-01T00:00:00","e":"1970-01-01T00:02:00","n":2,"t":3,"m":1.5}
{"k":"a","s":"1970-01-01T00:00:00","e":"1970-01-01T00:03:00","n":2,"t":3,"m":1.5}
{"k":"a","s":"1970-01-01T00:03:00","e":"1970-01-01T00:05:00","n":1,"t":2,"m":2.0}
{"k":"a","s":"1970-01-01T00:03:00","e":"1970-01-01T00:06:00","n":1,"t":2,"m":2.0}
{"k":"b","s":"1970-01-01T00:00:00","e":"1970-01-01T00:03:00","n":1,"t":2,"m":2.0}
--> ledger applied 6

-- CUMULATE: no time, and shifted windows
CREATE SOURCE e (x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT window_end AS e, COUNT(DISTINCT x) AS n FROM CUMULATE(e, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE, INTERVAL '-10' SECOND) GROUP BY window_end;
--> events
{"x":1,"ts":"1969-12-31T23:59:50"}
{"x":1,"ts":"1969-12-31T23:59:49"}
{"x":2,"ts":"1970-01-01T00:00:50"}
{"x":1}
{"x":1}
--> rows
{"e":"1969-12-31T23:59:50","n":1}
{"e":"1970-01-01T00:00:50","n":1}
{"e":"1970-01-01T00:01:50","n":2}
{"e":null,"n":1}
--> ledger applied 5

-- SESSION: sessions that become one count a value of both once
CREATE SOURCE e (k VARCHAR, x BIGINT, y VARCHAR, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, window_start AS s, window_end AS e, COUNT(DISTINCT x) AS n, SUM(DISTINCT x) AS t, AVG(DISTINCT x) AS m, COUNT(DISTINCT y) AS ys, COUNT(DISTINCT x) FILTER (WHERE y IS NULL) AS f, COUNT(*) AS c
FROM SESSION(e PARTITION BY k, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"y":"p","ts":"2026-01-01T00:00:00"}
{"k":"a","x":2,"ts":"2026-01-01T00:00:30"}
{"k":"a","x":1,"ts":"2026-01-01T00:03:00"}
{"k":"a","x":3,"y":"p","ts":"2026-01-01T00:03:10"}
{"k":"b","x":3,"y":"q","ts":"2026-01-01T00:01:00"}
{"k":"a","x":2,"y":"","ts":"2026-01-01T00:01:30"}
{"k":"a","x":2,"y":"","ts":"2026-01-01T00:02:00"}
--> rows
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:04:10","n":3,"t":6,"m":2.0,"ys":2,"f":2,"c":6}
{"k":"b","s":"2026-01-01T00:01:00","e":"2026-01-01T00:02:00","n":1,"t":3,"m":3.0,"ys":1,"f":0,"c":1}
--> ledger applied 7

-- SESSION: a start that moves again and again, and another session behind
CREATE SOURCE e (x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT window_start AS s, COUNT(DISTINCT x) AS n, SUM(DISTINCT x) AS t FROM SESSION(e, ts, INTERVAL '10' SECOND) GROUP BY window_start;
--> events
{"x":1,"ts":"2026-01-01T00:01:00"}
{"x":2,"ts":"2026-01-01T00:00:55"}
{"x":1,"ts":"2026-01-01T00:00:50"}
{"x":3,"ts":"2026-01-01T00:00:40"}
{"x":3,"ts":"2026-01-01T00:02:00"}
{"x":2,"ts":"2026-01-01T00:00:35"}
--> rows
{"s":"2026-01-01T00:00:35","n":3,"t":6}
{"s":"2026-01-01T00:02:00","n":1,"t":3}
--> ledger applied 6

-- SESSION: no time, no value, and the largest numbers
CREATE SOURCE e (k VARCHAR, x HUGEINT, b BOOLEAN, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, COUNT(DISTINCT x) AS n, SUM(DISTINCT x) AS t, SUM(DISTINCT b) AS b FROM SESSION(e PARTITION BY k, ts, INTERVAL '10' SECOND) GROUP BY k, window_start;
--> events
{"k":"a","x":"-170141183460469231731687303715884105728","b":true,"ts":"2026-01-01T00:00:20"}
{"k":"a","x":"170141183460469231731687303715884105727","b":true,"ts":"2026-01-01T00:00:00"}
{"k":"a","x":null,"b":false,"ts":"2026-01-01T00:00:10"}
{"k":"b","x":null,"ts":"2026-01-01T00:00:10"}
{"k":"b","x":5,"b":true}
{"k":"b","x":5,"b":false}
--> rows
{"k":"a","s":"2026-01-01T00:00:00","n":2,"t":-1,"b":1}
{"k":"b","s":"2026-01-01T00:00:10","n":0,"t":null,"b":null}
{"k":"b","s":null,"n":1,"t":5,"b":1}
--> ledger applied 6

-- SESSION: closed ones only, without the late
CREATE SOURCE e (x BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (on_late = 'drop') AS SELECT window_start AS s, COUNT(DISTINCT x) AS n FROM SESSION(e, ts, INTERVAL '10' SECOND) GROUP BY window_start EMIT ON WINDOW CLOSE;
--> events
{"x":1,"ts":"2026-01-01T00:00:00"}
{"x":1,"ts":"2026-01-01T00:00:10"}
{"x":2,"ts":"2026-01-01T00:00:05"}
{"x":9,"ts":"2026-01-01T00:01:00"}
{"x":3,"ts":"2026-01-01T00:00:15"}
--> rows
{"s":"2026-01-01T00:00:00","n":2}
--> ledger applied 4, late 1

-- SESSION: values of other types in sessions that become one
CREATE SOURCE e (k VARCHAR, u UUID, h UHUGEINT, b BLOB, d DOUBLE, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, COUNT(DISTINCT u) AS u, COUNT(DISTINCT h) AS h, COUNT(DISTINCT b) AS b, COUNT(DISTINCT d) AS d FROM SESSION(e PARTITION BY k, ts, INTERVAL '10' SECOND) GROUP BY k, window_start;
--> events
{"k":"a","u":"00000000-0000-0000-0000-000000000001","h":"340282366920938463463374607431768211455","b":"x","d":0.5,"ts":"2026-01-01T00:00:20"}
{"k":"a","u":"00000000-0000-0000-0000-000000000001","h":"340282366920938463463374607431768211455","b":"x","d":"NaN","ts":"2026-01-01T00:00:00"}
{"k":"a","u":"ffffffff-0000-0000-0000-000000000001","h":"1","b":"y","d":"NaN","ts":"2026-01-01T00:00:10"}
--> rows
{"k":"a","s":"2026-01-01T00:00:00","u":2,"h":2,"b":2,"d":2}

-- HOP: values of other types
CREATE SOURCE e (u UUID, h UHUGEINT, b BLOB, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT window_start AS s, COUNT(DISTINCT u) AS u, COUNT(DISTINCT h) AS h, COUNT(DISTINCT b) AS b FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE) GROUP BY window_start;
--> events
{"u":"00000000-0000-0000-0000-000000000001","h":"340282366920938463463374607431768211455","b":"x","ts":"1970-01-01T00:00:20"}
{"u":"00000000-0000-0000-0000-000000000001","h":"1","b":"y","ts":"1970-01-01T00:01:20"}
--> rows
{"s":"1969-12-31T23:59:00","u":1,"h":1,"b":1}
{"s":"1970-01-01T00:00:00","u":1,"h":2,"b":2}
{"s":"1970-01-01T00:01:00","u":1,"h":1,"b":1}
