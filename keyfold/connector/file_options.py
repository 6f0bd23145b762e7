"""What the WITH clause of a ``file`` source may say, and which format a file name stands for."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from keyfold.errors import SettingsError, SourceError, did_you_mean


class FileFormat(StrEnum):
    """How records lie in a file."""

    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"


_EXTENSIONS: Final = {
    ".ndjson": FileFormat.NDJSON,
    ".jsonl": FileFormat.NDJSON,
    ".json": FileFormat.NDJSON,
    ".csv": FileFormat.CSV,
    ".tsv": FileFormat.CSV,
    ".parquet": FileFormat.PARQUET,
}
_ENCODES: Final = {
    "JSON": FileFormat.NDJSON,
    "NDJSON": FileFormat.NDJSON,
    "CSV": FileFormat.CSV,
    "PARQUET": FileFormat.PARQUET,
}
_COMPRESSIONS: Final = {".gz": "gzip", ".zst": "zstd"}
_KNOWN: Final = ("connector", "path", "watch", "delimiter", "header", "columns")


@dataclass(frozen=True, slots=True)
class FileOptions:
    """Options of one ``file`` source.

    Attributes:
        path: A path or glob pattern, ``**`` for any depth; relative to the working directory.
        format: The format by ENCODE; None to go by each file's extension.
        watch: Keep looking for new files; a new file must appear whole (write aside and rename).
        delimiter: Between CSV fields; None for a comma, or a tab in ``.tsv`` files.
        header: The first CSV record holds the column names.
        columns: The column names of CSV files without header.
    """

    path: str
    format: FileFormat | None = None
    watch: bool = False
    delimiter: str | None = None
    header: bool = True
    columns: tuple[str, ...] = ()


def file_options(name: str, with_options: Mapping[str, str], encode: str | None) -> FileOptions:
    """Validate the WITH options of the ``file`` source ``name``.

    Args:
        name: The source, for the words of an error.
        with_options: The options by their keys.
        encode: The word after ENCODE, None where there is none.

    Raises:
        SettingsError: An option is missing, unknown, or does not fit the others.
    """
    for key in with_options:
        if key not in _KNOWN:
            raise SettingsError(
                f"source {name} has an unknown option {key}",
                hint=did_you_mean(key, _KNOWN),
                option=key,
            )
    path = with_options.get("path", "")
    if not path:
        raise SettingsError(f"source {name} has no path", hint="add path = 'data/*.ndjson'")
    options = FileOptions(
        path=path,
        format=_encoded(name, encode, path),
        watch=_truth(name, "watch", with_options.get("watch", "false")),
        delimiter=with_options.get("delimiter"),
        header=_truth(name, "header", with_options.get("header", "true")),
        columns=tuple(c.strip() for c in with_options.get("columns", "").split(",") if c.strip()),
    )
    delimiter = options.delimiter
    if delimiter is not None and (
        len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0'
    ):
        raise SettingsError(
            f"source {name} has delimiter = {delimiter!r}",
            hint="use one ASCII character",
            option="delimiter",
        )
    if options.header and options.columns:
        raise SettingsError(
            f"source {name} has columns, but its files have a header",
            hint="add header = 'false', or leave columns out",
            option="columns",
        )
    if not options.header and not options.columns:
        raise SettingsError(
            f"source {name} has header = 'false', but no columns",
            hint="add columns = 'a, b, c'",
            option="header",
        )
    return options


def format_of(path: str, options: FileOptions) -> FileFormat | None:
    """Return the format of one file: by ENCODE, else by its extension; None where neither says."""
    return options.format or extension_format(path)


def extension_format(path: str) -> FileFormat | None:
    """Return the format that a file name's extension stands for."""
    name = path.lower()
    for compressed in _COMPRESSIONS:
        name = name.removesuffix(compressed)
    return next((form for end, form in _EXTENSIONS.items() if name.endswith(end)), None)


def compression_of(path: str) -> str | None:
    """Return the name of the codec that a file name's extension stands for."""
    return next((c for end, c in _COMPRESSIONS.items() if path.lower().endswith(end)), None)


def delimiter_of(path: str, options: FileOptions) -> str:
    """Return what stands between the fields of one CSV file."""
    return options.delimiter or ("\t" if ".tsv" in path.lower() else ",")


def _encoded(name: str, encode: str | None, path: str) -> FileFormat | None:
    if encode is None:
        return None
    form = _ENCODES.get(encode.upper())
    if form is None:
        raise SettingsError(
            f"source {name} has ENCODE {encode}", hint="a file source reads JSON, CSV and PARQUET"
        )
    named = extension_format(path)
    if named not in (None, form):
        raise SettingsError(
            f"source {name} has ENCODE {encode}, but its path {path} names {named} files",
            hint="change one of them",
            option="path",
        )
    return form


def _truth(name: str, key: str, value: str) -> bool:
    match value.lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            raise SettingsError(
                f"source {name} has {key} = {value!r}", hint="use 'true' or 'false'", option=key
            )


def matching_files(options: FileOptions, directory: Path) -> list[str]:
    """Return the files that match now, sorted.

    Args:
        options: The source's options.
        directory: What a relative pattern is relative to.

    Raises:
        SourceError: The name of one is no UTF-8.
    """
    found = sorted(set(glob.glob(options.path, root_dir=directory, recursive=True)))
    for path in found:
        raw = os.fsencode(path)
        shown = raw.decode(errors="backslashreplace")
        if shown.encode() != raw:
            raise SourceError(f"the name of the file {shown} is no UTF-8", hint="rename it")
    return [path for path in found if (directory / path).is_file()]
