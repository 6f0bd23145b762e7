"""``keyfold check``: compile an SQL file and summarise what it defines."""

from __future__ import annotations

from pathlib import Path

from keyfold.cli.infer import columns_of_files
from keyfold.cli.show import add_row, out, table
from keyfold.errors import SqlError
from keyfold.sql.compile import compile_sql, unbound_sources
from keyfold.view.plan import Catalog, ViewPlan


def compile_file(file: Path) -> Catalog:
    """Read and compile an SQL file; a `file` source without a column list is looked into.

    Raises:
        SqlError: It cannot be read, or cannot be run.
    """
    schemas = {
        name: columns_of_files(path) for name, path in undetected(file).items() if path is not None
    }
    return compile_sql(_text(file), str(file), schemas)


def undetected(file: Path) -> dict[str, str | None]:
    """Return the names of the sources without a column list, with the path of `file` sources.

    Raises:
        SqlError: The file cannot be read.
    """
    return {
        source.name: source.options["path"].value if "path" in source.options else None
        for source in unbound_sources(_text(file), str(file))
        if source.columns is None
    }


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as problem:
        raise SqlError(
            f"{file} cannot be read: {problem.strerror}", hint="give the path of an SQL file"
        ) from problem
    except UnicodeDecodeError as problem:
        raise SqlError(f"{file} is no UTF-8 text", hint="save it as UTF-8") from problem


def check_file(file: Path) -> None:
    """Print what the file defines."""
    catalog = compile_file(file)
    console = out()
    sources = table("source", "connector", "#columns", "event time")
    for source in catalog.sources:
        mark = source.watermark
        columns = len(source.columns) + len(source.includes)
        time = f"{mark.column}, {duration(mark.delay_us)} late at most" if mark else "none"
        add_row(sources, [source.name, source.connector, columns or "detected", time])
    views = table("view", "source", "key", "columns", "window")
    for view in catalog.views:
        keys = ", ".join(key.name for key in view.keys)
        columns_of_view = ", ".join(output.name for output in view.outputs)
        add_row(views, [view.name, view.source, keys, columns_of_view, window_text(view)])
    console.print(sources)
    console.print(views)
    counts = [_count(len(catalog.sources), "source"), _count(len(catalog.views), "view")]
    console.print(f"{file}: good, {' and '.join(counts)}", markup=False)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def window_text(view: ViewPlan) -> str:
    """Say which window a view has, and for how long its rows are kept."""
    if view.window is None:
        return "none"
    kept = f", kept {duration(view.retention_us)}" if view.retention_us is not None else ""
    return f"{view.window.kind} {duration(view.window.size_us)} on {view.window.column}{kept}"


def duration(us: int) -> str:
    """Write a duration in the largest unit that makes it whole."""
    for unit, size_us in (("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000)):
        if us and us % size_us == 0:
            return f"{us // size_us} {unit}"
    return f"{us / 1e6:g} s"
