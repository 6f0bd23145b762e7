-- BIT_AND, BIT_OR, BIT_XOR

-- no events, no key
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT bit_and(x) AS a, bit_or(x) AS o, bit_xor(x) AS x FROM e;
--> events
--> rows
{"a":null,"o":null,"x":null}

-- all values NULL
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, bit_and(x) AS a, bit_or(x) AS o, bit_xor(x) AS x FROM e GROUP BY k;
--> events
{"k":"a"}
{"k":"a","x":null}
--> rows
{"k":"a","a":null,"o":null,"x":null}

-- one value
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, bit_and(x) AS a, bit_or(x) AS o, bit_xor(x) AS x FROM e GROUP BY k;
--> events
{"k":"a","x":6}
--> rows
{"k":"a","a":6,"o":6,"x":6}

-- three values
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, bit_and(x) AS a, bit_or(x) AS o, bit_xor(x) AS x FROM e GROUP BY k;
--> events
{"k":"a","x":6}
{"k":"a","x":3}
{"k":"a","x":2}
--> rows
{"k":"a","a":2,"o":7,"x":7}

-- the same value twice: XOR has it out again
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, bit_and(x) AS a, bit_or(x) AS o, bit_xor(x) AS x FROM e GROUP BY k;
--> events
{"k":"a","x":5}
{"k":"a","x":5}
--> rows
{"k":"a","a":5,"o":5,"x":0}

-- zero
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, bit_and(x) AS a, bit_or(x) AS o, bit_xor(x) AS x FROM e GROUP BY k;
--> events
{"k":"a","x":0}
{"k":"a","x":7}
--> rows
{"k":"a","a":0,"o":7,"x":7}

-- negative numbers, as two's complement
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, bit_and(x) AS a, bit_or(x) AS o, bit_xor(x) AS x FROM e GROUP BY k;
--> events
{"k":"a","x":-1}
{"k":"a","x":12}
--> rows
{"k":"a","a":12,"o":-1,"x":-13}

-- the ends of BIGINT
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, bit_and(x) AS a, bit_or(x) AS o, bit_xor(x) AS x FROM e GROUP BY k;
--> events
{"k":"a","x":-9223372036854775808}
{"k":"a","x":9223372036854775807}
--> rows
{"k":"a","a":0,"o":-1,"x":-1}

-- all bits of UTINYINT and of UBIGINT
CREATE SOURCE e (k VARCHAR, x UBIGINT, y UTINYINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, bit_and(x) AS a, bit_or(y) AS o FROM e GROUP BY k;
--> events
{"k":"a","x":18446744073709551615,"y":255}
{"k":"a","x":18446744073709551614,"y":0}
--> rows
{"k":"a","a":18446744073709551614,"o":255}

-- all bits of HUGEINT
CREATE SOURCE e (k VARCHAR, x HUGEINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, bit_and(x) AS a, bit_or(x) AS o, bit_xor(x) AS x FROM e GROUP BY k;
--> events
{"k":"a","x":-170141183460469231731687303715884105728}
{"k":"a","x":170141183460469231731687303715884105727}
--> rows
{"k":"a","a":0,"o":-1,"x":-1}

-- NULL between values is passed over, and a filter
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, bit_or(x) AS o, bit_or(x) FILTER (WHERE x < 4) AS f FROM e GROUP BY k;
--> events
{"k":"a","x":8}
{"k":"a"}
{"k":"a","x":1}
{"k":"b","x":8}
--> rows
{"k":"a","o":9,"f":1}
{"k":"b","o":8,"f":null}
