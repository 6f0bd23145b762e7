"""A source's plan → the source: the one place that knows every connector."""

from __future__ import annotations

from pathlib import Path

from ingest.source.ahead import AheadSource, ReadAhead
from ingest.source.events import EventsSource
from ingest.source.file import FileSource
from ingest.source.file_options import file_options
from ingest.source.kafka import KafkaSource, kafka_options
from ingest.source.protocol import Source
from ingest.source.remote import RemoteSource
from keyfold.errors import SettingsError
from keyfold.eventlog.format import source_directory
from keyfold.eventlog.options import events_options
from keyfold.view.plan import SourcePlan


def connect(plan: SourcePlan, data_directory: Path) -> Source:
    """Return the source of a plan, not yet open.

    Args:
        plan: The source's plan.
        data_directory: Where the logs of ``events`` sources lie.

    Raises:
        SettingsError: An option is missing, unknown or wrong, or the format does not fit.
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
            return KafkaSource(kafka_options(plan.name, options, frozenset({"key", "header"})))
        case "events":
            directory = source_directory(data_directory, plan.name)
            return EventsSource(directory, events_options(plan.name, options))
        case "file":
            return FileSource(
                file_options(plan.name, options, plan.encode or None),
                columns=[column.name for column in plan.columns],
            )
    raise SettingsError(f"source {plan.name}: there is no connector {plan.connector}")


def connect_ahead(plan: SourcePlan, data_directory: Path) -> ReadAhead:
    """Return the source of a plan, not yet open, that is read while its batches are evaluated.

    In a process of its own where reading takes Python's lock for long, else in a thread.

    Raises:
        SettingsError: As in ``connect``.
    """
    source = connect(plan, data_directory)
    if isinstance(source, KafkaSource):
        return RemoteSource(plan.name, KafkaSource, source.options)
    return AheadSource(source)


def starts_at_beginning(plan: SourcePlan) -> bool:
    """Say whether a view that is new on a source starts where the source's options say.

    Only "latest" means something else for it than for the source: from now on.
    """
    return plan.options.get("scan.startup.mode", "earliest").strip().lower() != "latest"
