"""Opening a source: whatever is wrong with it stops it, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from ingest.opening import Opening, Start, first_line
from ingest.source.events import EventsSource
from keyfold.errors import SourceError
from keyfold.eventlog.options import EventsOptions

STEPS = 500


class NamelessSource(EventsSource):
    """An event log that cannot say what it is."""

    def identity(self) -> Mapping[str, str]:
        raise UnicodeEncodeError("utf-8", "\udcfc", 0, 1, "surrogates not allowed")


def test_a_source_that_cannot_say_what_it_is_stops(tmp_path: Path) -> None:
    opening = Opening("orders", NamelessSource(tmp_path, EventsOptions()))
    for _ in range(STEPS):
        assert not opening.advance(lambda: Start({}, {}, {}), 20)
        if opening.error:
            break
    assert "surrogates not allowed" in opening.error
    assert not opening.done


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (SourceError("M\udcfcller.ndjson is gone"), "M\\udcfcller.ndjson is gone"),
        (SourceError("zwölf\nand more"), "zwölf"),
        (ValueError(), "ValueError"),
    ],
)
def test_what_is_told_of_a_problem_can_be_written(problem: Exception, told: str) -> None:
    assert first_line(problem) == told
    assert msgspec.json.decode(msgspec.json.encode(first_line(problem))) == told
