"""What ``keep_memory`` promises of the processes that call it, in one of its own."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

_PROBE = """
import json, resource
import pyarrow as pa
from ingest.memory import keep_memory

kept = keep_memory()

def fill():
    memoryview(pa.allocate_buffer(32 << 20)).cast("B")[:] = zeros

zeros = bytes(32 << 20)

for _ in range(16):  # the heap grows until an aligned block finds a place
    fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    fill()
after = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print(json.dumps({"kept": kept, "pool": pa.default_memory_pool().backend_name,
                  "pages": after - before}))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="changes nothing elsewhere")
def test_a_batch_takes_the_pages_of_the_one_before() -> None:
    command = [sys.executable, "-c", _PROBE]
    told = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert told["kept"] and told["pool"] == "system"
    assert told["pages"] < 1_000, "of 65,536 that would be new ones"
