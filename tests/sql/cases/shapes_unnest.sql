-- UNNEST: a row per element

-- an event is counted once, however many rows it makes, and is filtered where it makes none
CREATE SOURCE e (id BIGINT, l BIGINT[]) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT x, COUNT(*) AS n, SUM(id) AS s FROM e, UNNEST(l) AS t(x) GROUP BY x;
--> events
{"id":1,"l":[1,2,2]}
{"id":2,"l":[]}
{"id":3,"l":null}
{"id":4}
{"id":5,"l":[null]}
{"id":6,"l":[2]}
--> rows
{"x":1,"n":1,"s":1}
{"x":2,"n":3,"s":8}
{"x":null,"n":1,"s":5}
--> ledger applied 3, filtered 3

-- an event is applied where one of its elements passes, and filtered where none does
CREATE SOURCE e (id BIGINT, l BIGINT[]) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT COUNT(*) AS n, SUM(x) AS s FROM e CROSS JOIN UNNEST(l) AS t(x) WHERE x > 5;
--> events
{"id":1,"l":[1,6,7]}
{"id":2,"l":[1,2]}
{"id":3,"l":[]}
--> rows
{"n":2,"s":13}
--> ledger applied 1, filtered 2

-- over no events
CREATE SOURCE e (l BIGINT[]) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT COUNT(*) AS n, SUM(x) AS s FROM e, UNNEST(l) AS t(x);
--> events
--> rows
{"n":0,"s":null}
--> ledger

-- structs, with one name for the element
CREATE SOURCE e (id BIGINT, items STRUCT<sku VARCHAR, qty INT>[]) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT i.sku, SUM(i.qty) AS q FROM e, UNNEST(items) AS t(i) GROUP BY i.sku;
--> events
{"id":1,"items":[{"sku":"a","qty":1},{"sku":"b","qty":2}]}
{"id":2,"items":[{"sku":"a","qty":5},null,{"qty":7}]}
--> rows
{"sku":"a","q":6}
{"sku":"b","q":2}
{"sku":null,"q":7}
--> ledger applied 2

-- structs, with a name for each field, as in Flink
CREATE SOURCE e (id BIGINT, items STRUCT<sku VARCHAR, qty INT>[]) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT article, SUM(t.many) AS q, MAX(n) AS last
FROM e CROSS JOIN UNNEST(e.items) WITH ORDINALITY AS t(article, many, n) GROUP BY article;
--> events
{"id":1,"items":[{"sku":"a","qty":1},{"sku":"b","qty":2}]}
{"id":2,"items":[{"sku":"b","qty":5}]}
--> rows
{"article":"a","q":1,"last":1}
{"article":"b","q":7,"last":2}

-- LEFT JOIN keeps the event without elements, with NULL for element and place
CREATE SOURCE e (id BIGINT, l BIGINT[]) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT id, x, n FROM e LEFT JOIN UNNEST(l) WITH ORDINALITY AS t(x, n) ON true GROUP BY id, x, n;
--> events
{"id":1,"l":[7,null]}
{"id":2,"l":[]}
{"id":3}
--> rows
{"id":1,"x":7,"n":1}
{"id":1,"x":null,"n":2}
{"id":2,"x":null,"n":null}
{"id":3,"x":null,"n":null}
--> ledger applied 3

-- a filter before LEFT JOIN leaves the event out
CREATE SOURCE e (id BIGINT, l BIGINT[]) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT id, COUNT(*) AS n FROM (SELECT * FROM e WHERE id > 1) AS e LEFT JOIN UNNEST(l) AS t(x) ON true
GROUP BY id;
--> events
{"id":1,"l":[7,8]}
{"id":2,"l":[]}
{"id":3,"l":[1,2]}
--> rows
{"id":2,"n":1}
{"id":3,"n":2}
--> ledger applied 2, filtered 1

