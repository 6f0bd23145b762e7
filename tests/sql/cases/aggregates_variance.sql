-- VAR_POP, VAR_SAMP, STDDEV_POP, STDDEV_SAMP

-- no events, no key
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT var_pop(x) AS p, var_samp(x) AS s, stddev(x) AS d FROM e;
--> events
--> rows
{"p":null,"s":null,"d":null}

-- all values NULL
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, var_pop(x) AS p, var_samp(x) AS s, stddev_pop(x) AS dp, stddev_samp(x) AS ds FROM e GROUP BY k;
--> events
{"k":"a"}
{"k":"a","x":null}
--> rows
{"k":"a","p":null,"s":null,"dp":null,"ds":null}

-- one value has a variance of zero, and no sample variance
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, var_pop(x) AS p, var_samp(x) AS s, stddev_pop(x) AS dp, stddev_samp(x) AS ds FROM e GROUP BY k;
--> events
{"k":"a","x":5}
{"k":"a"}
--> rows
{"k":"a","p":0.0,"s":null,"dp":0.0,"ds":null}

-- two values
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, var_pop(x) AS p, var_samp(x) AS s, stddev_pop(x) AS dp, stddev_samp(x) AS ds FROM e GROUP BY k;
--> events
{"k":"a","x":1}
{"k":"a","x":3}
--> rows
{"k":"a","p":1.0,"s":2.0,"dp":1.0,"ds":1.4142135623730951}

-- equal values
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, var_pop(x) AS p, var_samp(x) AS s, stddev_pop(x) AS dp, stddev_samp(x) AS ds FROM e GROUP BY k;
--> events
{"k":"a","x":0.5}
{"k":"a","x":0.5}
{"k":"a","x":0.5}
{"k":"a","x":0.5}
--> rows
{"k":"a","p":0.0,"s":0.0,"dp":0.0,"ds":0.0}

-- a small spread far from zero is not lost
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, var_pop(x) AS p FROM e GROUP BY k;
--> events
{"k":"a","x":1073741824}
{"k":"a","x":1073741826}
{"k":"a","x":1073741828}
{"k":"a","x":1073741826}
--> rows
{"k":"a","p":2.0}

-- negative zero is zero
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, var_pop(x) AS p, var_samp(x) AS s, stddev_pop(x) AS dp, stddev_samp(x) AS ds FROM e GROUP BY k;
--> events
{"k":"a","x":-0.0}
{"k":"a","x":0.0}
--> rows
{"k":"a","p":0.0,"s":0.0,"dp":0.0,"ds":0.0}

-- NaN and infinity make it NaN
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, var_pop(x) AS p FROM e GROUP BY k;
--> events
{"k":"a","x":"NaN"}
{"k":"a","x":1}
{"k":"b","x":"Infinity"}
{"k":"b","x":1}
--> rows
{"k":"a","p":"NaN"}
{"k":"b","p":"NaN"}

-- of whole numbers, and at the ends of BIGINT
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, var_pop(x) AS p FROM e GROUP BY k;
--> events
{"k":"a","x":2}
{"k":"a","x":4}
{"k":"b","x":9223372036854775807}
{"k":"b","x":9223372036854775807}
--> rows
{"k":"a","p":1.0}
{"k":"b","p":0.0}

-- of decimals, under other names, with a filter
CREATE SOURCE e (k VARCHAR, x DECIMAL(9,2)) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, variance(x) AS v, stddev(x) AS d, var_pop(x) FILTER (WHERE x > 1) AS f FROM e GROUP BY k;
--> events
{"k":"a","x":0.50}
{"k":"a","x":1.50}
{"k":"a","x":2.50}
--> rows
{"k":"a","v":1.0,"d":1.0,"f":0.25}

-- arithmetic around it
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, round(stddev_pop(x) / AVG(x), 3) AS c FROM e GROUP BY k;
--> events
{"k":"a","x":1}
{"k":"a","x":3}
--> rows
{"k":"a","c":0.5}
