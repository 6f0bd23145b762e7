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
