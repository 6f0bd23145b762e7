-- TUMBLE: each event in one window

-- no events
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM TUMBLE(e, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
--> rows

-- one event
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM TUMBLE(e, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2026-01-01T00:00:30"}
--> rows
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:01:00","n":1}

-- the first instant is in the window, its end is in the next
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM TUMBLE(e, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2026-01-01T00:00:00"}
{"k":"a","x":1,"ts":"2026-01-01T00:00:59.999999"}
{"k":"a","x":5,"ts":"2026-01-01T00:01:00"}
--> rows
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:01:00","n":2}
{"k":"a","s":"2026-01-01T00:01:00","e":"2026-01-01T00:02:00","n":5}

-- an event without a time has a row whose window is NULL
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM TUMBLE(e, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1}
{"k":"a","x":1,"ts":null}
{"k":"a","x":1,"ts":"2026-01-01T00:00:01"}
--> rows
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:01:00","n":1}
{"k":"a","s":null,"e":null,"n":2}
--> ledger applied 3

-- out of order
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM TUMBLE(e, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2026-01-01T00:02:01"}
{"k":"a","x":1,"ts":"2026-01-01T00:00:01"}
{"k":"a","x":1,"ts":"2026-01-01T00:01:01"}
{"k":"a","x":1,"ts":"2026-01-01T00:00:02"}
--> rows
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:01:00","n":2}
{"k":"a","s":"2026-01-01T00:01:00","e":"2026-01-01T00:02:00","n":1}
{"k":"a","s":"2026-01-01T00:02:00","e":"2026-01-01T00:03:00","n":1}

-- before 1970: windows run on, they are not mirrored
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM TUMBLE(e, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"1969-12-31T23:59:59.999999"}
{"k":"a","x":1,"ts":"1970-01-01T00:00:00"}
--> rows
{"k":"a","s":"1969-12-31T23:59:00","e":"1970-01-01T00:00:00","n":1}
{"k":"a","s":"1970-01-01T00:00:00","e":"1970-01-01T00:01:00","n":1}

-- an offset moves the windows
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM TUMBLE(e, ts, INTERVAL '1' MINUTE, INTERVAL '20' SECOND) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2026-01-01T00:00:19"}
{"k":"a","x":1,"ts":"2026-01-01T00:00:20"}
--> rows
{"k":"a","s":"2025-12-31T23:59:20","e":"2026-01-01T00:00:20","n":1}
{"k":"a","s":"2026-01-01T00:00:20","e":"2026-01-01T00:01:20","n":1}

-- a size that does not divide the day starts at 1970, not at midnight
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM TUMBLE(e, ts, INTERVAL '7' HOUR) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"1970-01-01T06:59:59"}
{"k":"a","x":1,"ts":"1970-01-02T00:00:00"}
--> rows
{"k":"a","s":"1970-01-01T00:00:00","e":"1970-01-01T07:00:00","n":1}
{"k":"a","s":"1970-01-01T21:00:00","e":"1970-01-02T04:00:00","n":1}

-- summer time begins: an hour of UTC is an hour
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMPTZ) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM TUMBLE(e, ts, INTERVAL '1' HOUR) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2024-03-31T01:59:59+01:00"}
{"k":"a","x":1,"ts":"2024-03-31T03:00:00+02:00"}
--> rows
{"k":"a","s":"2024-03-31T00:00:00Z","e":"2024-03-31T01:00:00Z","n":1}
{"k":"a","s":"2024-03-31T01:00:00Z","e":"2024-03-31T02:00:00Z","n":1}

-- summer time ends: the hour that comes twice is two windows
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMPTZ) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM TUMBLE(e, ts, INTERVAL '1' HOUR) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2024-10-27T02:30:00+02:00"}
{"k":"a","x":1,"ts":"2024-10-27T02:30:00+01:00"}
--> rows
{"k":"a","s":"2024-10-27T00:00:00Z","e":"2024-10-27T01:00:00Z","n":1}
{"k":"a","s":"2024-10-27T01:00:00Z","e":"2024-10-27T02:00:00Z","n":1}

-- a leap second is no time here
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM TUMBLE(e, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2016-12-31T23:59:60"}
{"k":"a","x":1,"ts":"2017-01-01T00:00:00"}
--> rows
{"k":"a","s":"2017-01-01T00:00:00","e":"2017-01-01T00:01:00","n":1}
--> ledger applied 1, dead_lettered 1

-- a day of February that leap years have
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM TUMBLE(e, ts, INTERVAL '1' DAY) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2024-02-29T12:00:00"}
{"k":"a","x":1,"ts":"2024-03-01T00:00:00"}
--> rows
{"k":"a","s":"2024-02-29T00:00:00","e":"2024-03-01T00:00:00","n":1}
{"k":"a","s":"2024-03-01T00:00:00","e":"2024-03-02T00:00:00","n":1}

-- NULL keys, and all values NULL
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM TUMBLE(e, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"x":null,"ts":"2026-01-01T00:00:00"}
{"k":"a","ts":"2026-01-01T00:00:00"}
--> rows
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:01:00","n":null}
{"k":null,"s":"2026-01-01T00:00:00","e":"2026-01-01T00:01:00","n":null}

-- late events are applied unless a view says otherwise
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM TUMBLE(e, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2026-01-01T00:05:00"}
{"k":"a","x":1,"ts":"2026-01-01T00:00:30"}
--> rows
{"k":"a","s":"2026-01-01T00:00:00","e":"2026-01-01T00:01:00","n":1}
{"k":"a","s":"2026-01-01T00:05:00","e":"2026-01-01T00:06:00","n":1}
--> ledger applied 2

-- retention hides what it has run out for
CREATE SOURCE e (k VARCHAR, x BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention = '1 minute') AS SELECT k, window_start AS s, window_end AS e, SUM(x) AS n FROM TUMBLE(e, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start, window_end;
--> events
{"k":"a","x":1,"ts":"2026-01-01T00:00:30"}
{"k":"a","x":1,"ts":"2026-01-01T00:05:00"}
--> rows
{"k":"a","s":"2026-01-01T00:05:00","e":"2026-01-01T00:06:00","n":1}
