"""``keyfold check``: compile an SQL file and summarise what it defines."""

from __future__ import annotations

from pathlib import Path

from keyfold.cli.infer import columns_of_files
from keyfold.cli.show import add_row, out, table
from keyfold.errors import SqlError
from keyfold.sql.compile import Known, compile_known, unbound_sources
from keyfold.view.plan import ViewPlan


def compile_file(file: Path, *, look: bool = True) -> Known:
    """Read and compile an SQL file, as far as the columns of its sources are known.

    Args:
        file: The file.
        look: Whether to look into the files of a `file` source without a column list.

    Raises:
        SqlError: It cannot be read, or cannot be run.
        SettingsError: There is no file to look into.
    """
    text = _text(file)
    paths = {
        source.name: source.options["path"].value
        for source in unbound_sources(text, str(file))
        if look and source.columns is None and "path" in source.options
    }
    schemas = {name: columns_of_files(path) for name, path in paths.items()}
    return compile_known(text, str(file), schemas)


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
    known = compile_file(file)
    catalog = known.catalog
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
    for name, one in known.aside.items():
        add_row(views, [name, one.source, "?", "?", "?"])
    console.print(sources)
    console.print(views)
    total = len(catalog.views) + len(known.aside)
    counts = [_count(len(catalog.sources), "source"), _count(total, "view")]
    told = f"{file}: good, {' and '.join(counts)}"
    if known.aside:
        names = ", ".join(sorted({one.source for one in known.aside.values()}))
        told += f"; what reads {names} is checked once its columns are detected"
    console.print(told, markup=False, soft_wrap=True)


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
