-- JSON paths, maps and nested values

-- paths to what is there, is null, is missing, and to an element
CREATE SOURCE e (doc JSON) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT doc->>'name' AS name, doc->'$.tags[0]' AS first, COUNT(*) AS n, SUM((doc->>'n')::BIGINT) AS s
FROM e GROUP BY name, first;
--> events
{"doc":{"name":"a","tags":["x","y"],"n":1}}
{"doc":{"name":"a","tags":["x"],"n":"2"}}
{"doc":{"name":null,"tags":[]}}
{"doc":{}}
{"doc":7}
{}
--> rows
{"name":"a","first":"x","n":2,"s":3}
{"name":null,"first":null,"n":4,"s":null}
--> ledger applied 6

-- a path within a function is no lambda
CREATE SOURCE e (doc JSON) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT coalesce(doc->'a', doc->'b') AS x, MAX(len(doc->>'a')) AS l FROM e GROUP BY x;
--> events
{"doc":{"a":"long"}}
{"doc":{"b":[1, 2]}}
--> rows
{"x":"long","l":4}
{"x":[1,2],"l":null}

-- functions of PostgreSQL's jsonb that DuckDB has under another name
CREATE SOURCE e (doc JSON, a BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT jsonb_array_length(doc) AS n, jsonb_build_object('a', a) AS o, COUNT(*) AS c
FROM e GROUP BY n, o;
--> events
{"doc":[1,2],"a":1}
{"doc":[],"a":1}
{"doc":[3,4],"a":1}
--> rows
{"n":0,"o":{"a":1},"c":1}
{"n":2,"o":{"a":1},"c":2}

-- more of jsonb: what is there, parts of it, and an object of many events
CREATE SOURCE e (doc JSON, a BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT jsonb_extract_path_text(doc, 'k') AS k, jsonb_extract(doc, '$.t') AS t, jsonb_exists(doc, 'x') AS x, jsonb_object('k', doc->'k') AS o,
  MAX(jsonb_extract_string(doc, '$.t[0]')) AS first, MAX(len(jsonb_keys(doc))) AS keys, BOOL_OR(jsonb_contains(doc, '{"x":1}')) AS one,
  MIN(jsonb_extract_path(doc, 'x')::VARCHAR) AS path, MAX(jsonb_pretty(doc->'t')) AS pretty, jsonb_object_agg(a, a + 1 ORDER BY a) AS pairs
FROM e GROUP BY k, t, x, o;
--> events
{"doc":{"k":"a","t":["p","q"],"x":1},"a":1}
{"doc":{"k":"a","t":["p","q"],"x":2,"y":3},"a":2}
{"doc":{"k":"b"},"a":3}
--> rows
{"k":"a","t":["p","q"],"x":true,"o":{"k":"a"},"first":"p","keys":4,"one":true,"path":"1","pretty":"[\n    \"p\",\n    \"q\"\n]","pairs":{"1":2,"2":3}}
{"k":"b","t":null,"x":false,"o":{"k":"b"},"first":null,"keys":1,"one":false,"path":null,"pretty":null,"pairs":{"3":4}}

-- a map: an element, one that is missing, and the whole as a key
CREATE SOURCE e (m MAP<VARCHAR, BIGINT>) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT m, m['a'] AS a, COUNT(*) AS n, SUM(m['b']) AS b FROM e GROUP BY m, m['a'];
--> events
{"m":{"a":1,"b":2}}
{"m":{"a":1,"b":2}}
{"m":{"b":3}}
{"m":null}
--> rows
{"m":{"a":1,"b":2},"a":1,"n":2,"b":4}
{"m":{"b":3},"a":null,"n":1,"b":3}
{"m":null,"a":null,"n":1,"b":null}

-- an empty map
CREATE SOURCE e (m MAP<VARCHAR, BIGINT>) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT coalesce(m, MAP {}) AS k, COUNT(*) FILTER (WHERE m = MAP {}) AS n FROM e GROUP BY k;
--> events
{"m":{"a":1}}
{"m":{}}
{}
--> rows
{"k":{"a":1},"n":0}
{"k":{},"n":1}
