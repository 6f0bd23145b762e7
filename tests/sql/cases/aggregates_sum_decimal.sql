-- SUM and AVG of DECIMAL: exact to the last digit

-- no events, no key
CREATE SOURCE e (k VARCHAR, x DECIMAL(18,2)) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT SUM(x) AS s, AVG(x) AS m FROM e;
--> events
--> rows
{"s":null,"m":null}

-- all values NULL
CREATE SOURCE e (k VARCHAR, x DECIMAL(18,2)) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s, AVG(x) AS m FROM e GROUP BY k;
--> events
{"k":"a","x":null}
{"k":"a"}
--> rows
{"k":"a","s":null,"m":null}

-- a tenth, three times
CREATE SOURCE e (k VARCHAR, x DECIMAL(18,2)) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s, AVG(x) AS m FROM e GROUP BY k;
--> events
{"k":"a","x":0.10}
{"k":"a","x":0.10}
{"k":"a","x":0.10}
--> rows
{"k":"a","s":0.30,"m":0.1}

-- a number as text is the same number
CREATE SOURCE e (k VARCHAR, x DECIMAL(18,2)) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s, AVG(x) AS m FROM e GROUP BY k;
--> events
{"k":"a","x":"1.10"}
{"k":"a","x":1.10}
{"k":"a","x":"-0.20"}
--> rows
{"k":"a","s":2.00,"m":0.6666666666666666}

-- the most digits that DECIMAL(18,2) has, a hundred times over
CREATE SOURCE e (k VARCHAR, x DECIMAL(18,2)) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s FROM e GROUP BY k;
--> events
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
{"k":"a","x":9999999999999999.99}
--> rows
{"k":"a","s":999999999999999999.00}

-- more digits than the scale holds are rounded as DuckDB does
CREATE SOURCE e (k VARCHAR, x DECIMAL(18,2)) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s FROM e GROUP BY k;
--> events
{"k":"a","x":"0.005"}
{"k":"a","x":"0.004"}
{"k":"b","x":"-0.005"}
--> rows
{"k":"a","s":0.01}
{"k":"b","s":-0.01}

-- opposites leave a zero of the same scale
CREATE SOURCE e (k VARCHAR, x DECIMAL(18,2)) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s FROM e GROUP BY k;
--> events
{"k":"a","x":12.34}
{"k":"a","x":-12.34}
--> rows
{"k":"a","s":0.00}

-- 38 digits, to the last one
CREATE SOURCE e (k VARCHAR, x DECIMAL(38,4)) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s FROM e GROUP BY k;
--> events
{"k":"a","x":9999999999999999999999999999999999.9998}
{"k":"a","x":0.0001}
--> rows
{"k":"a","s":9999999999999999999999999999999999.9999}

-- a sum that has more than 38 digits is NULL, and comes back
CREATE SOURCE e (k VARCHAR, x DECIMAL(38,4)) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s, COUNT(x) AS n FROM e GROUP BY k;
--> events
{"k":"a","x":9999999999999999999999999999999999.9999}
{"k":"a","x":0.0001}
{"k":"b","x":9999999999999999999999999999999999.9999}
{"k":"b","x":0.0001}
{"k":"b","x":-1}
--> rows
{"k":"a","s":null,"n":2}
{"k":"b","s":9999999999999999999999999999999999.0000,"n":3}

-- no scale at all
CREATE SOURCE e (k VARCHAR, x DECIMAL(10,0)) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s FROM e GROUP BY k;
--> events
{"k":"a","x":1}
{"k":"a","x":"-3"}
--> rows
{"k":"a","s":-2}

-- a product of two, exact
CREATE SOURCE e (k VARCHAR, x DECIMAL(9,2), q INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x * q) AS s FROM e GROUP BY k;
--> events
{"k":"a","x":19.99,"q":3}
{"k":"a","x":0.01,"q":1}
--> rows
{"k":"a","s":59.98}

-- what does not fit costs its message
CREATE SOURCE e (k VARCHAR, x DECIMAL(18,2)) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s FROM e GROUP BY k;
--> events
{"k":"a","x":10000000000000000}
{"k":"a","x":"ten"}
{"k":"a","x":1}
--> rows
{"k":"a","s":1.00}
--> ledger applied 1, dead_lettered 2
