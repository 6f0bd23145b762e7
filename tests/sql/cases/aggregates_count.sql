-- COUNT in its forms: events, values, and what a filter leaves of them

-- no events at all, and a key
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, COUNT(*) AS n, COUNT(x) AS c FROM e GROUP BY k;
--> events
--> rows

-- no events at all, and no key
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT COUNT(*) AS n, COUNT(x) AS c, COUNT(*) FILTER (WHERE x > 0) AS p FROM e;
--> events
--> rows
{"n":0,"c":0,"p":0}

-- all values NULL, null and missing
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, COUNT(*) AS n, COUNT(x) AS c FROM e GROUP BY k;
--> events
{"k":"a","x":null}
{"k":"a"}
--> rows
{"k":"a","n":2,"c":0}
--> ledger applied 2

-- one event
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, COUNT(*) AS n, COUNT(x) AS c FROM e GROUP BY k;
--> events
{"k":"a","x":0}
--> rows
{"k":"a","n":1,"c":1}

-- NULL is a key of its own, and so is the empty text
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, COUNT(*) AS n FROM e GROUP BY k;
--> events
{"x":1}
{"k":""}
{"k":null}
{"k":"\u0000"}
--> rows
{"k":"","n":1}
{"k":"\u0000","n":1}
{"k":null,"n":2}

-- a filter that is NULL does not count
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, COUNT(*) FILTER (WHERE x > 1) AS more, COUNT(*) FILTER (WHERE NOT x > 1) AS not_more, COUNT(*) AS n FROM e GROUP BY k;
--> events
{"k":"a","x":1}
{"k":"a","x":2}
{"k":"a","x":null}
--> rows
{"k":"a","more":1,"not_more":1,"n":3}

-- equal events count each time
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, COUNT(*) AS n, COUNT(x) AS c FROM e GROUP BY k;
--> events
{"k":"a","x":1}
{"k":"a","x":1}
{"k":"a","x":1}
{"k":"a","x":1}
{"k":"a","x":1}
--> rows
{"k":"a","n":5,"c":5}

-- values of a struct and of a list, NULL inside or NULL itself
CREATE SOURCE e (k VARCHAR, s STRUCT<a INT>, l INT[]) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, COUNT(s) AS s, COUNT(s.a) AS a, COUNT(l) AS l, COUNT(l[1]) AS one FROM e GROUP BY k;
--> events
{"k":"a","s":{"a":null},"l":[null]}
{"k":"a","s":null,"l":[]}
{"k":"a","s":{"a":1},"l":[1,2]}
--> rows
{"k":"a","s":2,"a":1,"l":3,"one":1}

-- count_if counts what is true, and is NULL where nothing was told
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, count_if(x > 1) AS c FROM e GROUP BY k;
--> events
{"k":"a","x":1}
{"k":"a","x":2}
{"k":"b","x":null}
{"k":"c","x":0}
--> rows
{"k":"a","c":1}
{"k":"b","c":null}
{"k":"c","c":0}

-- messages that are no events are not counted
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT COUNT(*) AS n, COUNT(x) AS c FROM e;
--> events
{"k":"a","x":1}
no json
{"k":"a","x":"many"}
[]
{"k":"b"}
--> rows
{"n":2,"c":1}
--> ledger applied 2, dead_lettered 3

-- what WHERE leaves out is not counted, nor has it a row
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, COUNT(*) AS n FROM e WHERE x > 0 GROUP BY k;
--> events
{"k":"a","x":1}
{"k":"b","x":0}
{"k":"c"}
--> rows
{"k":"a","n":1}
--> ledger applied 1, filtered 2

-- a constant counts as often as there are events, NULL never
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, COUNT(1) AS one, COUNT('x') AS text, COUNT(NULL::INT) AS none, COUNT(CASE WHEN x > 1 THEN x END) AS big FROM e GROUP BY k;
--> events
{"k":"a","x":1}
{"k":"a","x":2}
--> rows
{"k":"a","one":2,"text":2,"none":0,"big":1}
