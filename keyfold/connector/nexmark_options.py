"""What the WITH clause of a ``nexmark`` source may say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from keyfold.errors import SettingsError, did_you_mean

EVENTS_MAX: Final = 10**12
PARTITIONS_MAX: Final = 1_000
_BOUNDS: Final = {
    "events": (1, EVENTS_MAX),
    "seed": (0, (1 << 63) - 1),
    "partitions": (1, PARTITIONS_MAX),
    "rate": (1, 10**9),
}
_KNOWN: Final = ("connector", *_BOUNDS)


@dataclass(frozen=True, slots=True)
class NexmarkOptions:
    """Options of one ``nexmark`` source.

    Attributes:
        events: How many events there are.
        seed: Another seed gives other events of the same rules.
        partitions: Event i lies in partition ``i % partitions``.
        rate: Events per second; None: as fast as they are read.
    """

    events: int
    seed: int = 1
    partitions: int = 1
    rate: int | None = None


def nexmark_options(name: str, with_options: Mapping[str, str]) -> NexmarkOptions:
    """Validate the WITH options of the ``nexmark`` source ``name``.

    Raises:
        SettingsError: An option is missing or unknown, or its value is not of its kind.
    """
    for key in with_options:
        if key not in _KNOWN:
            raise SettingsError(
                f"source {name} has an unknown option {key}",
                hint=did_you_mean(key, _KNOWN),
                option=key,
            )
    if "events" not in with_options:
        raise SettingsError(
            f"source {name} does not say how many events", hint="add events = '1000000'"
        )
    return NexmarkOptions(
        **{
            key: _whole_number(name, key, with_options[key])
            for key in _BOUNDS
            if key in with_options
        }
    )


def _whole_number(name: str, key: str, value: str) -> int:
    least, most = _BOUNDS[key]
    text = str(value).replace("_", "")
    number = int(text) if text.isascii() and text.isdecimal() else -1
    if not least <= number <= most:
        raise SettingsError(
            f"source {name} has {key} = {value!r}",
            hint=f"use a whole number from {least} to {most}",
            option=key,
        )
    return number
