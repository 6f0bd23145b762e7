"""What of an SQL file is kept now, and how the rest joins it.

A source without a column list holds up its own views and no others (law 7): the views over sources
that are known are kept at once. When the columns of another one are detected,

1. the running pipeline stops as at the end of the process, with a commit;
2. the file is compiled again with these columns;
3. the state is opened with the larger catalog, which is stored in one atomic step with where the
   new source begins (law 2), and a new pipeline goes on from there.

A crash before step 3 is done leaves a state that knows nothing of the new source but, where it
starts at its latest, where that was: it is detected again from there. After it, its columns are
known as if they had been declared.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from ingest.detect import Detected, Detections
from ingest.opening import first_line
from ingest.pipeline import Missing
from ingest.source.connect import connect
from keyfold.errors import SqlError
from keyfold.sql.compile import Aside, Known, compile_known, known_schemas, unbound_sources
from keyfold.state.counter import MissingView
from keyfold.state.record import SourceRecord, StoredCatalog
from keyfold.state.writer import StateWriter

_log = logging.getLogger("keyfold.ingest")
# The status has a place of 1 MiB (keyfold/state/counter.py), most of which partitions may take.
MISSING_VIEWS_MAX = 500
_ERROR_CHARACTERS_MAX = 400


class Joining:
    """An SQL file, as much of it as is known. Not thread-safe.

    Attributes:
        known: What can be kept, and what is left aside.
        starts: Where to begin with the sources that became known last.
        news: Set while there is something for ``advance`` to do.
    """

    def __init__(
        self,
        text: str,
        file: str,
        stored: StoredCatalog | None,
        data_directory: Path,
        stop: threading.Event,
    ) -> None:
        """Compile what is known: declared, or stored by an earlier life.

        Raises:
            SqlError: The file is wrong, whatever columns are detected.
            SettingsError: An option of a source is wrong.
        """
        self._text, self._file = text, file
        sources = unbound_sources(text, file)
        self._schemas = known_schemas(sources, stored.catalog if stored else None)
        self._told = stored.wrong if stored else {}
        self._late: set[str] = set()
        self._logged: set[str] = set()
        self.known = self._compiled()
        for source in self.known.catalog.sources:
            connect(source, data_directory)  # refuses wrong options before the state is touched
        self.starts: dict[str, SourceRecord] = {}
        waiting = [one for one in sources if one.columns is None and one.name not in self._schemas]
        self._detections = Detections(waiting, data_directory, stop)
        self._begun = False
        self.news = self._detections.news

    def begin(self, state: StateWriter) -> None:
        """Begin to wait for the first events of the sources that are not known; once.

        Args:
            state: As opened with what is known.
        """
        if self._begun:
            return
        self._begun = True
        begins = state.record.begins
        self._detections.start({name: one.start for name, one in begins.items()})

    def advance(self) -> None:
        """Take over the columns that were detected.

        What of the file does not fit them stays aside, and is told of: by the time that shows,
        others are being kept, and a refusal to run would stop them, too.
        """
        found = self._detections.take()
        self._late |= set(found)
        self._schemas |= {name: one.columns for name, one in found.items()}
        self.known = self._compiled()
        for name, problem in self.known.wrong.items():
            del self._schemas[name]
            self._detections.refuse(name, first_line(problem))
            _log.error("source stopped: %s", problem, extra={"source": name})
        self.starts = _starts(found, self.known)

    @property
    def missing(self) -> Missing:
        """What is not kept, for the readers; of very many views, those with an error first."""
        told = sorted(self.known.aside.items(), key=lambda item: item[1].error is None)
        views = {
            name: MissingView(
                one.source, first_line(one.error)[:_ERROR_CHARACTERS_MAX] if one.error else ""
            )
            for name, one in told[:MISSING_VIEWS_MAX]
        }
        return Missing(self._detections.statuses, views, self._detections.begins)

    @property
    def aside(self) -> dict[str, str]:
        """View → source of the views that are not kept."""
        return {name: one.source for name, one in self.known.aside.items()}

    @property
    def wrong(self) -> dict[str, str]:
        """View → statement of those that do not fit the columns of their source."""
        return {name: one.sql for name, one in self.known.aside.items() if one.error is not None}

    def close(self) -> None:
        """Let go of the sources that are waited for; the process is stopping."""
        if self._begun:
            self._detections.close()

    def _compiled(self) -> Known:
        known = compile_known(
            self._text, self._file, self._schemas, late=self._late, told=self._told
        )
        aside: dict[str, Aside] = {}
        for name, one in known.aside.items():
            error = _with_detected(one.error, one.source) if one.error else None
            aside[name] = Aside(one.source, one.sql, error)
            if error is not None and name not in self._logged:
                self._logged.add(name)
                _log.error("view stopped: %s", error, extra={"view": name})
        wrong = {name: _with_detected(problem, name) for name, problem in known.wrong.items()}
        return Known(known.catalog, aside, wrong)


def _starts(found: dict[str, Detected], known: Known) -> dict[str, SourceRecord]:
    return {name: one.start for name, one in found.items() if name not in known.wrong}


def _with_detected(problem: SqlError, source: str) -> SqlError:
    """Say whose columns were not written but detected, since a few odd events may be to blame."""
    told = f"the columns of {source} were detected; a column list sets their types"
    hint = f"{problem.hint}; {told}" if problem.hint else told
    return SqlError(problem.message, hint=hint, location=problem.location)
