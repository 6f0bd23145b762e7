-- Functions of numbers around aggregates and keys

-- logarithms, powers, signs and bits
CREATE SOURCE e (k VARCHAR, x BIGINT, d DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS
SELECT k, log10(SUM(x)) AS digits, log2(MAX(x)) AS twos, SUM(x) ^ 2 AS square, power(MIN(x), 2) AS least, MAX(x) ** 0.5 AS root,
  exp(ln(COUNT(*))) AS same, sign(MIN(x)) AS sign, trunc(AVG(x)) AS whole, MAX(x) & 6 AS low, MIN(x) | 1 AS odd,
  isnan(MAX(d)) AS nan, isfinite(MAX(d)) AS finite
FROM e GROUP BY k HAVING NOT isinf(MAX(d));
--> events
{"k":"a","x":64,"d":1}
{"k":"a","x":36,"d":2}
{"k":"b","x":5,"d":"Infinity"}
--> rows
{"k":"a","digits":2.0,"twos":6.0,"square":10000.0,"least":1296.0,"root":8.0,"same":2.0,"sign":1,"whole":50.0,"low":0,"odd":37,"nan":false,"finite":true}
