"""The Iceberg table of a view: catalog, creation, evolution, and the commit of a snapshot.

- A snapshot replaces the whole table in one Iceberg commit: one transaction that drops all files of
  the last snapshot and adds the new ones, so no reader ever sees an empty or a half table. Where
  the view changed, the change of schema is in the same commit.
- One committer per table. The first snapshot says in its summary which log it was made from; a
  state that was built from another log (a topic that was re-created) is refused.
- A snapshot never goes back: a state that is being rebuilt waits until it has reached the offsets
  of the last snapshot.
- What happens to a changed view is told in lake/schema.py.

Beside the catalog's own pointer, ``metadata/version-hint.text`` in the table's location names the
current metadata file, for readers without a catalog (DuckDB's ``iceberg_scan``, ``StaticTable``).
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import (
    NamespaceAlreadyExistsError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.manifest import DataFile, ManifestFile
from pyiceberg.schema import Schema
from pyiceberg.table import Table, Transaction
from pyiceberg.table.snapshots import Operation, Snapshot
from pyiceberg.table.update.snapshot import _OverwriteFiles
from sqlalchemy.engine import URL

from keyfold.errors import LakeError
from keyfold.settings import Settings
from keyfold.state.layout import lake_directory
from keyfold.state.record import CommitRecord, Offsets
from keyfold.view.moment import timestamp_text
from keyfold.view.plan import ViewPlan, fingerprint
from lake.localfiles import local_path, replace_file
from lake.schema import Evolution, evolution, schema_of, sort_order_of

CATALOG_NAME = "keyfold"
CATALOG_TIMEOUT_S = 30
METADATA_VERSIONS_MAX = 20
VERSION_HINT = "version-hint.text"

OFFSETS = "keyfold.offsets"
WATERMARK = "keyfold.watermark"
COMMIT = "keyfold.commit"
FINGERPRINT = "keyfold.plan-fingerprint"
OUTPUT_FINGERPRINT = "keyfold.output-fingerprint"
SOURCE = "keyfold.source"
IDENTITY = "keyfold.source-identity"
ROWS = "keyfold.rows"

_PROPERTIES = {
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": str(METADATA_VERSIONS_MAX),
    "write.parquet.compression-codec": "zstd",
    "write.parquet.compression-level": "1",
}


def open_catalog(settings: Settings) -> Catalog:
    """Open the catalog that the settings name; by default SQLite and files in the data directory.

    Raises:
        LakeError: It cannot be opened.
    """
    properties = dict(settings.lake_catalog)
    if not properties:
        directory = lake_directory(settings.data_dir).absolute()
        directory.mkdir(parents=True, exist_ok=True)
        properties = {
            "type": "sql",
            "uri": URL.create(
                "sqlite",
                database=str(directory / "catalog.db"),
                query={"timeout": str(CATALOG_TIMEOUT_S)},
            ).render_as_string(),
            # Not as_uri(): PyIceberg takes a location apart without decoding percent signs.
            "warehouse": f"file://{directory / 'warehouse'}",
        }
    name = properties.pop("name", CATALOG_NAME)
    try:
        catalog = load_catalog(name, **properties)
        namespace = namespace_of(settings)
        if not catalog.namespace_exists(namespace):
            catalog.create_namespace(namespace)
    except NamespaceAlreadyExistsError:
        pass  # another writer of the same catalog was faster
    except Exception as problem:  # every kind of catalog has its own errors
        raise LakeError(
            f"the lake catalog cannot be opened: {problem}", hint="check the setting lake_catalog"
        ) from problem
    return catalog


def namespace_of(settings: Settings) -> tuple[str, ...]:
    """Return the namespace of all tables."""
    return tuple(settings.lake_namespace.split("."))


def identifier_of(settings: Settings, view: str) -> tuple[str, ...]:
    """Return the identifier of a view's table."""
    return (*namespace_of(settings), view)


def load_table(catalog: Catalog, settings: Settings, view: str) -> Table | None:
    """Return the table of a view, or None when there is none yet."""
    try:
        return catalog.load_table(identifier_of(settings, view))
    except NoSuchTableError:
        return None


