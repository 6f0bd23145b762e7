"""Retention: finding rows whose window has passed out of its view's retention.

A reader hides an expired row at once; the writer reclaims its space later, a step at a time, so no
commit grows long. What is found here is deleted with the next commit.

- Every expired row is found in the end, and no other: a pass looks for what had expired at the last
  commit. A partition that is behind the others may bring such a row back, or change it, as long as
  it is not late there (ingest/late.py): it stays hidden, and a later pass finds it.
- Windows end at the multiples of their size (or step), so between two of them nothing new expires
  and there is no pass. What came back or changed stays until time has gone on to the next of them.
- A pane that several windows share goes with the last of them, whose key it is stored under (of
  ``cumulate``: with the widest; with different values: with the last one of its tile).
- A session goes later than it is hidden, once nothing can prolong it any more: an event that is not
  late lies less than a gap before the horizon, in every partition that has a say
  (``CommitRecord.reclaim_time_us``). Its end is no part of its key, so it is read of the rows that
  start early enough.
- The rows of one group (the key columns before the window) lie in the order of their windows: after
  the first few that live, the rest of the group is passed over with one seek.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

from keyfold.state.protocol import Store
from keyfold.view.plan import ViewPlan
from keyfold.view.rowkey import NULL, column_finder, encode_value, prefix_end
from keyfold.view.session import end_reader
from keyfold.view.types import Physical

LIVE_ROWS_MAX = 8
"""Live rows of a group that are stepped over; a seek costs as much as 5 to 8 steps."""
_ROWS_PER_LOOK = 32
_WINDOW_BYTES = 9
_WINDOW_MIN = -(1 << 63)
_TAG_MAX = NULL[0]
_AFTER_TAGS = bytes([_TAG_MAX + 1])


class Reclaimer:
    """Walks one view in steps, round and round, and finds its expired rows.

    Attributes:
        horizon: Window key values (of sessions: ends) at or below this had expired for good at the
            last commit; None: none.
    """

    def __init__(self, plan: ViewPlan, prefix: bytes) -> None:
        assert plan.window_key is not None
        assert plan.window is not None
        assert plan.key_types[plan.window_key].physical is Physical.I64
        self.horizon: int | None = None
        self._plan = plan
        self._window = plan.window
        self._window_at = column_finder(plan.key_types, plan.window_key)
        self._window_leads = plan.window_key == 0
        self._end_of = end_reader(plan) if plan.session else None
        self._prefix = prefix
        self._end = prefix_end(prefix)
        self._at = prefix
        self._searched_to: int | None = None

    @property
    def under_way(self) -> bool:
        """Whether a pass has begun and not ended."""
        return self._at != self._prefix

    def committed(self, time_us: int | None) -> None:
        """Hear how far the view's time was at a commit, as ``reclaim_time_us`` says it."""
        self.horizon = self._plan.expired_before(time_us)
        if self.horizon is not None and self._plan.session:
            self.horizon -= self._window.size_us

    def step(
        self, store: Store, keys_max: int, enough: Callable[[], bool] = lambda: False
    ) -> list[bytes]:
        """Return expired keys among the next rows.

        Args:
            store: Where the rows are.
            keys_max: Rows to look at.
            enough: Says when to stop though there is more; asked every few rows.
        """
        if self.horizon is None:
            return []
        bound = self._last_bound(self.horizon)
        if bound < _WINDOW_MIN:
            return []
        if not self.under_way:
            if bound == self._searched_to:
                return []  # what expires from now on moves the bound
            self._searched_to = bound
        limit = encode_value(Physical.I64, bound)
        # Where the window leads the key, the expired rows are one range at the front.
        end = prefix_end(self._prefix + limit) if self._window_leads else self._end
        found = self._walk(store.keys(self._at, end), limit, keys_max, enough)
        return found if self._end_of is None else self._ended(store, found, self.horizon)

    def _ended(self, store: Store, keys: list[bytes], horizon: int) -> list[bytes]:
        """Return those sessions whose end is at or before the horizon."""
        assert self._end_of is not None
        ended = []
        for key, value in zip(keys, store.get_many(keys), strict=True):
            end = self._end_of(value) if value is not None else None
            if end is not None and end <= horizon:
                ended.append(key)
        return ended

    def _walk(
        self,
        keys: Generator[bytes, bytes | None, None],
        limit: bytes,
        keys_max: int,
        enough: Callable[[], bool],
    ) -> list[bytes]:
        """Walk on, and return the keys whose window is at or below ``limit``, encoded."""
        expired: list[bytes] = []
        looked = pause = live = 0
        group, cut = b"", -1
        try:
            key = next(keys)
            while True:
                if looked == pause:
                    if looked == keys_max or (looked and enough()):
                        self._at = key
                        return expired
                    pause = min(keys_max, looked + _ROWS_PER_LOOK)
                looked += 1
                # No tag follows where a text goes on after what looks like its end.
                if cut < 0 or not key.startswith(group) or key[cut] > _TAG_MAX:
                    cut = self._window_at(key, len(self._prefix))
                    group, live = key[:cut], 0
                # NULL has a tag of its own, greater than that of any value.
                if key[cut : cut + _WINDOW_BYTES] <= limit:
                    expired.append(key)
                    key = next(keys)
                elif live < LIVE_ROWS_MAX:
                    live += 1
                    key = next(keys)
                else:
                    key = keys.send(group + _AFTER_TAGS)
        except StopIteration:
            self._at = self._prefix
            return expired

    def _last_bound(self, horizon: int) -> int:
        """The last bound of a window at or before ``horizon``; of sessions, of a start."""
        if self._window.session:
            horizon -= self._window.size_us
        window = self._window
        if self._plan.tiled:
            # The last window of a tile begins with the last pane, whose bound is the last one.
            last_us = 0 if window.kind == "cumulate" else window.pane_us
            return window.floor_us(horizon + last_us, window.size_us) - last_us
        return window.floor_us(horizon, window.expiry_us)
