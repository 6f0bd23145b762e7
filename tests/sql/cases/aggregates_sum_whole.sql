-- SUM and AVG of whole numbers: they widen, and nothing overflows in silence

-- no events, no key
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT SUM(x) AS s, AVG(x) AS m FROM e;
--> events
--> rows
{"s":null,"m":null}

-- all values NULL
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s, AVG(x) AS m FROM e GROUP BY k;
--> events
{"k":"a","x":null}
{"k":"a"}
--> rows
{"k":"a","s":null,"m":null}

-- one value, and NULLs beside it
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s, AVG(x) AS m FROM e GROUP BY k;
--> events
{"k":"a","x":null}
{"k":"a","x":7}
{"k":"a"}
--> rows
{"k":"a","s":7,"m":7.0}

-- zero of nothing is not the sum of zeros
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s, AVG(x) AS m FROM e GROUP BY k;
--> events
{"k":"a","x":0}
{"k":"b","x":null}
{"k":"a","x":0}
--> rows
{"k":"a","s":0,"m":0.0}
{"k":"b","s":null,"m":null}

-- the largest BIGINT twice
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s, AVG(x) AS m FROM e GROUP BY k;
--> events
{"k":"a","x":9223372036854775807}
{"k":"a","x":9223372036854775807}
--> rows
{"k":"a","s":18446744073709551614,"m":9.223372036854776e18}

-- the least and the largest BIGINT
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s, AVG(x) AS m FROM e GROUP BY k;
--> events
{"k":"a","x":-9223372036854775808}
{"k":"a","x":9223372036854775807}
--> rows
{"k":"a","s":-1,"m":-0.5}

-- the largest UBIGINT, three times
CREATE SOURCE e (k VARCHAR, x UBIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s, AVG(x) AS m FROM e GROUP BY k;
--> events
{"k":"a","x":18446744073709551615}
{"k":"a","x":18446744073709551615}
{"k":"a","x":18446744073709551615}
--> rows
{"k":"a","s":55340232221128654845,"m":18446744073709552000.0}

-- HUGEINT to its end and back
CREATE SOURCE e (k VARCHAR, x HUGEINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s FROM e GROUP BY k;
--> events
{"k":"a","x":170141183460469231731687303715884105727}
{"k":"a","x":-170141183460469231731687303715884105727}
{"k":"a","x":5}
--> rows
{"k":"a","s":5}

-- BOOLEAN counts what is true
CREATE SOURCE e (k VARCHAR, x BOOLEAN) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s FROM e GROUP BY k;
--> events
{"k":"a","x":true}
{"k":"a","x":false}
{"k":"a","x":true}
{"k":"b"}
--> rows
{"k":"a","s":2}
{"k":"b","s":null}

-- the small types: none wraps
CREATE SOURCE e (k VARCHAR, x TINYINT, y UTINYINT, z SMALLINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS x, SUM(y) AS y, SUM(z) AS z FROM e GROUP BY k;
--> events
{"k":"a","x":127,"y":255,"z":32767}
{"k":"a","x":127,"y":255,"z":32767}
{"k":"a","x":-128,"y":0,"z":-32768}
--> rows
{"k":"a","x":126,"y":510,"z":32766}

-- a number that does not fit its column costs its message
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s, AVG(x) AS m FROM e GROUP BY k;
--> events
{"k":"a","x":9223372036854775808}
{"k":"a","x":1}
{"k":"a","x":1e30}
--> rows
{"k":"a","s":1,"m":1.0}
--> ledger applied 1, dead_lettered 2

-- a fraction in a column of whole numbers is rounded, as DuckDB's cast does
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x) AS s, AVG(x) AS m FROM e GROUP BY k;
--> events
{"k":"a","x":1.5}
{"k":"a","x":"2"}
--> rows
{"k":"a","s":4,"m":2.0}

-- with a filter, a computation inside and arithmetic around
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, SUM(x * 2) FILTER (WHERE x > 0) AS s, SUM(x) / COUNT(*) AS m, SUM(x) + 1 AS t FROM e GROUP BY k;
--> events
{"k":"a","x":3}
{"k":"a","x":-4}
--> rows
{"k":"a","s":6,"m":-0.5,"t":0}
