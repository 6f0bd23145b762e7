"""A table file that RocksDB deleted has a second name for as long as readers may hold it."""

from __future__ import annotations

import time
from pathlib import Path

from keyfold.state.layout import COMMIT_KEY
from keyfold.state.linger import KEEP_S, Lingering
from keyfold.state.rocks import RocksStore

MARKER = (COMMIT_KEY, b"0")


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.glob("*.sst")}


def test_a_deleted_file_stays_for_a_while(tmp_path: Path) -> None:
    lingering = Lingering(tmp_path)
    for name in ("1.sst", "2.sst", "LOG"):
        (tmp_path / name).write_bytes(b"x")
    lingering.look(0.0)
    (tmp_path / "1.sst").unlink()
    lingering.look(1.0)
    lingering.look(0.9 + KEEP_S)
    assert names(tmp_path / "deleted") == {"1.sst", "2.sst"}
    lingering.look(1.0 + KEEP_S)
    assert {path.name for path in (tmp_path / "deleted").iterdir()} == {"2.sst"}
    assert names(tmp_path) == {"2.sst"}


def test_a_directory_that_is_gone_is_no_error(tmp_path: Path) -> None:
    lingering = Lingering(tmp_path)
    (tmp_path / "1.sst").write_bytes(b"x")
    lingering.look(0.0)
    (tmp_path / "1.sst").unlink()
    (tmp_path / "deleted" / "1.sst").unlink()
    (tmp_path / "deleted").rmdir()
    lingering.look(1.0)
    lingering.look(1.0 + KEEP_S)


def test_what_a_compaction_replaced_stays_until_the_store_closes(tmp_path: Path) -> None:
    store = RocksStore(tmp_path, bulk_keys_min=1)
    end = time.monotonic() + 20
    while not names(tmp_path / "deleted") - names(tmp_path):
        assert time.monotonic() < end, "no compaction"
        store.write([(b"a", b"1"), (b"z", b"1")], [], [], MARKER)
    store.close()
    assert not (tmp_path / "deleted").exists()


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "deleted").mkdir()
    (tmp_path / "deleted" / "7.sst").write_bytes(b"x")
    store = RocksStore(tmp_path)
    assert "7.sst" not in names(tmp_path / "deleted")
    store.close()
