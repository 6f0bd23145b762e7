"""Every law that speaks of a store holds for each of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from keyfold.state.memory import MemoryStore
from keyfold.state.protocol import Store
from keyfold.state.rocks import RocksStore


@pytest.fixture(params=["memory", "rocks"])
def new_store(request: Any, tmp_path: Path) -> Iterator[Callable[[], Callable[[], Store]]]:
    """A function that names a new, empty store; calling what it returns opens it (again)."""
    numbers = itertools.count()
    made: list[Store] = []

    def new() -> Callable[[], Store]:
        if request.param == "memory":
            memory = MemoryStore()
            return lambda: memory
        directory = tmp_path / str(next(numbers))

        def opened() -> Store:
            # Of a handful of keys, some commits go around the log and some through it.
            made.append(RocksStore(directory, bulk_keys_min=4, wal_bytes_max=20_000))
            return made[-1]

        return opened

    yield new
    for store in made:
        store.close()
