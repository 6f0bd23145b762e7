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
from keyfold.view.types import timestamp_text
from tests.laws.stream import Event, Stream, events


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
    stream = Stream(new_store(), log)
    stream.finish()
    for name in ("spend", "busy", "per_minute"):
        compiled, stored = stream.stored(name)
        texts = [compiled.json_row(key, value) for key, value in stored]
        shown: list[dict[str, Any]] = [
            # Numbers as text: a float would hide a digit of a decimal.
            json.loads(text, parse_float=Decimal)
            for text in texts
            if text is not None
        ]
        table = compiled.arrow_table(stored).to_pylist()
        assert len(shown) == len(table)
        for left, right in zip(shown, table, strict=True):
            assert left.keys() == right.keys()
            for column, value in right.items():
                told = left[column]
                if isinstance(value, float):
                    told = float(told)  # repr of a double reads back bit for bit
                assert told == as_json(value), (name, column)
