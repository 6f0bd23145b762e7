-- Dates and timestamps around aggregates and keys

-- parts, truncation and differences
CREATE SOURCE e (k VARCHAR, ts TIMESTAMPTZ, d DATE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, date_trunc('hour', MAX(ts)) AS hour, epoch(MAX(ts)) AS epoch, epoch_ms(MAX(ts)) AS ms, epoch_us(MAX(ts)) AS us,
  extract(year FROM MAX(ts)) AS y, date_part('months', MAX(ts)) AS m, day(MAX(d)) AS day, isodow(MAX(d)) AS weekday,
  week(MAX(d)) AS week, date_part('doy', MAX(d)) AS doy, date_diff('second', MIN(ts), MAX(ts)) AS seconds, datediff('days', MIN(d), MAX(d)) AS days
FROM e GROUP BY k;
--> events
{"k":"a","ts":"2026-01-05T10:59:59.5Z","d":"2026-01-05"}
{"k":"a","ts":"2026-01-05T12:00:00.25Z","d":"2025-12-31"}
{"k":"b","ts":null,"d":null}
--> rows
{"k":"a","hour":"2026-01-05T12:00:00Z","epoch":1767614400.25,"ms":1767614400250,"us":1767614400250000,"y":2026,"m":1,"day":5,"weekday":1,"week":2,"doy":5,"seconds":3601,"days":5}
{"k":"b","hour":null,"epoch":null,"ms":null,"us":null,"y":null,"m":null,"day":null,"weekday":null,"week":null,"doy":null,"seconds":null,"days":null}

-- intervals, of the calendar too, and casts
CREATE SOURCE e (k VARCHAR, ts TIMESTAMP) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, MAX(ts) + INTERVAL '90 minutes' AS later, MAX(ts) - INTERVAL '1' MONTH AS month_ago, INTERVAL 1 DAY + MIN(ts) AS next,
  MAX(ts)::DATE AS day, (MAX(ts)::DATE)::TIMESTAMP AS midnight, MAX(ts)::DATE + INTERVAL 6 HOUR AS six,
  MAX(ts) > TIMESTAMP '2026-03-31 00:00:00' - INTERVAL 1 DAY AS late
FROM e GROUP BY k HAVING MAX(ts) + INTERVAL '1 year' > TIMESTAMP '2026-01-01 00:00:00';
--> events
{"k":"a","ts":"2026-03-31T23:00:00"}
{"k":"b","ts":"1999-03-31T23:00:00"}
--> rows
{"k":"a","later":"2026-04-01T00:30:00","month_ago":"2026-02-28T23:00:00","next":"2026-04-01T23:00:00","day":"2026-03-31","midnight":"2026-03-31T00:00:00","six":"2026-03-31T06:00:00","late":true}

-- a bound of a window moved, and a part of one that decides
CREATE SOURCE e (k VARCHAR, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, window_start, window_start + INTERVAL '1' MINUTE AS over, COUNT(*) AS n
FROM TUMBLE(e, ts, INTERVAL '1' MINUTE) GROUP BY k, window_start HAVING hour(window_start) < 12;
--> events
{"k":"a","ts":"2026-01-05T10:59:59.5"}
{"k":"a","ts":"2026-01-05T12:00:00"}
--> rows
{"k":"a","window_start":"2026-01-05T10:59:00","over":"2026-01-05T11:00:00","n":1}