-- what a filter leaves out need be no list
CREATE SOURCE e (kind VARCHAR, body VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
WITH lists AS (SELECT unnest(body::BIGINT[]) AS x FROM e WHERE kind = 'list')
SELECT COUNT(*) AS n, SUM(x) AS s FROM lists;
--> events
{"kind":"list","body":"[1, 2]"}
{"kind":"text","body":"hello"}
{"kind":"list","body":"oops"}
{"kind":"list","body":"[5]"}
--> rows
{"n":3,"s":8}
--> ledger applied 2, filtered 1, dead_lettered 1

-- one bad element costs its whole event, and no other
CREATE SOURCE e (l VARCHAR[]) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT SUM(x::BIGINT) AS s, COUNT(*) AS n FROM e, UNNEST(l) AS t(x);
--> events
{"l":["1","2"]}
{"l":["3","x"]}
{"l":["4"]}
{"l":[]}
--> rows
{"s":7,"n":3}
--> ledger applied 2, filtered 1, dead_lettered 1

-- JSON arrays
CREATE SOURCE e (doc JSON) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT x->>'sku' AS sku, SUM((x->'qty')::BIGINT) AS q FROM e, UNNEST(CAST(doc->'items' AS JSON[])) AS t(x)
GROUP BY sku;
--> events
{"doc":{"items":[{"sku":"a","qty":1},{"sku":"b","qty":2}]}}
{"doc":{"items":[{"sku":"a","qty":"3"}]}}
{"doc":{"other":1}}
--> rows
{"sku":"a","q":4}
{"sku":"b","q":2}
--> ledger applied 2, filtered 1

-- the entries of a map
CREATE SOURCE e (tags MAP<VARCHAR, BIGINT>) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT name, SUM(value) AS s FROM e, UNNEST(map_entries(tags)) AS t(name, value) GROUP BY name;
--> events
{"tags":{"a":1,"b":2}}
{"tags":{"b":5}}
{"tags":{}}
--> rows
{"name":"a","s":1}
{"name":"b","s":7}
--> ledger applied 2, filtered 1

-- an event is late once, with all of its elements
CREATE SOURCE e (l BIGINT[], ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention = '1 minute') AS
SELECT window_start AS w, x, COUNT(*) AS n FROM TUMBLE(e, ts, INTERVAL '1' MINUTE), UNNEST(l) AS t(x)
WHERE x > 0 GROUP BY w, x;
--> events
{"l":[1,2],"ts":"2026-01-01T01:00:10"}
{"l":[1,2],"ts":"2026-01-01T01:00:20"}
{"l":[0],"ts":"2026-01-01T01:00:20"}
--> rows
{"w":"2026-01-01T01:00:00","x":1,"n":2}
{"w":"2026-01-01T01:00:00","x":2,"n":2}
--> ledger applied 2, filtered 1

-- windows over the elements of a subquery
CREATE SOURCE e (l BIGINT[], ts TIMESTAMP) WITH (connector = 'events');
CREATE VIEW elements AS SELECT ts, unnest(l) AS x FROM e WHERE len(l) < 4;
CREATE MATERIALIZED VIEW v AS
SELECT window_start AS w, SUM(x) AS s FROM TUMBLE(elements, ts, INTERVAL '1' MINUTE) WHERE x > 1 GROUP BY w;
--> events
{"l":[1,2],"ts":"2026-01-01T00:00:10"}
{"l":[3],"ts":"2026-01-01T00:00:20"}
{"l":[3,3,3,3],"ts":"2026-01-01T00:00:20"}
{"l":[1],"ts":"2026-01-01T00:05:00"}
--> rows
{"w":"2026-01-01T00:00:00","s":5}
--> ledger applied 2, filtered 2

-- equal elements of one event are as many rows
CREATE SOURCE e (id BIGINT, l VARCHAR[]) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT id, a, b, COUNT(*) AS n FROM e, UNNEST(l) AS t(a), UNNEST([a, 'z']) AS u(b) GROUP BY id, a, b;
--> events
{"id":1,"l":["x","x"]}
{"id":2,"l":["z"]}
--> rows
{"id":1,"a":"x","b":"x","n":2}
{"id":1,"a":"x","b":"z","n":2}
{"id":2,"a":"z","b":"z","n":2}
--> ledger applied 2
