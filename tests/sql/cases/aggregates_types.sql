-- Types with an order and no arithmetic: UUID, BLOB, UHUGEINT, TIMESTAMP_S, TIMESTAMP_MS, TIMESTAMP_NS

-- UUIDs are ordered as 128 bits without a sign, and come out in one form
CREATE SOURCE e (k VARCHAR, x UUID) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, MIN(x) AS a, MAX(x) AS b, any_value(x) AS c FROM e GROUP BY k;
--> events
{"k":"a","x":"80000000-0000-0000-0000-000000000000"}
{"k":"a","x":"7FFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"}
{"k":"a","x":"ffffffffffffffffffffffffffffffff"}
{"k":"a"}
{"k":"b","x":"00000000-0000-0000-0000-00000000000a"}
{"k":"b","x":"not one"}
--> rows
{"k":"a","a":"7fffffff-ffff-ffff-ffff-ffffffffffff","b":"ffffffff-ffff-ffff-ffff-ffffffffffff","c":"7fffffff-ffff-ffff-ffff-ffffffffffff"}
{"k":"b","a":"00000000-0000-0000-0000-00000000000a","b":"00000000-0000-0000-0000-00000000000a","c":"00000000-0000-0000-0000-00000000000a"}
--> ledger applied 5, dead_lettered 1

