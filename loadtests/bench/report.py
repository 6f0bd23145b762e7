"""Figures as JSON and as a page: what stands in docs/benchmarks.md."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from loadtests.bench.figure import Figure
from loadtests.bench.repeat import REPEATS

_LIBRARIES = ("duckdb", "rocksdict", "confluent-kafka", "pyarrow", "numpy", "uvicorn", "pyiceberg")
_HEAD = """# Benchmarks

Made by `make bench`; do not edit. Every figure is of one run on one machine: the median of the
repeats, with the least and the greatest. Ratios are of two things measured right after each other
in that run. Every table was checked against DuckDB, every row of a lookup against its event, before
a figure was taken. How each is measured stands in [loadtests/README.md](../loadtests/README.md),
the peers' settings in [loadtests/peers/README.md](../loadtests/peers/README.md). Where the time
goes, and why a bar is not met, stands in [performance.md](performance.md).
"""


def machine() -> dict[str, object]:
    """Return what the figures were measured on; nothing that names the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpus": len(os.sched_getaffinity(0)),
        "cpu": _cpu_model(),
        "memory_gib": round(memory / (1 << 30), 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "libraries": {name: version(name) for name in _LIBRARIES},
        "repeats": REPEATS,
        "load_average": [round(one, 2) for one in os.getloadavg()],
    }


def write_json(path: Path, parts: Mapping[str, Sequence[Figure]], facts: dict[str, object]) -> None:
    """Write everything that is known of the figures."""
    told = {
        "machine": facts,
        "figures": {part: [_plain(asdict(one)) for one in each] for part, each in parts.items()},
    }
    path.write_text(json.dumps(told, indent=1, default=str) + "\n")


def page(parts: Mapping[str, Sequence[Figure]], facts: dict[str, object]) -> str:
    """Return the page with one table per part."""
    libraries = facts["libraries"]
    assert isinstance(libraries, dict)
    lines = [
        _HEAD,
        f"Machine: {facts['cpus']} CPUs ({facts['cpu']}), {facts['memory_gib']} GiB, "
        f"{facts['system']}, Python {facts['python']}, {facts['date']}. "
        f"Load average at the start: {facts['load_average']}. Repeats: {facts['repeats']}.",
        "",
        "Versions: " + ", ".join(f"{name} {one}" for name, one in libraries.items()) + ".",
    ]
    for part, figures in parts.items():
        lines += ["", f"## {part}", "", "| what | bar | median | least to greatest | met |"]
        lines += ["|---|---|---|---|---|", *map(row, figures)]
    return "\n".join(lines) + "\n"


def row(one: Figure) -> str:
    """Return a figure as a row of the table."""
    if math.isnan(one.value):
        return f"| {one.name} | {one.bar} | | {one.detail.get('missing', '')} | |"
    met = {True: "yes", False: "**no**", None: ""}[one.met]
    spread = f"{number(one.least)} to {number(one.greatest)}"
    return f"| {one.name} | {one.bar} | {number(one.value)} {one.unit} | {spread} | {met} |"


def number(value: float) -> str:
    """Return a figure with three digits that count, or as a whole number."""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def _plain(told: dict[str, object]) -> dict[str, object]:
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in told.items()
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
