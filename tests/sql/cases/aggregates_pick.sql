-- One event's value: FIRST_VALUE, LAST_VALUE, ARG_MIN, ARG_MAX, EARLIEST, LATEST

-- no events, no key
CREATE SOURCE e (k VARCHAR, x VARCHAR, t BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT first_value(x ORDER BY t) AS f, arg_max(x, t) AS a, latest(x) AS l FROM e;
--> events
--> rows
{"f":null,"a":null,"l":null}

-- all values NULL
CREATE SOURCE e (k VARCHAR, x VARCHAR, t BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, first_value(x ORDER BY t) AS f, last_value(x ORDER BY t) AS l, arg_min(x, t) AS a, arg_max(x, t) AS b FROM e GROUP BY k;
--> events
{"k":"a","t":1}
{"k":"a","x":null,"t":2}
--> rows
{"k":"a","f":null,"l":null,"a":null,"b":null}

-- all orders NULL
CREATE SOURCE e (k VARCHAR, x VARCHAR, t BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, first_value(x ORDER BY t) AS f, last_value(x ORDER BY t) AS l, arg_min(x, t) AS a, arg_max(x, t) AS b FROM e GROUP BY k;
--> events
{"k":"a","x":"p"}
{"k":"a","x":"q","t":null}
--> rows
{"k":"a","f":null,"l":null,"a":null,"b":null}

-- one event
CREATE SOURCE e (k VARCHAR, x VARCHAR, t BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, first_value(x ORDER BY t) AS f, last_value(x ORDER BY t) AS l, arg_min(x, t) AS a, arg_max(x, t) AS b FROM e GROUP BY k;
--> events
{"k":"a","x":"p","t":1}
--> rows
{"k":"a","f":"p","l":"p","a":"p","b":"p"}

-- out of order
CREATE SOURCE e (k VARCHAR, x VARCHAR, t BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, first_value(x ORDER BY t) AS f, last_value(x ORDER BY t) AS l, arg_min(x, t) AS a, arg_max(x, t) AS b FROM e GROUP BY k;
--> events
{"k":"a","x":"q","t":2}
{"k":"a","x":"r","t":3}
{"k":"a","x":"p","t":1}
--> rows
{"k":"a","f":"p","l":"r","a":"p","b":"r"}

-- ties go by offset: last_value has the greatest, the others the least
CREATE SOURCE e (k VARCHAR, x VARCHAR, t BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, first_value(x ORDER BY t) AS f, last_value(x ORDER BY t) AS l, arg_min(x, t) AS a, arg_max(x, t) AS b FROM e GROUP BY k;
--> events
{"k":"a","x":"p","t":1}
{"k":"a","x":"q","t":1}
{"k":"a","x":"r","t":1}
--> rows
{"k":"a","f":"p","l":"r","a":"p","b":"p"}

-- NULL values: first and last take them, arg_min and arg_max pass over
CREATE SOURCE e (k VARCHAR, x VARCHAR, t BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, first_value(x ORDER BY t) AS f, last_value(x ORDER BY t) AS l, arg_min(x, t) AS a, arg_max(x, t) AS b FROM e GROUP BY k;
--> events
{"k":"a","t":1}
{"k":"a","x":"q","t":2}
{"k":"a","x":null,"t":3}
--> rows
{"k":"a","f":null,"l":null,"a":"q","b":"q"}

-- IGNORE NULLS, and arg_max_null
CREATE SOURCE e (k VARCHAR, x VARCHAR, t BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, first_value(x IGNORE NULLS ORDER BY t) AS f, last_value(x ORDER BY t IGNORE NULLS) AS l, arg_max_null(x, t) AS b FROM e GROUP BY k;
--> events
{"k":"a","t":1}
{"k":"a","x":"q","t":2}
{"k":"a","x":null,"t":3}
--> rows
{"k":"a","f":"q","l":"q","b":null}

-- descending
CREATE SOURCE e (k VARCHAR, x VARCHAR, t BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, first_value(x ORDER BY t DESC) AS f, last_value(x ORDER BY t DESC) AS l FROM e GROUP BY k;
--> events
{"k":"a","x":"p","t":1}
{"k":"a","x":"q","t":2}
{"k":"a","x":"r","t":2}
--> rows
{"k":"a","f":"q","l":"p"}

-- earliest and latest go by offset, and pass over NULL
CREATE SOURCE e (k VARCHAR, x VARCHAR, t BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, earliest(x) AS e, latest(x) AS l FROM e GROUP BY k;
--> events
{"k":"a"}
{"k":"a","x":"q","t":9}
{"k":"a","x":"p","t":1}
{"k":"a","x":null}
--> rows
{"k":"a","e":"q","l":"p"}

-- by doubles: NaN is the greatest, -0.0 and 0.0 tie
CREATE SOURCE e (k VARCHAR, x VARCHAR, t DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, arg_min(x, t) AS a, arg_max(x, t) AS b FROM e GROUP BY k;
--> events
{"k":"a","x":"p","t":"NaN"}
{"k":"a","x":"q","t":"Infinity"}
{"k":"b","x":"p","t":0.0}
{"k":"b","x":"q","t":-0.0}
--> rows
{"k":"a","a":"q","b":"p"}
{"k":"b","a":"p","b":"p"}

-- by text and by time
CREATE SOURCE e (k VARCHAR, x INT, t VARCHAR, z TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, arg_max(x, t) AS t, arg_min(x, z) AS z FROM e GROUP BY k;
--> events
{"k":"a","x":1,"t":"b","z":"1969-01-01"}
{"k":"a","x":2,"t":"B","z":"2000-01-01"}
--> rows
{"k":"a","t":1,"z":1}

-- a struct and a list are values too
CREATE SOURCE e (k VARCHAR, s STRUCT<a INT, b VARCHAR>, l INT[], t BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, last_value(s ORDER BY t) AS s, arg_min(l, t) AS l FROM e GROUP BY k;
--> events
{"k":"a","s":{"a":1,"b":"x"},"l":[1,null],"t":1}
{"k":"a","s":{"a":2,"b":null},"l":[],"t":2}
--> rows
{"k":"a","s":{"a":2,"b":null},"l":[1,null]}

-- a filter
CREATE SOURCE e (k VARCHAR, x VARCHAR, t BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, last_value(x ORDER BY t) FILTER (WHERE x <> 'r') AS l FROM e GROUP BY k;
--> events
{"k":"a","x":"q","t":2}
{"k":"a","x":"r","t":3}
{"k":"b","x":"r","t":3}
--> rows
{"k":"a","l":"q"}
{"k":"b","l":null}
