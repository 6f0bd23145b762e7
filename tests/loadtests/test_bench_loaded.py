import json

import pytest

from loadtests.bench.events import BASE_MS, Stream
from loadtests.bench.loaded import check_row, event_of


@pytest.mark.parametrize("rows", [20_000, 100_000])
def test_the_event_of_every_user_is_known(rows: int) -> None:
    for lines in Stream(rows, rows, "new").chunks():
        for event in range(0, rows, 997):
            told = json.loads(lines[event].tobytes())
            assert event_of(int(told["user_id"].removeprefix("user-")), rows) == event
            assert told["ts"] == BASE_MS + event // 10


def test_a_wrong_row_is_noticed() -> None:
    row = {"user_id": "user-00000007", "orders": 1, "total": 50_000, "last_ts": BASE_MS + 3}
    check_row(row, "user-00000007", 30)
    for name, wrong in (("orders", 2), ("total", 1), ("last_ts", BASE_MS), ("user_id", "x")):
        with pytest.raises(RuntimeError, match="expected"):
            check_row(row | {name: wrong}, "user-00000007", 30)
