"""Users for Keyfold's REST API: point lookup, multi-get, prefix scan, push. See README.md.

The keys are those of the view itself: they are read page by page before the users start, so every
lookup finds its row unless the row expires meanwhile. Any answer but a 2xx of the expected form is
a failure.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import requests
from locust import FastHttpUser, constant, events, tag, task
from locust.env import Environment
from locust.exception import StopUser

PAGE_ROWS = 1_000
NULL = "\0"

Key = tuple[Any, ...]


class Target:
    """What the users read and write: filled once, before they start."""

    view = ""
    source = ""
    names: tuple[str, ...] = ()
    keys: list[Key] = []  # noqa: RUF012 (replaced as a whole)
    events: list[bytes] = []  # noqa: RUF012 (replaced as a whole)
    headers: dict[str, str] = {}  # noqa: RUF012 (replaced as a whole)
    batch_keys = 100
    batch_events = 100
    limit = 100


@events.init_command_line_parser.add_listener
def add_options(parser: Any) -> None:
    """Add our own options to locust's; each can come from the environment, too."""
    option = parser.add_argument
    option("--view", env_var="KEYFOLD_LOAD_VIEW", default="", help="The view to read.")
    option(
        "--keys", env_var="KEYFOLD_LOAD_KEYS", type=int, default=10_000,
        help="Keys to read from the view at the start, at most.",
    )  # fmt: skip
    option(
        "--batch-keys", env_var="KEYFOLD_LOAD_BATCH_KEYS", type=int, default=100,
        help="Keys in one multi-get.",
    )  # fmt: skip
    option(
        "--limit", env_var="KEYFOLD_LOAD_LIMIT", type=int, default=100,
        help="Rows on one page of a scan.",
    )  # fmt: skip
    option("--source", env_var="KEYFOLD_LOAD_SOURCE", default="", help="The source to push into.")
    option(
        "--events", env_var="KEYFOLD_LOAD_EVENTS", default="",
        help="An NDJSON file whose events are pushed, over and over.",
    )  # fmt: skip
    option(
        "--batch-events", env_var="KEYFOLD_LOAD_BATCH_EVENTS", type=int, default=100,
        help="Events in one push.",
    )  # fmt: skip
    option(
        "--token", env_var="KEYFOLD_TOKEN", default="", is_secret=True,
        help="Bearer token, where the server asks for one.",
    )  # fmt: skip


@events.init.add_listener
def prepare(environment: Environment, **_: Any) -> None:
    """Read the view's keys and the events to push."""
    options = environment.parsed_options
    if options is None or environment.host is None:
        return
    Target.view, Target.source = options.view, options.source
    Target.batch_keys, Target.batch_events = options.batch_keys, options.batch_events
    Target.limit = options.limit
    Target.headers = {"authorization": f"Bearer {options.token}"} if options.token else {}
    if Target.view:
        Target.names, Target.keys = read_keys(environment.host.rstrip("/"), options.keys)
    if options.events:
        lines = Path(options.events).read_bytes().splitlines()
        Target.events = [line for line in lines if line.strip()]


def read_keys(host: str, keys_max: int) -> tuple[tuple[str, ...], list[Key]]:
    """Return the names of the key columns, and the keys of the view's first rows."""
    url = f"{host}/v1/views/{quote(Target.view, safe='')}"
    with requests.Session() as session:
        session.headers.update(Target.headers)
        about = session.get(url, timeout=60)
        about.raise_for_status()
        names = tuple(about.json()["key"])
        keys: list[Key] = []
        for row in _rows(session, f"{url}/rows"):
            missing = [name for name in names if name not in row]
            if missing:
                raise SystemExit(f"view {Target.view} does not select its key {missing[0]}")
            keys.append(tuple(row[name] for name in names))
            if len(keys) >= keys_max:
                break
    if not keys:
        raise SystemExit(f"view {Target.view} has no rows: push some events first")
    return names, keys


