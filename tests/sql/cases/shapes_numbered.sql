-- The first numbered rows of each group

-- numbered rows over no events
CREATE SOURCE e (k VARCHAR, a BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, a FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY a) AS rn FROM e) WHERE rn = 1;
--> events
--> rows
--> ledger

-- the first of all rows over no events is no row
CREATE SOURCE e (k VARCHAR, a BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT rn, k FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY a) AS rn FROM e) WHERE rn = 1;
--> events
--> rows
--> ledger

-- all events of the first of all rows are filtered
CREATE SOURCE e (k VARCHAR, a BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT rn, k FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY a) AS rn FROM e WHERE a > 5) WHERE rn = 1;
--> events
{"k":"x","a":1}
--> rows
--> ledger filtered 1

-- one event
CREATE SOURCE e (k VARCHAR, a BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, a, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY a DESC) AS rn FROM e) WHERE rn = 1;
--> events
{"k":"x","a":1}
--> rows
{"k":"x","a":1,"rn":1}
--> ledger applied 1

-- events that tie go by their offsets, whichever way the order runs
CREATE SOURCE e (k VARCHAR, a BIGINT, t VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, t FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY a DESC) AS rn FROM e) WHERE rn <= 1;
--> events
{"k":"x","a":1,"t":"no"}
{"k":"x","a":2,"t":"first"}
{"k":"x","a":2,"t":"second"}
{"k":"y","a":2,"t":"only"}
--> rows
{"k":"x","t":"first"}
{"k":"y","t":"only"}
--> ledger applied 4

-- the last offset of a tie, by a column of its own
CREATE SOURCE e (k VARCHAR, a BIGINT, t VARCHAR) INCLUDE offset AS o WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, t, o FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY a DESC, o DESC) AS rn FROM e) WHERE rn < 2;
--> events
{"k":"x","a":2,"t":"first"}
{"k":"x","a":2,"t":"second"}
{"k":"x","a":1,"t":"third"}
--> rows
{"k":"x","t":"second","o":1}

-- a rank that is NULL goes last, and its row counts
CREATE SOURCE e (k VARCHAR, a BIGINT, t VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, a, t FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY a DESC) AS rn FROM e) WHERE rn = 1;
--> events
{"k":"x","t":"null"}
{"k":"x","a":-1,"t":"least"}
{"k":"y","t":"first"}
{"k":"y","t":"second"}
{"k":null,"a":3}
--> rows
{"k":"x","a":-1,"t":"least"}
{"k":"y","a":null,"t":"first"}
{"k":null,"a":3,"t":null}

-- NULLS FIRST
CREATE SOURCE e (k VARCHAR, a BIGINT, t VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, t FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY a NULLS FIRST, t DESC NULLS FIRST) AS rn FROM e)
WHERE rn = 1;
--> events
{"k":"x","a":1,"t":"no"}
{"k":"x","t":"a"}
{"k":"x","t":"b"}
{"k":"y","t":"a"}
{"k":"y"}
{"k":"z","a":1,"t":"b"}
{"k":"z","a":1,"t":"c"}
{"k":"z","a":2}
--> rows
{"k":"x","t":"b"}
{"k":"y","t":null}
{"k":"z","t":"c"}

-- NaN is the greatest number, and -0.0 ties with 0.0 and stays what it is
CREATE SOURCE e (k VARCHAR, a VARCHAR) INCLUDE offset AS o WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, d, o FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY d DESC) AS rn
  FROM (SELECT k, a::DOUBLE AS d, o FROM e)) WHERE rn = 1;
--> events
{"k":"nan","a":"inf"}
{"k":"nan","a":"nan"}
{"k":"zero","a":"-0.0"}
{"k":"zero","a":"0.0"}
{"k":"zero","a":"-1"}
{"k":"low","a":"-inf"}
--> rows
{"k":"low","d":"-Infinity","o":5}
{"k":"nan","d":"NaN","o":1}
{"k":"zero","d":-0.0,"o":2}

