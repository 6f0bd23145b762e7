"""Where a partition ends: what is told of it, and what is not known."""

from __future__ import annotations

from ingest.source.kafka_ends import PartitionEnds

NO_FETCH_YET = -1001


def test_before_the_first_fetch_a_partition_ends_where_the_broker_said_at_open() -> None:
    ends = PartitionEnds("s", {0: 100}, 1_000.0)
    assert ends.end(0, 50, NO_FETCH_YET) == 100
    assert ends.end(0, 120, NO_FETCH_YET) == 120


def test_nobody_knows_the_end_of_a_partition_that_had_no_leader_at_open() -> None:
    ends = PartitionEnds("s", {0: 100}, 1_000.0)
    assert ends.end(1, 50, NO_FETCH_YET) is None
    assert ends.end(1, 50, 5_000) == 5_000  # a fetch tells


def test_messages_of_an_open_transaction_are_not_there_yet() -> None:
    ends = PartitionEnds("s", {0: 100}, 1_000.0)
    ends.settle(0, 130)
    assert ends.end(0, 110, 130) == 110
    assert ends.end(0, 110, 140) == 140
