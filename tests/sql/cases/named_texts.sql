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

-- letters, places and joins
CREATE SOURCE e (k VARCHAR, x VARCHAR, n INTEGER) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, upper(MAX(x)) AS u, lower(k) || ucase('b') AS l, trim(MAX(x)) AS t, trim(LEADING 'a' FROM k) AS cut, substring(MAX(x) FROM 3 FOR 2) AS s,
  substr(k, -1) AS z, position('l' IN MAX(x)) AS p, split_part(MAX(x), 'l', 3) AS part, concat(k, '-', MAX(n), MAX(x), true) AS j,
  concat_ws(', ', MAX(x), k, SUM(n)) AS listed, concat_ws(MIN(x), 'a', 'b') AS nothing, concat(MAX(x)) AS one
FROM e GROUP BY k HAVING k ILIKE 'A%' AND k NOT ILIKE 'AX_' OR k ^@ 'b';
--> events
{"k":"a1","x":" helloß ","n":1}
{"k":"A2","x":null,"n":null}
{"k":"b2","x":"","n":-5}
{"k":"axy","x":"hello","n":1}
--> rows
{"k":"A2","u":null,"l":"a2B","t":null,"cut":"A2","s":null,"z":"2","p":null,"part":null,"j":"A2-true","listed":"A2","nothing":null,"one":""}
{"k":"a1","u":" HELLOẞ ","l":"a1B","t":"helloß","cut":"1","s":"el","z":"1","p":4,"part":"oß ","j":"a1-1 helloß true","listed":" helloß , a1, 1","nothing":"a helloß b","one":" helloß "}
{"k":"b2","u":"","l":"b2B","t":"","cut":"b2","s":"","z":"2","p":0,"part":"","j":"b2--5true","listed":", b2, -5","nothing":"ab","one":""}
