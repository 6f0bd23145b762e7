"""The oracle: whatever the SQL, cuts, crashes and order of events, DuckDB's batch answer.

``python -m tests.oracle`` is the long run.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.oracle.__main__ import fails, smallest
from tests.oracle.case import Case
from tests.oracle.check import check
from tests.oracle.grammar import make_case

SEEDS = [
    int(line.split()[0])
    for line in (Path(__file__).parent / "seeds.txt").read_text().splitlines()
    if line and not line.startswith("#")
]


@settings(
    max_examples=200,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # --cases 1 --seed N repeats a case
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 2**32))
def test_a_generated_view_is_what_duckdb_answers(seed: int) -> None:
    check(make_case(Random(seed)))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_that_failed_once_does_not_fail_again(seed: int) -> None:
    check(make_case(Random(seed)))


def wrong(case: Case) -> Case:
    """A case whose batch answer counts an event too many."""
    return replace(case, batch=case.batch.replace("COUNT(*)", "COUNT(*) + 1"))


def test_a_wrong_answer_is_seen_and_told_with_the_fewest_events() -> None:
    counting = (case for case in map(make_case, map(Random, range(1000))) if plain(case))
    case = wrong(next(counting))
    assert fails(case)
    few = smallest(case)
    assert fails(few)
    assert len(few.messages) == 1
    assert not few.plan


def plain(case: Case) -> bool:
    """Whether a case has rows by key, and each shows how many events it has."""
    words = ("WHERE", "HAVING", "EMIT", "UNNEST", "CASE", "ROLLUP", "CUBE", "SETS", "nullif")
    return (
        "COUNT(*) AS a" in case.batch
        and len(case.key) > 0
        and len(case.messages) > 9
        and not any(word in case.sql for word in words)
    )
