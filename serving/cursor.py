"""Cursors of pages: the last key that was looked at, bound to the plan and the range; no secret."""

from __future__ import annotations

import base64
import hashlib

from keyfold.errors import RequestError

_DIGEST_BYTES = 8


def cursor_of(fingerprint: str, start: bytes, end: bytes, last: bytes) -> str:
    """Return the cursor for the page after a key.

    Args:
        fingerprint: Of the view's plan.
        start: Where the range begins.
        end: Where it ends.
        last: The last key that was looked at.
    """
    raw = _digest(fingerprint, start, end, last) + last
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def key_after(cursor: str, fingerprint: str, start: bytes, end: bytes) -> bytes:
    """Return the least key after the one that a cursor names.

    Raises:
        RequestError: It is of another view or range, or none at all.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        raw = base64.b64decode(padded, altchars=b"-_", validate=True)
    except ValueError:
        raw = b""
    digest, last = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
    if digest != _digest(fingerprint, start, end, last) or not start <= last < end:
        raise RequestError(
            "the cursor does not belong to this view and these predicates",
            hint="give next_cursor of the page before, with the same view and predicates",
        )
    return last + b"\0"


def _digest(fingerprint: str, *parts: bytes) -> bytes:
    digest = hashlib.blake2b(fingerprint.encode(), digest_size=_DIGEST_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(4, "big") + part)
    return digest.digest()
