-- HOP: each event in several windows, kept once

-- no events
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY k, window_start, window_end;
--> events
--> rows

-- one event is in three windows
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2026-01-01T00:02:30"}
--> rows
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:03:00","n":1}
{"k":"a","s":"2026-01-01T00:01:00","e":"2026-01-01T00:04:00","n":1}
{"k":"a","s":"2026-01-01T00:02:00","e":"2026-01-01T00:05:00","n":1}

-- the first instant of a window and its end
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2026-01-01T00:03:00"}
--> rows
{"k":"a","s":"2026-01-01T00:01:00","e":"2026-01-01T00:04:00","n":1}
{"k":"a","s":"2026-01-01T00:02:00","e":"2026-01-01T00:05:00","n":1}
{"k":"a","s":"2026-01-01T00:03:00","e":"2026-01-01T00:06:00","n":1}

-- an event without a time has a row whose window is NULL
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1}
--> rows
{"k":"a","s":null,"e":null,"n":1}
--> ledger applied 1

-- two events, and the windows that they share
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2026-01-01T00:01:00"}
{"k":"a","x":2,"ts":"2026-01-01T00:02:59.999999"}
--> rows
{"k":"a","s":"2025-12-31T23:59:00","e":"2026-01-01T00:02:00","n":1}
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:03:00","n":3}
{"k":"a","s":"2026-01-01T00:01:00","e":"2026-01-01T00:04:00","n":3}
{"k":"a","s":"2026-01-01T00:02:00","e":"2026-01-01T00:05:00","n":2}

-- out of order, with a gap between
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":4,"ts":"2026-01-01T00:10:00"}
{"k":"a","x":2,"ts":"2026-01-01T00:00:00"}
--> rows
{"k":"a","s":"2025-12-31T23:58:00","e":"2026-01-01T00:01:00","n":2}
{"k":"a","s":"2025-12-31T23:59:00","e":"2026-01-01T00:02:00","n":2}
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:03:00","n":2}
{"k":"a","s":"2026-01-01T00:08:00","e":"2026-01-01T00:11:00","n":4}
{"k":"a","s":"2026-01-01T00:09:00","e":"2026-01-01T00:12:00","n":4}
{"k":"a","s":"2026-01-01T00:10:00","e":"2026-01-01T00:13:00","n":4}

-- before 1970
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"1969-12-31T23:59:59.999999"}
--> rows
{"k":"a","s":"1969-12-31T23:58:00","e":"1970-01-01T00:00:00","n":1}
{"k":"a","s":"1969-12-31T23:59:00","e":"1970-01-01T00:01:00","n":1}

-- an offset moves the windows
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE, INTERVAL '30' SECOND) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2026-01-01T00:00:29"}
{"k":"a","x":1,"ts":"2026-01-01T00:00:30"}
--> rows
{"k":"a","s":"2025-12-31T23:58:30","e":"2026-01-01T00:00:30","n":1}
{"k":"a","s":"2025-12-31T23:59:30","e":"2026-01-01T00:01:30","n":2}
{"k":"a","s":"2026-01-01T00:00:30","e":"2026-01-01T00:02:30","n":1}

-- as wide as it slides: TUMBLE
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2026-01-01T00:00:30"}
{"k":"a","x":1,"ts":"2026-01-01T00:01:00"}
--> rows
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:01:00","n":1}
{"k":"a","s":"2026-01-01T00:01:00","e":"2026-01-01T00:02:00","n":1}

-- summer time begins
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMPTZ) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM HOP(e, ts, INTERVAL '1' HOUR, INTERVAL '2' HOUR) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2024-03-31T03:30:00+02:00"}
--> rows
{"k":"a","s":"2024-03-31T00:00:00Z","e":"2024-03-31T02:00:00Z","n":1}
{"k":"a","s":"2024-03-31T01:00:00Z","e":"2024-03-31T03:00:00Z","n":1}

-- a leap second is no time here
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2016-12-31T23:59:60"}
--> rows
--> ledger dead_lettered 1

-- merged over panes: extremes, a mean and NULLs
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, MIN(x) AS a, MAX(x) AS b, AVG(x) AS m, COUNT(*) AS c FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE) GROUP BY k, window_start;
--> events
{"k":"a","x":1,"ts":"2026-01-01T00:00:10"}
{"k":"a","x":4,"ts":"2026-01-01T00:01:10"}
{"k":"a","x":null,"ts":"2026-01-01T00:01:20"}
--> rows
{"k":"a","s":"2025-12-31T23:59:00","a":1,"b":1,"m":1.0,"c":1}
{"k":"a","s":"2026-01-01T00:00:00","a":1,"b":4,"m":2.5,"c":3}
{"k":"a","s":"2026-01-01T00:01:00","a":4,"b":4,"m":4.0,"c":2}

-- HAVING looks at a whole window, not at a pane
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE) GROUP BY k, window_start, window_end HAVING SUM(x) > 2;
--> events
{"k":"a","x":1,"ts":"2026-01-01T00:00:10"}
{"k":"a","x":2,"ts":"2026-01-01T00:01:10"}
--> rows
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:02:00","n":3}
