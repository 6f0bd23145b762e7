-- Files that are refused: a title, the file, and `line:column word | message | hint`.

-- nothing
-- a comment
--> 1:1 - | the file defines no source | start with CREATE SOURCE name (column TYPE, …) WITH (connector = …)

-- a quote that does not end
CREATE SOURCE s (a INT) WITH (connector = 'events);
--> 1:43 ' | a quoted text or a comment does not end | close it with ', " or */

-- a comment that does not end
CREATE SOURCE s (a INT) WITH (connector = 'events');
/* the rest
--> 2:1 / | a quoted text or a comment does not end | close it with ', " or */

-- CREATE TABLE
CREATE TABLE t (a INT);
--> 1:1 CREATE | a statement cannot start with CREATE TABLE | use CREATE SOURCE for a stream; a view keeps the state

-- a source whose misspelt name is a word of SQL
CREATE MATERIALIZED VIEW v AS SELECT a, COUNT(*) AS n FROM order GROUP BY a;
CREATE SOURCE orders (a INT) WITH (connector = 'events');
--> 1:60 order | syntax error at 'order' | did you mean orders?

-- a source whose name is a word of SQL
CREATE SOURCE "order" (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT a, COUNT(*) AS n FROM order GROUP BY a;
--> 2:60 order | syntax error at 'order' | look at this word and those before it; a name that is an SQL word takes quotes

-- CREATE VIEW with options
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE VIEW v WITH (retention = '7 days') AS SELECT a FROM s;
--> 2:15 WITH | a view that is not materialized has no options | they belong to the CREATE MATERIALIZED VIEW that reads it

-- CREATE VIEW with GROUP BY
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE VIEW v AS SELECT a, COUNT(*) AS n FROM s GROUP BY a;
--> 2:49 GROUP BY | GROUP BY in a subquery cannot be kept | a subquery works row by row: aggregate in the SELECT of the view

-- CREATE VIEW that nobody reads is checked
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE VIEW v AS SELECT b FROM s;
--> 2:25 b | there is no column b | known: a

-- CREATE VIEW of the name of a source
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE VIEW S AS SELECT a FROM s;
--> 2:13 S | S is defined twice | sources and views share their names, without regard to case

-- CREATE VIEW without AS
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE VIEW v SELECT a FROM s;
--> 2:15 SELECT | AS and a SELECT belong here | CREATE VIEW v AS SELECT …

-- a plain view that stands further down
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW m AS SELECT a FROM v GROUP BY a;
CREATE VIEW v AS SELECT a FROM s;
--> 2:45 v | there is no source v | known: s

-- a plain view that reads itself
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE VIEW v AS SELECT a FROM v;
--> 2:32 v | there is no source v | known: s

-- CREATE SINK
CREATE SINK s FROM v WITH (connector = 'kafka');
--> 1:1 CREATE | a statement cannot start with CREATE SINK | every view is served and written to Iceberg as it is: leave the sink out

-- CREATE OR REPLACE
CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT 1;
--> 1:1 CREATE | a statement cannot start with CREATE OR | write CREATE; the file says what there is, and `--rebuild NAME` replaces it

-- SELECT alone
SELECT 1;
--> 1:1 SELECT | a statement cannot start with SELECT | write CREATE MATERIALIZED VIEW name AS in front of it

-- DROP
DROP SOURCE s;
--> 1:1 DROP | a statement cannot start with DROP | the file says what there is: delete the statement that creates it

-- an unknown statement
EXPLAIN SELECT 1;
--> 1:1 EXPLAIN | a statement cannot start with EXPLAIN | a pipeline has CREATE SOURCE and CREATE MATERIALIZED VIEW statements

-- a half word
CREATE
--> 1:1 CREATE | a statement cannot start with CREATE | a pipeline has CREATE SOURCE and CREATE MATERIALIZED VIEW statements

-- no source
CREATE MATERIALIZED VIEW v AS SELECT a FROM s GROUP BY a;
--> 1:1 C | the file defines no source | start with CREATE SOURCE name (column TYPE, …) WITH (connector = …)

-- a source without a name
CREATE SOURCE (a INT) WITH (connector = 'events');
--> 1:15 ( | the source has no name | write its name before (

-- a name that cannot stand in a path
CREATE SOURCE "../etc" (a INT) WITH (connector = 'events');
--> 1:15 "../etc" | '../etc' cannot be the name of a source | it stands in URLs and table names: use letters, digits and _, 100 at most

-- a name with a space
CREATE SOURCE "my orders" (a INT) WITH (connector = 'events');
--> 1:15 "my orders" | 'my orders' cannot be the name of a source | it stands in URLs and table names: use letters, digits and _, 100 at most

-- a reserved name
CREATE SOURCE __s (a INT) WITH (connector = 'events');
--> 1:15 __s | the name __s is reserved | names must not start with two underscores

-- a source in a schema
CREATE SOURCE public.s (a INT) WITH (connector = 'events');
--> 1:15 public | a source has a plain name | leave the schema out

-- two sources of one name
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE SOURCE S (a INT) WITH (connector = 'events');
--> 2:15 S | S is defined twice | sources and views share their names, without regard to case

-- a view with its source's name
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW s AS SELECT a FROM s GROUP BY a;
--> 2:26 s | s is defined twice | sources and views share their names, without regard to case

-- no WITH
CREATE SOURCE s (a INT);
--> 1:15 s | the source has no connector | add WITH (connector = …), one of kafka, events, file, nexmark

-- no connector
CREATE SOURCE s (a INT) WITH (topic = 't');
--> 1:15 s | the source has no connector | add WITH (connector = …), one of kafka, events, file, nexmark

-- an unknown connector
CREATE SOURCE s (a INT) WITH (connector = 'kafak', topic = 't');
--> 1:31 connector | there is no connector 'kafak' | did you mean kafka?

-- a nexmark source without its number of events
CREATE SOURCE s WITH (connector = 'nexmark', seed = '1');
--> 1:15 s | a nexmark source needs the option events | add events = '…' to WITH

-- a misspelt option of a nexmark source
CREATE SOURCE s WITH (connector = 'nexmark', events = '10', seeds = '2');
--> 1:61 seeds | a nexmark source has no option seeds | did you mean seed?

-- a watermark on a column that a nexmark source does not have
CREATE SOURCE s (WATERMARK FOR ts AS ts) WITH (connector = 'nexmark', events = '10');
--> 1:32 ts | WATERMARK FOR ts: there is no column ts | name a TIMESTAMP or TIMESTAMPTZ column of the source

-- an INCLUDE that has the name of a column of a nexmark source
CREATE SOURCE s INCLUDE offset AS bid WITH (connector = 'nexmark', events = '10');
--> 1:35 bid | two columns are named bid | names are equal without regard to case; INCLUDE takes AS name

-- a misspelt option
CREATE SOURCE s (a INT)
WITH (connector = 'kafka', topic = 't',
  scan.startup.mod = 'earliest');
--> 3:3 scan.startup.mod | a kafka source has no option scan.startup.mod | did you mean scan.startup.mode?

-- an option of another connector
CREATE SOURCE s (a INT) WITH (connector = 'events', topic = 't');
--> 1:53 topic | an events source has no option topic | known: connector, idle_timeout, max_future_skew, retention.bytes, retention.ms, scan.startup.mode, segment.bytes, timestamp.unit

-- an option twice
CREATE SOURCE s (a INT) WITH (connector = 'events', connector = 'kafka');
--> 1:31 connector | option connector is given twice | keep one

-- an option that is missing
CREATE SOURCE s (a INT) WITH (connector = 'kafka');
--> 1:15 s | a kafka source needs the option topic | add topic = '…' to WITH

-- a value that is none
CREATE SOURCE s (a INT) WITH (connector = 'events', max_future_skew = now());
--> 1:53 max_future_skew | option max_future_skew takes a text, a number or a word | write max_future_skew = '…'

-- a span that is none
CREATE SOURCE s (a INT) WITH (connector = 'events', max_future_skew = 'soon');
--> 1:53 max_future_skew | max_future_skew: 'soon' is no span of time | write it like '5 minutes'

-- a negative span
CREATE SOURCE s (a INT) WITH (connector = 'events', max_future_skew = '-1 hour');
--> 1:53 max_future_skew | max_future_skew must be zero or more | write max_future_skew = '7 days'

-- a value of bytes that are none
CREATE SOURCE s (a INT) WITH (connector = x'events');
--> 1:1 CREATE | this statement cannot be read | docs/sql.md shows the forms that there are

-- an unknown unit
CREATE SOURCE s (a INT) WITH (connector = 'events', timestamp.unit = 'minutes');
--> 1:53 timestamp.unit | timestamp.unit cannot be 'minutes' | it is one of auto, s, ms, us, ns

-- an unknown type
CREATE SOURCE s (a INT, b NUMBER_) WITH (connector = 'events');
--> 1:25 b | column b: type with name NUMBER_ does not exist | column types are DuckDB's: BIGINT, VARCHAR, DECIMAL(18,2), TIMESTAMPTZ, …

-- a type that is too wide
CREATE SOURCE s (a INT, b DECIMAL(40,2)) WITH (connector = 'events');
--> 1:25 b | column b: DECIMAL type width must be between 1 and 38 | column types are DuckDB's: BIGINT, VARCHAR, DECIMAL(18,2), TIMESTAMPTZ, …

-- a column without a type
CREATE SOURCE s (a INT, b) WITH (connector = 'events');
--> 1:25 b | column b has no type | write b VARCHAR

-- a constraint
CREATE SOURCE s (a INT PRIMARY KEY) WITH (connector = 'events');
--> 1:18 a | column a has a constraint | a source's columns are name and type; filter with WHERE in the view

-- a primary key
CREATE SOURCE s (a INT, PRIMARY KEY (a)) WITH (connector = 'events');
--> 1:38 a | a column list cannot have PRIMARY KEY (a) | write columns as name TYPE, and WATERMARK FOR column AS column - INTERVAL …

-- a column twice
CREATE SOURCE s (a INT, A INT) WITH (connector = 'events');
--> 1:25 A | two columns are named A | names are equal without regard to case; INCLUDE takes AS name

-- a column and an INCLUDE of one name
CREATE SOURCE s (a INT, k INT) INCLUDE key AS k WITH (connector = 'events');
--> 1:47 k | two columns are named k | names are equal without regard to case; INCLUDE takes AS name

-- a reserved column
CREATE SOURCE s (a INT, __partition INT) WITH (connector = 'events');
--> 1:25 __partition | column name __partition is reserved | names must not start with two underscores

-- an unknown INCLUDE
CREATE SOURCE s (a INT) INCLUDE offest AS o WITH (connector = 'events');
--> 1:33 offest | INCLUDE offest is not supported | did you mean offset?

-- FORMAT UPSERT
CREATE SOURCE s (a INT) WITH (connector = 'events') FORMAT UPSERT ENCODE JSON;
--> 1:60 UPSERT | FORMAT UPSERT is not supported | use FORMAT PLAIN; every message is an event

-- ENCODE AVRO
CREATE SOURCE s (a INT) WITH (connector = 'events') FORMAT PLAIN ENCODE AVRO;
--> 1:73 AVRO | ENCODE AVRO is not supported | use one of json, csv, parquet

-- options of ENCODE
CREATE SOURCE s (a INT) WITH (connector = 'events') FORMAT PLAIN ENCODE JSON (timestamptz.handling.mode = 'micro');
--> 1:73 JSON | ENCODE JSON takes no options | options stand in the first WITH (…)

-- a watermark for no column
CREATE SOURCE s (a INT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (connector = 'events');
--> 1:39 ts | WATERMARK FOR ts: there is no column ts | name a TIMESTAMP or TIMESTAMPTZ column of the source

-- a watermark for no column, by way of one
CREATE SOURCE s (ts TIMESTAMP, WATERMARK FOR tz AS ts - INTERVAL '5' SECOND) WITH (connector = 'events');
--> 1:46 tz | WATERMARK FOR tz: there is no column tz | name a TIMESTAMP or TIMESTAMPTZ column of the source

-- a watermark for a misspelt column, before it
CREATE SOURCE s (WATERMARK FOR paid_t AS paid_at - INTERVAL '5' SECOND, paid_at TIMESTAMP) WITH (connector = 'events');
--> 1:32 paid_t | WATERMARK FOR paid_t: there is no column paid_t | did you mean paid_at?

-- a watermark for a number
CREATE SOURCE s (a INT, WATERMARK FOR a AS a - INTERVAL '5' SECOND) WITH (connector = 'events');
--> 1:39 a | WATERMARK FOR a: it is of type INTEGER | name a TIMESTAMP or TIMESTAMPTZ column of the source

-- a watermark that is an expression
CREATE SOURCE s (ts TIMESTAMP, WATERMARK FOR ts AS date_trunc('hour', ts)) WITH (connector = 'events');
--> 1:46 ts | a watermark is its column less an interval | write ts - INTERVAL '5' SECOND

-- a watermark less a number
CREATE SOURCE s (ts TIMESTAMP, WATERMARK FOR ts AS ts - 5) WITH (connector = 'events');
--> 1:57 5 | an interval belongs here | write INTERVAL '5' MINUTE

-- a watermark less a month
CREATE SOURCE s (ts TIMESTAMP,
  WATERMARK FOR ts AS ts - INTERVAL '1' MONTH
) WITH (connector = 'events');
--> 2:28 INTERVAL | the length of a month depends on the calendar | use days

-- two watermarks
CREATE SOURCE s (ts TIMESTAMP, WATERMARK FOR ts AS ts, WATERMARK FOR ts AS ts) WITH (connector = 'events');
--> 1:70 ts | a source has one watermark | keep one

-- no column list, and none detected
CREATE SOURCE s WITH (connector = 'events');
--> 1:15 s | source s has no column list, and none was detected yet | `keyfold sources infer` prints one; `keyfold run` detects it from the data

-- a source with a query
CREATE SOURCE s AS SELECT 1;
--> 1:27 1 | a source has no query | write CREATE MATERIALIZED VIEW

-- words after a source
CREATE SOURCE s (a INT) WITH (connector = 'events') FOO BAR;
--> 1:57 BAR | syntax error at 'BAR': unexpected word | look at this word and those before it; a name that is an SQL word takes quotes

-- a view without a name
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW AS SELECT a FROM s GROUP BY a;
--> 2:26 AS | the view has no name | write its name before AS

-- a view without AS
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v SELECT a FROM s GROUP BY a;
--> 2:28 SELECT | AS and a SELECT belong here | CREATE MATERIALIZED VIEW v AS SELECT …

-- a view without a SELECT
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS;
--> 2:28 AS | a SELECT belongs after AS | CREATE MATERIALIZED VIEW v AS SELECT …

-- a view with a column list
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v (a) AS SELECT a FROM s GROUP BY a;
--> 2:28 ( | a view takes its column names from SELECT | write SELECT expression AS name

-- a view with a misspelt option
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retentoin = '7 days') AS SELECT a FROM s GROUP BY a;
--> 2:34 retentoin | a view has no option retentoin | did you mean retention?

-- a view with an option without a value
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention) AS SELECT a FROM s GROUP BY a;
--> 2:43 ) | option retention has no value | write retention = '…'

-- a view with an option twice
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (freshness_slo = '1 s', freshness_slo = '2 s') AS SELECT a FROM s GROUP BY a;
--> 2:57 freshness_slo | option freshness_slo is given twice | keep one

-- WITH that does not end
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (freshness_slo = '1 s' AS SELECT a FROM s GROUP BY a;
--> 2:56 AS | , or ) belongs here | quote a value: key = '…'

-- retention without a window
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention = '7 days') AS SELECT a FROM s GROUP BY a;
--> 2:34 retention | retention needs a window | group by window_start of TUMBLE(source, ts, INTERVAL …), or leave retention out

-- retention without the window in the key
CREATE SOURCE s (a INT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention = '7 days') AS
SELECT a FROM TUMBLE(s, ts, INTERVAL '1' DAY) GROUP BY a;
--> 2:34 retention | retention needs a window | group by window_start of TUMBLE(source, ts, INTERVAL …), or leave retention out

-- retention with a grouping set that has no window
CREATE SOURCE s (a INT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention = '7 days') AS
SELECT GROUPING(window_start, a) AS g, window_start, a FROM TUMBLE(s, ts, INTERVAL '1' DAY) GROUP BY CUBE (window_start, a);
--> 2:34 retention | retention needs the window in every grouping set | group the sets within a window: GROUP BY window_start, ROLLUP (…)

-- retention without a watermark
CREATE SOURCE s (a INT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention = '7 days') AS
SELECT window_start FROM TUMBLE(s, ts, INTERVAL '1' DAY) GROUP BY window_start;
--> 2:34 retention | retention needs the event time of the source | add WATERMARK FOR ts AS ts - INTERVAL '5' SECOND to s

-- retention over another time than the watermark's
CREATE SOURCE s (a TIMESTAMP, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention = '7 days') AS
SELECT window_start FROM TUMBLE(s, a, INTERVAL '1' DAY) GROUP BY window_start;
--> 2:34 retention | retention needs the event time of the source | add WATERMARK FOR a AS a - INTERVAL '5' SECOND to s

-- retention that is none
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention = 'long') AS SELECT a FROM s GROUP BY a;
--> 2:34 retention | retention: 'long' is no span of time | write it like '5 minutes'

-- retention of months
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention = '3 months') AS SELECT a FROM s GROUP BY a;
--> 2:34 retention | retention: the length of a month depends on the calendar | use days

