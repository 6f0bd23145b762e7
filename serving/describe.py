"""What the catalog routes say of views and sources, as plain structures for JSON.

Read from the catalog, the commit record and the writer's status: never from the rows.
"""

from __future__ import annotations

from typing import Any

import msgspec

from keyfold.errors import NotFoundError
from keyfold.state.reader import StateReader
from keyfold.state.record import ViewRecord
from keyfold.view.plan import SourcePlan, ViewPlan
from serving.lookup import ViewLookup
from serving.size import view_size

HEARTBEAT_MS_MAX = 5_000
"""An ingest process that was not heard of for longer is taken for dead."""


def view_summary(reader: StateReader, view: ViewLookup, now_ms: int) -> dict[str, Any]:
    """Say in short what a view is and how it is."""
    plan = view.plan
    told = reader.record.views.get(plan.name)
    freshness = view.freshness(now_ms)
    return {
        "name": plan.name,
        "source": None if plan.others else plan.source,
        "sources": list(plan.sources),
        "key": list(view.key_names),
        "columns": [{"name": output.name, "type": output.type} for output in plan.outputs],
        "state": msgspec.json.decode(freshness)["state"],
        "error": (told.error or None) if told else None,
        "freshness": msgspec.Raw(freshness.encode()),
    }


def view_detail(reader: StateReader, view: ViewLookup, now_ms: int) -> dict[str, Any]:
    """Say all that is known of a view."""
    plan = view.plan
    told = reader.record.views.get(plan.name)
    return {
        **view_summary(reader, view, now_ms),
        "key_types": [key.type for key in plan.keys],
        "sql": plan.sql,
        "ready": view.ready,
        "window": _window(plan),
        "retention_ms": None if plan.retention_us is None else _ms(plan.retention_us),
        "freshness_slo_ms": plan.freshness_slo_ms or None,
        "offsets": told.told_offsets() if told else {},
        "ledger": {
            "total": told.total().as_dict() if told else {},
            "partitions": _ledgers(told) if told else {},
        },
        "size": view_size(reader, view.view),
    }


def _ledgers(told: ViewRecord) -> dict[str, Any]:
    """Return the ledger by partition; of several sources, by source first."""
    if told.parts:
        return {source: _ledgers(part) for source, part in told.parts.items()}
    return {str(partition): one.as_dict() for partition, one in sorted(told.ledger.items())}


def source_detail(reader: StateReader, name: str, now_ms: int) -> dict[str, Any]:
    """Say how a source is.

    Raises:
        NotFoundError: There is none of that name.
    """
    plan = source_plan(reader, name)
    told = reader.record.sources.get(name)
    live = reader.status()[2].sources.get(name)
    partitions = []
    known = told.partitions if told else {}
    for number in sorted({*known, *(live.partitions if live else {})}):
        offset = known[number].offset if number in known else 0
        now = live.partitions.get(number) if live else None
        offset = max(offset, now.offset) if now else offset
        end = max(offset, now.end_offset) if now else offset
        partitions.append(
            {"partition": number, "offset": offset, "end_offset": end, "lag": end - offset}
        )
    state, error = source_state(reader, plan, now_ms)
    return {
        "name": name,
        "connector": plan.connector,
        "state": state,
        "error": error or None,
        "lag": sum(one["lag"] for one in partitions) + (live.left_off_lag if live else 0),
        "partitions": partitions,
        "events_per_second": live.events_per_second if live and state != "stopped" else 0.0,
        "ledger": {
            "in": sum(one.taken for one in known.values()),
            "dead_lettered": sum(one.dead_lettered for one in known.values()),
        },
    }


def source_state(reader: StateReader, plan: SourcePlan, now_ms: int) -> tuple[str, str]:
    """Return (state of a source, why it stopped or cannot be read for now, or empty)."""
    _, heartbeat_ms, status = reader.status()
    live = status.sources.get(plan.name)
    unheard = "waiting" if plan.waiting else "catching_up"
    state, error = (live.state, live.error) if live else (unheard, "")
    silent_ms = now_ms - heartbeat_ms
    heard = heartbeat_ms > 0  # a writer that waits for its first commit has said nothing yet
    if state in ("complete", "stopped"):
        return state, error
    if status.stopped:
        return "stopped", "the ingest process was stopped"
    if heard and silent_ms > HEARTBEAT_MS_MAX:
        return "stopped", f"nothing was heard of the ingest process for {silent_ms / 1000:.0f} s"
    if heard and silent_ms < -HEARTBEAT_MS_MAX:
        return "stopped", "nothing was heard of the ingest process since the clock was set back"
    return state, error


def ingestion(reader: StateReader, now_ms: int) -> dict[str, Any]:
    """Say whether ingestion moves, and which sources do not, with the reason of each."""
    stopped = {}
    for plan in reader.catalog.catalog.sources:
        state, error = source_state(reader, plan, now_ms)
        if state == "stopped" or error:
            stopped[plan.name] = error
    return {"advancing": not stopped, "stopped": stopped}


def source_plan(reader: StateReader, name: str) -> SourcePlan:
    """Return a source of the catalog.

    Raises:
        NotFoundError: There is none of that name.
    """
    sources = reader.catalog.catalog.sources
    for source in sources:
        if source.name == name:
            return source
    known = ", ".join(sorted(source.name for source in sources)) or "none"
    raise NotFoundError(
        f"there is no source {name!r}", code="no_such_source", hint=f"sources: {known}"
    )


def _window(plan: ViewPlan) -> dict[str, Any] | None:
    window = plan.window
    if window is None:
        return None
    width = "gap_ms" if window.session else "size_ms"
    told = {"kind": window.kind, "column": window.column, width: _ms(window.size_us)}
    return {**told, "step_ms": _ms(window.pane_us)} if window.panes > 1 else told


def _ms(micros: int) -> int | float:
    """Milliseconds, a whole number where they are."""
    whole, rest = divmod(micros, 1_000)
    return micros / 1_000 if rest else whole
