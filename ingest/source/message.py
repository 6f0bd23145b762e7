"""A batch of messages: what a transport hands to a decoder, as parallel columns.

Transport is not format: this module knows bytes and positions, and nothing of what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pyarrow as pa

BATCH_BYTES_MAX: Final = 64 << 20
"""A source ends a batch with the piece that reaches this; Arrow joins no more than 2 GiB."""


Headers = list[tuple[str, bytes | None]] | Literal[False] | None
"""Of one message: (name, value) pairs; False where a name is no UTF-8, so that none can be read."""


@dataclass(frozen=True, slots=True)
class MessageBatch:
    """Messages of one source, in log order within each partition.

    Attributes:
        values: Binary array of n message bodies; null for a tombstone.
        partitions: int32[n], the partition of each message.
        offsets: int64[n], its offset in that partition, strictly increasing per partition.
        timestamps_ms: int64[n], when the log took the message in (ms since the epoch), or -1.
        next_offsets: Partition → the offset to go on reading from once this batch is committed.
            Covers every partition of the batch, and may cover more: a transport that passed
            over control records or a file's end moves a partition on without a message.
        keys: Binary array of n message keys, or None where no message has one.
        headers: The headers of each of the n messages, or None where no message has any.
        cut_short: True where a bound on messages or bytes ended the batch, so that there may be
            more at once; False where the source had no more.
    """

    values: pa.Array
    partitions: np.ndarray
    offsets: np.ndarray
    timestamps_ms: np.ndarray
    next_offsets: Mapping[int, int]
    keys: pa.Array | None = None
    headers: list[Headers] | None = None
    cut_short: bool = False

    def __len__(self) -> int:
        return len(self.values)


def joined_keys(parts: Sequence[pa.Array | None], counts: Sequence[int]) -> pa.Array | None:
    """Return the keys of consecutive parts, each of so many messages; None where none has any."""
    if all(part is None for part in parts):
        return None
    return pa.concat_arrays(
        [
            pa.nulls(count, pa.binary()) if part is None else part
            for part, count in zip(parts, counts, strict=True)
        ]
    )


def joined_headers(
    parts: Sequence[list[Headers] | None], counts: Sequence[int]
) -> list[Headers] | None:
    """Return the headers of consecutive parts, each of so many messages; None as for keys."""
    if all(part is None for part in parts):
        return None
    joined: list[Headers] = []
    for part, count in zip(parts, counts, strict=True):
        joined += [None] * count if part is None else part
    return joined