def _rows(session: requests.Session, url: str) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    while True:
        asked = {"limit": str(PAGE_ROWS)} | ({"cursor": cursor} if cursor else {})
        answer = session.get(url, params=asked, timeout=60)
        answer.raise_for_status()
        # Numbers as they are written: a DECIMAL is no double.
        page = json.loads(answer.text, parse_float=_Number, parse_int=_Number)
        yield from page["rows"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


class _Number(str):
    """A number's text; it stands without quotes in a JSON body."""


def as_text(value: Any) -> str:
    """Write a key value as a path or a query has it."""
    match value:
        case None:
            return NULL
        case bool():
            return "true" if value else "false"
        case str():
            return str(value)
        case _:
            return json.dumps(value)


def as_json(value: Any) -> str:
    """Write a key value as a JSON body has it."""
    return str(value) if isinstance(value, _Number) else json.dumps(value)


class KeyfoldUser(FastHttpUser):
    """What all users share: they ask again at once, and anything unexpected is a failure."""

    abstract = True
    wait_time = constant(0)

    def ask(self, method: str, path: str, name: str, expected: str, **how: Any) -> None:
        """Send a request; a failure unless it is answered by a 2xx that has ``expected``."""
        headers = Target.headers | how.pop("headers", {})
        with self.client.request(
            method, path, name=name, headers=headers, catch_response=True, **how
        ) as answer:
            text = answer.text or ""
            if not 200 <= (answer.status_code or 0) < 300:
                answer.failure(f"{answer.status_code}: {text[:200]}")
            elif not text.startswith(f'{{"{expected}":'):
                answer.failure(f"no {expected}: {text[:200]}")


class _Reader(KeyfoldUser):
    abstract = True

    def on_start(self) -> None:
        """Stop where there is nothing to read."""
        if not Target.keys:
            raise StopUser

    @property
    def url(self) -> str:
        """The path of the view."""
        return f"/v1/views/{quote(Target.view, safe='')}"


class PointLookup(_Reader):
    """One row by its whole key: the hot path."""

    weight = 10

    @tag("lookup")
    @task
    def lookup(self) -> None:
        """Ask for one row."""
        key = "/".join(quote(as_text(value), safe="") for value in random.choice(Target.keys))
        self.ask("GET", f"{self.url}/rows/{key}", "GET /v1/views/[view]/rows/[key]", "row")


class MultiGet(_Reader):
    """Many rows by their whole keys, in one request."""

    weight = 1

    @tag("multi-get")
    @task
    def multi_get(self) -> None:
        """Ask for a batch of rows."""
        keys = random.choices(Target.keys, k=Target.batch_keys)
        listed = ",".join(f"[{','.join(as_json(value) for value in key)}]" for key in keys)
        self.ask(
            "POST",
            f"{self.url}/lookup",
            "POST /v1/views/[view]/lookup",
            "rows",
            data=f'{{"keys":[{listed}]}}',
            headers={"content-type": "application/json"},
        )


class PrefixScan(_Reader):
    """A page of rows: by the first column of a composite key, or from a simple key on."""

    weight = 1

    @tag("scan")
    @task
    def scan(self) -> None:
        """Ask for a page."""
        first = random.choice(Target.keys)[0]
        # `.eq` is equality even where a column is named like a parameter; NULL is in no range.
        by_prefix = len(Target.names) > 1 or first is None
        predicate = f"{Target.names[0]}.{'eq' if by_prefix else 'gte'}"
        asked = urlencode({predicate: as_text(first), "limit": Target.limit})
        self.ask("GET", f"{self.url}/rows?{asked}", "GET /v1/views/[view]/rows", "rows")


class Push(KeyfoldUser):
    """Events into an `events` source; answered once they are durable."""

    weight = 1

    def on_start(self) -> None:
        """Stop where there is nothing to push."""
        if not (Target.source and Target.events):
            raise StopUser

    @tag("push")
    @task
    def push(self) -> None:
        """Push a batch."""
        batch = random.choices(Target.events, k=Target.batch_events)
        self.ask(
            "POST",
            f"/v1/sources/{quote(Target.source, safe='')}/events",
            "POST /v1/sources/[source]/events",
            "accepted",
            data=b"\n".join(batch),
            headers={"content-type": "application/x-ndjson"},
        )
