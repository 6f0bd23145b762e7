-- Lists around aggregates, folded into one value when the row is read

-- the highest of those in a range that other events say
CREATE SOURCE e (k VARCHAR, opens TIMESTAMP, closes TIMESTAMP, price BIGINT, bidAt TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, list_max([b.price for b in array_agg({'price': price, 'bidAt': bidAt} ORDER BY price DESC LIMIT 10) if b.bidat BETWEEN MIN(opens) AND MAX(closes)]) AS final,
  list_first(list_transform(list_filter(array_agg({'price': price, 'bidAt': bidAt} ORDER BY price DESC LIMIT 10), lambda x: x.bidAt < MIN(opens)), lambda y: y.price)) AS early
FROM e GROUP BY k;
--> events
{"k":"a","price":9,"bidAt":"2026-01-01T00:00:00"}
{"k":"a","price":5,"bidAt":"2026-01-01T00:00:01"}
{"k":"a","opens":"2026-01-01T00:00:01","closes":"2026-01-01T00:00:02"}
{"k":"a","price":7,"bidAt":"2026-01-01T00:00:02"}
{"k":"a","price":8,"bidAt":"2026-01-01T00:00:02.000001"}
{"k":"a","price":null,"bidAt":"2026-01-01T00:00:02"}
{"k":"b","price":1,"bidAt":"2026-01-01T00:00:02"}
{"k":"c","opens":"2026-01-01T00:00:01","closes":"2026-01-01T00:00:02"}
--> rows
{"k":"a","final":7,"early":9}
{"k":"b","final":null,"early":null}
{"k":"c","final":null,"early":null}

-- all folds, with and without conditions
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, list_max(array_agg(x)) AS most, list_min(array_agg(x)) AS least, list_sum(array_agg(x)) AS total, list_count(array_agg(x)) AS known,
  len(array_agg(x)) AS n, list_first(array_agg(x)) AS first, list_last(array_agg(x)) AS last,
  len([x for x in array_agg(x) if x > 1]) AS high, list_sum([y * 2 for y in array_agg(x) if y < MAX(x)]) AS rest
FROM e GROUP BY k;
--> events
{"k":"a","x":3}
{"k":"a","x":null}
{"k":"a","x":1}
{"k":"a","x":9223372036854775807}
{"k":"b"}
--> rows
{"k":"a","most":9223372036854775807,"least":1,"total":9223372036854775811,"known":3,"n":4,"first":3,"last":9223372036854775807,"high":2,"rest":8}
{"k":"b","most":null,"least":null,"total":null,"known":0,"n":1,"first":null,"last":null,"high":0,"rest":null}

-- no events, no key
CREATE SOURCE e (x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT len(array_agg(x)) AS n, list_max([x + 1 for x in list(x)]) AS m, coalesce(list_sum(list(x)), 0) AS s FROM e;
--> events
--> rows
{"n":null,"m":null,"s":0}

-- elements of any type keep their value
CREATE SOURCE e (d DECIMAL(10,2), w DECIMAL(38,4), f DOUBLE, t TIMESTAMPTZ, day DATE, u UUID, s VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT list_sum(list(d)) AS d, list_max(list(w)) AS w, list_max(list(f)) AS f, list_min(list(t)) AS t, list_min(list(day)) AS day, list_max(list(u)) AS u,
  list_max([s || '!' for s in list(s) if length(s) < 3]) AS s
FROM e;
--> events
{"d":0.10,"w":"1234567890123456789012345678901234.5678","f":"NaN","t":"2026-01-31T12:00:00.5Z","day":"0001-01-01","u":"A0000000000000000000000000000000","s":"ab"}
{"d":0.20,"w":1,"f":"Infinity","t":"10000-01-01T00:00:00Z","day":"2026-01-31","u":"00000000000000000000000000000000","s":"zzz"}
--> rows
{"d":0.30,"w":1234567890123456789012345678901234.5678,"f":"NaN","t":"2026-01-31T12:00:00.5Z","day":"0001-01-01","u":"a0000000-0000-0000-0000-000000000000","s":"ab!"}

-- a key that is a list, and values that stand twice
CREATE SOURCE e (xs INTEGER[], x INTEGER) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT xs, list_sum(xs) AS sum, len([a for a in xs if a = MAX(x)]) AS times, list_max(array_agg(DISTINCT x)) AS most FROM e GROUP BY xs;
--> events
{"xs":[1,2,1],"x":1}
{"xs":[1,2,1],"x":0}
{"xs":[],"x":4}
{"x":4}
--> rows
{"xs":[1,2,1],"sum":4,"times":2,"most":1}
{"xs":[],"sum":null,"times":0,"most":4}
{"xs":null,"sum":null,"times":null,"most":4}

-- HAVING reads the fold, and a parameter hides an alias
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, MAX(x) AS n FROM e GROUP BY k HAVING len([n for n in array_agg(x) if n > 1]) > 1;
--> events
{"k":"a","x":1}
{"k":"a","x":3}
{"k":"b","x":2}
{"k":"b","x":4}
--> rows
{"k":"b","n":4}

-- what cannot be computed is NULL in that row
CREATE SOURCE e (k VARCHAR, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, list_max([10 // x for x in list(x)]) AS q, list_sum([x + 1 for x in list(x)]) AS s FROM e GROUP BY k;
--> events
{"k":"a","x":0}
{"k":"b","x":5}
{"k":"c","x":9223372036854775807}
--> rows
{"k":"a","q":null,"s":1}
{"k":"b","q":2,"s":6}
{"k":"c","q":0,"s":null}
