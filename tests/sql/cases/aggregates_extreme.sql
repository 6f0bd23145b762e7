-- MIN, MAX and what is kept like them: ANY_VALUE, BOOL_AND, BOOL_OR

-- no events, no key
CREATE SOURCE e (x BIGINT, b BOOLEAN) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT MIN(x) AS a, MAX(x) AS b, any_value(x) AS c, bool_and(b) AS d, bool_or(b) AS f FROM e;
--> events
--> rows
{"a":null,"b":null,"c":null,"d":null,"f":null}

-- all values NULL
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, MIN(x) AS a, MAX(x) AS b FROM e GROUP BY k;
--> events
{"k":"a","x":null}
{"k":"a"}
--> rows
{"k":"a","a":null,"b":null}

-- one value is both, also where it is zero
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, MIN(x) AS a, MAX(x) AS b FROM e GROUP BY k;
--> events
{"k":"a","x":0}
{"k":"a"}
--> rows
{"k":"a","a":0,"b":0}

-- negative numbers and the ends of BIGINT
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, MIN(x) AS a, MAX(x) AS b FROM e GROUP BY k;
--> events
{"k":"a","x":-1}
{"k":"a","x":-9223372036854775808}
{"k":"a","x":9223372036854775807}
--> rows
{"k":"a","a":-9223372036854775808,"b":9223372036854775807}

-- NaN is greater than infinity, and -0.0 answers 0.0
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, MIN(x) AS a, MAX(x) AS b FROM e GROUP BY k;
--> events
{"k":"a","x":"NaN"}
{"k":"a","x":"Infinity"}
{"k":"b","x":-0.0}
{"k":"c","x":"-Infinity"}
{"k":"c","x":-1e308}
--> rows
{"k":"a","a":"Infinity","b":"NaN"}
{"k":"b","a":0.0,"b":0.0}
{"k":"c","a":"-Infinity","b":-1e308}

-- text by its bytes: capitals first, the empty text before all
CREATE SOURCE e (k VARCHAR, x VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, MIN(x) AS a, MAX(x) AS b FROM e GROUP BY k;
--> events
{"k":"a","x":"b"}
{"k":"a","x":"B"}
{"k":"a","x":"é"}
{"k":"b","x":""}
{"k":"b","x":"\u0000"}
--> rows
{"k":"a","a":"B","b":"é"}
{"k":"b","a":"","b":"\u0000"}

-- timestamps before 1970, and a leap second that is none
CREATE SOURCE e (k VARCHAR, x TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, MIN(x) AS a, MAX(x) AS b FROM e GROUP BY k;
--> events
{"k":"a","x":"1969-12-31T23:59:59.999999"}
{"k":"a","x":"1970-01-01"}
{"k":"a","x":"2016-12-31T23:59:60"}
--> rows
{"k":"a","a":"1969-12-31T23:59:59.999999","b":"1970-01-01T00:00:00"}
--> ledger applied 2, dead_lettered 1

-- DATE, TIME and TIMESTAMPTZ with an offset
CREATE SOURCE e (k VARCHAR, d DATE, t TIME, z TIMESTAMPTZ) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, MIN(d) AS d, MAX(t) AS t, MAX(z) AS z FROM e GROUP BY k;
--> events
{"k":"a","d":"2024-02-29","t":"23:59:59","z":"2024-03-31T03:00:00+02:00"}
{"k":"a","d":"2024-03-01","t":"00:00:00","z":"2024-03-31T01:30:00+01:00"}
--> rows
{"k":"a","d":"2024-02-29","t":"23:59:59","z":"2024-03-31T01:00:00Z"}

-- decimals, exact
CREATE SOURCE e (k VARCHAR, x DECIMAL(18,2)) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, MIN(x) AS a, MAX(x) AS b FROM e GROUP BY k;
--> events
{"k":"a","x":"-0.01"}
{"k":"a","x":"0.00"}
{"k":"a","x":9999999999999999.99}
--> rows
{"k":"a","a":-0.01,"b":9999999999999999.99}

-- the 128 bits of HUGEINT
CREATE SOURCE e (k VARCHAR, x HUGEINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, MIN(x) AS a, MAX(x) AS b FROM e GROUP BY k;
--> events
{"k":"a","x":170141183460469231731687303715884105727}
{"k":"a","x":-170141183460469231731687303715884105728}
{"k":"a","x":0}
--> rows
{"k":"a","a":-170141183460469231731687303715884105728,"b":170141183460469231731687303715884105727}

-- bool_and and bool_or pass over NULL
CREATE SOURCE e (k VARCHAR, b BOOLEAN) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, bool_and(b) AS a, bool_or(b) AS o FROM e GROUP BY k;
--> events
{"k":"a","b":true}
{"k":"a","b":null}
{"k":"b","b":false}
{"k":"b","b":true}
{"k":"c"}
{"k":"d","b":false}
--> rows
{"k":"a","a":true,"o":true}
{"k":"b","a":false,"o":true}
{"k":"c","a":null,"o":null}
{"k":"d","a":false,"o":false}

-- any_value is the least, whatever came first
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, any_value(x) AS x FROM e GROUP BY k;
--> events
{"k":"a"}
{"k":"a","x":3}
{"k":"a","x":1}
{"k":"a","x":2}
--> rows
{"k":"a","x":1}

-- with a filter, of a computation, and between the two
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, MIN(x) FILTER (WHERE x > 0) AS p, MAX(abs(x)) AS m, MAX(x) - MIN(x) AS d FROM e GROUP BY k;
--> events
{"k":"a","x":-5}
{"k":"a","x":2}
{"k":"b","x":-1}
--> rows
{"k":"a","p":2,"m":5,"d":7}
{"k":"b","p":null,"m":1,"d":0}
