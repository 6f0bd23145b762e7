"""Messages of Kafka as the columns of a batch: one C-level pass per column, no Python per message.

A batch grows by what each ``consume()`` gave, so that the message objects can go while they are
still in the CPU's cache; the parts are joined once.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter

import numpy as np
import pyarrow as pa
from confluent_kafka import Message

from ingest.source.kafka_options import KafkaOptions
from ingest.source.message import MessageBatch

_NOTHING = pa.array([], pa.binary())
_milliseconds = itemgetter(1)


class GrowingBatch:
    """The columns of a batch while it grows.

    Attributes:
        cut_short: Whether a bound ended it, see ``MessageBatch``.
    """

    def __init__(self, options: KafkaOptions) -> None:
        self.cut_short = False
        self._values: list[pa.Array] = []
        self._partitions: list[np.ndarray] = []
        self._offsets: list[np.ndarray] = []
        self._timestamps_ms: list[np.ndarray] = []
        self._keys: list[pa.Array] | None = [] if options.include_key else None
        self._headers: list[list[tuple[str, bytes | None]] | None] | None = (
            [] if options.include_headers else None
        )

    def __bool__(self) -> bool:
        return bool(self._values)

    def nbytes(self) -> int:
        """Memory of the message bodies and keys."""
        return sum(part.nbytes for part in [*self._values, *(self._keys or ())])

    def add(self, messages: list[Message]) -> dict[int, int]:
        """Add messages, and return the next offset to read of each partition that they are of."""
        count = len(messages)
        offsets = np.fromiter(map(Message.offset, messages), np.int64, count)
        partitions = np.fromiter(map(Message.partition, messages), np.int32, count)
        timestamps = map(_milliseconds, map(Message.timestamp, messages))
        self._values.append(pa.array(list(map(Message.value, messages)), pa.binary()))
        self._partitions.append(partitions)
        self._offsets.append(offsets)
        self._timestamps_ms.append(np.fromiter(timestamps, np.int64, count))
        if self._keys is not None:
            self._keys.append(pa.array(list(map(Message.key, messages)), pa.binary()))
        if self._headers is not None:
            self._headers.extend(map(Message.headers, messages))
        # Of an index that occurs several times, numpy keeps the value assigned last.
        last = np.full(int(partitions.max()) + 1, -1, np.int64)
        last[partitions] = offsets
        return {each: int(last[each]) + 1 for each in np.flatnonzero(last >= 0).tolist()}

    def batch(self, next_offsets: Mapping[int, int]) -> MessageBatch:
        """Join the parts."""
        return MessageBatch(
            values=_joined(self._values),
            partitions=np.concatenate([np.empty(0, np.int32), *self._partitions]),
            offsets=np.concatenate([np.empty(0, np.int64), *self._offsets]),
            timestamps_ms=np.concatenate([np.empty(0, np.int64), *self._timestamps_ms]),
            next_offsets=next_offsets,
            keys=_joined(self._keys) if self._keys is not None else None,
            headers=self._headers,
            cut_short=self.cut_short,
        )


def _joined(parts: list[pa.Array]) -> pa.Array:
    return parts[0] if len(parts) == 1 else pa.concat_arrays([_NOTHING, *parts])
