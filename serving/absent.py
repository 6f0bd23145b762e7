"""What is said of a row, a view or a state that is not there."""

from __future__ import annotations

from collections.abc import Sequence

from keyfold.errors import NotReadyError
from keyfold.state.counter import MissingView
from keyfold.state.reader import StateReader
from keyfold.view.plan import ViewPlan
from keyfold.view.types import ColumnType, Physical


def unordered(kind: ColumnType) -> bool:
    """Say whether keys of a type are in the order of their JSON text, and not in SQL's."""
    return kind.physical is Physical.JSON and kind.name != "JSON"


def absent_hint(key_names: Sequence[str], kinds: Sequence[ColumnType]) -> str:
    """Say how a key is read, and where the keys that are near it are to be found."""
    if not key_names:
        return "it has one row, and HAVING hides it"
    exact = f"the key is ({', '.join(key_names)}), exactly as stored and in this case of letters; "
    if unordered(kinds[0]):
        return f"{exact}/rows lists all keys"
    return f"{exact}/rows?{key_names[0]}.gte=… lists the keys from there on"


def why_missing(view: MissingView) -> str:
    """Say why a view of the SQL file is not kept."""
    if view.error:
        return f"stopped: {view.error}"
    return f"it waits for the columns of source {view.source}"


def why_behind(reader: StateReader, plan: ViewPlan) -> str:
    """Say how a view is that has not caught up with its source yet."""
    told = reader.record.views.get(plan.name)
    if told is not None and told.error:
        return f"stopped before it had caught up: {told.error}"
    behind = [
        source for source in plan.sources if told is None or not told.part(source).ready
    ] or list(plan.sources)
    status = reader.status()[2]
    lives = {source: status.sources.get(source) for source in behind}
    # One that stopped says more than one that is on its way.
    name = next((source for source, live in lives.items() if live and live.error), behind[0])
    live = lives[name]
    why = f", which stopped: {live.error}" if live is not None and live.error else " yet"
    return f"has not caught up with its source {name}{why}"


def not_ready(message: str) -> NotReadyError:
    """Return the error for state that is not there yet."""
    return NotReadyError(message, hint="ask again in a second; /readyz says what is missing")