-- BLOBs are ordered by their bytes, not by their text
CREATE SOURCE e (k VARCHAR, h VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, MIN(from_hex(h)) AS a, MAX(from_hex(h)) AS b FROM e GROUP BY k;
--> events
{"k":"a","h":"7A"}
{"k":"a","h":"80"}
{"k":"a","h":"5C27"}
{"k":"b","h":""}
{"k":"b","h":"00"}
{"k":"b","h":"00FF"}
{"k":"c"}
--> rows
{"k":"a","a":"\\x5C\\x27","b":"\\x80"}
{"k":"b","a":"","b":"\\x00\\xFF"}
{"k":"c","a":null,"b":null}

-- a BLOB of JSON is the text's bytes
CREATE SOURCE e (x BLOB) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT MIN(x) AS a, MAX(x) AS b FROM e;
--> events
{"x":"é"}
{"x":"z"}
--> rows
{"a":"z","b":"\\xC3\\xA9"}

-- UHUGEINT to its upper end
CREATE SOURCE e (k VARCHAR, x UHUGEINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, MIN(x) AS a, MAX(x) AS b FROM e GROUP BY k;
--> events
{"k":"a","x":170141183460469231731687303715884105728}
{"k":"a","x":340282366920938463463374607431768211455}
{"k":"a","x":"170141183460469231731687303715884105727"}
{"k":"b","x":0}
{"k":"b","x":null}
{"k":"b","x":340282366920938463463374607431768211456}
{"k":"b","x":-1}
--> rows
{"k":"a","a":170141183460469231731687303715884105727,"b":340282366920938463463374607431768211455}
{"k":"b","a":0,"b":0}
--> ledger applied 5, dead_lettered 2

-- UHUGEINT within what is nested
CREATE SOURCE e (xs UHUGEINT[], s STRUCT(x UHUGEINT, uhugeint VARCHAR)) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT MAX(list_max(xs)) AS a, MAX(s.x) AS b, MAX(s.uhugeint) AS c FROM e;
--> events
{"xs":[1,340282366920938463463374607431768211455],"s":{"x":340282366920938463463374607431768211454,"uhugeint":"t"}}
{"xs":[],"s":null}
--> rows
{"a":340282366920938463463374607431768211455,"b":340282366920938463463374607431768211454,"c":"t"}
--> ledger applied 2

-- a time keeps its zone on the way to the expression that reads it
CREATE SOURCE e (t TIMETZ) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT MIN(CAST(t AS VARCHAR)) AS a, MAX(date_part('hour', t)) AS h FROM e;
--> events
{"t":"12:00:00+02"}
--> rows
{"a":"12:00:00+02","h":12}

-- seconds, milliseconds and nanoseconds, each with its digits
CREATE SOURCE e (s TIMESTAMP_S, m TIMESTAMP_MS, n TIMESTAMP_NS) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT MIN(s) AS s0, MAX(s) AS s1, MIN(m) AS m0, MAX(m) AS m1, MIN(n) AS n0, MAX(n) AS n1 FROM e;
--> events
{"s":"1969-12-31 23:59:59","m":"1969-12-31T23:59:59.999","n":"2026-01-31 12:00:00.123456789"}
{"s":"1970-01-01","m":"1970-01-01T00:00:00.5","n":"2026-01-31 12:00:00.123456788"}
{"s":"10000-01-01 00:00:00","m":"1970-01-01","n":"1677-09-22 00:00:00.000000001"}
{}
--> rows
{"s0":"1969-12-31T23:59:59","s1":"10000-01-01T00:00:00","m0":"1969-12-31T23:59:59.999","m1":"1970-01-01T00:00:00.5","n0":"1677-09-22T00:00:00.000000001","n1":"2026-01-31T12:00:00.123456789"}

-- infinity is after all moments
CREATE SOURCE e (k VARCHAR, n TIMESTAMP_NS, s TIMESTAMP_S) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, MIN(n) AS n0, MAX(n) AS n1, MIN(s) AS s0, MAX(s) AS s1, max(n, 2) AS two, mode(n LIMIT 5) AS often FROM e GROUP BY k;
--> events
{"k":"a","n":"infinity","s":"-infinity"}
{"k":"a","n":"2026-01-31T12:00:00.000000001","s":"2026-01-31"}
{"k":"a","n":"infinity","s":"infinity"}
--> rows
{"k":"a","n0":"2026-01-31T12:00:00.000000001","n1":"infinity","s0":"-infinity","s1":"infinity","two":["infinity","infinity"],"often":"infinity"}

-- no events, no key
CREATE SOURCE e (u UUID, b BLOB, h UHUGEINT, n TIMESTAMP_NS) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT MIN(u) AS u, MAX(b) AS b, MIN(h) AS h, MAX(n) AS n FROM e;
--> events
--> rows
{"u":null,"b":null,"h":null,"n":null}

-- as keys they lie in their order, NULL last
CREATE SOURCE e (h VARCHAR, x UHUGEINT, u UUID, n TIMESTAMP_NS) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT from_hex(h) AS b, x, u, n, COUNT(*) AS c FROM e GROUP BY b, x, u, n;
--> events
{"h":"00FF","x":1}
{"h":"","x":340282366920938463463374607431768211455}
{"h":"00","x":0,"u":"A0000000000000000000000000000000"}
{"h":"","x":170141183460469231731687303715884105728}
{"h":"","x":9}
{"h":"FF","n":"2026-01-31T12:00:00.000000002"}
{"h":"FF","n":"2026-01-31T12:00:00.000000001"}
{"x":9}
{"h":"ff","n":"2026-01-31T12:00:00.000000001Z"}
--> rows
{"b":"","x":9,"u":null,"n":null,"c":1}
{"b":"","x":170141183460469231731687303715884105728,"u":null,"n":null,"c":1}
{"b":"","x":340282366920938463463374607431768211455,"u":null,"n":null,"c":1}
{"b":"\\x00","x":0,"u":"a0000000-0000-0000-0000-000000000000","n":null,"c":1}
{"b":"\\x00\\xFF","x":1,"u":null,"n":null,"c":1}
{"b":"\\xFF","x":null,"u":null,"n":"2026-01-31T12:00:00.000000001","c":2}
{"b":"\\xFF","x":null,"u":null,"n":"2026-01-31T12:00:00.000000002","c":1}
{"b":null,"x":9,"u":null,"n":null,"c":1}

-- one event's value by the order of another column, ties by their place
CREATE SOURCE e (u UUID, b BLOB, h UHUGEINT, n TIMESTAMP_NS) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT arg_max(u, n) AS u, arg_min(b, h) AS b, first_value(h ORDER BY u) AS h, last_value(n ORDER BY b) AS n, latest(b) AS last FROM e;
--> events
{"u":"00000000-0000-0000-0000-000000000001","b":"a","h":340282366920938463463374607431768211455,"n":"2026-01-31T12:00:00.000000001"}
{"u":"f0000000-0000-0000-0000-000000000002","b":"z","h":170141183460469231731687303715884105728,"n":"2026-01-31T12:00:00.000000002"}
{"u":"00000000-0000-0000-0000-000000000003","b":"z","h":170141183460469231731687303715884105728,"n":"2026-01-31T12:00:00.000000002"}
{"u":null,"b":null,"h":5,"n":null}
--> rows
{"u":"f0000000-0000-0000-0000-000000000002","b":"z","h":340282366920938463463374607431768211455,"n":"2026-01-31T12:00:00.000000002","last":"z"}

-- several of them, and how often each comes
CREATE SOURCE e (k VARCHAR, x VARCHAR, h UHUGEINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, array_agg(from_hex(x) ORDER BY h DESC LIMIT 2) AS l, max(from_hex(x), 2) AS m, min(h, 2) AS s,
  mode(from_hex(x) LIMIT 5) AS often, mode(h LIMIT 5) AS number, array_agg(DISTINCT from_hex(x) LIMIT 2) AS d, histogram(h LIMIT 5) AS g
FROM e GROUP BY k;
--> events
{"k":"a","x":"7A","h":340282366920938463463374607431768211455}
{"k":"a","x":"80","h":1}
{"k":"a","x":"80","h":340282366920938463463374607431768211455}
{"k":"a","x":"00","h":2}
--> rows
{"k":"a","l":["z","\\x80"],"m":["\\x80","\\x80"],"s":[1,2],"often":"\\x80","number":340282366920938463463374607431768211455,"d":["\\x00","z"],"g":{"1":1,"2":1,"340282366920938463463374607431768211455":2}}

-- the first rows of each key, by their order and with their columns
CREATE SOURCE e (k VARCHAR, x VARCHAR, h UHUGEINT, u UUID, n TIMESTAMP_NS) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, rn, b, h, u, n FROM (
  SELECT k, from_hex(x) AS b, h, u, n, ROW_NUMBER() OVER (PARTITION BY k ORDER BY from_hex(x) DESC, h) AS rn FROM e
) WHERE rn <= 2;
--> events
{"k":"a","x":"7A","h":1}
{"k":"a","x":"80","h":340282366920938463463374607431768211455,"n":"2026-01-31T12:00:00.000000001"}
{"k":"a","x":"80","h":7,"u":"A0000000000000000000000000000000"}
{"k":"b","h":5}
--> rows
{"k":"a","rn":1,"b":"\\x80","h":7,"u":"a0000000-0000-0000-0000-000000000000","n":null}
{"k":"a","rn":2,"b":"\\x80","h":340282366920938463463374607431768211455,"u":null,"n":"2026-01-31T12:00:00.000000001"}
{"k":"b","rn":1,"b":null,"h":5,"u":null,"n":null}

-- the one row of each key
CREATE SOURCE e (k VARCHAR, x VARCHAR, h UHUGEINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, b, h FROM (SELECT k, from_hex(x) AS b, h, ROW_NUMBER() OVER (PARTITION BY k ORDER BY h DESC) AS rn FROM e) WHERE rn = 1;
--> events
{"k":"a","x":"7A","h":170141183460469231731687303715884105727}
{"k":"a","x":"FF","h":170141183460469231731687303715884105728}
{"k":"b"}
--> rows
{"k":"a","b":"\\xFF","h":170141183460469231731687303715884105728}
{"k":"b","b":null,"h":null}

-- expressions compare them, choose between them and write them
CREATE SOURCE e (u UUID, h UHUGEINT, g UHUGEINT, n TIMESTAMP_NS, s TIMESTAMP_S) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT CAST(MAX(h) AS VARCHAR) AS t, CAST(MIN(u) AS VARCHAR) || '!' AS w, greatest(MAX(h), MAX(g)) AS m, MAX(h) < MAX(g) AS less,
  MAX(n) >= '2026-01-31T12:00:00.000000002' AS late, MIN(s) = TIMESTAMP_S '2026-01-31 12:00:00' AS same, coalesce(MIN(u), UUID '00000000-0000-0000-0000-000000000000') AS id
FROM e HAVING MIN(u) > 'a0000000-0000-0000-0000-000000000000';
--> events
{"u":"B0000000-0000-0000-0000-000000000000","h":340282366920938463463374607431768211454,"g":340282366920938463463374607431768211455,"n":"2026-01-31T12:00:00.000000002","s":"2026-01-31T12:00:00"}
--> rows
{"t":"340282366920938463463374607431768211454","w":"b0000000-0000-0000-0000-000000000000!","m":340282366920938463463374607431768211455,"less":true,"late":true,"same":true,"id":"b0000000-0000-0000-0000-000000000000"}

-- the bits of UHUGEINT
CREATE SOURCE e (x UHUGEINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT bit_and(x) AS a, bit_or(x) AS o, bit_xor(x) AS x FROM e;
--> events
{"x":170141183460469231731687303715884105729}
{"x":170141183460469231731687303715884105730}
--> rows
{"a":170141183460469231731687303715884105728,"o":170141183460469231731687303715884105731,"x":3}

-- an enumeration is ordered as it was declared
CREATE SOURCE e (k VARCHAR, x ENUM('low', 'it''s', 'high'), n BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, MIN(x) AS a, MAX(x) AS b, arg_max(n, x) AS c, arg_min(x, n) AS d, max(x, 2) AS two, mode(x LIMIT 5) AS often, array_agg(DISTINCT x LIMIT 2) AS least,
  MAX(x) > CAST('it''s' AS ENUM('low', 'it''s', 'high')) AS top, CAST(MIN(x) AS VARCHAR) || '!' AS t, list_min([y for y in array_agg(x) if y <> 'low']) AS f, COUNT(DISTINCT x) AS different
FROM e GROUP BY k;
--> events
{"k":"a","x":"high","n":3}
{"k":"a","x":"low","n":2}
{"k":"a","x":"it's","n":1}
{"k":"a","x":null,"n":0}
{"k":"a","x":"high","n":4}
{"k":"a","x":"other","n":4}
{"k":"b"}
--> rows
{"k":"a","a":"low","b":"high","c":3,"d":"it's","two":["high","high"],"often":"high","least":["low","it's"],"top":true,"t":"low!","f":"it's","different":3}
{"k":"b","a":null,"b":null,"c":null,"d":null,"two":null,"often":null,"least":null,"top":null,"t":null,"f":null,"different":0}
--> ledger applied 6, dead_lettered 1

-- whole numbers beside a UHUGEINT, and times of the day, are constants around aggregates
CREATE SOURCE e (k VARCHAR, h UHUGEINT, t TIME) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, MAX(h) > 5 AS p, coalesce(MAX(h), 0) AS c, MAX(h) = 340282366920938463463374607431768211455 AS top, nullif(MIN(h), 5) AS n, MIN(h) IN (5, 6) AS i,
  CASE WHEN MAX(t) > TIME '10:00:00.5' THEN MAX(h) ELSE 7 END AS w, coalesce(MIN(t), TIME '01:02:03') AS t, MAX(t) BETWEEN '10:00:00' AND '24:00:00' AS b, greatest(MAX(h), 6) AS g
FROM e GROUP BY k;
--> events
{"k":"a","h":340282366920938463463374607431768211455,"t":"10:00:00.500001"}
{"k":"a","h":5,"t":"09:00:00"}
{"k":"b"}
{"k":"c","h":0,"t":"10:00:00.5"}
--> rows
{"k":"a","p":true,"c":340282366920938463463374607431768211455,"top":true,"n":null,"i":true,"w":340282366920938463463374607431768211455,"t":"09:00:00","b":true,"g":340282366920938463463374607431768211455}
{"k":"b","p":null,"c":0,"top":null,"n":null,"i":null,"w":7,"t":"01:02:03","b":null,"g":6}
{"k":"c","p":false,"c":0,"top":false,"n":0,"i":false,"w":7,"t":"10:00:00.5","b":true,"g":6}

-- an enumeration beside a text is a text, around aggregates as within them
CREATE SOURCE e (k VARCHAR, en ENUM('low', 'mid', 'high'), other ENUM('mid', 'zzz'), t VARCHAR, id BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, MAX(en) > 'low' AS around, COUNT(*) FILTER (WHERE en > 'low') AS inside, MAX(en) = 'zzz' AS none, MAX(en) BETWEEN 'b' AND 'm' AS range,
  MAX(en) IN ('high', 'x') AS one, nullif(MAX(en), 'high') AS not_high, MAX(en) > MIN(en) AS declared, MAX(en) > MAX(t) AS of_text, MAX(en) < MAX(other) AS of_other,
  'm' > MAX(en) AS turned, CASE MAX(en) WHEN 'mid' THEN 1 WHEN 'b' THEN 2 ELSE 3 END AS c, MAX(en) IS DISTINCT FROM 'zzz' AS known,
  len([z for z in array_agg(en ORDER BY id) if z > 'low']) AS greater, list_max([z for z in array_agg(en ORDER BY id) if z <> 'zzz']) AS top
FROM e GROUP BY k;
--> events
{"k":"x","en":"high","other":"mid","t":"low","id":1}
{"k":"y","en":"low","other":"zzz","t":"a","id":1}
{"k":"y","en":"mid","id":2}
{"k":"z","id":3}
--> rows
{"k":"x","around":false,"inside":0,"none":false,"range":true,"one":true,"not_high":null,"declared":false,"of_text":false,"of_other":true,"turned":true,"c":3,"known":true,"greater":0,"top":"high"}
{"k":"y","around":true,"inside":1,"none":false,"range":false,"one":false,"not_high":"mid","declared":true,"of_text":true,"of_other":true,"turned":false,"c":1,"known":true,"greater":1,"top":"mid"}
{"k":"z","around":null,"inside":0,"none":null,"range":null,"one":null,"not_high":null,"declared":null,"of_text":null,"of_other":null,"turned":null,"c":3,"known":true,"greater":0,"top":null}

-- an enumeration beside a text in HAVING
CREATE SOURCE e (k VARCHAR, en ENUM('low', 'mid', 'high')) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, COUNT(*) AS n FROM e GROUP BY k HAVING MAX(en) > 'low';
--> events
{"k":"x","en":"high"}
{"k":"y","en":"mid"}
--> rows
{"k":"y","n":1}

-- an enumeration that is a key, beside a text
CREATE SOURCE e (en ENUM('low', 'mid', 'high')) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT en, en > 'low' AS p, COUNT(*) FILTER (WHERE en > 'low') AS n FROM e GROUP BY en;
--> events
{"en":"high"}
{"en":"mid"}
{"en":"low"}
--> rows
{"en":"low","p":false,"n":0}
{"en":"mid","p":true,"n":1}
{"en":"high","p":false,"n":0}

-- an enumeration as a key, and as the order of rows
CREATE SOURCE e (x ENUM('low', 'mid', 'high'), y ENUM('b', 'a'), n BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT x, rn, y, n FROM (SELECT x, y, n, ROW_NUMBER() OVER (PARTITION BY x ORDER BY y DESC, n) AS rn FROM e) WHERE rn <= 2;
--> events
{"x":"high","y":"b","n":1}
{"x":"low","y":"b","n":2}
{"x":"low","y":"a","n":4}
{"x":"low","y":"a","n":3}
{"x":"mid","n":5}
{"n":6,"y":"b"}
--> rows
{"x":"low","rn":1,"y":"a","n":3}
{"x":"low","rn":2,"y":"a","n":4}
{"x":"mid","rn":1,"y":null,"n":5}
{"x":"high","rn":1,"y":"b","n":1}
{"x":null,"rn":1,"y":"b","n":6}

-- an enumeration of the one row of each key
CREATE SOURCE e (x ENUM('low', 'mid', 'high'), y ENUM('b', 'a'), n BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT x, y, n FROM (SELECT x, y, n, ROW_NUMBER() OVER (PARTITION BY x ORDER BY y, n DESC) AS rn FROM e) WHERE rn = 1;
--> events
{"x":"high","y":"a","n":1}
{"x":"high","y":"b","n":2}
{"x":"low","n":1}
--> rows
{"x":"low","y":null,"n":1}
{"x":"high","y":"b","n":2}