-- freshness_slo of nothing
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (freshness_slo = '0 s') AS SELECT a FROM s GROUP BY a;
--> 2:34 freshness_slo | freshness_slo must be positive | write freshness_slo = '7 days'

-- a span without end
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention = '99999999999999999999 days') AS SELECT a FROM s GROUP BY a;
--> 2:34 retention | retention: '99999999999999999999 days' is longer than 10,000 years | write retention = '7 days'

-- idle_timeout without a watermark
CREATE SOURCE s (a INT) WITH (connector = 'events', idle_timeout = '1 min');
--> 1:53 idle_timeout | idle_timeout needs a watermark | add WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, or leave idle_timeout out

-- EMIT ON WINDOW CLOSE without a window
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT a FROM s GROUP BY a EMIT ON WINDOW CLOSE;
--> 2:58 EMIT | EMIT ON WINDOW CLOSE needs a window | group by window_start of TUMBLE(source, ts, INTERVAL …), or leave EMIT ON WINDOW CLOSE out

-- EMIT ON WINDOW CLOSE of a plain view
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE VIEW v AS SELECT a FROM s EMIT ON WINDOW CLOSE;
--> 2:34 EMIT | a view that is not materialized emits nothing | EMIT ON WINDOW CLOSE belongs to the CREATE MATERIALIZED VIEW that reads it

