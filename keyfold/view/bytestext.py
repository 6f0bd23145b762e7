"""What has a text of its own beside its value: BLOB as DuckDB writes it, and UUID.

``CAST(b AS VARCHAR)`` of a BLOB has printable ASCII as it is and every other byte as ``\\xAA``, and
so have a backslash and both quotes. A UUID is its text, in lower case and with hyphens, whose order
is that of the 128 bits.
"""

from __future__ import annotations

import re
from uuid import UUID

_TEXTS = [
    chr(byte) if 32 <= byte <= 126 and chr(byte) not in "\\'\"" else f"\\x{byte:02X}"
    for byte in range(256)
]
_BLOB = re.compile(r"(?:[\x00-\x5b\x5d-\x7f]|\\x[0-9a-fA-F]{2})*")
_ESCAPE = re.compile(rb"\\x(..)")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")


def blob_text(value: bytes) -> str:
    """Write bytes as DuckDB's ``CAST(… AS VARCHAR)`` does."""
    return "".join([_TEXTS[byte] for byte in value])


def blob_bytes(text: str) -> bytes:
    """Read bytes as DuckDB's ``CAST(… AS BLOB)`` does.

    Raises:
        ValueError: A byte beyond ASCII is not written as ``\\xAA``.
    """
    if not _BLOB.fullmatch(text):
        raise ValueError(text)
    return _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()), text.encode())


def uuid_text(text: str) -> str:
    """Return a UUID, with or without hyphens, in the form in which it is kept.

    Raises:
        ValueError: It is none.
    """
    if not _UUID.fullmatch(text):
        raise ValueError(text)
    return str(UUID(text))
