"""The memory of one batch is kept for the next.

A batch passes through some copies of tens of MB. Allocators return blocks of that size to the
kernel as soon as they are free, and the kernel clears each page that it gives out anew: a fifth of
the processor time of ingestion, measured. So Arrow's memory comes from the C library here, and
that library is told to cut such blocks from the heap and to keep the heap.

That is the heap of the first thread. The others have arenas of heaps of at most 64 MB; what is free
at the end of such a heap is kept as well, since that is less than is kept of the first. In the
writer they have one together: with an arena for each of RocksDB's threads, 10 million new keys took
450 MB more, and no less time.
"""

from __future__ import annotations

import ctypes
from typing import Final

import pyarrow as pa

KEPT_BYTES_MAX: Final = 512 << 20
"""How much unused memory at the end of the heap is kept: what the copies of the largest batch
take, see ``BATCH_BYTES_MAX``."""
_GROWTH_BYTES = 1 << 20  # more would also keep heaps of arenas of which nothing is in use
# glibc's malloc.h
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8


def keep_memory(*, arenas_max: int = 0) -> bool:
    """Have this process keep the memory of its batches; call it before the first of them.

    Args:
        arenas_max: How many arenas threads may share, that of the first thread included; 0: as many
            as the C library would have.

    Returns:
        False where the C library is another than glibc: nothing is changed then.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    pa.set_memory_pool(pa.system_memory_pool())
    if arenas_max:
        set_option(_M_ARENA_MAX, arenas_max)
    set_option(_M_MMAP_MAX, 0)
    set_option(_M_TRIM_THRESHOLD, KEPT_BYTES_MAX)
    set_option(_M_TOP_PAD, _GROWTH_BYTES)
    return True
