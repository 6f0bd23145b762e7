"""Files that RocksDB deleted, kept for a little longer by the writer.

The kernel frees a deleted file when the last process lets go of it, and makes that process wait: 3
to 9 ms for each of the dozen files that a compaction replaces. Without this it is a reader, in the
catch-up that its lookups wait for. So every table file gets a second name, which is removed by a
thread of the writer once the readers had time to let go of it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections import deque
from pathlib import Path

LOOK_INTERVAL_S = 0.1
"""A file that lives shorter may have no second name."""
KEEP_S = 5.0
_SUFFIX = ".sst"


class Lingering:
    """The second names of the table files in a directory, and the thread that gives them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._names = directory / "deleted"
        self._known: set[str] = set()
        self._gone: deque[tuple[float, str]] = deque()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="lingering", daemon=True)
        shutil.rmtree(self._names, ignore_errors=True)  # of a writer that was killed
        self._names.mkdir(exist_ok=True)

    def start(self) -> None:
        """Look again and again, in a thread, until it is closed."""
        self._thread.start()

    def look(self, now_s: float) -> None:
        """Give new files their second name, and remove those of files that went long ago."""
        with contextlib.suppress(OSError):  # a file system without hard links does without
            here = {name for name in os.listdir(self._directory) if name.endswith(_SUFFIX)}
            self._gone.extend((now_s + KEEP_S, name) for name in self._known - here)
            self._known &= here
            for name in here - self._known:
                with contextlib.suppress(FileNotFoundError):  # deleted since
                    os.link(self._directory / name, self._names / name)
                    self._known.add(name)
        while self._gone and self._gone[0][0] <= now_s:
            (self._names / self._gone.popleft()[1]).unlink(missing_ok=True)

    def close(self) -> None:
        """End the thread, which was started, and remove all second names."""
        self._over.set()
        self._thread.join()
        shutil.rmtree(self._names, ignore_errors=True)

    def _follow(self) -> None:
        while not self._over.wait(LOOK_INTERVAL_S):
            self.look(time.monotonic())
