"""A source's plan → its connector's options, checked: the same for a check and for a run."""

from __future__ import annotations

from keyfold.connector.file_options import FileOptions, file_options
from keyfold.connector.kafka_options import KafkaOptions, kafka_options
from keyfold.connector.nexmark_options import NexmarkOptions, nexmark_options
from keyfold.errors import SettingsError
from keyfold.eventlog.options import EventsOptions, events_options
from keyfold.view.plan import SourcePlan


def connector_options(
    plan: SourcePlan,
) -> KafkaOptions | EventsOptions | FileOptions | NexmarkOptions:
    """Return the options of a source.

    Raises:
        SettingsError: One is missing, unknown or wrong, or the format does not fit.
    """
    options = plan.connector_options
    if plan.connector != "file" and plan.encode not in ("", "json"):
        raise SettingsError(
            f"source {plan.name}: a {plan.connector} source cannot be ENCODE {plan.encode.upper()}",
            hint="use FORMAT PLAIN ENCODE JSON",
        )
    match plan.connector:
        case "kafka":
            # Keys and headers are kept even where no view reads them: a dead letter needs them.
            return kafka_options(plan.name, options, frozenset({"key", "header"}))
        case "events":
            return events_options(plan.name, options)
        case "file":
            return file_options(plan.name, options, plan.encode or None)
        case "nexmark":
            return nexmark_options(plan.name, options)
    raise SettingsError(f"source {plan.name}: there is no connector {plan.connector}")
