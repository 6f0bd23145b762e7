-- How often each value comes: HISTOGRAM, MODE, ARRAY_AGG(DISTINCT x)

-- no events, no key
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT histogram(x LIMIT 3) AS h, mode(x LIMIT 3) AS m, array_agg(DISTINCT x LIMIT 3) AS d FROM e;
--> events
--> rows
{"h":null,"m":null,"d":null}

-- the view's list_limit where there is no LIMIT: NULL while there are more values
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (list_limit = 2) AS SELECT k, histogram(x) AS h, mode(x) AS m, mode(x LIMIT 3) AS wide FROM e GROUP BY k;
--> events
{"k":"a","x":1}
{"k":"a","x":2}
{"k":"a","x":2}
{"k":"b","x":1}
{"k":"b","x":2}
{"k":"b","x":3}
{"k":"b","x":3}
--> rows
{"k":"a","h":{"1":1,"2":2},"m":2,"wide":2}
{"k":"b","h":null,"m":null,"wide":3}

-- all values NULL
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, histogram(x LIMIT 3) AS h, mode(x LIMIT 3) AS m, array_agg(DISTINCT x LIMIT 3) AS d FROM e GROUP BY k;
--> events
{"k":"a"}
{"k":"a","x":null}
--> rows
{"k":"a","h":null,"m":null,"d":null}

-- one value, and NULL beside it
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, histogram(x LIMIT 3) AS h, mode(x LIMIT 3) AS m, array_agg(DISTINCT x LIMIT 3) AS d FROM e GROUP BY k;
--> events
{"k":"a","x":7}
{"k":"a"}
--> rows
{"k":"a","h":{"7":1},"m":7,"d":[7]}

-- the same value often
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, histogram(x LIMIT 3) AS h, mode(x LIMIT 3) AS m, array_agg(DISTINCT x LIMIT 3) AS d FROM e GROUP BY k;
--> events
{"k":"a","x":7}
{"k":"a","x":7}
{"k":"a","x":7}
{"k":"a","x":7}
--> rows
{"k":"a","h":{"7":4},"m":7,"d":[7]}

-- a tie: the least value is the mode
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, histogram(x LIMIT 3) AS h, mode(x LIMIT 3) AS m, array_agg(DISTINCT x LIMIT 3) AS d FROM e GROUP BY k;
--> events
{"k":"a","x":2}
{"k":"a","x":1}
{"k":"a","x":2}
{"k":"a","x":1}
--> rows
{"k":"a","h":{"1":2,"2":2},"m":1,"d":[1,2]}

-- more values than are kept: no histogram, no mode, the least values
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, histogram(x LIMIT 3) AS h, mode(x LIMIT 3) AS m, array_agg(DISTINCT x LIMIT 3) AS d FROM e GROUP BY k;
--> events
{"k":"a","x":4}
{"k":"a","x":4}
{"k":"a","x":3}
{"k":"a","x":2}
{"k":"a","x":1}
--> rows
{"k":"a","h":null,"m":null,"d":[1,2,3]}

-- as many values as are kept
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, histogram(x LIMIT 3) AS h, mode(x LIMIT 3) AS m, array_agg(DISTINCT x LIMIT 3) AS d FROM e GROUP BY k;
--> events
{"k":"a","x":3}
{"k":"a","x":1}
{"k":"a","x":2}
{"k":"a","x":3}
--> rows
{"k":"a","h":{"1":1,"2":1,"3":2},"m":3,"d":[1,2,3]}

-- texts: in order, escaped, the empty one too
CREATE SOURCE e (k VARCHAR, x VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, histogram(x LIMIT 3) AS h, mode(x LIMIT 3) AS m, array_agg(DISTINCT x LIMIT 3) AS d FROM e GROUP BY k;
--> events
{"k":"a","x":"b\""}
{"k":"a","x":""}
{"k":"a","x":"B"}
{"k":"a","x":""}
--> rows
{"k":"a","h":{"":2,"B":1,"b\"":1},"m":"","d":["","B","b\""]}

-- doubles: NaN last, -0.0 is 0.0
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, histogram(x LIMIT 3) AS h, mode(x LIMIT 3) AS m, array_agg(DISTINCT x LIMIT 3) AS d FROM e GROUP BY k;
--> events
{"k":"a","x":"NaN"}
{"k":"a","x":-0.0}
{"k":"a","x":0.0}
{"k":"a","x":"NaN"}
--> rows
{"k":"a","h":{"0.0":2,"NaN":2},"m":0.0,"d":[0.0,"NaN"]}

-- decimals and dates
CREATE SOURCE e (k VARCHAR, x DECIMAL(9,2), d DATE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, histogram(x LIMIT 3) AS h, mode(d LIMIT 3) AS m FROM e GROUP BY k;
--> events
{"k":"a","x":1.50,"d":"2024-02-29"}
{"k":"a","x":"1.5","d":"2024-02-29"}
{"k":"a","x":-1,"d":"1969-01-01"}
--> rows
{"k":"a","h":{"-1.0":1,"1.5":2},"m":"2024-02-29"}

-- the ends of BIGINT
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, histogram(x LIMIT 3) AS h, mode(x LIMIT 3) AS m, array_agg(DISTINCT x LIMIT 3) AS d FROM e GROUP BY k;
--> events
{"k":"a","x":9223372036854775807}
{"k":"a","x":-9223372036854775808}
--> rows
{"k":"a","h":{"-9223372036854775808":1,"9223372036854775807":1},"m":-9223372036854775808,"d":[-9223372036854775808,9223372036854775807]}

-- a filter, and booleans
CREATE SOURCE e (k VARCHAR, b BOOLEAN, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, histogram(b LIMIT 2) AS h, mode(x LIMIT 2) FILTER (WHERE b) AS m FROM e GROUP BY k;
--> events
{"k":"a","b":true,"x":1}
{"k":"a","b":false,"x":2}
{"k":"a","b":false,"x":2}
--> rows
{"k":"a","h":{"false":2,"true":1},"m":1}
