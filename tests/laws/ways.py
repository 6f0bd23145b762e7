"""The ways to a row: by its key, and by a scan from or to any place."""

from __future__ import annotations

from keyfold.state.protocol import Reads
from keyfold.state.reads import row_reads, rows_in_turns
from keyfold.view.rowkey import decode_key, encode_key, prefix_end
from tests.laws.stream import Stream


def reads_of(stream: Stream, name: str) -> tuple[Reads, bytes]:
    prefix = stream.state.views[name].prefix
    return row_reads(stream.catalog.view(name), prefix, stream.store), prefix


def assert_same_ways(stream: Stream, name: str) -> None:
    """Each row is the same bytes by its key and by a scan from or to any place."""
    reads, prefix = reads_of(stream, name)
    types = stream.catalog.view(name).key_types
    whole = list(reads.scan(prefix, prefix_end(prefix)))
    keys = [key for key, _ in whole]
    assert keys == sorted(set(keys))
    assert reads.get_many(keys) == [value for _, value in whole]
    in_turns = [value for part in rows_in_turns(reads, keys) for value in part]
    assert in_turns == [value for _, value in whole]
    edges = set()
    for key in keys[:: max(1, len(keys) // 2)]:
        assert reads.get(key) == dict(whole)[key]
        values = decode_key(types, key[len(prefix) :])
        for width in range(len(values) + 1):
            part = prefix + encode_key(types[:width], values[:width])
            edges |= {part, part + b"\x00", part + b"\x03"}
    for edge in sorted(edges):
        assert list(reads.scan(edge, prefix_end(prefix))) == [r for r in whole if r[0] >= edge]
        assert list(reads.scan(prefix, edge)) == [r for r in whole if r[0] < edge]