-- texts and lists are kept as they are, and their order is that of their bytes
CREATE SOURCE e (k BIGINT, t VARCHAR, l STRUCT<a INT>[]) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, t, l FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY t DESC) AS rn FROM e) WHERE rn = 1;
--> events
{"k":1,"t":"Z","l":[{"a":1}]}
{"k":1,"t":"a \"b\"","l":[{"a":2},{"a":null}]}
{"k":2,"t":"ä","l":null}
{"k":2,"t":"z","l":[]}
{"k":3,"t":"","l":[]}
--> rows
{"k":1,"t":"a \"b\"","l":[{"a":2},{"a":null}]}
{"k":2,"t":"ä","l":null}
{"k":3,"t":"","l":[]}

-- what the subquery leaves out is not numbered, and what cannot be computed is a dead letter
CREATE SOURCE e (k VARCHAR, a BIGINT, t VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, t::BIGINT AS n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY a) AS rn FROM e WHERE a > 0)
WHERE rn = 1;
--> events
{"k":"x","a":-1,"t":"1"}
{"k":"x","a":1,"t":"x"}
{"k":"x","a":2,"t":"2"}
{"k":"x","a":3,"t":"3"}
--> rows
{"k":"x","n":2}
--> ledger applied 2, filtered 1, dead_lettered 1

-- elements of one event that tie are in the order of what is shown of them
CREATE SOURCE e (k VARCHAR, l STRUCT<a BIGINT, b VARCHAR>[]) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, x.a AS a, x.b AS b FROM (SELECT k, x, ROW_NUMBER() OVER (PARTITION BY k ORDER BY x.a) AS rn
  FROM e, UNNEST(l) AS t(x)) WHERE rn = 1;
--> events
{"k":"x","l":[{"a":2,"b":"a"},{"a":1,"b":"c"},{"a":1,"b":"b"}]}
{"k":"x","l":[{"a":1,"b":"a"}]}
{"k":"y","l":[]}
--> rows
{"k":"x","a":1,"b":"b"}
--> ledger applied 2, filtered 1

-- the last row of a window, with retention
CREATE SOURCE e (a BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention = '1 minute') AS
SELECT window_start, a FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start ORDER BY ts DESC) AS rn
  FROM TUMBLE(e, ts, INTERVAL '1' MINUTE)) WHERE rn = 1;
--> events
{"a":1,"ts":"2026-01-01T00:00:10"}
{"a":2,"ts":"2026-01-01T01:00:10"}
{"a":3,"ts":"2026-01-01T01:00:20"}
{"a":4,"ts":"2026-01-01T01:00:15"}
--> rows
{"window_start":"2026-01-01T01:00:00","a":3}

-- from a plain view, under other names
CREATE SOURCE e (k VARCHAR, a BIGINT) WITH (connector = 'events');
CREATE VIEW numbered AS SELECT k, a, ROW_NUMBER() OVER (PARTITION BY k ORDER BY a DESC) AS rn FROM e;
CREATE MATERIALIZED VIEW v AS SELECT z.x AS key, z.y + 1 AS next FROM numbered AS z (x, y, n) WHERE z.n = 1;
--> events
{"k":"x","a":1}
{"k":"x","a":3}
{"k":"x","a":2}
--> rows
{"key":"x","next":4}

-- several rows of a key over no events
CREATE SOURCE e (k VARCHAR, a BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, rn, a FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY a) AS rn FROM e) WHERE rn <= 3;
--> events
--> rows
--> ledger

-- more rows than a key has
CREATE SOURCE e (k VARCHAR, a BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, rn, a FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY a) AS rn FROM e) WHERE rn <= 1000;
--> events
{"k":"x","a":2}
{"k":"y","a":9}
{"k":"x","a":1}
--> rows
{"k":"x","rn":1,"a":1}
{"k":"x","rn":2,"a":2}
{"k":"y","rn":1,"a":9}
--> ledger applied 3

