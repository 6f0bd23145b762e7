-- Bounded lists: ARRAY_AGG, and the n least and greatest

-- no events, no key
CREATE SOURCE e (k VARCHAR, x VARCHAR, t BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT array_agg(x ORDER BY t LIMIT 3) AS l, min(t, 2) AS m FROM e;
--> events
--> rows
{"l":null,"m":null}

-- all values NULL: they are in the list, and not among the least
CREATE SOURCE e (k VARCHAR, x VARCHAR, t BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, array_agg(x ORDER BY t LIMIT 3) AS l, min(x, 2) AS m FROM e GROUP BY k;
--> events
{"k":"a","t":1}
{"k":"a","x":null,"t":2}
--> rows
{"k":"a","l":[null,null],"m":null}

-- one event
CREATE SOURCE e (k VARCHAR, x VARCHAR, t BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, array_agg(x ORDER BY t LIMIT 3) AS l FROM e GROUP BY k;
--> events
{"k":"a","x":"p","t":1}
--> rows
{"k":"a","l":["p"]}

-- more than fit, out of order
CREATE SOURCE e (k VARCHAR, x VARCHAR, t BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, array_agg(x ORDER BY t LIMIT 3) AS l FROM e GROUP BY k;
--> events
{"k":"a","x":"d","t":4}
{"k":"a","x":"b","t":2}
{"k":"a","x":"c","t":3}
{"k":"a","x":"a","t":1}
--> rows
{"k":"a","l":["a","b","c"]}

-- ties go by offset
CREATE SOURCE e (k VARCHAR, x VARCHAR, t BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, array_agg(x ORDER BY t LIMIT 3) AS l FROM e GROUP BY k;
--> events
{"k":"a","x":"p","t":1}
{"k":"a","x":"q","t":1}
{"k":"a","x":"r","t":1}
{"k":"a","x":"s","t":1}
--> rows
{"k":"a","l":["p","q","r"]}

-- descending
CREATE SOURCE e (k VARCHAR, x VARCHAR, t BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, array_agg(x ORDER BY t DESC LIMIT 2) AS l FROM e GROUP BY k;
--> events
{"k":"a","x":"p","t":1}
{"k":"a","x":"q","t":3}
{"k":"a","x":"r","t":2}
--> rows
{"k":"a","l":["q","r"]}

-- without order: as they came
CREATE SOURCE e (k VARCHAR, x VARCHAR, t BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, array_agg(x LIMIT 2) AS l FROM e GROUP BY k;
--> events
{"k":"a","x":"z"}
{"k":"a","x":"a"}
{"k":"a","x":"b"}
--> rows
{"k":"a","l":["z","a"]}

-- the least and the greatest, ties included
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, min(x, 3) AS a, max(x, 2) AS b FROM e GROUP BY k;
--> events
{"k":"a","x":5}
{"k":"a","x":1}
{"k":"a","x":1}
{"k":"a","x":-9223372036854775808}
{"k":"a"}
--> rows
{"k":"a","a":[-9223372036854775808,1,1],"b":[5,1]}

-- n of arg_min and arg_max
CREATE SOURCE e (k VARCHAR, x VARCHAR, t BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, arg_min(x, t, 2) AS a, arg_max(x, t, 2) AS b FROM e GROUP BY k;
--> events
{"k":"a","x":"p","t":1}
{"k":"a","x":"q","t":2}
{"k":"a","x":"r","t":3}
{"k":"a","t":0}
--> rows
{"k":"a","a":["p","q"],"b":["r","q"]}

-- text with quotes, and what needs an escape
CREATE SOURCE e (k VARCHAR, x VARCHAR, t BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, array_agg(x ORDER BY t LIMIT 3) AS l FROM e GROUP BY k;
--> events
{"k":"a","x":"\"","t":1}
{"k":"a","x":"\n","t":2}
{"k":"a","x":"é","t":3}
--> rows
{"k":"a","l":["\"","\n","é"]}

-- structs in a list
CREATE SOURCE e (k VARCHAR, s STRUCT<a INT, b VARCHAR>, t BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, array_agg(s ORDER BY t LIMIT 2) AS l FROM e GROUP BY k;
--> events
{"k":"a","s":{"a":1,"b":"x"},"t":2}
{"k":"a","s":{"a":2},"t":1}
--> rows
{"k":"a","l":[{"a":2,"b":null},{"a":1,"b":"x"}]}

-- a limit of one, and a filter
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, array_agg(x ORDER BY x LIMIT 1) FILTER (WHERE x > 1) AS l FROM e GROUP BY k;
--> events
{"k":"a","x":1}
{"k":"a","x":3}
{"k":"a","x":2}
{"k":"b","x":0}
--> rows
{"k":"a","l":[2]}
{"k":"b","l":null}
