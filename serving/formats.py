"""Pages in the format that ``Accept`` asks for: JSON, NDJSON, CSV or an Arrow stream.

JSON has rows, cursor and freshness in the body. The others hold rows only; what goes with them
stands in the headers ``keyfold-next-cursor``, ``keyfold-freshness`` and ``keyfold-commit``. All are
made from the same stored rows: CSV writes numbers and times as JSON does, NULL as nothing and the
empty string as ``""``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from keyfold.state.protocol import Pair
from keyfold.state.reader import ViewReader
from keyfold.view.plan import Output
from keyfold.view.types import Physical, column_type
from serving.lookup import ROWS_PER_TURN, Label
from serving.problem import Answer, RefusedError

JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
FORMATS: Mapping[str, bytes] = {
    JSON: JSON.encode(),
    NDJSON: NDJSON.encode(),
    CSV: b"text/csv; charset=utf-8; header=present",
    ARROW: ARROW.encode(),
}
"""Media type → content-type header, the most preferred first."""

_RAW_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_QUOTED = frozenset(',"\r\n')


def chosen_format(accept: str) -> str:
    """Return the format that an Accept header (RFC 9110, 12.5.1) wants.

    Raises:
        RefusedError: None of ours is accepted.
    """
    if not accept.strip():
        return JSON
    ranges = [_media_range(part) for part in accept.split(",") if part.strip()]
    best, best_quality = "", 0.0
    for offered in FORMATS:
        quality = _quality(offered, ranges)
        if quality > best_quality:
            best, best_quality = offered, quality
    if not best:
        raise RefusedError(
            "not_acceptable", f"there is no {accept!r}", hint=f"offered are {', '.join(FORMATS)}"
        )
    return best


def json_page(
    rows: Sequence[str | None], cursor: str | None, label: Label, *, commit: bool
) -> bytes:
    """Write rows, cursor and label as one JSON object.

    Args:
        rows: JSON objects, None where there is no row.
        cursor: Where the next page starts, or None.
        label: What goes with the rows.
        commit: Whether to state the commit.
    """
    stated = f',"commit":{label.commit}' if commit else ""
    text = ",".join([row or "null" for row in rows])
    following = msgspec.json.encode(cursor).decode()
    return (
        f'{{"rows":[{text}],"next_cursor":{following},"freshness":{label.freshness}{stated}}}'
    ).encode()


def label_headers(cursor: str | None, label: Label, *, commit: bool) -> list[tuple[bytes, bytes]]:
    """Return the headers that say what a JSON page says beside its rows."""
    headers = [(b"keyfold-freshness", label.freshness.encode())]
    if cursor is not None:
        headers.append((b"keyfold-next-cursor", cursor.encode()))
    if commit:
        headers.append((b"keyfold-commit", label.commit.encode()))
    return headers


async def page_answer(
    rows: Sequence[str], media_type: str, outputs: Sequence[Output], cursor: str | None,
    label: Label, *, commit: bool,
) -> Answer:  # fmt: skip
    """Return a page of JSON rows as JSON, NDJSON or CSV."""
    if media_type == JSON:
        return Answer(200, json_page(rows, cursor, label, commit=commit), FORMATS[JSON])
    if media_type == NDJSON:
        body = "".join([row + "\n" for row in rows]).encode()
    else:
        body = await _csv(rows, outputs)
    return Answer(200, body, FORMATS[media_type], label_headers(cursor, label, commit=commit))


async def arrow_answer(
    view: ViewReader, pairs: Sequence[Pair], cursor: str | None, label: Label, *, commit: bool
) -> Answer:
    """Return a page of stored rows as an Arrow IPC stream."""
    # By a thread: a long page takes 50 ms and more, and its rows are copies already.
    body = await asyncio.to_thread(_arrow, view, pairs)
    return Answer(200, body, FORMATS[ARROW], label_headers(cursor, label, commit=commit))


def _arrow(view: ViewReader, pairs: Sequence[Pair]) -> bytes:
    import pyarrow as pa  # noqa: PLC0415  # only for this format

    table = view.compiled.answer_table(pairs)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    body: bytes = sink.getvalue().to_pybytes()
    return body


async def _csv(rows: Sequence[str], outputs: Sequence[Output]) -> bytes:
    lines = [",".join([_csv_text(output.name) for output in outputs])]
    # Of a JSON column "1" is a string and 1 a number, so its strings keep their quotes.
    fields = [
        _csv_json if column_type(output.type).physical is Physical.JSON else _csv_field
        for output in outputs
    ]
    for at, row in enumerate(rows, 1):
        # The column's own text is kept: a DECIMAL keeps all of its digits.
        raws = _RAW_ROW.decode(row).values()
        lines.append(",".join([field(bytes(raw)) for field, raw in zip(fields, raws, strict=True)]))
        if at % ROWS_PER_TURN == 0:
            await asyncio.sleep(0)
    return ("\r\n".join(lines) + "\r\n").encode()


def _csv_json(raw: bytes) -> str:
    return "" if raw == b"null" else _csv_text(raw.decode())


def _csv_field(raw: bytes) -> str:
    if raw == b"null":
        return ""
    if raw.startswith(b'"'):
        return _csv_text(msgspec.json.decode(raw, type=str))
    return _csv_text(raw.decode())


def _csv_text(text: str) -> str:
    if text and _QUOTED.isdisjoint(text):
        return text
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def _media_range(part: str) -> tuple[str, float]:
    name, *parameters = [piece.strip() for piece in part.split(";")]
    quality = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            try:
                quality = float(value)
            except ValueError:
                quality = 0.0
    return name.lower(), quality


def _quality(offered: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The quality of the most specific range that matches."""
    family = offered.split("/", maxsplit=1)[0] + "/*"
    for wanted in (offered, family, "*/*"):
        for name, quality in ranges:
            if name == wanted:
                return quality
    return 0.0
