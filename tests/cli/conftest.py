"""The command line in a directory of its own, and a running pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.scene import PIPELINE, Keyfold


@pytest.fixture
def keyfold(tmp_path: Path) -> Keyfold:
    (tmp_path / "pipeline.sql").write_text(PIPELINE)
    return Keyfold(tmp_path)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Keyfold, str]]:
    """A running pipeline: the command line beside it, and its address."""
    directory = tmp_path_factory.mktemp("running")
    (directory / "pipeline.sql").write_text(PIPELINE)
    made = Keyfold(directory)
    process = made.start("run", "pipeline.sql", "--port", "0", "--no-lake")
    try:
        yield made, process.url()
    finally:
        code = process.end()
    assert code == 0
