"""One view as the writer keeps it: its hot partials, and what else is in memory beside them."""

from __future__ import annotations

from dataclasses import dataclass

from keyfold.state.different import Counting, DifferentValues, counting
from keyfold.state.hot import HotPartials
from keyfold.state.protocol import Store
from keyfold.state.retention import Reclaimer
from keyfold.state.seen import SeenValues
from keyfold.state.sessions import Sessions
from keyfold.state.sessionvalues import SessionValues
from keyfold.view.family.law import zero
from keyfold.view.partial import PartialCodec
from keyfold.view.plan import ViewPlan
from keyfold.view.rowkey import encode_key, prefix_end


@dataclass(slots=True)
class ViewState:
    """The writer's side of one view.

    Attributes:
        plan: Its plan.
        prefix: What stands before its row keys.
        hot: Its hot partials.
        values: Its different values; None without DISTINCT.
        counting: The same where its windows are no sessions, which count them by themselves.
        reclaimer: Finds its expired rows; None without retention.
        sessions: What is merged goes through here; None where its windows are no sessions.
    """

    plan: ViewPlan
    prefix: bytes
    hot: HotPartials
    values: DifferentValues | None
    counting: Counting | None
    reclaimer: Reclaimer | None
    sessions: Sessions | None

    @property
    def dirty_count(self) -> int:
        """Keys of it that the next commit will write."""
        return self.hot.dirty_count + (self.values.new_count if self.values is not None else 0)

    def clear(self) -> None:
        """Forget what is not committed."""
        self.hot.clear()
        if self.values is not None:
            self.values.clear()
        if self.sessions is not None:
            self.sessions.clear()


def open_view(plan: ViewPlan, prefix: bytes, store: Store, bytes_max: int) -> ViewState:
    """Return the writer's side of a view.

    Args:
        plan: Its plan.
        prefix: What stands before its row keys.
        store: Where its rows are.
        bytes_max: Memory to keep to.
    """
    codec = PartialCodec(plan.slots)
    no_rows = next(iter(store.scan(prefix, prefix_end(prefix))), None) is None
    reclaimer = Reclaimer(plan, prefix) if plan.retention_us is not None else None
    fetch = store.get_many
    of_sessions = of_rows = None
    if plan.has_sets:
        bytes_max //= 2
        if plan.session:
            seen = SeenValues(fetch, bytes_max, store_empty=no_rows)
            of_sessions = SessionValues(plan, store, seen)
        else:
            of_rows = counting(plan, prefix, fetch, bytes_max, store_empty=no_rows)
    sessions_bytes_max = bytes_max // 4 if plan.session else 0
    bytes_max -= sessions_bytes_max
    hot = HotPartials(plan.aggregates, codec, fetch, bytes_max, store_empty=no_rows)
    if no_rows and plan.standing_keys:
        keys = [prefix + encode_key(plan.key_types, key) for key in plan.standing_keys]
        hot.merge(keys, zero(plan.slots, len(keys)))
    sessions = None
    if plan.session:
        sessions = Sessions(
            plan,
            hot,
            store,
            sessions_bytes_max,
            store_empty=no_rows,
            values=of_sessions,
        )
    values = of_sessions or of_rows
    return ViewState(plan, prefix, hot, values, of_rows, reclaimer, sessions)
