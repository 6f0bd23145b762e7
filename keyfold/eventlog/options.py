"""What the WITH clause of an ``events`` source may say.

Serving needs it to write the log, ingest to read it, so it stands on the ground floor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from keyfold.errors import SettingsError, did_you_mean

STARTUP_MODES: Final = ("earliest", "latest")
_SEGMENT_BYTES_MIN: Final = 4096
_NUMBERS_MIN: Final = {"segment.bytes": _SEGMENT_BYTES_MIN, "retention.bytes": 0, "retention.ms": 0}
_KNOWN: Final = ("connector", "scan.startup.mode", *_NUMBERS_MIN)


@dataclass(frozen=True, slots=True)
class EventsOptions:
    """Options of one ``events`` source.

    Attributes:
        segment_bytes: ``segment.bytes``: the next segment begins before one grows beyond this; a
            single larger push has one of its own.
        retention_bytes: ``retention.bytes``: of each partition, the oldest segments beyond this
            are removed, once the state has applied them.
        retention_ms: ``retention.ms``: likewise segments whose last record is older than this.
        startup_mode: ``scan.startup.mode``: where a new source starts, ``earliest`` or
            ``latest``.
    """

    segment_bytes: int = 64 << 20
    retention_bytes: int = 8 << 30
    retention_ms: int = 7 * 24 * 3_600_000
    startup_mode: str = "earliest"


def events_options(name: str, with_options: Mapping[str, str]) -> EventsOptions:
    """Validate the WITH options of the ``events`` source ``name``.

    Raises:
        SettingsError: An option is unknown, or its value is not of its kind.
    """
    for key in with_options:
        if key not in _KNOWN:
            raise SettingsError(
                f"source {name} has an unknown option {key}",
                hint=did_you_mean(key, _KNOWN),
                option=key,
            )
    mode = str(with_options.get("scan.startup.mode", "earliest"))
    if mode not in STARTUP_MODES:
        raise SettingsError(
            f"source {name} has scan.startup.mode = {mode!r}",
            hint=f"use one of {', '.join(STARTUP_MODES)}",
            option="scan.startup.mode",
        )
    numbers = {
        key.replace(".", "_"): _whole_number(name, key, with_options[key])
        for key in _NUMBERS_MIN
        if key in with_options
    }
    return EventsOptions(**numbers, startup_mode=mode)


def _whole_number(name: str, key: str, value: str) -> int:
    text = str(value).replace("_", "")
    number = int(text) if text.isascii() and text.isdecimal() else -1
    if number < _NUMBERS_MIN[key]:
        raise SettingsError(
            f"source {name} has {key} = {value!r}",
            hint=f"use a whole number, at least {_NUMBERS_MIN[key]}",
            option=key,
        )
    return number