-- later events push rows down and out
CREATE SOURCE e (k VARCHAR, a BIGINT, t VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, rn, t FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY a DESC) AS rn FROM e) WHERE rn <= 2;
--> events
{"k":"x","a":1,"t":"out"}
{"k":"x","a":2,"t":"second"}
{"k":"x","a":0,"t":"never"}
{"k":"x","a":3,"t":"first"}
--> rows
{"k":"x","rn":1,"t":"first"}
{"k":"x","rn":2,"t":"second"}
--> ledger applied 4

-- several rows that tie are in the order of their offsets
CREATE SOURCE e (k VARCHAR, a BIGINT, t VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, rn, t FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY a DESC) AS rn FROM e) WHERE rn < 4;
--> events
{"k":"x","a":1,"t":"third"}
{"k":"x","a":2,"t":"first"}
{"k":"x","a":2,"t":"second"}
{"k":"x","a":1,"t":"out"}
--> rows
{"k":"x","rn":1,"t":"first"}
{"k":"x","rn":2,"t":"second"}
{"k":"x","rn":3,"t":"third"}

-- several rows with ranks that are NULL, last
CREATE SOURCE e (k VARCHAR, a BIGINT, t VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, rn, a, t FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY a DESC) AS rn FROM e) WHERE rn <= 3;
--> events
{"k":null,"t":"c"}
{"k":null,"a":-5,"t":"a"}
{"k":null,"t":"d"}
{"k":null,"t":"out"}
--> rows
{"k":null,"rn":1,"a":-5,"t":"a"}
{"k":null,"rn":2,"a":null,"t":"c"}
{"k":null,"rn":3,"a":null,"t":"d"}

-- several rows with ranks that are NULL, first, and then by another rank
CREATE SOURCE e (k VARCHAR, a BIGINT, t VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, rn, a, t FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY a NULLS FIRST, t DESC) AS rn FROM e)
WHERE rn <= 4;
--> events
{"k":"x","a":1,"t":"a"}
{"k":"x"}
{"k":"x","a":1,"t":"b"}
{"k":"x","t":"z"}
{"k":"x","a":2}
--> rows
{"k":"x","rn":1,"a":null,"t":"z"}
{"k":"x","rn":2,"a":null,"t":null}
{"k":"x","rn":3,"a":1,"t":"b"}
{"k":"x","rn":4,"a":1,"t":"a"}

-- several rows by numbers that are none, infinite, or zero twice
CREATE SOURCE e (k VARCHAR, a VARCHAR) INCLUDE offset AS o WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, rn, d, o FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY d DESC) AS rn
  FROM (SELECT k, a::DOUBLE AS d, o FROM e)) WHERE rn <= 7;
--> events
{"k":"x","a":"-0.0"}
{"k":"x","a":"inf"}
{"k":"x","a":"0.0"}
{"k":"x","a":"nan"}
{"k":"x","a":"-inf"}
{"k":"x"}
{"k":"x","a":"0.1"}
--> rows
{"k":"x","rn":1,"d":"NaN","o":3}
{"k":"x","rn":2,"d":"Infinity","o":1}
{"k":"x","rn":3,"d":0.1,"o":6}
{"k":"x","rn":4,"d":-0.0,"o":0}
{"k":"x","rn":5,"d":0.0,"o":2}
{"k":"x","rn":6,"d":"-Infinity","o":4}
{"k":"x","rn":7,"d":null,"o":5}

-- values of every kind in several rows
CREATE SOURCE e (k VARCHAR, a BIGINT, n DECIMAL(38,2), h HUGEINT, b BOOLEAN, d DATE, ts TIMESTAMPTZ, tt TIME,
  l STRUCT<a INT>[], t VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, rn, n, h, b, d, ts, tt, l, t FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY n) AS rn FROM e)
WHERE rn <= 2;
--> events
{"k":"x","n":"999999999999999999999999999999999999.99","h":"-170141183460469231731687303715884105727","b":false}
{"k":"x","n":"-0.05","d":"1969-12-31","ts":"1969-12-31T23:59:59.999999Z","tt":"23:59:59","l":[{"a":null}],"t":"\"]\\ ä\u0000b"}
--> rows
{"k":"x","rn":1,"n":-0.05,"h":null,"b":null,"d":"1969-12-31","ts":"1969-12-31T23:59:59.999999Z","tt":"23:59:59","l":[{"a":null}],"t":"\"]\\ ä\u0000b"}
{"k":"x","rn":2,"n":999999999999999999999999999999999999.99,"h":-170141183460469231731687303715884105727,"b":false,"d":null,"ts":null,"tt":null,"l":null,"t":null}

