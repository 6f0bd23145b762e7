-- STRING_AGG, JSON_OBJECT_AGG, COLLECT_SET, and lists that the view bounds

-- texts in the order of the source
CREATE SOURCE e (k VARCHAR, x VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, STRING_AGG(x, ', ') AS s, string_agg(x) AS c FROM e GROUP BY k;
--> events
{"k":"a","x":"one"}
{"k":"a","x":"two"}
{"k":"b","x":""}
{"k":"a","x":"one"}
--> rows
{"k":"a","s":"one, two, one","c":"one,two,one"}
{"k":"b","s":"","c":""}

-- texts over no events and over NULLs alone
CREATE SOURCE e (x VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT string_agg(x, '-') AS s, json_object_agg(x, x) AS o, collect_set(x) AS c, list(x) AS l FROM e;
--> events
{}
{"x":null}
--> rows
{"s":null,"o":null,"c":null,"l":[null,null]}

-- texts by an order, ties by their place
CREATE SOURCE e (x VARCHAR, y BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT string_agg(x, '' ORDER BY y) AS up, string_agg(x, '' ORDER BY y DESC LIMIT 3) AS down, group_concat(x, '+' ORDER BY x DESC) AS own FROM e;
--> events
{"x":"d","y":2}
{"x":"a","y":1}
{"x":"n"}
{"x":"b","y":1}
{"x":"e","y":9223372036854775807}
{"y":0}
--> rows
{"up":"abde","down":"eda","own":"n+e+d+b+a"}

-- texts of numbers are what a cast makes of them
CREATE SOURCE e (i BIGINT, d DECIMAL(10,2), f DOUBLE, b BOOLEAN, t TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT string_agg(i, ' ') AS i, string_agg(d, ' ') AS d, string_agg(f, ' ') AS f, string_agg(b, ' ') AS b, string_agg(t, ' ') AS t FROM e;
--> events
{"i":9223372036854775807,"d":1.5,"f":-0.0,"b":true,"t":"2026-01-01T00:00:00"}
{"i":-1,"d":-0.05,"f":"NaN","b":false}
{"f":1e300}
--> rows
{"i":"9223372036854775807 -1","d":"1.50 -0.05","f":"-0.0 nan 1e+300","b":"true false","t":"2026-01-01 00:00:00"}

-- texts with quotes, NUL and what is no ASCII
CREATE SOURCE e (x VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT string_agg(x, '''"') AS s FROM e;
--> events
{"x":"a\"b"}
{"x":"ä😀\\"}
{"x":"c\u0000d"}
--> rows
{"s":"a\"b'\"ä😀\\'\"c\u0000d"}

-- texts under a condition
CREATE SOURCE e (x VARCHAR, ok BOOLEAN) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT string_agg(x, ',') FILTER (WHERE ok) AS s, string_agg(x, ';') AS t, COUNT(*) AS n FROM e;
--> events
{"x":"a","ok":true}
{"x":"b","ok":false}
{"x":"c"}
{"x":"d","ok":true}
--> rows
{"s":"a,d","t":"a;b;c;d","n":4}

-- different texts, from the least on
CREATE SOURCE e (x VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT string_agg(DISTINCT x, ' ') AS s, string_agg(DISTINCT x, ' ' ORDER BY x LIMIT 2) AS two FROM e;
--> events
{"x":"c"}
{"x":"a"}
{"x":"c"}
{}
{"x":"b"}
--> rows
{"s":"a b c","two":"a b"}

-- an object of keys and values
CREATE SOURCE e (k VARCHAR, v DECIMAL(20,3), s STRUCT<a INT>, f DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT json_object_agg(k, v) AS o, json_object_agg(k, s) AS p, json_object_agg(k, f) AS q FROM e;
--> events
{"k":"a","v":"12345678901234567.125","s":{"a":1},"f":1.5}
{"k":"b\"","f":"NaN"}
{"v":1}
{"k":"","v":0,"f":"-Infinity"}
--> rows
{"o":{"a":12345678901234567.125,"b\"":null,"":0.000},"p":{"a":{"a":1},"b\"":null,"":null},"q":{"a":1.5,"b\"":"NaN","":"-Infinity"}}

-- of one key in an object the last value counts
CREATE SOURCE e (k BIGINT, v VARCHAR, y BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT json_object_agg(k, v) AS o, json_object_agg(k, v ORDER BY y) AS p, json_object_agg(k, v ORDER BY y DESC LIMIT 2) AS q FROM e;
--> events
{"k":1,"v":"x","y":3}
{"k":2,"v":"y","y":2}
{"k":1,"v":"z","y":1}
--> rows
{"o":{"1":"z","2":"y"},"p":{"1":"x","2":"y"},"q":{"1":"x","2":"y"}}

-- COLLECT_SET is ARRAY_AGG(DISTINCT x)
CREATE SOURCE e (x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT collect_set(x) AS c, collect_set(x LIMIT 2) AS two, array_agg(DISTINCT x) AS a FROM e;
--> events
{"x":3}
{"x":1}
{"x":3}
{}
{"x":2}
--> rows
{"c":[1,2,3],"two":[1,2],"a":[1,2,3]}

-- list_limit bounds what has no LIMIT
CREATE SOURCE e (x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (list_limit = '2') AS
SELECT array_agg(x) AS a, array_agg(x ORDER BY x DESC) AS d, list(x LIMIT 3) AS l, string_agg(x, ' ') AS s, json_object_agg(x, 1) AS o, collect_set(x) AS c FROM e;
--> events
{"x":3}
{"x":1}
{"x":4}
{"x":2}
--> rows
{"a":[3,1],"d":[4,3],"l":[3,1,4],"s":"3 1","o":{"3":1,"1":1},"c":[1,2]}

-- arrays of JSON: NULLs count, nested values are nested, DuckDB's name and PostgreSQL's
CREATE SOURCE e (k VARCHAR, x INTEGER, s STRUCT(a DECIMAL(6,2)), t TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, json_group_array(x) AS a, jsonb_agg(x ORDER BY x DESC LIMIT 2) AS b, json_agg(s ORDER BY x) FILTER (WHERE x > 1) AS c, json_group_array(t) AS d
FROM e GROUP BY k;
--> events
{"k":"a","x":1,"s":{"a":1.50},"t":"2026-01-05T10:00:00"}
{"k":"a","x":null,"s":null,"t":null}
{"k":"a","x":3,"s":{"a":3.25},"t":"2026-01-05T10:00:01"}
{"k":"a","x":2,"s":{"a":null},"t":"2026-01-05T10:00:02.5"}
{"k":"b","x":null,"s":null,"t":null}
--> rows
{"k":"a","a":[1,null,3,2],"b":[3,2],"c":[{"a":null},{"a":3.25}],"d":["2026-01-05 10:00:00",null,"2026-01-05 10:00:01","2026-01-05 10:00:02.5"]}
{"k":"b","a":[null],"b":null,"c":null,"d":[null]}
