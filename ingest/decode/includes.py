"""The columns that the transport fills: key, partition, offset, timestamp, headers."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa

from ingest.decode.reject import Reject
from ingest.source.message import MessageBatch
from keyfold.sql.bind import HIDDEN_OFFSET, HIDDEN_PARTITION
from keyfold.view.plan import Include

TIMESTAMP_MS_MAX = ((1 << 63) - 1) // 1_000
"""The latest that a TIMESTAMPTZ can say, in ms since the epoch."""


def with_includes(
    fields: pa.Table,
    includes: Collection[Include],
    batch: MessageBatch,
    rows: np.ndarray,
    misfits: dict[str, list[Reject]],
    *,
    places: bool,
) -> pa.Table:
    """Return decoded fields with the columns of the transport, and the hidden ones.

    Args:
        fields: m rows, decoded.
        includes: What INCLUDE names.
        batch: The messages.
        rows: int64[m], the place of each row in the batch.
        misfits: Gets the rejects of what does not fit its column.
        places: Whether some view takes events by their place, and so needs their offsets.
    """
    whole = len(rows) == len(batch)
    partitions = batch.partitions if whole else batch.partitions[rows]
    columns = dict(zip(fields.column_names, fields.columns, strict=True))
    for include in includes:
        match include.kind:
            case "partition":
                columns[include.name] = pa.array(partitions, pa.int32())
            case "offset":
                columns[include.name] = pa.array(batch.offsets[rows], pa.int64())
            case "timestamp":
                columns[include.name] = _timestamps(batch, rows, include.name, misfits)
            case "key":
                columns[include.name] = _keys(batch, rows, include.name, misfits)
            case "headers":
                columns[include.name] = _headers(batch, rows, include.name, misfits)
    columns[HIDDEN_PARTITION] = pa.array(partitions, pa.int32())
    if places:
        columns[HIDDEN_OFFSET] = pa.array(batch.offsets if whole else batch.offsets[rows])
    return pa.table(columns)


def _keys(
    batch: MessageBatch, rows: np.ndarray, name: str, misfits: dict[str, list[Reject]]
) -> pa.Array:
    if batch.keys is None:
        return pa.nulls(len(rows), pa.large_utf8())
    keys = batch.keys.take(pa.array(rows))
    try:
        return keys.cast(pa.large_utf8())
    except pa.ArrowInvalid:
        texts: list[str | None] = []
        for row, raw in zip(rows.tolist(), keys.to_pylist(), strict=True):
            try:
                texts.append(None if raw is None else raw.decode())
            except UnicodeDecodeError:
                texts.append(None)
                misfits.setdefault(name, []).append(Reject(row, "the key is no UTF-8", name))
        return pa.array(texts, pa.large_utf8())


def _timestamps(
    batch: MessageBatch, rows: np.ndarray, name: str, misfits: dict[str, list[Reject]]
) -> pa.Array:
    """Return when the messages were sent; a producer may claim any number of milliseconds."""
    times = batch.timestamps_ms[rows]
    wrong = times > TIMESTAMP_MS_MAX
    for row in rows[wrong].tolist():
        reason = f"the timestamp, {batch.timestamps_ms[row]} ms, is out of range"
        misfits.setdefault(name, []).append(Reject(row, reason, name))
    none = wrong | (times < 0)
    return pa.array(np.where(none, 0, times) * 1_000, pa.timestamp("us", "UTC"), mask=none)


def _headers(
    batch: MessageBatch, rows: np.ndarray, name: str, misfits: dict[str, list[Reject]]
) -> pa.Array:
    kind = pa.list_(pa.struct([("key", pa.utf8()), ("value", pa.utf8())]))
    if batch.headers is None:
        return pa.nulls(len(rows), kind)
    headers = [batch.headers[row] for row in rows.tolist()]
    wrong = [row for row, pairs in zip(rows.tolist(), headers, strict=True) if pairs is False]
    if wrong:
        reason = "the name of a header is no UTF-8"
        misfits.setdefault(name, []).extend(Reject(row, reason, name) for row in wrong)
    return pa.array(
        [
            None
            if pairs is None or pairs is False
            else [
                {"key": key, "value": None if raw is None else raw.decode(errors="replace")}
                for key, raw in pairs
            ]
            for pairs in headers
        ],
        kind,
    )
