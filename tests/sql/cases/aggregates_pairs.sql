-- COVAR_*, CORR and REGR_*

-- no events, no key
CREATE SOURCE e (k VARCHAR, y DOUBLE, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT covar_pop(y, x) AS p, corr(y, x) AS c, regr_slope(y, x) AS s, regr_count(y, x) AS n FROM e;
--> events
--> rows
{"p":null,"c":null,"s":null,"n":0}

-- all values NULL
CREATE SOURCE e (k VARCHAR, y DOUBLE, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, covar_pop(y, x) AS p, covar_samp(y, x) AS s, corr(y, x) AS c, regr_count(y, x) AS n FROM e GROUP BY k;
--> events
{"k":"a"}
{"k":"a","x":null,"y":null}
--> rows
{"k":"a","p":null,"s":null,"c":null,"n":0}

-- a pair of which one is NULL is none
CREATE SOURCE e (k VARCHAR, y DOUBLE, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, covar_pop(y, x) AS p, covar_samp(y, x) AS s, corr(y, x) AS c, regr_count(y, x) AS n FROM e GROUP BY k;
--> events
{"k":"a","y":1,"x":null}
{"k":"a","x":1}
--> rows
{"k":"a","p":null,"s":null,"c":null,"n":0}

-- one pair
CREATE SOURCE e (k VARCHAR, y DOUBLE, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, covar_pop(y, x) AS p, covar_samp(y, x) AS s, corr(y, x) AS c, regr_count(y, x) AS n FROM e GROUP BY k;
--> events
{"k":"a","y":1,"x":2}
--> rows
{"k":"a","p":0.0,"s":null,"c":"NaN","n":1}

-- two pairs on a line up
CREATE SOURCE e (k VARCHAR, y DOUBLE, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, covar_pop(y, x) AS p, covar_samp(y, x) AS s, corr(y, x) AS c, regr_count(y, x) AS n FROM e GROUP BY k;
--> events
{"k":"a","y":1,"x":1}
{"k":"a","y":3,"x":2}
--> rows
{"k":"a","p":0.5,"s":1.0,"c":1.0,"n":2}

-- two pairs on a line down
CREATE SOURCE e (k VARCHAR, y DOUBLE, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, covar_pop(y, x) AS p, covar_samp(y, x) AS s, corr(y, x) AS c, regr_count(y, x) AS n FROM e GROUP BY k;
--> events
{"k":"a","y":3,"x":1}
{"k":"a","y":1,"x":2}
--> rows
{"k":"a","p":-0.5,"s":-1.0,"c":-1.0,"n":2}

-- slope and intercept of a line
CREATE SOURCE e (k VARCHAR, y DOUBLE, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, regr_slope(y, x) AS s, regr_intercept(y, x) AS i, regr_r2(y, x) AS r FROM e GROUP BY k;
--> events
{"k":"a","y":1,"x":0}
{"k":"a","y":3,"x":1}
{"k":"a","y":5,"x":2}
--> rows
{"k":"a","s":2.0,"i":1.0,"r":1.0}

-- x does not vary: a slope of NaN, and no intercept
CREATE SOURCE e (k VARCHAR, y DOUBLE, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, regr_slope(y, x) AS s, regr_intercept(y, x) AS i, regr_r2(y, x) AS r FROM e GROUP BY k;
--> events
{"k":"a","y":1,"x":2}
{"k":"a","y":3,"x":2}
--> rows
{"k":"a","s":"NaN","i":null,"r":null}

-- y does not vary: a flat line, fitted wholly
CREATE SOURCE e (k VARCHAR, y DOUBLE, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, regr_slope(y, x) AS s, regr_intercept(y, x) AS i, regr_r2(y, x) AS r FROM e GROUP BY k;
--> events
{"k":"a","y":2,"x":1}
{"k":"a","y":2,"x":3}
--> rows
{"k":"a","s":0.0,"i":2.0,"r":1.0}

-- means and sums of squares
CREATE SOURCE e (k VARCHAR, y DOUBLE, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, regr_avgx(y, x) AS ax, regr_avgy(y, x) AS ay, regr_sxx(y, x) AS xx, regr_syy(y, x) AS yy, regr_sxy(y, x) AS xy FROM e GROUP BY k;
--> events
{"k":"a","y":1,"x":2}
{"k":"a","y":3,"x":6}
{"k":"a","y":9}
--> rows
{"k":"a","ax":4.0,"ay":2.0,"xx":8.0,"yy":2.0,"xy":4.0}

-- NaN in one pair
CREATE SOURCE e (k VARCHAR, y DOUBLE, x DOUBLE) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, covar_pop(y, x) AS p FROM e GROUP BY k;
--> events
{"k":"a","y":"NaN","x":2}
{"k":"a","y":3,"x":6}
{"k":"b","y":1,"x":"Infinity"}
{"k":"b","y":1,"x":1}
--> rows
{"k":"a","p":"NaN"}
{"k":"b","p":"NaN"}

-- whole numbers, with a filter
CREATE SOURCE e (k VARCHAR, y BIGINT, x BIGINT) WITH (connector = 'events');
CREATE MATERIALIZED VIEW v AS SELECT k, covar_pop(y, x) FILTER (WHERE x < 10) AS p, regr_count(y, x) AS n FROM e GROUP BY k;
--> events
{"k":"a","y":1,"x":1}
{"k":"a","y":3,"x":3}
{"k":"a","y":0,"x":10}
--> rows
{"k":"a","p":1.0,"n":3}
