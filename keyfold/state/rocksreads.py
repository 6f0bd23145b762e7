"""What the writer's RocksDB and that of a reader have in common: options and reads."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence

from rocksdict import BlockBasedOptions, Cache, DBCompressionType, Options, Rdict, ReadOptions

from keyfold.errors import StateError
from keyfold.state.protocol import Page, Pair, in_pages

# Named at each opening: of a family that is not, rocksdict takes the options from a file beside the
# database, and with them RocksDB's own block cache of 8 MB.
COLUMN_FAMILY = "default"


def rocks_options(block_cache_bytes: int) -> Options:
    """Return the options that all have, each with a block cache of its own."""
    options = Options(raw_mode=True)
    table = BlockBasedOptions()
    table.set_block_cache(Cache(block_cache_bytes))
    table.set_bloom_filter(10, False)
    table.set_cache_index_and_filter_blocks(False)
    table.set_format_version(5)
    options.set_block_based_table_factory(table)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_max_open_files(-1)  # a secondary must hold files that the primary deletes
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(4 << 20)
    options.set_stats_dump_period_sec(0)
    return options


class RocksReads:
    """What primary and secondary share: reads."""

    _db: Rdict

    def get(self, key: bytes) -> bytes | None:
        """Return the value, or None."""
        value: bytes | None = self._db.get(key)
        return value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each key in order, None where there is none."""
        return self._db.get(list(keys)) if keys else []

    def scan(self, start: bytes, end: bytes, *, backwards: bool = False) -> Iterator[Pair]:
        """Yield (key, value) with start <= key < end in key order, of one moment's state."""
        if not backwards:
            yield from self.moment(end)(start)
            return
        bounded = ReadOptions()
        bounded.set_iterate_upper_bound(end)
        at = self._db.iter(bounded)
        at.seek_to_last()
        # Looked at here: rocksdict 0.3.29 does not keep to a lower bound.
        while at.valid() and (key := at.key()) >= start:
            yield key, at.value()
            at.prev()
        at.status()

    def pages(self, start: bytes, end: bytes, rows_max: int) -> Iterator[Page]:
        """Yield what ``scan`` yields in pages of at most ``rows_max`` rows, none of them empty.

        Raises:
            StateError: A file cannot be read, or is damaged.
        """
        bounded = ReadOptions()
        bounded.set_iterate_upper_bound(end)
        bounded.fill_cache(False)
        after = self._db.iter(bounded)
        last: bytes | None = None
        for page in in_pages(self._db.items(from_key=start, read_opt=bounded), rows_max):
            yield page
            last = page[0][-1]
        # The items of rocksdict end at an error as they do at the end. This one says which it was.
        after.seek(start if last is None else last)
        if after.valid() and after.key() == last:
            after.next()
        try:
            after.status()
        except Exception as problem:
            raise StateError(f"the state cannot be read: {problem}") from problem
        if after.valid():
            raise StateError("the state could not be read to its end", hint="read it again")

    def keys(self, start: bytes, end: bytes) -> Generator[bytes, bytes | None, None]:
        """Yield the keys of a scan; where a key is sent in, go on from that one."""
        bounded = ReadOptions()
        bounded.set_iterate_upper_bound(end)
        at = self._db.iter(bounded)
        valid, key, step, seek = at.valid, at.key, at.next, at.seek
        seek(start)
        while valid():
            target = yield key()
            if target is None:
                step()
            else:
                seek(target)
        at.status()

    def moment(self, end: bytes) -> Callable[[bytes], Iterator[Pair]]:
        """Return how to scan from a key to ``end``, again and again, over one moment's state."""
        bounded = ReadOptions()
        bounded.set_iterate_upper_bound(end)
        at = self._db.iter(bounded)

        def scan(start: bytes) -> Iterator[Pair]:
            at.seek(start)
            while at.valid():
                yield at.key(), at.value()
                at.next()
            at.status()

        return scan

    def block_cache_bytes(self) -> tuple[int, int]:
        """Return (used, capacity) of the block cache."""
        names = ("rocksdb.block-cache-usage", "rocksdb.block-cache-capacity")
        used, capacity = (self._db.property_int_value(name) or 0 for name in names)
        return used, capacity

    def approximate_sizes(self, spans: Sequence[Pair]) -> list[tuple[int, int]]:
        """Return about how many (rows, bytes) each (start, end) range has, without a scan.

        A table file knows its first and last key, its entries and its bytes. A file that holds one
        span only is that span's; one that several share is divided evenly among them, and so are
        the rows in the memtable. Overwritten rows count until they are compacted.
        """
        rows, size = [0] * len(spans), [0] * len(spans)
        for file in self._db.live_files():
            first, last = file["start_key"], file["end_key"]
            sharing = [at for at, (start, end) in enumerate(spans) if last >= start and first < end]
            for at in sharing:
                rows[at] += max(0, file["num_entries"] - file["num_deletions"]) // len(sharing)
                size[at] += file["size"] // len(sharing)
        in_memory = self._db.property_int_value("rocksdb.num-entries-active-mem-table") or 0
        return [(count + in_memory // len(spans), size[at]) for at, count in enumerate(rows)]
