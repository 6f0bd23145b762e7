-- SESSION: windows that begin and end with their events

-- several keys, each with sessions of its own
CREATE SOURCE e (k VARCHAR, n BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, window_start, window_end, COUNT(*) AS c, SUM(n) AS s, MIN(n) AS least
FROM SESSION(e PARTITION BY k, ts, INTERVAL '10' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","n":1,"ts":"2026-01-01T00:00:00"}
{"k":"b","n":2,"ts":"2026-01-01T00:05:00"}
{"k":"a","n":3,"ts":"2026-01-01T00:09:00"}
{"k":"b","n":4,"ts":"2026-01-01T00:20:00"}
{"k":"a","n":5,"ts":"2026-01-01T00:30:00"}
--> rows
{"k":"a","window_start":"2026-01-01T00:00:00","window_end":"2026-01-01T00:19:00","c":2,"s":4,"least":1}
{"k":"a","window_start":"2026-01-01T00:30:00","window_end":"2026-01-01T00:40:00","c":1,"s":5,"least":5}
{"k":"b","window_start":"2026-01-01T00:05:00","window_end":"2026-01-01T00:15:00","c":1,"s":2,"least":2}
{"k":"b","window_start":"2026-01-01T00:20:00","window_end":"2026-01-01T00:30:00","c":1,"s":4,"least":4}
--> ledger applied 5

-- no event
CREATE SOURCE e (k VARCHAR, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, window_start, COUNT(*) AS c FROM SESSION(e PARTITION BY k, ts, INTERVAL '1' MINUTE) WHERE k <> 'a' GROUP BY k, window_start;
--> events
{"k":"a","ts":"2026-01-01T00:00:00"}
--> rows
--> ledger filtered 1

-- one event is a session of the gap
CREATE SOURCE e (k VARCHAR, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT DISTINCT k, window_start, window_end FROM SESSION(e PARTITION BY k, ts, INTERVAL '1' MINUTE);
--> events
{"k":"a","ts":"2026-01-01T00:00:59.999999"}
--> rows
{"k":"a","window_start":"2026-01-01T00:00:59.999999","window_end":"2026-01-01T00:01:59.999999"}
--> ledger applied 1

-- exactly the gap apart is one session
CREATE SOURCE e (k VARCHAR, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, window_start, window_end, COUNT(*) AS c
FROM SESSION(e PARTITION BY k, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","ts":"2026-01-01T00:00:00"}
{"k":"a","ts":"2026-01-01T00:01:00"}
{"k":"a","ts":"2026-01-01T00:02:00"}
--> rows
{"k":"a","window_start":"2026-01-01T00:00:00","window_end":"2026-01-01T00:03:00","c":3}
--> ledger applied 3

-- a microsecond more than the gap apart are two
CREATE SOURCE e (k VARCHAR, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, window_start, window_end, COUNT(*) AS c
FROM SESSION(e PARTITION BY k, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","ts":"2026-01-01T00:00:00"}
{"k":"a","ts":"2026-01-01T00:01:00.000001"}
--> rows
{"k":"a","window_start":"2026-01-01T00:00:00","window_end":"2026-01-01T00:01:00","c":1}
{"k":"a","window_start":"2026-01-01T00:01:00.000001","window_end":"2026-01-01T00:02:00.000001","c":1}
--> ledger applied 2

-- events of one moment
CREATE SOURCE e (k VARCHAR, n BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, window_start, window_end, COUNT(*) AS c, EARLIEST(n) AS f, LATEST(n) AS l
FROM SESSION(e PARTITION BY k, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","n":1,"ts":"2026-01-01T00:00:30"}
{"k":"a","n":2,"ts":"2026-01-01T00:00:30"}
{"k":"a","n":3,"ts":"2026-01-01T00:00:30"}
{"k":"a","n":4,"ts":"2026-01-01T00:01:30"}
{"k":"a","n":5,"ts":"2026-01-01T00:01:30"}
--> rows
{"k":"a","window_start":"2026-01-01T00:00:30","window_end":"2026-01-01T00:02:30","c":5,"f":1,"l":5}
--> ledger applied 5

-- an event that comes late makes one session of two
CREATE SOURCE e (k VARCHAR, n BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, window_start, window_end, COUNT(*) AS c, SUM(n) AS s, ARG_MAX(n, ts) AS top, FIRST_VALUE(n ORDER BY ts) AS f
FROM SESSION(e PARTITION BY k, ts, INTERVAL '10' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","n":1,"ts":"2026-01-01T00:00:00"}
{"k":"a","n":2,"ts":"2026-01-01T00:20:00"}
{"k":"a","n":3,"ts":"2026-01-01T01:00:00"}
{"k":"a","n":4,"ts":"2026-01-01T00:10:00"}
--> rows
{"k":"a","window_start":"2026-01-01T00:00:00","window_end":"2026-01-01T00:30:00","c":3,"s":7,"top":2,"f":1}
{"k":"a","window_start":"2026-01-01T01:00:00","window_end":"2026-01-01T01:10:00","c":1,"s":3,"top":3,"f":3}
--> ledger applied 4

-- events that come in the reverse of their order move the start
CREATE SOURCE e (k VARCHAR, n BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, window_start, window_end, COUNT(*) AS c, ARRAY_AGG(n ORDER BY ts LIMIT 9) AS l
FROM SESSION(e PARTITION BY k, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","n":5,"ts":"2026-01-01T00:04:00"}
{"k":"a","n":4,"ts":"2026-01-01T00:03:00"}
{"k":"a","n":3,"ts":"2026-01-01T00:01:30"}
{"k":"a","n":2,"ts":"2026-01-01T00:00:30"}
{"k":"a","n":1,"ts":"2025-12-31T23:59:30"}
--> rows
{"k":"a","window_start":"2025-12-31T23:59:30","window_end":"2026-01-01T00:02:30","c":3,"l":[1,2,3]}
{"k":"a","window_start":"2026-01-01T00:03:00","window_end":"2026-01-01T00:05:00","c":2,"l":[4,5]}
--> ledger applied 5

-- one event joins many sessions, one after another and all at once
CREATE SOURCE e (k BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, window_start, window_end, COUNT(*) AS c
FROM SESSION(e PARTITION BY k, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":1,"ts":"2026-01-01T00:00:00"}
{"k":1,"ts":"2026-01-01T00:02:00"}
{"k":1,"ts":"2026-01-01T00:04:00"}
{"k":1,"ts":"2026-01-01T00:06:00"}
{"k":1,"ts":"2026-01-01T00:03:00"}
{"k":1,"ts":"2026-01-01T00:05:00"}
{"k":1,"ts":"2026-01-01T00:01:00"}
--> rows
{"k":1,"window_start":"2026-01-01T00:00:00","window_end":"2026-01-01T00:07:00","c":7}
--> ledger applied 7

-- events without a time are one row of their key, and have no window
CREATE SOURCE e (k VARCHAR, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, window_start, window_end, COUNT(*) AS c
FROM SESSION(e PARTITION BY k, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","ts":null}
{"k":"a","ts":"2026-01-01T00:00:00"}
{"k":"b"}
{"k":"a"}
{"k":"a","ts":"2026-01-01T00:00:01"}
--> rows
{"k":"a","window_start":"2026-01-01T00:00:00","window_end":"2026-01-01T00:01:01","c":2}
{"k":"a","window_start":null,"window_end":null,"c":2}
{"k":"b","window_start":null,"window_end":null,"c":1}
--> ledger applied 5

-- NULL is a key like any other, and so is one that ends like a window
CREATE SOURCE e (k VARCHAR, n INTEGER, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, n, window_start, window_end, COUNT(*) AS c
FROM SESSION(e PARTITION BY k, n, ts, INTERVAL '1' MINUTE) GROUP BY k, n, window_start, window_end;
--> events
{"k":null,"n":null,"ts":"2026-01-01T00:00:00"}
{"k":"a","n":null,"ts":"2026-01-01T00:00:00"}
{"k":null,"n":null,"ts":"2026-01-01T00:01:00"}
{"k":null,"n":2,"ts":"2026-01-01T00:00:30"}
{"k":"\u0001\u0000\u0002","n":2,"ts":"2026-01-01T00:00:30"}
--> rows
{"k":"\u0001\u0000\u0002","n":2,"window_start":"2026-01-01T00:00:30","window_end":"2026-01-01T00:01:30","c":1}
{"k":"a","n":null,"window_start":"2026-01-01T00:00:00","window_end":"2026-01-01T00:01:00","c":1}
{"k":null,"n":2,"window_start":"2026-01-01T00:00:30","window_end":"2026-01-01T00:01:30","c":1}
{"k":null,"n":null,"window_start":"2026-01-01T00:00:00","window_end":"2026-01-01T00:02:00","c":2}
--> ledger applied 5

-- the clocks of summer time and of other zones do not part a session
CREATE SOURCE e (k VARCHAR, ts TIMESTAMPTZ) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, window_start, window_end, COUNT(*) AS c
FROM SESSION(e PARTITION BY k, ts, INTERVAL '1' HOUR) GROUP BY k, window_start, window_end;
--> events
{"k":"a","ts":"2026-03-29T01:59:59+01:00"}
{"k":"a","ts":"2026-03-29T03:00:00+02:00"}
{"k":"a","ts":"2026-03-28T20:59:58-04:00"}
{"k":"b","ts":"2026-10-25T02:30:00+02:00"}
{"k":"b","ts":"2026-10-25T02:30:00+01:00"}
--> rows
{"k":"a","window_start":"2026-03-29T00:59:58Z","window_end":"2026-03-29T02:00:00Z","c":3}
{"k":"b","window_start":"2026-10-25T00:30:00Z","window_end":"2026-10-25T02:30:00Z","c":2}
--> ledger applied 5

-- the leap second's text costs its message and leaves the session whole
CREATE SOURCE e (k VARCHAR, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, window_start, window_end, COUNT(*) AS c
FROM SESSION(e PARTITION BY k, ts, INTERVAL '2' SECOND) GROUP BY k, window_start, window_end;
--> events
{"k":"a","ts":"2016-12-31T23:59:59"}
{"k":"a","ts":"2016-12-31T23:59:60"}
{"k":"a","ts":"2017-01-01T00:00:00"}
--> rows
{"k":"a","window_start":"2016-12-31T23:59:59","window_end":"2017-01-01T00:00:02","c":2}
--> ledger applied 2, dead_lettered 1

-- sessions of everything, without PARTITION BY, in Flink's spelling
CREATE SOURCE e (n BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT window_start AS w, window_end AS u, SUM(n) AS s
FROM TABLE(SESSION(TABLE e, DESCRIPTOR(ts), INTERVAL '30' SECONDS)) GROUP BY w, u HAVING SUM(n) > 1 AND window_end > TIMESTAMP '1969-12-31 23:59:50';
--> events
{"n":1,"ts":"1969-12-31T23:59:40"}
{"n":2,"ts":"1970-01-01T00:00:10"}
{"n":1,"ts":"1970-01-01T00:01:00"}
{"n":5,"ts":"1969-12-31T23:59:00"}
--> rows
{"w":"1969-12-31T23:59:40","u":"1970-01-01T00:00:40","s":3}
--> ledger applied 4

-- Flink's spelling with a row of columns, grouped in another order
CREATE SOURCE e (a VARCHAR, b VARCHAR, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT window_start, window_end, b, a, COUNT(*) AS c
FROM TABLE(SESSION(TABLE e PARTITION BY (a, b), DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, b, a;
--> events
{"a":"x","b":"2","ts":"2026-01-01T00:00:00"}
{"a":"y","b":"1","ts":"2026-01-01T00:00:30"}
{"a":"x","b":"2","ts":"2026-01-01T00:01:00"}
--> rows
{"window_start":"2026-01-01T00:00:30","window_end":"2026-01-01T00:01:30","b":"1","a":"y","c":1}
{"window_start":"2026-01-01T00:00:00","window_end":"2026-01-01T00:02:00","b":"2","a":"x","c":2}
--> ledger applied 3

-- what a subquery leaves out holds no session together
CREATE SOURCE e (k VARCHAR, n BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE VIEW paid AS SELECT lower(k) AS who, n, ts AS t FROM e WHERE n > 0;
CREATE MATERIALIZED VIEW v AS
SELECT who, window_start, window_end, SUM(n) AS s
FROM SESSION(paid PARTITION BY who, t, INTERVAL '1' MINUTE) AS s WHERE s.who <> 'z' GROUP BY who, window_start, window_end;
--> events
{"k":"a","n":1,"ts":"2026-01-01T00:00:00"}
{"k":"A","n":0,"ts":"2026-01-01T00:01:00"}
{"k":"A","n":2,"ts":"2026-01-01T00:02:00"}
{"k":"z","n":2,"ts":"2026-01-01T00:02:00"}
--> rows
{"who":"a","window_start":"2026-01-01T00:00:00","window_end":"2026-01-01T00:01:00","s":1}
{"who":"a","window_start":"2026-01-01T00:02:00","window_end":"2026-01-01T00:03:00","s":2}
--> ledger applied 2, filtered 2

-- the elements of lists, made before the sessions
CREATE SOURCE e (items VARCHAR[], ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT item, window_start, window_end, COUNT(*) AS c
FROM SESSION((SELECT unnest(items) AS item, ts FROM e) PARTITION BY item, ts, INTERVAL '1' MINUTE)
GROUP BY item, window_start, window_end;
--> events
{"items":["a","b","a"],"ts":"2026-01-01T00:00:00"}
{"items":["a"],"ts":"2026-01-01T00:01:00"}
{"items":[],"ts":"2026-01-01T00:01:30"}
{"items":["b"],"ts":"2026-01-01T00:02:00"}
--> rows
{"item":"a","window_start":"2026-01-01T00:00:00","window_end":"2026-01-01T00:02:00","c":3}
{"item":"b","window_start":"2026-01-01T00:00:00","window_end":"2026-01-01T00:01:00","c":1}
{"item":"b","window_start":"2026-01-01T00:02:00","window_end":"2026-01-01T00:03:00","c":1}
--> ledger applied 3, filtered 1

-- an event that cannot be evaluated holds no session together
CREATE SOURCE e (k VARCHAR, n VARCHAR, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, window_start, window_end, SUM(CAST(n AS INTEGER)) AS s
FROM SESSION(e PARTITION BY k, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","n":"1","ts":"2026-01-01T00:00:00"}
{"k":"a","n":"many","ts":"2026-01-01T00:01:00"}
{"k":"a","n":"2","ts":"2026-01-01T00:02:00"}
{"k":"a","n":"3","ts":"2026-01-01T00:02:00"}
--> rows
{"k":"a","window_start":"2026-01-01T00:00:00","window_end":"2026-01-01T00:01:00","s":1}
{"k":"a","window_start":"2026-01-01T00:02:00","window_end":"2026-01-01T00:03:00","s":5}
--> ledger applied 3, dead_lettered 1

-- an event is late whose own session would be closed, and one within the gap prolongs
CREATE SOURCE e (k VARCHAR, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (on_late = 'drop') AS
SELECT k, window_start, window_end, COUNT(*) AS c
FROM SESSION(e PARTITION BY k, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","ts":"2026-01-01T00:00:00"}
{"k":"a","ts":"2026-01-01T00:01:30"}
{"k":"a","ts":"2026-01-01T00:00:30"}
{"k":"a","ts":"2026-01-01T00:00:31"}
--> rows
{"k":"a","window_start":"2026-01-01T00:00:00","window_end":"2026-01-01T00:02:30","c":3}
--> ledger applied 3, late 1

-- late events are dead letters
CREATE SOURCE e (k VARCHAR, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (on_late = 'dead_letter') AS
SELECT k, window_start, window_end, COUNT(*) AS c
FROM SESSION(e PARTITION BY k, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","ts":"2026-01-01T00:10:00"}
{"k":"a","ts":"2026-01-01T00:08:50"}
{"k":"a","ts":"2026-01-01T00:08:51"}
--> rows
{"k":"a","window_start":"2026-01-01T00:08:51","window_end":"2026-01-01T00:09:51","c":1}
{"k":"a","window_start":"2026-01-01T00:10:00","window_end":"2026-01-01T00:11:00","c":1}
--> ledger applied 2, dead_lettered 1

-- a session is shown once it is closed
CREATE SOURCE e (k VARCHAR, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, window_start, window_end, COUNT(*) AS c
FROM SESSION(e PARTITION BY k, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end
EMIT ON WINDOW CLOSE;
--> events
{"k":"a","ts":"2026-01-01T00:00:00"}
{"k":"b","ts":"2026-01-01T00:01:00"}
{"k":"a","ts":"2026-01-01T00:00:20"}
{"k":"c","ts":"2026-01-01T00:02:00"}
--> rows
{"k":"a","window_start":"2026-01-01T00:00:00","window_end":"2026-01-01T00:01:20","c":2}
{"k":"b","window_start":"2026-01-01T00:01:00","window_end":"2026-01-01T00:02:00","c":1}
--> ledger applied 4

-- with retention an expired event is late, and an expired session that grows is back
CREATE SOURCE e (k VARCHAR, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention = '5 minutes') AS
SELECT k, window_start, window_end, COUNT(*) AS c
FROM SESSION(e PARTITION BY k, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","ts":"2026-01-01T00:00:00"}
{"k":"b","ts":"2026-01-01T00:00:00"}
{"k":"a","ts":"2026-01-01T00:06:00"}
{"k":"a","ts":"2026-01-01T00:00:00"}
{"k":"a","ts":"2026-01-01T00:00:30"}
--> rows
{"k":"a","window_start":"2026-01-01T00:00:00","window_end":"2026-01-01T00:01:30","c":2}
{"k":"a","window_start":"2026-01-01T00:06:00","window_end":"2026-01-01T00:07:00","c":1}
--> ledger applied 4, late 1

-- an event whose session would end after the last moment costs itself alone
CREATE SOURCE e (k VARCHAR, n BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, window_start, window_end, SUM(n) AS s
FROM SESSION(e PARTITION BY k, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","n":1,"ts":"294247-01-10 03:58:54"}
{"k":"a","n":2,"ts":"294247-01-10 04:00:54"}
{"k":"a","n":3,"ts":"294247-01-10 03:59:50"}
{"k":"a","n":4,"ts":"infinity"}
{"k":"a","n":5,"ts":"290309-12-22 (BC) 00:00:00"}
{"k":"a","n":6,"ts":"2026-01-01 00:00:00"}
--> rows
{"k":"a","window_start":"-290308-12-22T00:00:00","window_end":"-290308-12-22T00:01:00","s":5}
{"k":"a","window_start":"2026-01-01T00:00:00","window_end":"2026-01-01T00:01:00","s":6}
{"k":"a","window_start":"294247-01-10T03:58:54","window_end":"294247-01-10T04:00:50","s":4}
{"k":"a","window_start":null,"window_end":null,"s":4}
--> ledger applied 5, dead_lettered 1

-- sketches, lists and counts of values of sessions that become one
CREATE SOURCE e (k VARCHAR, n BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, window_start, APPROX_COUNT_DISTINCT(n) AS d, MAX(n, 2) AS top, HISTOGRAM(n LIMIT 9) AS h
FROM SESSION(e PARTITION BY k, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start;
--> events
{"k":"a","n":1,"ts":"2026-01-01T00:02:00"}
{"k":"a","n":2,"ts":"2026-01-01T00:00:00"}
{"k":"a","n":1,"ts":"2026-01-01T00:04:00"}
{"k":"a","n":3,"ts":"2026-01-01T00:03:00"}
{"k":"a","n":2,"ts":"2026-01-01T00:01:00"}
--> rows
{"k":"a","window_start":"2026-01-01T00:00:00","d":3,"top":[3,2],"h":{"1":2,"2":2,"3":1}}
--> ledger applied 5