def open_table(catalog: Catalog, settings: Settings, plan: ViewPlan) -> Table:
    """Return the table of a view; create it, empty and without a snapshot, when there is none."""
    table = load_table(catalog, settings, plan.name)
    if table is not None:
        return table
    schema = schema_of(plan)
    try:
        return catalog.create_table(
            identifier_of(settings, plan.name),
            schema,
            sort_order=sort_order_of(plan, schema),
            properties=_PROPERTIES | {"keyfold.view": plan.name},
        )
    except TableAlreadyExistsError:
        return catalog.load_table(identifier_of(settings, plan.name))


def summary_of(plan: ViewPlan, record: CommitRecord) -> dict[str, str]:
    """Return what a snapshot's summary says of the state that it was made from.

    ``keyfold.rows`` is added when the rows were counted.
    """
    told = record.views[plan.name]
    sources = {name: record.sources[name] for name in plan.sources}
    identities = {name: source.identity for name, source in sources.items()}
    summary = {
        OFFSETS: _json(told.told_offsets()),
        COMMIT: str(record.sequence),
        FINGERPRINT: plan.fingerprint,
        OUTPUT_FINGERPRINT: output_fingerprint(plan),
        SOURCE: ",".join(plan.sources),
        IDENTITY: _json(identities if plan.others else identities[plan.source]),
    }
    marks = [one.watermark_us for one in sources.values() if one.watermark_us is not None]
    # A view that is behind may lack events from before the source's watermark.
    if marks and all(told.part(name).level_with(source) for name, source in sources.items()):
        summary[WATERMARK] = timestamp_text(min(marks), utc=True)
    return summary


def output_fingerprint(plan: ViewPlan) -> str:
    """Return a hash of what makes rows of the state: SELECT, HAVING, retention, EMIT.

    They may change while the state, and with it ``plan.fingerprint``, stays.
    """
    waits = ["on window close"] if plan.emit_on_close else []
    return fingerprint(plan.answers, plan.outputs, plan.having, plan.retention_us, *waits)


def same_view(plan: ViewPlan, last: Snapshot | None) -> bool:
    """Say whether a snapshot was made by the view as it is now."""
    return told_by(last, FINGERPRINT) == plan.fingerprint and told_by(
        last, OUTPUT_FINGERPRINT
    ) == output_fingerprint(plan)


def told_by(snapshot: Snapshot | None, name: str) -> str | None:
    """Return one property of a snapshot's summary, or None."""
    return snapshot.summary.get(name) if snapshot is not None and snapshot.summary else None


def offsets_in(snapshot: Snapshot | None) -> Offsets:
    """Return the offsets of a snapshot; empty for a snapshot that is not ours."""
    told: dict[str, Any] = msgspec.json.decode(told_by(snapshot, OFFSETS) or "{}")
    if any(isinstance(one, dict) for one in told.values()):
        return msgspec.convert(told, dict[str, dict[int, int]], strict=False)
    return {int(partition): offset for partition, offset in told.items()}


def changed(plan: ViewPlan, record: CommitRecord, last: Snapshot | None) -> bool:
    """Say whether the view's rows may be others than those of the last snapshot."""
    if last is None:
        return True
    return offsets_in(last) != record.views[plan.name].told_offsets() or not same_view(plan, last)


def check_continuity(
    settings: Settings, plan: ViewPlan, record: CommitRecord, last: Snapshot | None
) -> None:
    """Refuse a state that does not continue the table.

    Raises:
        LakeError: It was built from another log, or has not yet reached the last snapshot.
    """
    known = told_by(last, IDENTITY)
    if known is None:
        return
    told: dict[str, Any] = msgspec.json.decode(known)
    identities = told if plan.others else {plan.source: told}
    for source in plan.sources:
        then, now = identities.get(source, {}), record.sources[source].identity
        for fact in sorted(then.keys() & now.keys()):
            if then[fact] != now[fact]:
                raise LakeError(
                    f"the table of view {plan.name} was written from another log: its {fact} is "
                    f"{then[fact]!r}, that of source {source} is {now[fact]!r}",
                    hint=f"keep the old table and set another lake_namespace, or "
                    f"{_how_to_drop(settings, plan)}",
                )
    reached = _places(record.views[plan.name].told_offsets())
    for place, offset in sorted(_places(offsets_in(last)).items()):
        if reached.get(place, 0) < offset:
            source, partition = place
            of_source = f" of {source}" if source else ""
            raise LakeError(
                f"view {plan.name} is at offset {reached.get(place, 0)} of partition {partition}"
                f"{of_source}, its last snapshot at {offset}",
                hint="nothing to do while the view is being rebuilt: snapshots go on once it is "
                "there",
            )


