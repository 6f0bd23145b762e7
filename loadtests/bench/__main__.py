"""``make bench``: run the benchmarks, print a table, and write it with everything behind it.

``python -m loadtests.bench [--smoke] [--only NAME …] [--output DIR]``. With all of them run, the
page goes to docs/benchmarks.md and the JSON to docs/benchmarks.json; with ``--only`` the parts that
were run replace those of the last run in both.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loadtests.bench import curves, families, fresh, ingest, lookup, nexmark, retention, snapshot
from loadtests.bench.figure import Figure
from loadtests.bench.process import ROOT
from loadtests.bench.report import machine, page, row, write_json

Benchmark = Callable[[bool], list[Figure]]
PARTS: dict[str, tuple[Benchmark, ...]] = {
    "Ingest": (*ingest.ALL, *nexmark.ALL),
    "What aggregates and windows cost": families.ALL,
    "Lookups": lookup.ALL,
    "Freshness and restart": fresh.ALL,
    "Snapshots": (snapshot.snapshot,),
    "Retention": (retention.retention,),
    "What the settings trade": curves.ALL,
}


def main() -> None:
    """Run what is asked for."""
    names = [one.__name__ for each in PARTS.values() for one in each]
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench")
    parser.add_argument("--smoke", action="store_true", help="a few seconds each, nothing written")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", default=names)
    parser.add_argument("--output", type=Path, default=ROOT / "docs")
    given = parser.parse_args()
    facts = machine()
    parts = {part: {one.__name__: one for one in each} for part, each in PARTS.items()}
    found = _earlier(given.output) if given.only != names and not given.smoke else {}
    for part, each in parts.items():
        for name, benchmark in each.items():
            if name not in given.only:
                continue
            began = time.monotonic()
            figures = benchmark(given.smoke)
            found.setdefault(part, {})[name] = figures
            sys.stdout.write("".join(f"{row(one)}\n" for one in figures))
            sys.stdout.write(f"{name}: {time.monotonic() - began:.0f} s\n")
            sys.stdout.flush()
            if not given.smoke:
                _write(given.output, found, facts)


def _write(
    output: Path, found: dict[str, dict[str, list[Figure]]], facts: dict[str, object]
) -> None:
    order = {part: [one.__name__ for one in each] for part, each in PARTS.items()}
    flat = {
        f"{part}: {name}": found[part][name]
        for part, names in order.items()
        for name in names
        if name in found.get(part, {})
    }
    write_json(output / "benchmarks.json", flat, facts)
    shown: dict[str, list[Figure]] = {}
    for title, figures in flat.items():
        shown.setdefault(title.partition(":")[0], []).extend(figures)
    (output / "benchmarks.md").write_text(page(shown, facts))


def _earlier(output: Path) -> dict[str, dict[str, list[Figure]]]:
    """Return the figures of the last run."""
    path = output / "benchmarks.json"
    if not path.exists():
        return {}
    found: dict[str, dict[str, list[Figure]]] = {}
    told: dict[str, list[dict[str, Any]]] = json.loads(path.read_text())["figures"]
    for title, figures in told.items():
        part, _, name = title.partition(": ")
        found.setdefault(part, {})[name] = [
            Figure(**{key: _number(key, value) for key, value in one.items()}) for one in figures
        ]
    return found


def _number(key: str, value: Any) -> Any:
    return float("nan") if key in ("value", "least", "greatest") and value is None else value


if __name__ == "__main__":
    main()
