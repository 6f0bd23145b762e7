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

from ingest.source.message import Headers, MessageBatch, joined_headers, joined_keys
from keyfold.connector.kafka_options import KafkaOptions

_NOTHING = pa.array([], pa.binary())
_milliseconds = itemgetter(1)


class GrowingBatch:
    """The columns of a batch while it grows.

    Attributes:
        cut_short: Whether a bound ended it, see ``MessageBatch``.
        nbytes: Memory of the message bodies and keys.
    """

    def __init__(self, options: KafkaOptions) -> None:
        self.cut_short = False
        self.nbytes = 0
        self._values: list[pa.Array] = []
        self._partitions: list[np.ndarray] = []
        self._offsets: list[np.ndarray] = []
        self._timestamps_ms: list[np.ndarray] = []
        self._with_keys = options.include_key
        self._with_headers = options.include_headers
        # One part for each consume(), None where no message of it has any.
        self._keys: list[pa.Array | None] = []
        self._headers: list[list[Headers] | None] = []

    def __bool__(self) -> bool:
        return bool(self._values)

    def add(self, messages: list[Message]) -> dict[int, int]:
        """Add messages, and return the next offset to read of each partition that they are of."""
        count = len(messages)
        offsets = np.fromiter(map(Message.offset, messages), np.int64, count)
        partitions = np.fromiter(map(Message.partition, messages), np.int32, count)
        timestamps = map(_milliseconds, map(Message.timestamp, messages))
        values = pa.array(list(map(Message.value, messages)), pa.binary())
        self._values.append(values)
        self.nbytes += values.nbytes
        self._partitions.append(partitions)
        self._offsets.append(offsets)
        self._timestamps_ms.append(np.fromiter(timestamps, np.int64, count))
        if self._with_keys:
            keys = list(map(Message.key, messages))
            column = None if keys.count(None) == count else pa.array(keys, pa.binary())
            self._keys.append(column)
            self.nbytes += 0 if column is None else column.nbytes
        if self._with_headers:
            headers = _headers(messages)
            self._headers.append(None if headers.count(None) == count else headers)
        # Of an index that occurs several times, numpy keeps the value assigned last.
        last = np.full(int(partitions.max()) + 1, -1, np.int64)
        last[partitions] = offsets
        return {each: int(last[each]) + 1 for each in np.flatnonzero(last >= 0).tolist()}

    def batch(self, next_offsets: Mapping[int, int]) -> MessageBatch:
        """Join the parts."""
        counts = [len(part) for part in self._values]
        return MessageBatch(
            values=_joined(self._values),
            partitions=np.concatenate([np.empty(0, np.int32), *self._partitions]),
            offsets=np.concatenate([np.empty(0, np.int64), *self._offsets]),
            timestamps_ms=np.concatenate([np.empty(0, np.int64), *self._timestamps_ms]),
            next_offsets=next_offsets,
            keys=joined_keys(self._keys, counts),
            headers=joined_headers(self._headers, counts),
            cut_short=self.cut_short,
        )


def _headers(messages: list[Message]) -> list[Headers]:
    """Return the headers of each message, False where a name is no UTF-8."""
    headers: list[Headers] = []
    # One iterator for all: asked again for headers that it failed on, a message ends the process.
    each = map(Message.headers, messages)
    while len(headers) < len(messages):
        try:
            headers.extend(each)
        except (SystemError, UnicodeDecodeError):  # confluent-kafka 2.16 makes the second the first
            headers.append(False)
    return headers


def _joined(parts: list[pa.Array]) -> pa.Array:
    return parts[0] if len(parts) == 1 else pa.concat_arrays([_NOTHING, *parts])
