"""Law 4: a REST row read at offsets O and the Iceberg row of a snapshot at O are the same row.

Here the two ways from stored bytes to a row, over one store. Through real HTTP and real Iceberg
tables: tests/pipeline/test_demo_equals_duckdb.py.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from keyfold.state.protocol import Store
from keyfold.view.moment import timestamp_text
from keyfold.view.types import column_type, json_writer
from tests.laws.stream import PIPELINE, Event, Stream, events

EVERY = (
    PIPELINE
    + """
CREATE MATERIALIZED VIEW every AS
SELECT user_id, bool_or(amount > 10) AS large, bit_xor(id) AS bits, any_value(ts) AS some_time,
  stddev(weight) AS deviation, corr(weight, id) AS correlation, regr_intercept(weight, id) AS base,
  first_value(amount ORDER BY ts) AS first_amount, latest([id]) AS latest_list,
  array_agg(amount ORDER BY ts DESC LIMIT 3) AS amounts, max(weight, 2) AS heaviest,
  array_agg(ts LIMIT 2) AS times, histogram(id % 3 LIMIT 4) AS rests, mode(amount LIMIT 9) AS usual,
  array_agg(DISTINCT weight LIMIT 3) AS weights
FROM orders GROUP BY user_id;
"""
)


def as_json(value: Any) -> Any:
    """An Arrow value in the form that REST promises."""
    if isinstance(value, dt.datetime):
        return timestamp_text(round(value.timestamp() * 1e6), utc=True)
    return value


@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(log=events)
def test_a_json_row_and_an_arrow_row_are_the_same(
    new_store: Callable[[], Callable[[], Store]], log: Sequence[Event]
) -> None:
    stream = Stream(new_store(), log, EVERY)
    stream.finish()
    for name in ("spend", "busy", "per_minute", "every"):
        compiled, stored = stream.stored(name)
        texts = [compiled.json_row(key, value) for key, value in stored]
        shown: list[dict[str, Any]] = [
            # Numbers as text: a float would hide a digit of a decimal.
            json.loads(text, parse_float=Decimal)
            for text in texts
            if text is not None
        ]
        table = compiled.arrow_table(stored).to_pylist()
        types = {output.name: column_type(output.type) for output in compiled.plan.outputs}
        assert len(shown) == len(table)
        for left, right in zip(shown, table, strict=True):
            assert left.keys() == right.keys()
            for column, shown_value in right.items():
                told, value = left[column], shown_value
                if isinstance(value, float):
                    # repr of a double reads back bit for bit; NaN is a text in JSON
                    told, value = repr(float(told)), repr(value)
                if isinstance(told, list | dict):
                    # What is stored, with its times as an answer has them.
                    value = json.loads(json_writer(types[column])(value), parse_float=Decimal)
                assert told == as_json(value), (name, column)
