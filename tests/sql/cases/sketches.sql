-- APPROX_COUNT_DISTINCT, APPROX_QUANTILE, APPROX_TOP_K: of a few values they are exact

-- of a few values they are exact, whatever the batches
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, approx_count_distinct(x) AS n, approx_quantile(x, 0.5) AS m, approx_percentile(x, 1) AS top, approx_top_k(x, 2) AS t
FROM e GROUP BY k;
--> events
{"k":"a","x":3}
{"k":"a","x":1}
{"k":"b","x":7}
{"k":"a","x":2}
{"k":"a","x":3}
--> rows
{"k":"a","n":3,"m":2.0,"top":3.0,"t":[3,1]}
{"k":"b","n":1,"m":7.0,"top":7.0,"t":[7]}

-- over no events
CREATE SOURCE e (x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT approx_count_distinct(x) AS n, approx_quantile(x, 0.5) AS m, approx_top_k(x, 3) AS t FROM e;
--> events
--> rows
{"n":0,"m":null,"t":null}

-- over NULLs alone
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, approx_count_distinct(x) AS n, approx_quantile(x, 0.5) AS m, approx_top_k(x, 3) AS t FROM e GROUP BY k;
--> events
{"k":"a"}
{"k":"a","x":null}
--> rows
{"k":"a","n":0,"m":null,"t":null}

-- -0.0 is 0.0, NaN is a value of its own and has no rank
CREATE SOURCE e (x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT approx_count_distinct(x) AS n, approx_quantile(x, 0) AS least, approx_quantile(x, 1) AS most, approx_top_k(x, 9) AS t FROM e;
--> events
{"x":0.0}
{"x":-0.0}
{"x":"NaN"}
{"x":"NaN"}
{"x":"NaN"}
{"x":1.5}
--> rows
{"n":3,"least":0.0,"most":1.5,"t":["NaN",0.0,1.5]}

-- over NaN alone there is no quantile
CREATE SOURCE e (x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT approx_quantile(x, 0.5) AS m FROM e;
--> events
{"x":"NaN"}
--> rows
{"m":null}

-- infinities
CREATE SOURCE e (x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT approx_count_distinct(x) AS n, approx_quantile(x, 0) = CAST('-Infinity' AS DOUBLE) AS least, approx_quantile(x, 0.5) AS m FROM e;
--> events
{"x":"Infinity"}
{"x":"-Infinity"}
{"x":2}
--> rows
{"n":3,"least":true,"m":2.0}

-- the largest whole numbers stay apart
CREATE SOURCE e (x BIGINT, u UBIGINT, h HUGEINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT approx_count_distinct(x) AS n, approx_count_distinct(u) AS u, approx_count_distinct(h) AS h, approx_top_k(u, 1) AS t FROM e;
--> events
{"x":9223372036854775807,"u":18446744073709551615,"h":"170141183460469231731687303715884105727"}
{"x":9223372036854775806,"u":18446744073709551614,"h":"170141183460469231731687303715884105726"}
{"x":-9223372036854775808,"u":18446744073709551615,"h":"-170141183460469231731687303715884105727"}
--> rows
{"n":3,"u":2,"h":3,"t":[18446744073709551615]}

-- texts, decimals, times and truth values
CREATE SOURCE e (s VARCHAR, d DECIMAL(10,2), t TIMESTAMP, b BOOLEAN) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT approx_count_distinct(s) AS s, approx_count_distinct(d) AS d, approx_count_distinct(t) AS t, approx_count_distinct(b) AS b,
  approx_quantile(d, 0.5) AS m, approx_top_k(s, 1) AS f, approx_top_k(t, 1) AS ft FROM e;
--> events
{"s":"","d":1.5,"t":"2026-01-01T00:00:00","b":true}
{"s":"ä\u0000\"","d":1.50,"t":"2026-01-01T00:00:00","b":false}
{"s":"ä\u0000\"","d":-0.25,"t":"2026-01-02T00:00:00","b":true}
--> rows
{"s":2,"d":2,"t":2,"b":2,"m":1.5,"f":["ä\u0000\""],"ft":["2026-01-01T00:00:00"]}

-- ties of the most frequent are in the order of their JSON
CREATE SOURCE e (x VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT approx_top_k(x, 3) AS t FROM e;
--> events
{"x":"c"}
{"x":"b"}
{"x":"d"}
{"x":"a"}
{"x":"d"}
--> rows
{"t":["d","a","b"]}

-- under a condition, and in grouping sets
CREATE SOURCE e (k VARCHAR, x BIGINT, ok BOOLEAN) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT GROUPING(k) AS g, k, approx_count_distinct(x) FILTER (WHERE ok) AS n, approx_top_k(x, 1) FILTER (WHERE NOT ok) AS t FROM e GROUP BY ROLLUP (k);
--> events
{"k":"a","x":1,"ok":true}
{"k":"a","x":2,"ok":false}
{"k":"b","x":1,"ok":true}
--> rows
{"g":0,"k":"a","n":1,"t":[2]}
{"g":0,"k":"b","n":1,"t":null}
{"g":1,"k":null,"n":1,"t":[2]}

-- in windows that share events
CREATE SOURCE e (x BIGINT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT window_start AS w, approx_count_distinct(x) AS n, approx_top_k(x, 1) AS t
FROM HOP(e, ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE) GROUP BY w;
--> events
{"x":1,"ts":"2026-01-01T00:01:10"}
{"x":1,"ts":"2026-01-01T00:02:10"}
{"x":2,"ts":"2026-01-01T00:02:20"}
--> rows
{"w":"2026-01-01T00:00:00","n":1,"t":[1]}
{"w":"2026-01-01T00:01:00","n":2,"t":[1]}
{"w":"2026-01-01T00:02:00","n":2,"t":[1]}

-- around expressions and in HAVING
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, round(approx_quantile(x, 0.5) / 2, 1) AS h FROM e GROUP BY k HAVING approx_count_distinct(x) > 1;
--> events
{"k":"a","x":1}
{"k":"a","x":3}
{"k":"b","x":1}
--> rows
{"k":"a","h":0.5}

-- several ranks of one sketch, in the order in which they are asked for
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, approx_quantile(x, [0.5, 0, 1, 0.5]) AS q, approx_percentile(x, [0.25]) AS one, approx_quantile(x, 0.5) AS m, len(approx_quantile(x, [0, 1])) AS n
FROM e GROUP BY k;
--> events
{"k":"a","x":3}
{"k":"a","x":"-Infinity"}
{"k":"b","x":null}
{"k":"a","x":2.5}
{"k":"c","x":"NaN"}
--> rows
{"k":"a","q":[2.5,"-Infinity",3.0,2.5],"one":["-Infinity"],"m":2.5,"n":2}
{"k":"b","q":null,"one":null,"m":null,"n":null}
{"k":"c","q":null,"one":null,"m":null,"n":null}
