"""A message that cannot be used, and why: what becomes a dead letter."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reject:
    """A message that cannot be used.

    Attributes:
        row: Its place in the batch.
        reason: What is wrong with it.
        field: The field that does not fit, or empty.
    """

    row: int
    reason: str
    field: str = ""
