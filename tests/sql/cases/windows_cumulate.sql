-- CUMULATE: windows that grow by a step up to their size

-- no events
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM CUMULATE(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY k, window_start, window_end;
--> events
--> rows

-- an event in the first step is in all of them
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM CUMULATE(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2026-01-01T00:00:30"}
--> rows
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:01:00","n":1}
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:02:00","n":1}
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:03:00","n":1}

-- an event in the last step is in the last window alone
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM CUMULATE(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2026-01-01T00:02:59.999999"}
--> rows
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:03:00","n":1}

-- the first instant of a step
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM CUMULATE(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2026-01-01T00:01:00"}
--> rows
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:02:00","n":1}
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:03:00","n":1}

-- the end of the size is the next round
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM CUMULATE(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2026-01-01T00:03:00"}
--> rows
{"k":"a","s":"2026-01-01T00:03:00","e":"2026-01-01T00:04:00","n":1}
{"k":"a","s":"2026-01-01T00:03:00","e":"2026-01-01T00:05:00","n":1}
{"k":"a","s":"2026-01-01T00:03:00","e":"2026-01-01T00:06:00","n":1}

-- it grows
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM CUMULATE(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2026-01-01T00:00:10"}
{"k":"a","x":2,"ts":"2026-01-01T00:01:10"}
{"k":"a","x":4,"ts":"2026-01-01T00:02:10"}
--> rows
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:01:00","n":1}
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:02:00","n":3}
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:03:00","n":7}

-- out of order
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM CUMULATE(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":4,"ts":"2026-01-01T00:02:10"}
{"k":"a","x":1,"ts":"2026-01-01T00:00:10"}
--> rows
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:01:00","n":1}
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:02:00","n":1}
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:03:00","n":5}

-- an event without a time has a row whose window is NULL
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM CUMULATE(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1}
--> rows
{"k":"a","s":null,"e":null,"n":1}
--> ledger applied 1

-- a step as large as the size: TUMBLE
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM CUMULATE(e, ts, INTERVAL '3' MINUTE, INTERVAL '3' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2026-01-01T00:00:30"}
--> rows
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:03:00","n":1}

-- an offset moves the rounds
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM CUMULATE(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2026-01-01T00:00:30"}
--> rows
{"k":"a","s":"2025-12-31T23:58:00","e":"2026-01-01T00:01:00","n":1}

-- before 1970
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM CUMULATE(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"1969-12-31T23:58:30"}
--> rows
{"k":"a","s":"1969-12-31T23:57:00","e":"1969-12-31T23:59:00","n":1}
{"k":"a","s":"1969-12-31T23:57:00","e":"1970-01-01T00:00:00","n":1}

-- a day that has summer time's end in it, by the hour of UTC
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMPTZ) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM CUMULATE(e, ts, INTERVAL '12' HOUR, INTERVAL '24' HOUR) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2024-10-27T02:30:00+01:00"}
--> rows
{"k":"a","s":"2024-10-27T00:00:00Z","e":"2024-10-27T12:00:00Z","n":1}
{"k":"a","s":"2024-10-27T00:00:00Z","e":"2024-10-28T00:00:00Z","n":1}

-- a leap second is no time here
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM CUMULATE(e, ts, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2016-12-31T23:59:60"}
--> rows
--> ledger dead_lettered 1

-- the least and the greatest so far
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_end AS e, MIN(x) AS a, MAX(x) AS b FROM CUMULATE(e, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE) GROUP BY k, window_end;
--> events
{"k":"a","x":5,"ts":"2026-01-01T00:00:10"}
{"k":"a","x":-5,"ts":"2026-01-01T00:01:10"}
--> rows
{"k":"a","e":"2026-01-01T00:01:00","a":5,"b":5}
{"k":"a","e":"2026-01-01T00:02:00","a":-5,"b":5}