def _places(offsets: Offsets) -> dict[tuple[str, int], int]:
    """Return (source, partition) → offset; the source of a view of one is empty."""
    found: dict[tuple[str, int], int] = {}
    for key, told in offsets.items():
        if isinstance(told, dict):
            found |= {(str(key), partition): offset for partition, offset in told.items()}
        else:
            found["", int(key)] = told
    return found


def needed_change(settings: Settings, plan: ViewPlan, schema: Schema) -> Evolution:
    """Return the change that makes a table's schema able to hold the view's rows.

    Raises:
        LakeError: The view changed in a way that the table refuses; see lake/schema.py.
    """
    change = evolution(schema, schema_of(plan))
    if change.refused:
        raise LakeError(
            f"the table of view {plan.name} cannot take its new columns: "
            + "; ".join(change.refused),
            hint=f"name the view differently, or {_how_to_drop(settings, plan)}",
        )
    return change


def _how_to_drop(settings: Settings, plan: ViewPlan) -> str:
    command = ["keyfold", "lake", "drop", plan.name, "--data-dir", str(settings.data_dir)]
    return f"stop `keyfold run` and drop its table with `{shlex.join(command)}`"


def stage_schema(transaction: Transaction, change: Evolution) -> None:
    """Change the table's schema, within the transaction."""
    if change.needed:
        with transaction.update_schema() as update:
            for field in change.added:
                update.add_column((field.name,), field.field_type)
            for name, wider in change.widened.items():
                update.update_column((name,), wider)


def current_data_files(table: Table) -> list[DataFile]:
    """Return the data files of the current snapshot, whoever wrote them."""
    snapshot = table.current_snapshot()
    if snapshot is None:
        return []
    return [
        entry.data_file
        for manifest in snapshot.manifests(table.io)
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    ]


def stage_replacement(
    transaction: Transaction, old: Sequence[DataFile], new: Sequence[DataFile],
    summary: Mapping[str, str],
) -> None:  # fmt: skip
    """Stage the snapshot that drops the old files and adds the new ones."""
    table = transaction._table
    first = table.current_snapshot() is None
    with _ReplaceFiles(
        operation=Operation.APPEND if first else Operation.OVERWRITE,
        transaction=transaction,
        io=table.io,
        snapshot_properties=dict(summary),
    ) as replacement:
        for file in old:
            replacement.delete_data_file(file)
        for file in new:
            replacement.append_data_file(file)


class _ReplaceFiles(_OverwriteFiles):
    """PyIceberg's overwrite, without the manifests that have no live file left.

    As it is, every snapshot would drag along one more manifest of files that were dropped before.
    """

    def _existing_manifests(self) -> list[ManifestFile]:
        return [
            manifest
            for manifest in super()._existing_manifests()
            if manifest.has_added_files() or manifest.has_existing_files()
        ]


def write_version_hint(table: Table) -> None:
    """Let ``metadata/version-hint.text`` name the current metadata file."""
    directory, _, name = table.metadata_location.rpartition("/")
    text = name.removesuffix(".metadata.json").encode()
    local = local_path(directory)
    if local is not None:
        replace_file(local / VERSION_HINT, text)
        return
    with table.io.new_output(f"{directory}/{VERSION_HINT}").create(overwrite=True) as stream:
        stream.write(text)


def _json(facts: Offsets | Mapping[str, Any]) -> str:
    return msgspec.json.encode(dict(sorted(facts.items()))).decode()
