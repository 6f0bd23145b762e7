"""A data directory with state, and everything of the lake opened over it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from keyfold.settings import Settings
from keyfold.state.reader import StateReader
from keyfold.view.plan import ViewPlan
from lake.schedule import Schedule
from lake.snapshot import Taken, take_snapshot
from lake.table import identifier_of, open_catalog
from tests.lake.state import LakeState, settings_for


@dataclass
class House:
    """State, reader and catalog of one data directory."""

    directory: Path
    state: LakeState
    reader: StateReader
    catalog: Catalog
    settings: Settings
    now_s: float = 1_700_000_000.0
    _open: list[Any] = field(default_factory=list)

    def snapshot(self, view: str = "spend", **options: Any) -> Taken | None:
        self.reader.refresh()
        return take_snapshot(
            self.catalog, self.settings, self.reader, self.reader.view(view), **options
        )

    def table(self, view: str = "spend") -> Table:
        return self.catalog.load_table(identifier_of(self.settings, view))

    def rows(self, view: str = "spend") -> list[dict[str, Any]]:
        return self.table(view).scan().to_arrow().to_pylist()

    def schedule(self) -> Schedule:
        return Schedule(
            self.catalog,
            self.settings,
            self.reader,
            pid=1,
            clock_s=lambda: self.now_s,
            monotonic_s=lambda: self.now_s,
        )

    def files(self, pattern: str = "*", view: str = "spend") -> set[str]:
        """Names of the files in the table's location."""
        root = self.directory / "lake" / "warehouse"
        return {path.name for path in root.rglob(pattern) if path.is_file() and view in str(path)}


@pytest.fixture
def house(tmp_path):
    opened: list[House] = []

    def build(*views: ViewPlan, directory: Path = tmp_path, **changes: Any) -> House:
        state = LakeState(directory, *views)
        reader = state.reader()
        settings = settings_for(directory, **changes)
        built = House(directory, state, reader, open_catalog(settings), settings)
        opened.append(built)
        return built

    yield build
    for built in opened:
        built.catalog.close()
        built.reader.close()
        built.state.close()
