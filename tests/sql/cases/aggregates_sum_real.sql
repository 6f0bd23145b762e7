-- SUM and AVG of doubles: compensated, so that the order of small and large does not matter

-- no events, no key
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT SUM(x) AS s, AVG(x) AS m FROM e;
--> events
--> rows
{"s":null,"m":null}

-- all values NULL
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s, AVG(x) AS m FROM e GROUP BY k;
--> events
{"k":"a","x":null}
{"k":"a"}
--> rows
{"k":"a","s":null,"m":null}

-- one value
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s, AVG(x) AS m FROM e GROUP BY k;
--> events
{"k":"a","x":2.5}
--> rows
{"k":"a","s":2.5,"m":2.5}

-- what is small survives beside what is large
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s FROM e GROUP BY k;
--> events
{"k":"a","x":1e15}
{"k":"a","x":0.125}
{"k":"a","x":-1e15}
--> rows
{"k":"a","s":0.125}

-- the same in another order
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s FROM e GROUP BY k;
--> events
{"k":"a","x":0.125}
{"k":"a","x":-1e15}
{"k":"a","x":0.25}
{"k":"a","x":1e15}
--> rows
{"k":"a","s":0.375}

-- ten tenths are one
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s FROM e GROUP BY k;
--> events
{"k":"a","x":0.1}
{"k":"a","x":0.1}
{"k":"a","x":0.1}
{"k":"a","x":0.1}
{"k":"a","x":0.1}
{"k":"a","x":0.1}
{"k":"a","x":0.1}
{"k":"a","x":0.1}
{"k":"a","x":0.1}
{"k":"a","x":0.1}
--> rows
{"k":"a","s":1.0}

-- negative zeros
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s, SUM(x) + 1 AS t FROM e GROUP BY k;
--> events
{"k":"a","x":-0.0}
{"k":"a","x":-0.0}
--> rows
{"k":"a","s":0.0,"t":1.0}

-- NaN spoils the sum, wherever it stands
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s, AVG(x) AS m FROM e GROUP BY k;
--> events
{"k":"a","x":1}
{"k":"a","x":"NaN"}
{"k":"a","x":2}
--> rows
{"k":"a","s":"NaN","m":"NaN"}

-- infinity, and two of different sign
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s FROM e GROUP BY k;
--> events
{"k":"a","x":"Infinity"}
{"k":"a","x":-1}
{"k":"b","x":"Infinity"}
{"k":"b","x":"-Infinity"}
--> rows
{"k":"a","s":"Infinity"}
{"k":"b","s":"NaN"}

-- the least double there is
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s FROM e GROUP BY k;
--> events
{"k":"a","x":5e-324}
{"k":"a","x":5e-324}
--> rows
{"k":"a","s":1e-323}

-- REAL is summed as DOUBLE
CREATE SOURCE e (k VARCHAR, x REAL) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s FROM e GROUP BY k;
--> events
{"k":"a","x":16777216}
{"k":"a","x":1}
--> rows
{"k":"a","s":16777217.0}

-- a filter, and a sum of what DuckDB computes
CREATE SOURCE e (k VARCHAR, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(sqrt(x)) FILTER (WHERE x >= 0) AS s FROM e GROUP BY k;
--> events
{"k":"a","x":4}
{"k":"a","x":9}
{"k":"a","x":-1}
--> rows
{"k":"a","s":5.0}
