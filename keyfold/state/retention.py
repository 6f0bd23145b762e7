"""Retention: finding rows whose window has passed out of its view's retention.

A reader hides an expired row at once; the writer reclaims its space later, a slice of the view at a
time, so no commit grows long. What is found here is deleted with the next commit.
"""

from __future__ import annotations

from keyfold.state.protocol import Store
from keyfold.view.plan import ViewPlan
from keyfold.view.rowkey import decode_key, encode_value, prefix_end


class Reclaimer:
    """Walks one view in slices, round and round, and finds its expired rows."""

    def __init__(self, plan: ViewPlan, prefix: bytes) -> None:
        assert plan.window_key is not None
        self._types = plan.key_types
        self._window_key = plan.window_key
        self._prefix = prefix
        self._end = prefix_end(prefix)
        self._at = prefix
        self._searched_to: int | None = None

    def step(self, store: Store, horizon: int, keys_max: int) -> list[bytes]:
        """Return expired keys among the next ``keys_max`` rows.

        Args:
            store: Where the rows are.
            horizon: Window key values at or below this are expired.
            keys_max: Rows to look at.
        """
        if self._at == self._prefix and horizon == self._searched_to:
            return []  # what expires from now on moves the horizon
        if self._at == self._prefix:
            self._searched_to = horizon
        expired: list[bytes] = []
        looked = 0
        end = self._end
        if self._window_key == 0:
            # The window leads the key: the expired rows are one range at the front.
            physical = self._types[0].physical
            end = prefix_end(self._prefix + encode_value(physical, horizon))
        cut = len(self._prefix)
        for key, _ in store.scan(self._at, end):
            if looked == keys_max:
                self._at = key
                return expired
            looked += 1
            value = decode_key(self._types, key[cut:])[self._window_key]
            if isinstance(value, int) and value <= horizon:
                expired.append(key)
        self._at = self._prefix
        return expired
