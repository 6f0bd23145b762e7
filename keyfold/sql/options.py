"""The words of WITH: which options a source and a view take, and of what kind a value must be.

The ingest house reads most of these options itself; that they are known here lets ``keyfold check``
name a misspelt one, with its place, on a machine that has no broker and no files.
"""

from __future__ import annotations

from dataclasses import dataclass

from keyfold.errors import SqlError, SqlLocation, did_you_mean
from keyfold.sql.calls import BOUND_MAX
from keyfold.sql.interval import span_us
from keyfold.view.plan import OnLate

ENCODES = ("json", "csv", "parquet")
SHARED_OPTIONS = ("connector", "idle_timeout", "max_future_skew", "timestamp.unit")
CONNECTOR_OPTIONS: dict[str, tuple[str, ...]] = {
    "kafka": (
        "topic",
        "scan.startup.mode",
        "scan.startup.timestamp.millis",
        "partitions.refresh.interval.ms",
        "properties.bootstrap.servers",
    ),
    "events": ("scan.startup.mode", "segment.bytes", "retention.bytes", "retention.ms"),
    "file": ("path", "watch", "delimiter", "header", "columns"),
    "nexmark": ("events", "seed", "partitions", "rate"),
}
NEEDED_OPTIONS = {"kafka": ("topic",), "events": (), "file": ("path",), "nexmark": ("events",)}
TIMESTAMP_UNITS = ("auto", "s", "ms", "us", "ns")
VIEW_OPTIONS = ("retention", "freshness_slo", "on_late", "list_limit")
LIST_LIMIT = 100
"""Values in a list that has no LIMIT, where the view does not say."""
ON_LATE: tuple[OnLate, ...] = ("apply", "drop", "dead_letter")
_PASSED_ON = {"kafka": "properties."}
_CHOICES = {
    "timestamp.unit": TIMESTAMP_UNITS,
    "header": ("true", "false"),
    "watch": ("true", "false"),
}


@dataclass(frozen=True, slots=True)
class Option:
    """One ``key = value`` of a WITH clause, and where it stands."""

    key: str
    value: str
    location: SqlLocation


def check_source_options(options: dict[str, Option], location: SqlLocation) -> None:
    """Check a source's options.

    Args:
        options: By key.
        location: Of the source's name, for an option that is missing.

    Raises:
        SqlError: No connector, an option that it does not have, or a value of the wrong kind.
    """
    connector = options.get("connector")
    if connector is None:
        raise SqlError(
            "the source has no connector",
            hint=f"add WITH (connector = …), one of {', '.join(CONNECTOR_OPTIONS)}",
            location=location,
        )
    if connector.value not in CONNECTOR_OPTIONS:
        raise SqlError(
            f"there is no connector {connector.value!r}",
            hint=did_you_mean(connector.value, CONNECTOR_OPTIONS),
            location=connector.location,
        )
    known = (*SHARED_OPTIONS, *CONNECTOR_OPTIONS[connector.value])
    passed_on = _PASSED_ON.get(connector.value, "\0")
    for key, option in options.items():
        if key not in known and not key.startswith(passed_on):
            raise SqlError(
                f"{_article(connector.value)} source has no option {key}",
                hint=did_you_mean(key, known),
                location=option.location,
            )
        choices = _CHOICES.get(key)
        if choices and option.value.lower() not in choices:
            raise SqlError(
                f"{key} cannot be {option.value!r}",
                hint=f"it is one of {', '.join(choices)}",
                location=option.location,
            )
    for key in NEEDED_OPTIONS[connector.value]:
        if not (key in options and options[key].value):
            raise SqlError(
                f"{_article(connector.value)} source needs the option {key}",
                hint=f"add {key} = '…' to WITH",
                location=options[key].location if key in options else location,
            )


def _article(connector: str) -> str:
    return f"{'an' if connector[0] in 'aeiou' else 'a'} {connector}"


def option_us(option: Option, *, least_us: int) -> int:
    """Return the span of time that an option gives, in µs.

    Raises:
        SqlError: It is none, or less than ``least_us``.
    """
    try:
        span = span_us(option.value)
    except ValueError as problem:
        message, _, hint = str(problem).partition("; ")
        raise SqlError(
            f"{option.key}: {message}",
            hint=hint or f"write {option.key} = '7 days'",
            location=option.location,
        ) from problem
    if span < least_us:
        raise SqlError(
            f"{option.key} must be {'positive' if least_us else 'zero or more'}",
            hint=f"write {option.key} = '7 days'",
            location=option.location,
        )
    return span


def view_spans(options: dict[str, Option]) -> tuple[int | None, int]:
    """Return a view's (retention in µs or None, freshness_slo in ms or 0).

    Raises:
        SqlError: A view has no such option, or its value is no positive span of time.
    """
    spans: dict[str, int] = {}
    for key, option in options.items():
        if key not in VIEW_OPTIONS:
            raise SqlError(
                f"a view has no option {key}",
                hint=did_you_mean(key, VIEW_OPTIONS),
                location=option.location,
            )
        if key in ("retention", "freshness_slo"):
            spans[key] = option_us(option, least_us=1)
    return spans.get("retention"), -(-spans.get("freshness_slo", 0) // 1_000)


def view_list_limit(options: dict[str, Option]) -> int:
    """Return how many values a list without LIMIT keeps.

    Raises:
        SqlError: It is no number, or too large a one.
    """
    option = options.get("list_limit")
    if option is None:
        return LIST_LIMIT
    if not option.value.isdecimal() or not 1 <= int(option.value) <= BOUND_MAX:
        raise SqlError(
            f"list_limit cannot be {option.value!r}",
            hint=f"it is a number from 1 to {BOUND_MAX}",
            location=option.location,
        )
    return int(option.value)


def view_on_late(options: dict[str, Option]) -> OnLate:
    """Return what becomes of late events in a view.

    Raises:
        SqlError: It is no such word.
    """
    option = options.get("on_late")
    if option is None:
        return "apply"
    chosen = next((word for word in ON_LATE if word == option.value.lower()), None)
    if chosen is None:
        raise SqlError(
            f"on_late cannot be {option.value!r}",
            hint=f"it is one of {', '.join(ON_LATE)}",
            location=option.location,
        )
    return chosen
