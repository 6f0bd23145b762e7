"""``keyfold sources infer``: the CREATE SOURCE that fits the first events.

Files and topics are read by a process of the ingest house, as ``keyfold run`` reads them: so what
is printed here is what is detected there.
"""

from __future__ import annotations

import glob
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from itertools import islice

import msgspec

from keyfold.errors import KeyfoldError, SettingsError, SourceError, SqlError
from keyfold.sql.compile import unbound_sources
from keyfold.sql.infer import Inferred, create_source_sql, infer_columns
from keyfold.view.plan import Column

SAMPLE_EVENTS = 10_000
_ENCODES = {".csv": "CSV", ".tsv": "CSV", ".parquet": "PARQUET"}
_DELIMITERS = (";", "\t", "|")
_REFUSALS = {error.code: error for error in (SettingsError, SqlError)}


def infer_from_files(name: str, pattern: str, options: Sequence[str]) -> None:
    """Print the CREATE SOURCE of a file, of the files of a glob, or of stdin (``-``).

    Raises:
        SettingsError: There is no such file, or an option is wrong.
        SqlError: There is nothing in it to infer from.
        SourceError: It cannot be read.
    """
    if pattern == "-":
        events = [line.strip() for line in islice(sys.stdin.buffer, SAMPLE_EVENTS) if line.strip()]
        if not events:
            raise SettingsError("stdin holds no events", hint="give one JSON object per line")
        _print(name, infer_columns(events), {"connector": "events"}, "JSON")
        return
    found = sorted(glob.glob(pattern, recursive=True))
    if not found:
        raise SettingsError(f"no file matches {pattern}", hint="quote a glob, or give - for stdin")
    encode = next((word for end, word in _ENCODES.items() if end in found[0].lower()), "JSON")
    given = {"connector": "file", "path": pattern} | _given(options)
    columns = _columns(name, given, encode, "warning")
    _print(name, columns, given, encode)
    if encode == "CSV" and "delimiter" not in given and len(columns) == 1:
        seen = next((mark for mark in _DELIMITERS if mark in columns[0].name), None)
        if seen is not None:
            sys.stderr.write(
                f"hint: the one column has {seen!r} in its name; if that stands between columns, "
                f"add --option {shlex.quote(f'delimiter={seen}')}\n"
            )


def infer_from_topic(
    name: str, topic: str, bootstrap: str, options: Sequence[str], *, wait: bool
) -> None:
    """Print the CREATE SOURCE of a Kafka topic.

    Args:
        name: Name of the source.
        topic: The topic.
        bootstrap: The broker.
        options: Further options, KEY=VALUE.
        wait: Wait for events where there is none that tells columns.

    Raises:
        SettingsError: An option is wrong.
        SqlError: There is no event, or none is a JSON object.
        SourceError: The broker or the topic cannot be read.
    """
    given = {"connector": "kafka", "topic": topic, "properties.bootstrap.servers": bootstrap}
    given |= _given(options)
    # The broker may keep it waiting, and then it should say so.
    _print(name, _columns(name, given, "JSON", "info", wait=wait), given, "JSON")


def inferred(
    sql: str, sources: Sequence[str], log_level: str, *, wait: bool = False
) -> dict[str, Inferred]:
    """Have sources of an SQL file read, and return what is said of each, by name.

    Args:
        sql: The file's text.
        sources: Names of sources without a column list.
        log_level: What the process that reads them logs on stderr, unless the user says otherwise.
        wait: Wait for the events of a topic that has none.

    Raises:
        KeyfoldError: The process that reads them failed; its log says why.
    """
    flags = ["--wait"] if wait else []
    command = [sys.executable, "-P", "-m", "ingest.infer", *flags, "--", *sources]
    environment = {"KEYFOLD_LOG_LEVEL": log_level} | os.environ
    done = subprocess.run(  # noqa: S603 (our own module)
        command, env=environment, input=sql.encode(), stdout=subprocess.PIPE, check=False
    )
    told = [msgspec.json.decode(line, type=Inferred) for line in done.stdout.splitlines()]
    if done.returncode or {one.source for one in told} != set(sources):
        raise KeyfoldError(
            f"reading {', '.join(sources)} ended early (exit code {done.returncode})",
            hint="what it logged above says why; or write a column list",
        )
    return {one.source: one for one in told}


def _given(options: Sequence[str]) -> dict[str, str]:
    given = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals:
            raise SettingsError(f"--option {option} has no value", hint="write KEY=VALUE")
        given[key] = value
    return given


def _columns(
    name: str, options: dict[str, str], encode: str, log_level: str, *, wait: bool = False
) -> tuple[Column, ...]:
    sql = create_source_sql(name, (), options, encode=encode)
    unbound_sources(sql, "the statement")  # wrong options are refused here, in our words
    said = inferred(sql, [name], log_level, wait=wait)[name]
    if said.code:
        kind = _REFUSALS.get(said.code, SourceError)
        raise kind(said.message, hint=said.hint)
    return said.columns


def _print(name: str, columns: Sequence[Column], options: dict[str, str], encode: str) -> None:
    sys.stdout.write(create_source_sql(name, columns, options, encode=encode))
