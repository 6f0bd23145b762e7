"""What the demo prints at its end: addresses, commands to paste, and where the tables lie."""

from __future__ import annotations

import shlex
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from keyfold.settings import Settings
from keyfold.sql.compile import compile_sql
from keyfold.state.layout import lake_directory

_LOOK_INTERVAL_S = 0.1


def wait_for_lake(
    settings: Settings, events: int, ended: threading.Event, timeout_s: float
) -> dict[str, dict[str, Any]]:
    """Wait until a snapshot of every view holds all events; return what the lake says of each.

    What has no snapshot in time is left out: the demo goes on without it.
    """
    pipeline = Path(__file__).with_name("pipeline.sql")
    names = {view.name for view in compile_sql(pipeline.read_text(), str(pipeline)).views}
    deadline_s = time.monotonic() + timeout_s
    told = False
    while True:
        views = _lake_views(settings.data_dir)
        done = {
            name: view
            for name, view in views.items()
            if view["metadata_location"] and sum(view["offsets"].values()) >= events
        }
        if names <= done.keys() or time.monotonic() > deadline_s:
            return done
        if not told:
            print("waiting for the Iceberg snapshots", flush=True)
            told = True
        if ended.wait(_LOOK_INTERVAL_S):
            return done


def _lake_views(data_directory: Path) -> dict[str, dict[str, Any]]:
    """Read the status that the lake process writes; its whole file is replaced each time."""
    try:
        raw = (lake_directory(data_directory) / "status.json").read_bytes()
    except FileNotFoundError:
        return {}
    views: dict[str, dict[str, Any]] = msgspec.json.decode(raw)["views"]
    return views


def tell(settings: Settings, url: str, lake: dict[str, dict[str, Any]]) -> None:
    """Print what can be done now."""
    token = settings.api_tokens[0] if settings.api_tokens else ""
    curl = f"curl -s -H 'authorization: Bearer {token}'" if token else "curl -s"
    rows = "origin_hourly/rows?origin=JFK&window_start.gte=2013-07-04T12:00:00Z&limit=3"
    keys = '{"keys": [["JFK", "LAX"], ["EWR", "SFO"]]}'
    lines = [
        "",
        f"  views      {url}/v1/views",
        f"  API        {url}/docs",
        f"  metrics    {url}/metrics",
        "",
        "One row by its key, a range of rows, and many keys at once:",
        "",
        f"  {curl} {url}/v1/views/carrier_delays/rows/AA",
        f"  {curl} '{url}/v1/views/{rows}'",
        f"  {curl} -X POST {url}/v1/views/route_stats/lookup"
        f" -H 'content-type: application/json' -d '{keys}'",
    ]
    print("\n".join([*lines, *_lake_lines(lake)]), flush=True)


def _lake_lines(lake: dict[str, dict[str, Any]]) -> list[str]:
    if not lake:
        return ["", "No Iceberg snapshot was taken yet: the log says why."]
    width = max(map(len, lake))
    lines = ["", "The same rows as Iceberg tables:", ""]
    for name, view in sorted(lake.items()):
        lines.append(f"  {name:<{width}}  {view['rows']:>7,} rows  {_path(view['location'])}")
    name = "carrier_delays" if "carrier_delays" in lake else min(lake)
    metadata = _path(lake[name]["metadata_location"])
    table = f"from pyiceberg.table import StaticTable as T; t = T.from_metadata({metadata!r})"
    python = shlex.quote(_python())
    query = f"SELECT * FROM {name} ORDER BY ALL LIMIT 5"
    duck = f"t.scan().to_duckdb({name!r}).sql({query!r}).show()"
    return [
        *lines,
        "",
        "Read them with Python (Arrow), with DuckDB from Python, and with DuckDB's own shell",
        "(whose iceberg extension is downloaded at first use):",
        "",
        f'  {python} -c "{table}; print(t.scan().to_arrow())"',
        f'  {python} -c "{table}; {duck}"',
        f"  duckdb -c \"INSTALL iceberg; LOAD iceberg; FROM iceberg_scan('{metadata}')\"",
    ]


def _path(location: str) -> str:
    return location.removeprefix("file://")


def _python() -> str:
    """The interpreter with our packages, as short as it can be written from here."""
    here = Path.cwd()
    running = Path(sys.executable)
    return str(running.relative_to(here)) if running.is_relative_to(here) else str(running)