-- the first of all rows, several of them
CREATE SOURCE e (k VARCHAR, a BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT rn, k FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY a) AS rn FROM e WHERE a > 0) WHERE rn <= 2;
--> events
{"k":"x","a":3}
{"k":"y","a":1}
{"k":"z","a":2}
{"k":"z","a":0}
--> rows
{"rn":1,"k":"y"}
{"rn":2,"k":"z"}
--> ledger applied 3, filtered 1

-- several elements of one event that tie
CREATE SOURCE e (k VARCHAR, l STRUCT<a BIGINT, b VARCHAR>[]) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, rn, x.b AS b FROM (SELECT k, x, ROW_NUMBER() OVER (PARTITION BY k ORDER BY x.a) AS rn
  FROM e, UNNEST(l) AS t(x)) WHERE rn <= 4;
--> events
{"k":"x","l":[{"a":2,"b":"a"},{"a":1,"b":"c"},{"a":1,"b":"b"}]}
{"k":"x","l":[{"a":1,"b":"a"},{"a":1,"b":null}]}
--> rows
{"k":"x","rn":1,"b":"b"}
{"k":"x","rn":2,"b":"c"}
{"k":"x","rn":3,"b":"a"}
{"k":"x","rn":4,"b":null}
--> ledger applied 2

-- several rows of windows that share events, with retention
CREATE SOURCE e (a BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention = '1 minute') AS
SELECT window_start, rn, a FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start ORDER BY a DESC) AS rn
  FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE)) WHERE rn <= 2;
--> events
{"a":1,"ts":"2026-01-01T00:00:10"}
{"a":2,"ts":"2026-01-01T01:00:10"}
{"a":4,"ts":"2026-01-01T01:01:20"}
{"a":3,"ts":"2026-01-01T01:01:15"}
--> rows
{"window_start":"2026-01-01T00:59:00","rn":1,"a":2}
{"window_start":"2026-01-01T01:00:00","rn":1,"a":4}
{"window_start":"2026-01-01T01:00:00","rn":2,"a":3}
{"window_start":"2026-01-01T01:01:00","rn":1,"a":4}
{"window_start":"2026-01-01T01:01:00","rn":2,"a":3}

-- several rows of closed windows
CREATE SOURCE e (a BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT window_start, rn, a FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start ORDER BY a DESC) AS rn
  FROM TUMBLE(e, ts, INTERVAL '1' MINUTE)) WHERE rn <= 2 EMIT ON WINDOW CLOSE;
--> events
{"a":1,"ts":"2026-01-01T00:00:10"}
{"a":2,"ts":"2026-01-01T00:00:10"}
{"a":4,"ts":"2026-01-01T00:01:20"}
--> rows
{"window_start":"2026-01-01T00:00:00","rn":1,"a":2}
{"window_start":"2026-01-01T00:00:00","rn":2,"a":1}

-- several rows by times without end
CREATE SOURCE e (k VARCHAR, t TIMESTAMP, d DATE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, rn, t, d FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY t DESC, d) AS rn FROM e) WHERE rn <= 5;
--> events
{"k":"x","t":"-infinity","d":"infinity"}
{"k":"x","t":"2026-01-01T00:00:00"}
{"k":"x","t":"infinity"}
{"k":"x","t":null,"d":"-infinity"}
{"k":"x","t":"-infinity","d":"-infinity"}
--> rows
{"k":"x","rn":1,"t":"infinity","d":null}
{"k":"x","rn":2,"t":"2026-01-01T00:00:00","d":null}
{"k":"x","rn":3,"t":"-infinity","d":"-infinity"}
{"k":"x","rn":4,"t":"-infinity","d":"infinity"}
{"k":"x","rn":5,"t":null,"d":"-infinity"}
