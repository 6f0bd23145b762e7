"""``keyfold check``: compile an SQL file and summarise what it defines."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from keyfold.cli.infer import inferred
from keyfold.cli.show import add_row, out, print_error, table
from keyfold.connector.options import connector_options
from keyfold.errors import SettingsError, SqlError, counted
from keyfold.sql.compile import Known, compile_known, unbound_sources
from keyfold.sql.faults import statement_errors
from keyfold.sql.infer import Inferred
from keyfold.sql.parse import UnboundSource
from keyfold.view.plan import Catalog, ViewPlan


@dataclass(frozen=True, slots=True)
class Compiled:
    """A file as far as it can be compiled before it runs.

    Attributes:
        catalog: All sources, those of unknown columns as placeholders; the views over the others.
        waiting: View → its source, whose columns are not known.
        reasons: Source of unknown columns → why, and how to get a column list.
    """

    catalog: Catalog
    waiting: dict[str, str]
    reasons: dict[str, str]

    @property
    def views(self) -> list[str]:
        """The names of all views, compiled or not."""
        return [*(view.name for view in self.catalog.views), *self.waiting]


def compile_file(file: Path, *, look: bool = True) -> Compiled:
    """Read an SQL file and compile what can be.

    Args:
        file: The file.
        look: Look into the files of `file` sources that have no column list.

    Raises:
        SqlError: It cannot be read, or cannot be run; or an option of a source is wrong.
    """
    return _compile_text(file_text(file), file, look=look)


def _compile_text(text: str, file: Path, *, look: bool) -> Compiled:
    written = {one.name: one for one in unbound_sources(text, str(file))}
    sources = [one for one in written.values() if one.columns is None]
    known = compile_known(text, str(file), {})  # what is wrong anyhow is said before files are read
    for source in known.catalog.sources:
        try:
            connector_options(source)
        except SettingsError as problem:
            raise _located(problem, written[source.name]) from problem
    readable = [one.name for one in sources if look and one.connector == "file"]
    found = inferred(text, readable, "warning") if readable else {}
    for one in found.values():
        if one.code == SettingsError.code:
            raise _located(SettingsError(one.message, hint=one.hint), written[one.source])
    schemas = {name: one.columns for name, one in found.items() if one.columns}
    if schemas:
        known = compile_known(text, str(file), schemas)
    return _compiled(known, [one for one in sources if one.name not in schemas], found)


def _located(problem: SettingsError, source: UnboundSource) -> SqlError:
    """Return what is wrong with a source's options as an error at its place in the file."""
    option = source.options.get(problem.option)
    return SqlError(
        problem.message,
        hint=problem.hint,
        location=option.location if option else source.location,
    )


def _compiled(known: Known, waiting: list[UnboundSource], found: dict[str, Inferred]) -> Compiled:
    reasons = {}
    for source in waiting:
        said = found.get(source.name)
        why = said.message if said else "its columns are detected when it runs"
        reasons[source.name] = f"{why}; for a column list: {_infer_command(source)}"
    return Compiled(known.catalog, {name: a.source for name, a in known.aside.items()}, reasons)


def _infer_command(source: UnboundSource) -> str:
    """Return the command that prints a source with columns."""
    options = {key: option.value for key, option in source.options.items()}
    words = ["keyfold", "sources", "infer", "--name", source.name]
    match source.connector:
        case "file":
            words.append(options.get("path", "PATH"))
        case "kafka":
            servers = ("properties.bootstrap.servers", "properties.bootstrap.server")
            bootstrap = next((options[key] for key in servers if key in options), "HOST:PORT")
            words += ["--topic", options.get("topic", "TOPIC"), "--bootstrap", bootstrap]
        case _:
            return f"{shlex.join([*words, '-'])} < events.ndjson"
    return shlex.join(words)


def file_text(file: Path) -> str:
    """Return the text of an SQL file.

    Raises:
        SqlError: It cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8")
    except OSError as problem:
        raise SqlError(
            f"{file} cannot be read: {problem.strerror}", hint="give the path of an SQL file"
        ) from problem
    except UnicodeDecodeError as problem:
        raise SqlError(f"{file} is no UTF-8 text", hint="save it as UTF-8") from problem


def check_file(file: Path) -> None:
    """Print what the file defines, and what could not be checked of it.

    Raises:
        SqlError: The last of the errors; those of other statements are printed.
    """
    text = file_text(file)

    def compile_text(text: str) -> Compiled:
        return _compile_text(text, file, look=True)

    try:
        compiled = compile_text(text)
    except SqlError as problem:
        *others, last = statement_errors(text, str(file), problem, compile_text)
        for error in others:
            print_error(error)
        raise last from None
    catalog = compiled.catalog
    console = out()
    sources = table("source", "connector", "#columns", "event time")
    for source in catalog.sources:
        mark = source.watermark
        columns = len(source.columns) + len(source.includes) if source.columns else "not known"
        time = f"{mark.column}, {duration(mark.delay_us)} late at most" if mark else "none"
        add_row(
            sources,
            [source.name, source.connector, columns, time],
        )
    views = table("view", "source", "key", "columns", "window")
    for view in catalog.views:
        keys = ", ".join(key.name for key in view.keys) or "none: one row"
        columns_of_view = ", ".join(output.name for output in view.outputs)
        add_row(
            views, [view.name, ", ".join(view.sources), keys, columns_of_view, window_text(view)]
        )
    for name, source_name in compiled.waiting.items():
        add_row(views, [name, source_name, "?", "?", "?"])
    console.print(sources)
    console.print(views)
    for name, why in compiled.reasons.items():
        views_of_it = [view for view, source in compiled.waiting.items() if source == name]
        unchecked = f"view{'s' if len(views_of_it) > 1 else ''} {', '.join(views_of_it)}"
        also = f", nor {unchecked}" if views_of_it else ""
        console.print(
            f"not checked: columns of source {name}{also}: {why}", markup=False, soft_wrap=True
        )
    counts = [counted(len(catalog.sources), "source"), counted(len(compiled.views), "view")]
    good = "good as far as it was checked" if compiled.reasons else "good"
    console.print(f"{file}: {good}, {' and '.join(counts)}", markup=False)


def window_text(view: ViewPlan) -> str:
    """Say which window a view has, and for how long its rows are kept."""
    if view.window is None:
        return "none"
    kept = f", kept {duration(view.retention_us)}" if view.retention_us is not None else ""
    window = view.window
    size = f"{'gap ' if window.session else ''}{duration(window.size_us)}"
    if window.panes > 1:
        kept += f", up to {view.panes_read} panes of {duration(window.pane_us)} merged by a lookup"
    if view.emit_on_close:
        kept += ", shown once it is closed"
    return f"{window.kind} {size} on {window.column}{kept}"


def duration(us: int) -> str:
    """Write a duration in the largest unit that makes it whole."""
    for unit, size_us in (("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000)):
        if us and us % size_us == 0:
            return f"{us // size_us} {unit}"
    return f"{us / 1e6:g} s"
