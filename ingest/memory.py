"""The memory of one batch is kept for the next.

A batch passes through some copies of tens of MB. Allocators return blocks of that size to the
kernel as soon as they are free, and the kernel clears each page that it gives out anew: a fifth of
the processor time of ingestion, measured. So Arrow's memory comes from the C library here, and
that library is told to cut such blocks from the heap and to keep the heap.

That is the heap of the first thread. Each other one that asks for memory at the same time has an
arena of heaps of at most 64 MB; what is free at the end of such a heap is kept as well, since that
is less than is kept of the first, and the arena takes from there what it needs next.
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
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def keep_memory() -> bool:
    """Have this process keep the memory of its batches; call it before the first of them.

    Returns:
        False where the C library is another than glibc: nothing is changed then.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    pa.set_memory_pool(pa.system_memory_pool())
    set_option(_M_MMAP_MAX, 0)
    set_option(_M_TRIM_THRESHOLD, KEPT_BYTES_MAX)
    set_option(_M_TOP_PAD, _GROWTH_BYTES)
    return True