-- EMIT ON WINDOW CLOSE with a grouping set of all windows
CREATE SOURCE s (a INT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT GROUPING(window_start) AS g, window_start FROM TUMBLE(s, ts, INTERVAL '1' DAY) GROUP BY ROLLUP (window_start) EMIT ON WINDOW CLOSE;
--> 2:148 EMIT | EMIT ON WINDOW CLOSE needs the window in every grouping set | group the sets within a window: GROUP BY window_start, ROLLUP (…)

-- EMIT ON WINDOW CLOSE without an event time
CREATE SOURCE s (ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT window_start FROM TUMBLE(s, ts, INTERVAL '1' DAY) GROUP BY 1 EMIT ON WINDOW CLOSE;
--> 2:99 EMIT | EMIT ON WINDOW CLOSE needs the event time of the source | add WATERMARK FOR ts AS ts - INTERVAL '5' SECOND to s

-- on_late without an event time
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (on_late = 'drop') AS SELECT a FROM s GROUP BY a;
--> 2:34 on_late | on_late needs the event time of the source | add WATERMARK FOR ts AS ts - INTERVAL '5' SECOND to s

-- on_late that is no such word
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (on_late = 'ignore') AS SELECT a FROM s GROUP BY a;
--> 2:34 on_late | on_late cannot be 'ignore' | it is one of apply, drop, dead_letter

-- list_limit that is no number
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (list_limit = 'all') AS SELECT list(a) AS l FROM s;
--> 2:34 list_limit | list_limit cannot be 'all' | it is a number from 1 to 1000

-- list_limit that is too large
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (list_limit = 1001) AS SELECT list(a) AS l FROM s;
--> 2:34 list_limit | list_limit cannot be '1001' | it is a number from 1 to 1000

-- a source's column that TUMBLE adds
CREATE SOURCE s (window_start INT, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT window_end FROM TUMBLE(s, ts, INTERVAL '1' DAY) GROUP BY 1;
--> 2:61 s | source s has a column window_start, which TUMBLE adds | rename it in CREATE SOURCE, or read the source without TUMBLE

-- tabs before the place
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
	SELECT a,		nosuch FROM s GROUP BY a;
--> 3:13 nosuch | there is no column nosuch | known: a

-- a type that no message can hold
CREATE SOURCE s (a INT, b BIT[]) WITH (connector = 'events');
--> 1:25 b | column b: no value of type BIT[] can be read from a message | declare it as VARCHAR or JSON, and cast it in the view

-- a word of another statement behind the options of a source
CREATE SOURCE s (a INT) WITH (connector = 'events') MATERIALIZED;
--> 1:53 MATERIALIZED | a source cannot have MATERIALIZED | after the columns: INCLUDE …, WITH (…), FORMAT PLAIN ENCODE JSON

-- UNION ALL of types that are not one
CREATE SOURCE a (k VARCHAR, x INT, day DATE, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE SOURCE b (k VARCHAR, y INT[], t TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, COUNT(*) AS n
FROM (SELECT k, x FROM a UNION ALL SELECT k, y FROM b) GROUP BY k;
--> 4:14 k | column x of the UNION ALL has the types INTEGER and INTEGER[] | cast it to one type in each SELECT

-- UNION ALL of a day and a number
CREATE SOURCE a (k VARCHAR, x INT, day DATE, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE SOURCE b (k VARCHAR, y INT[], t TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, COUNT(*) AS n
FROM (SELECT k, day FROM a UNION ALL SELECT k, len(y) FROM b) GROUP BY k;
--> 4:45 k | column day of the UNION ALL has the types DATE and BIGINT | cast it to one type in each SELECT

-- UNION ALL of a UNION ALL
CREATE SOURCE a (k VARCHAR, x INT, day DATE, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE SOURCE b (k VARCHAR, y INT[], t TIMESTAMP) WITH (connector = 'events');
CREATE VIEW u AS SELECT k FROM a UNION ALL SELECT k FROM b;
CREATE MATERIALIZED VIEW v AS SELECT k, COUNT(*) AS n FROM (SELECT k FROM u UNION ALL SELECT k FROM a) GROUP BY k;
--> 4:68 k | a UNION ALL of a UNION ALL cannot be kept | write one UNION ALL of all SELECTs

-- a plain view of a UNION ALL that nobody reads
CREATE SOURCE a (k VARCHAR, x INT, day DATE, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE SOURCE b (k VARCHAR, y INT[], t TIMESTAMP) WITH (connector = 'events');
CREATE VIEW u AS SELECT k FROM a UNION ALL SELECT nosuch FROM b;
CREATE MATERIALIZED VIEW v AS SELECT k, COUNT(*) AS n FROM a GROUP BY k;
--> 3:51 nosuch | there is no column nosuch | known: k, t, y

-- a name of Keyfold's own in a UNION ALL
CREATE SOURCE a (k VARCHAR, x INT, day DATE, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE SOURCE b (k VARCHAR, y INT[], t TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, COUNT(*) AS n
FROM (SELECT k, x AS __partition FROM a UNION ALL SELECT k, 1 FROM b) GROUP BY k;
--> 4:14 k | a column cannot be named __partition | names that begin with __ are Keyfold's own

-- the latest of a UNION ALL
CREATE SOURCE a (k VARCHAR, x INT, day DATE, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE SOURCE b (k VARCHAR, y INT[], t TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, LATEST(x) AS x
FROM (SELECT k, x FROM a UNION ALL SELECT k, 1 FROM b) GROUP BY k;
--> 3:48 x | without an order it is taken by its place in its source, and a UNION ALL has several | name an order: last_value(x ORDER BY ts), array_agg(x ORDER BY ts)

-- a list of a UNION ALL
CREATE SOURCE a (k VARCHAR, x INT, day DATE, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE SOURCE b (k VARCHAR, y INT[], t TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, ARRAY_AGG(x LIMIT 3) AS x
FROM (SELECT k, x FROM a UNION ALL SELECT k, 1 FROM b) GROUP BY k;
--> 3:51 x | without an order it is taken by its place in its source, and a UNION ALL has several | name an order: last_value(x ORDER BY ts), array_agg(x ORDER BY ts)

-- retention where a source of a UNION ALL has no event time
CREATE SOURCE a (k VARCHAR, x INT, day DATE, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE SOURCE b (k VARCHAR, y INT[], t TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention = '1 hour') AS SELECT window_start, COUNT(*) AS n
FROM TUMBLE((SELECT ts FROM a UNION ALL SELECT t FROM b), ts, INTERVAL '1' MINUTE) GROUP BY window_start;
--> 3:34 retention | retention needs the event time of the source | add WATERMARK FOR t AS t - INTERVAL '5' SECOND to b

-- retention where a UNION ALL computes its time
CREATE SOURCE a (k VARCHAR, x INT, day DATE, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE SOURCE b (k VARCHAR, y INT[], t TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (retention = '1 hour') AS SELECT window_start, COUNT(*) AS n
FROM TUMBLE((SELECT ts + INTERVAL '1' DAY AS ts FROM a UNION ALL SELECT t FROM b), ts, INTERVAL '1' MINUTE) GROUP BY window_start;
--> 3:34 retention | retention needs the event time of the source | ts is computed of a: select its event time

-- late events where a source of a UNION ALL has no event time
CREATE SOURCE a (k VARCHAR, x INT, day DATE, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE SOURCE b (k VARCHAR, y INT[], t TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v WITH (on_late = 'drop') AS SELECT k, COUNT(*) AS n
FROM (SELECT k FROM a UNION ALL SELECT k FROM b) GROUP BY k;
--> 3:34 on_late | on_late needs the event time of the source | add WATERMARK FOR ts AS ts - INTERVAL '5' SECOND to b

-- a view over a kept view
CREATE SOURCE s (a INT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW m AS SELECT a, COUNT(*) AS n FROM s GROUP BY a;
CREATE MATERIALIZED VIEW v AS SELECT n, COUNT(*) AS m FROM m GROUP BY n;
--> 3:60 m | m is a kept view, and a view reads sources | repeat its query over the source; what works row by row can be a CREATE VIEW that both read

-- a window over a kept view
CREATE SOURCE s (a INT, ts TIMESTAMPTZ) WITH (connector = 'events');
CREATE MATERIALIZED VIEW m AS SELECT a, MAX(ts) AS ts FROM s GROUP BY a;
CREATE MATERIALIZED VIEW v AS SELECT a, window_start, COUNT(*) AS m FROM TUMBLE(m, ts, INTERVAL '1' MINUTE) GROUP BY a, window_start;
--> 3:81 m | m is a kept view, and a view reads sources | repeat its query over the source; what works row by row can be a CREATE VIEW that both read

-- a JSON operator of PostgreSQL
CREATE SOURCE s (a INT, j JSON) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT a, COUNT(*) AS n FROM s WHERE j @> '{"b": 1}' GROUP BY a;
--> 2:68 j | no function matches the given name and argument types '@>(JSON, STRING_LITERAL)' | write json_contains(column, '…')
