"""A source's plan → the source: the one place that knows every connector."""

from __future__ import annotations

from pathlib import Path

from ingest.source.ahead import AheadSource, ReadAhead
from ingest.source.events import EventsSource
from ingest.source.file import FileSource
from ingest.source.kafka import KafkaSource
from ingest.source.nexmark import NexmarkSource
from ingest.source.protocol import Source
from ingest.source.remote import RemoteSource
from keyfold.connector.file_options import FileOptions
from keyfold.connector.kafka_options import KafkaOptions
from keyfold.connector.nexmark_options import NexmarkOptions
from keyfold.connector.options import connector_options
from keyfold.eventlog.format import source_directory
from keyfold.eventlog.options import EventsOptions
from keyfold.view.plan import SourcePlan


def connect(plan: SourcePlan, data_directory: Path) -> Source:
    """Return the source of a plan, not yet open.

    Args:
        plan: The source's plan.
        data_directory: Where the logs of ``events`` sources lie.

    Raises:
        SettingsError: An option is missing, unknown or wrong, or the format does not fit.
    """
    options = connector_options(plan)
    match options:
        case KafkaOptions():
            return KafkaSource(options)
        case EventsOptions():
            return EventsSource(source_directory(data_directory, plan.name), options)
        case FileOptions():
            return FileSource(
                options,
                columns=[column.name for column in plan.columns],
                blobs=[column.name for column in plan.columns if column.type == "BLOB"],
            )
        case NexmarkOptions():
            return NexmarkSource(options)


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
