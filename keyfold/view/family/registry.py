"""The families by name.

=========  ==================================  ======  =============================================
family     slots                               inverse answers
=========  ==================================  ======  =============================================
count      n i64                               yes     COUNT(*), COUNT(x)
sum_int    n i64, sum i128                     yes     SUM, AVG over integers and DECIMAL
sum_wide   n i64, sum i128                     yes     SUM, AVG over DECIMAL of more than 18 digits
sum_real   n i64, sum f64, lost f64            no      SUM, AVG over FLOAT and DOUBLE
min, max   has bool, value (any ordered type)  no      MIN, MAX
=========  ==================================  ======  =============================================
"""

from __future__ import annotations

from keyfold.view.family.count import COUNT
from keyfold.view.family.extreme import MAX, MIN
from keyfold.view.family.law import Family
from keyfold.view.family.sums import SUM_INT, SUM_REAL, SUM_WIDE

FAMILIES: dict[str, Family] = {
    family.name: family for family in (COUNT, SUM_INT, SUM_WIDE, SUM_REAL, MIN, MAX)
}
