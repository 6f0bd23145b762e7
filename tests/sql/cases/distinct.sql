-- COUNT(DISTINCT x), and SUM and AVG of different values

-- each value counts once, whatever the batches
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, COUNT(DISTINCT x) AS n, SUM(DISTINCT x) AS s, AVG(DISTINCT x) AS m, COUNT(x) AS c FROM e GROUP BY k;
--> events
{"k":"a","x":1}
{"k":"a","x":2}
{"k":"a","x":1}
{"k":"b","x":1}
{"k":"a","x":4}
{"k":"a","x":2}
--> rows
{"k":"a","n":3,"s":7,"m":2.3333333333333335,"c":5}
{"k":"b","n":1,"s":1,"m":1.0,"c":1}

-- over no events
CREATE SOURCE e (x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT COUNT(DISTINCT x) AS n, SUM(DISTINCT x) AS s, AVG(DISTINCT x) AS m FROM e;
--> events
--> rows
{"n":0,"s":null,"m":null}

-- over NULLs alone
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, COUNT(DISTINCT x) AS n, SUM(DISTINCT x) AS s, AVG(DISTINCT x) AS m FROM e GROUP BY k;
--> events
{"k":"a"}
{"k":"a","x":null}
--> rows
{"k":"a","n":0,"s":null,"m":null}

-- one row, and a group that is NULL
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, COUNT(DISTINCT x) AS n, COUNT(DISTINCT k) AS own FROM e GROUP BY k;
--> events
{"x":5}
{"k":"a","x":5}
--> rows
{"k":"a","n":1,"own":1}
{"k":null,"n":1,"own":0}

-- -0.0 is 0.0, and one NaN is like the other
CREATE SOURCE e (x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT COUNT(DISTINCT x) AS n FROM e;
--> events
{"x":0.0}
{"x":-0.0}
{"x":"NaN"}
{"x":"Infinity"}
{"x":"-NaN"}
{"x":"-Infinity"}
{"x":1e308}
{"x":5e-324}
{"x":"NaN"}
--> rows
{"n":6}

-- the largest whole numbers
CREATE SOURCE e (x BIGINT, u UBIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT COUNT(DISTINCT x) AS n, SUM(DISTINCT x) AS s, COUNT(DISTINCT u) AS nu, SUM(DISTINCT u) AS su, AVG(DISTINCT x) AS m FROM e;
--> events
{"x":9223372036854775807,"u":18446744073709551615}
{"x":-9223372036854775808,"u":0}
{"x":9223372036854775807,"u":18446744073709551615}
{"x":9223372036854775806,"u":18446744073709551614}
--> rows
{"n":3,"s":9223372036854775805,"nu":3,"su":36893488147419103229,"m":3.0744573456182584e18}

-- decimals to 38 digits, negative ones too
CREATE SOURCE e (x DECIMAL(38,2), y DECIMAL(5,1)) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT COUNT(DISTINCT x) AS n, SUM(DISTINCT x) AS s, SUM(DISTINCT y) AS t, AVG(DISTINCT y) AS m FROM e;
--> events
{"x":"123456789012345678901234567890123456.78","y":-1.5}
{"x":"-123456789012345678901234567890123456.77","y":-1.5}
{"x":"123456789012345678901234567890123456.78","y":0.5}
--> rows
{"n":2,"s":0.01,"t":-1.0,"m":-0.5}

-- texts: empty, with zero characters, long, and apart by case and spaces
CREATE SOURCE e (x VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT COUNT(DISTINCT x) AS n, COUNT(DISTINCT lower(trim(x))) AS l FROM e;
--> events
{"x":""}
{"x":"a"}
{"x":"A"}
{"x":" a"}
{"x":"a\u0000"}
{"x":"a\u0000b"}
{"x":"ä😀"}
{"x":""}
{"x":"a"}
--> rows
{"n":7,"l":5}

-- each condition has values of its own
CREATE SOURCE e (k VARCHAR, x BIGINT, paid BOOLEAN) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT COUNT(DISTINCT x) AS n, COUNT(DISTINCT x) FILTER (WHERE paid) AS p, COUNT(DISTINCT x) FILTER (WHERE NOT paid) AS q,
  SUM(DISTINCT x) FILTER (WHERE paid) AS s
FROM e;
--> events
{"x":1,"paid":true}
{"x":1,"paid":false}
{"x":2,"paid":false}
{"x":2}
{"x":1,"paid":true}
{"x":3}
--> rows
{"n":3,"p":1,"q":2,"s":1}

-- several columns are one value, and none of them is NULL
CREATE SOURCE e (a VARCHAR, b BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT COUNT(DISTINCT a, b) AS n, COUNT(DISTINCT a) AS na, COUNT(DISTINCT b, a) FILTER (WHERE b > 1) AS f FROM e;
--> events
{"a":"x","b":1}
{"a":"x","b":2}
{"a":"x"}
{"b":1}
{"a":"y","b":1}
{"a":"x","b":1}
{}
--> rows
{"n":3,"na":2,"f":1}

-- grouping sets count for themselves, also their own columns
CREATE SOURCE e (a VARCHAR, b VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT GROUPING(a, b) AS g, a, b, COUNT(DISTINCT x) AS n, COUNT(DISTINCT b) AS nb FROM e GROUP BY ROLLUP (a, b);
--> events
{"a":"k","b":"p","x":1}
{"a":"k","b":"q","x":1}
{"a":"k","b":"q","x":2}
{"a":"l","b":"p","x":1}
{"a":"l","b":"p","x":3}
--> rows
{"g":0,"a":"k","b":"p","n":1,"nb":1}
{"g":0,"a":"k","b":"q","n":2,"nb":1}
{"g":0,"a":"l","b":"p","n":2,"nb":1}
{"g":1,"a":"k","b":null,"n":2,"nb":2}
{"g":1,"a":"l","b":null,"n":2,"nb":1}
{"g":3,"a":null,"b":null,"n":3,"nb":2}

-- in windows, with retention and late events
CREATE SOURCE e (x BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention = '2 minutes') AS
SELECT window_start AS w, COUNT(DISTINCT x) AS n FROM TUMBLE(e, ts, INTERVAL '1' MINUTE) GROUP BY w;
--> events
{"x":1,"ts":"2026-01-01T00:00:10"}
{"x":1,"ts":"2026-01-01T00:00:20"}
{"x":2,"ts":"2026-01-01T00:02:10"}
{"x":3,"ts":"2026-01-01T00:02:20"}
{"x":9,"ts":"2026-01-01T00:05:00"}
{"x":9,"ts":"2026-01-01T00:05:01"}
--> rows
{"w":"2026-01-01T00:05:00","n":1}

-- nested values are compared as a whole
CREATE SOURCE e (s STRUCT<a INT, b VARCHAR>, l INT[], j JSON) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT COUNT(DISTINCT s) AS s, COUNT(DISTINCT l) AS l, COUNT(DISTINCT j) AS j FROM e;
--> events
{"s":{"a":1,"b":"x"},"l":[1,2],"j":{"k":1}}
{"s":{"b":"x","a":1},"l":[2,1],"j":{"k":2}}
{"s":{"a":1},"l":[1,2],"j":{"k":1}}
{"l":[]}
--> rows
{"s":2,"l":3,"j":2}

-- a message of which the value cannot be evaluated costs that message
CREATE SOURCE e (x VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT COUNT(DISTINCT CAST(x AS INTEGER)) AS n, COUNT(*) AS c FROM e;
--> events
{"x":"1"}
{"x":"one"}
{"x":"2"}
{"x":"01"}
--> rows
{"n":2,"c":3}
--> ledger applied 3, dead_lettered 1

-- elements of lists
CREATE SOURCE e (k VARCHAR, l BIGINT[]) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, COUNT(DISTINCT x) AS n, SUM(DISTINCT x) AS s FROM e, UNNEST(l) AS t(x) GROUP BY k;
--> events
{"k":"a","l":[1,1,2]}
{"k":"a","l":[]}
{"k":"b","l":[null]}
{"k":"a","l":[2,3]}
--> rows
{"k":"a","n":3,"s":6}
{"k":"b","n":0,"s":null}

-- around expressions and in HAVING
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, COUNT(DISTINCT x) * 100 // COUNT(*) AS share FROM e GROUP BY k HAVING COUNT(DISTINCT x) > 1;
--> events
{"k":"a","x":1}
{"k":"a","x":2}
{"k":"a","x":2}
{"k":"b","x":1}
{"k":"b","x":1}
--> rows
{"k":"a","share":66}

-- types without arithmetic are counted
CREATE SOURCE e (u UUID, b BLOB, h UHUGEINT, s TIMESTAMP_S, n TIMESTAMP_NS) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT COUNT(DISTINCT u) AS u, COUNT(DISTINCT b) AS b, COUNT(DISTINCT h) AS h, COUNT(DISTINCT s) AS s, COUNT(DISTINCT n) AS n,
  approx_count_distinct(u) AS au, approx_count_distinct(b) AS ab, COUNT(DISTINCT u, h) AS p FROM e;
--> events
{"u":"00000000-0000-0000-0000-00000000000a","b":"x","h":"99999999999999999999999999999999999999","s":"2026-01-01T00:00:00","n":"2026-01-01T00:00:00.000000001"}
{"u":"00000000-0000-0000-0000-00000000000A","b":"x","h":"99999999999999999999999999999999999998","s":"2026-01-01T00:00:01","n":"2026-01-01T00:00:00.000000002"}
{"u":"00000000-0000-0000-0000-00000000000b","b":"y","h":"0","s":"2026-01-01T00:00:00","n":"2026-01-01T00:00:00.000000001"}
{}
--> rows
{"u":2,"b":2,"h":3,"s":2,"n":2,"au":2,"ab":2,"p":3}
