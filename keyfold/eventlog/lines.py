"""Bodies into lines, and lines into Arrow arrays, without a step per row.

A ``LineBlock`` is what the log stores: complete lines, each ended by one ``\\n``, none blank where
the body was split here. The law: the lines of ``split_lines(body)`` are exactly the lines of the
body that hold more than whitespace, byte for byte, less one ``\\r`` before each line's end.

A pushed event holds no NUL byte (JSON has none). After a power failure a file may end in zeros
that nobody wrote, so a NUL tells the writer's recovery what was never written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from keyfold.errors import RequestError

LINE_BYTES_MAX: Final = 1 << 20
NEWLINE: Final = 10
CARRIAGE_RETURN: Final = 13
SPACE: Final = 32

_VALUE_DECODER: Final = msgspec.json.Decoder(msgspec.Raw)
_ARRAY_DECODER: Final = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class LineBlock:
    """Complete lines.

    Attributes:
        data: The lines, each ended by ``\\n``; empty for no lines.
        count: How many there are.
    """

    data: bytes
    count: int


def block_of(lines: Sequence[bytes]) -> LineBlock:
    """Join lines (without their ends) into a block.

    Raises:
        ValueError: A line contains a newline or a NUL; the caller was to see to that.
    """
    if not lines:
        return LineBlock(b"", 0)
    data = b"\n".join(lines) + b"\n"
    if data.count(b"\n") != len(lines) or b"\0" in data:
        raise ValueError("a record must contain no newline and no NUL byte")
    return LineBlock(data, len(lines))


def split_ndjson(body: bytes, line_bytes_max: int = LINE_BYTES_MAX) -> LineBlock:
    """Split a pushed body of newline-delimited JSON.

    Whether a line is JSON is for the decoder to say.

    Raises:
        RequestError: A line is longer than ``line_bytes_max``, or there is a NUL byte.
    """
    place = body.find(b"\0")
    if place >= 0:
        raise RequestError(
            f"the body has a NUL byte (byte {place})", hint="send JSON in UTF-8, one event per line"
        )
    return split_lines(body, line_bytes_max)


def one_value_line(body: bytes, line_bytes_max: int = LINE_BYTES_MAX) -> LineBlock | None:
    """Return the one line of a body that is one JSON value over several lines; None for any other.

    A raw newline in valid JSON is whitespace between tokens, so it becomes a space.

    Raises:
        RequestError: The line is longer than ``line_bytes_max``.
    """
    if b"\n" not in body.strip():
        return None
    try:
        _VALUE_DECODER.decode(body)  # of NDJSON it looks at the first line only, and fails
    except msgspec.DecodeError:
        return None
    line = body.strip().replace(b"\n", b" ")
    _check_lengths(np.array([len(line)]), line_bytes_max)
    return block_of([line])


def split_lines(body: bytes, line_bytes_max: int) -> LineBlock:
    r"""Split bytes into lines: ``\r\n`` or ``\n``, blank lines skipped, the last end optional.

    Raises:
        RequestError: A line is longer than ``line_bytes_max``.
    """
    if not body:
        return LineBlock(b"", 0)
    data = body if body.endswith(b"\n") else body + b"\n"
    content = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(content == NEWLINE)
    starts = np.empty_like(ends)
    starts[0] = 0
    starts[1:] = ends[:-1] + 1
    # A line that starts with whitespace may be blank, and one that ends with \r loses it: both
    # are rare, so the check is vectorised and the work is not. A blank line starts with its \n.
    rare = (content[starts] <= SPACE).any() or (content[ends - 1] == CARRIAGE_RETURN).any()
    if rare:
        stripped = (line.removesuffix(b"\r") for line in data.split(b"\n"))
        lines = [line for line in stripped if line.strip()]
        _check_lengths(np.fromiter(map(len, lines), np.int64, len(lines)), line_bytes_max)
        return LineBlock(b"\n".join(lines) + b"\n" if lines else b"", len(lines))
    _check_lengths(ends - starts, line_bytes_max)
    return LineBlock(data, len(ends))


def json_array_lines(body: bytes, line_bytes_max: int = LINE_BYTES_MAX) -> LineBlock:
    """Split a JSON array into one line per element, each with its own bytes.

    A raw newline in valid JSON is whitespace between tokens, so it becomes a space.

    Raises:
        RequestError: Not a JSON array (with the place), or an element longer than
            ``line_bytes_max``.
    """
    try:
        elements = _ARRAY_DECODER.decode(body)
    except msgspec.ValidationError as error:
        raise RequestError(
            "the body is JSON, but not an array",
            hint="send a JSON array of events, or NDJSON with content type application/x-ndjson",
        ) from error
    except msgspec.DecodeError as error:
        place = f"the array ends too early (byte {len(body)})"
        reason = str(error).removeprefix("JSON is malformed: ")
        raise RequestError(
            f"the body is not a JSON array: {place if 'truncated' in reason else reason}",
            hint="the whole body was refused; none of its events was taken",
        ) from error
    lines = [bytes(element).replace(b"\n", b" ") for element in elements]
    _check_lengths(np.fromiter(map(len, lines), np.int64, len(lines)), line_bytes_max)
    return block_of(lines)


def array_of_lines(content: np.ndarray) -> tuple[pa.Array, int]:
    r"""Return the complete lines of a buffer, and how many bytes they take.

    Args:
        content: uint8[m], under 2 GiB; what follows the last ``\n`` is left for the next buffer.

    Returns:
        Binary array of the lines without their ends (a copy: the buffer may be used again), and
        the position after the last ``\n``.
    """
    ends = np.flatnonzero(content == NEWLINE)
    offsets = np.zeros(len(ends) + 1, np.int32)
    offsets[1:] = ends + 1
    with_ends = pa.BinaryArray.from_buffers(
        pa.binary(), len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(content)]
    )
    return pc.binary_slice(with_ends, 0, -1), int(offsets[-1])


def _check_lengths(lengths: np.ndarray, line_bytes_max: int) -> None:
    """Refuse lines that are too long.

    Args:
        lengths: int64[n], bytes per line without its end.
        line_bytes_max: The longest that passes.
    """
    if len(lengths) and int(lengths.max()) > line_bytes_max:
        record = int(np.argmax(lengths > line_bytes_max))
        raise RequestError(
            f"event {record + 1} of the body has {int(lengths[record])} bytes, "
            f"more than {line_bytes_max}",
            hint="send a reference to large content instead of the content",
        )
