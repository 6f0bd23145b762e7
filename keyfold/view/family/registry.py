"""The families by name.

==============  ============================================  =======  ============================
family          slots                                         inverse  answers
==============  ============================================  =======  ============================
count           n i64                                         yes      COUNT(*), COUNT(x)
sum_int         n i64, sum i128                               yes      SUM, AVG of whole numbers
                                                                       and DECIMAL
sum_wide        n i64, sum i128                               yes      SUM, AVG of DECIMAL of more
                                                                       than 18 digits
sum_real        n i64 (below 0: scaled), sum f64, lost f64    no       SUM, AVG of doubles
min             has bool, min (any ordered type)              no       MIN, BOOL_AND, ANY_VALUE
max             has bool, max (any ordered type)              no       MAX, BOOL_OR
bit_and/or/xor  n i64, bits i64 or i128                       xor      BIT_AND, BIT_OR, BIT_XOR
variance        n i64, mean f64, m2 f64                       no       VAR_*, STDDEV_*
pairs           n i64, mean_x, mean_y, xx, yy, xy f64         no       COVAR_*, CORR, REGR_*
first, last     has bool, rank, partition i64, offset i64,    no       FIRST, LAST, ARG_MIN,
and _desc       known bool, value (of any types)                       ARG_MAX, EARLIEST, LATEST
list and _desc  bound i64, items text                         no       ARRAY_AGG, STRING_AGG,
                                                                       JSON_OBJECT_AGG, and MIN,
                                                                       MAX, ARG_MIN, ARG_MAX of n
tally           bound i64, over bool, items text              no       HISTOGRAM, MODE; ARRAY_AGG,
                                                                       STRING_AGG (DISTINCT x)
cpc             sketch bytes                                  no       APPROX_COUNT_DISTINCT
kll             sketch bytes                                  no       APPROX_QUANTILE
top             sketch bytes                                  no       APPROX_TOP_K
best:…          has bool; ranked bool, rank each; partition   no       rows with ROW_NUMBER() = 1
                i64, offset i64; known bool, value each
rows…:…         rows text                                     no       rows with ROW_NUMBER() <= n
==============  ============================================  =======  ============================

The names of ``best`` and ``rows`` go on with their order, so there is one for every order.
"""

from __future__ import annotations

from keyfold.view.family.best import BEST, best
from keyfold.view.family.bits import BIT_AND, BIT_OR, BIT_XOR
from keyfold.view.family.count import COUNT
from keyfold.view.family.extreme import MAX, MIN
from keyfold.view.family.law import Family
from keyfold.view.family.listing import LIST, LIST_DESC
from keyfold.view.family.moments import PAIRS, VARIANCE
from keyfold.view.family.pick import FIRST, FIRST_DESC, LAST, LAST_DESC
from keyfold.view.family.rows import ranked_rows
from keyfold.view.family.sketch import CPC, KLL, TOP
from keyfold.view.family.sums import SUM_INT, SUM_REAL, SUM_WIDE
from keyfold.view.family.tally import TALLY


class _Families(dict[str, Family]):
    def __missing__(self, name: str) -> Family:
        return best(name) if name.startswith(BEST) else ranked_rows(name)


FAMILIES: dict[str, Family] = _Families(
    (family.name, family)
    for family in (
        *(COUNT, SUM_INT, SUM_WIDE, SUM_REAL, MIN, MAX),
        *(BIT_AND, BIT_OR, BIT_XOR, VARIANCE, PAIRS),
        *(FIRST, FIRST_DESC, LAST, LAST_DESC, LIST, LIST_DESC, TALLY),
        *(CPC, KLL, TOP),
    )
)
