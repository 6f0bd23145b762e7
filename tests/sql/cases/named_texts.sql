-- Functions of texts around aggregates and keys

-- ends, parts and patterns
CREATE SOURCE e (k VARCHAR, x VARCHAR) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, left(MAX(x), 2) AS l, right(k, 1) AS r, replace(MAX(x), 'l', 'L') AS changed, starts_with(MIN(x), 'he') AS s,
  ends_with(MIN(x), 'lo') AS e, contains(MAX(x), 'ell') AS c, MAX(x) LIKE 'h_l%' AS fits
FROM e GROUP BY k HAVING k NOT LIKE 'no%';
--> events
{"k":"a1","x":"hello"}
{"k":"none","x":"hello"}
{"k":"b2","x":null}
--> rows
{"k":"a1","l":"he","r":"1","changed":"heLLo","s":true,"e":true,"c":true,"fits":true}
{"k":"b2","l":null,"r":"2","changed":null,"s":null,"e":null,"c":null,"fits":null}
