"""What was written and what came out of it, side by side, at any depth of a field.

DuckDB's ``from_json`` is lenient: what does not fit its type comes out as NULL, and a scalar where
a struct belongs as a struct of NULLs. To tell that from what is absent, the field is read once more
as it was *written*: in the same shape down to some level, and as text below it. Both readings have
the same lists of the same lengths, so they are compared by columns.

``doubtful_rows`` says which rows to read again, ``written_type`` how, and ``compare`` finds what
differs. The levels are compared from
the top, each over rows that fit on the levels above it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from keyfold.sql.bind import quoted

Name = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Misfit:
    """A place where something is written that is not of its type.

    Attributes:
        row: The row it stands in.
        place: Its path: ``items[1].qty``.
        text: What is written there.
    """

    row: int
    place: str
    text: str


def doubtful_rows(array: pa.Array) -> dict[int, np.ndarray]:
    """Return level → bool[n], the rows in which something there may not have fitted.

    Level 0 is the field itself. Levels on which everything came out are left out.
    """
    found: dict[int, np.ndarray] = {}
    _doubt(array, 0, np.arange(len(array)), len(array), found)
    return found


def _doubt(
    array: pa.Array, level: int, rows: np.ndarray, n: int, found: dict[int, np.ndarray]
) -> None:
    unread = _unread(array)
    if unread.any():
        found.setdefault(level, np.zeros(n, np.bool_))[rows[unread]] = True
    if array.null_count:  # what is absent has no parts that could be wrong
        rows = rows[array.is_valid().to_numpy(zero_copy_only=False)]
        array = array.drop_null()
    if pa.types.is_struct(array.type):
        for child in array.flatten():
            _doubt(child, level + 1, rows, n, found)
    elif _has_children(array.type):
        parents, inner = _elements(array)
        _doubt(inner, level + 1, rows[parents], n, found)


def written_type(kind: pa.DataType, level: int) -> str:
    """Return the DuckDB type of a field that is read in its shape down to ``level``.

    A scalar is read as VARCHAR, which shows it as people write it; a struct, list or map as JSON,
    whose first character says what it is.
    """
    if level == 0:
        return "JSON" if _has_children(kind) else "VARCHAR"
    if pa.types.is_struct(kind):
        fields = (
            f"{quoted(one.name)} {written_type(one.type, level - 1)}"
            for one in (kind.field(i) for i in range(kind.num_fields))
        )
        return f"STRUCT({', '.join(fields)})"
    if pa.types.is_map(kind):
        return f"MAP(VARCHAR, {written_type(kind.item_type, level - 1)})"
    if _is_list(kind):
        return f"{written_type(kind.value_type, level - 1)}[]"
    return "VARCHAR"


def compare(name: str, read: pa.Array, written: pa.Array, level: int) -> Iterator[Misfit]:
    """Yield what does not fit on one level of a field.

    Args:
        name: The field.
        read: n values, read as the field's type.
        written: The same, read as ``written_type`` of that level; no misfits above it.
        level: 0 is the field itself.
    """
    yield from _compare(read, written, level, np.arange(len(read)), lambda _: name)


def _compare(
    read: pa.Array, written: pa.Array, level: int, rows: np.ndarray, name: Name
) -> Iterator[Misfit]:
    if level == 0:
        wrong = _unread(read) & written.is_valid().to_numpy(zero_copy_only=False)
        if pa.types.is_struct(read.type):
            texts = written.cast(pa.large_utf8())
            wrong &= ~pc.starts_with(texts, "{").fill_null(True).to_numpy(zero_copy_only=False)
        for i in np.flatnonzero(wrong).tolist():
            yield Misfit(int(rows[i]), name(i), str(written[i].as_py()))
        return
    if not _has_children(read.type):
        return
    if pa.types.is_struct(read.type):
        fields = [one.name for one in read.type]
        for field, a, b in zip(fields, read.flatten(), written.flatten(), strict=True):
            yield from _compare(a, b, level - 1, rows, _field_of(name, field))
        return
    parents, inner = _elements(read)
    other_parents, other = _elements(written)
    assert np.array_equal(parents, other_parents), "both readings have the same lists"
    # Where a parent's elements begin, to say which of them it is.
    first = np.searchsorted(parents, np.arange(len(read)))
    keys = _map_keys(read) if pa.types.is_map(read.type) else None
    yield from _compare(
        inner, other, level - 1, rows[parents], _item_of(name, parents, first, keys)
    )


def _field_of(name: Name, field: str) -> Name:
    return lambda i: f"{name(i)}.{field}"


def _item_of(name: Name, parents: np.ndarray, first: np.ndarray, keys: pa.Array | None) -> Name:
    def item(i: int) -> str:
        parent = int(parents[i])
        inside = i - int(first[parent]) if keys is None else keys[i].as_py()
        return f"{name(parent)}[{inside!r}]"

    return item


def _unread(array: pa.Array) -> np.ndarray:
    """Where a value is NULL, or a struct of nothing but NULLs: bool[n]."""
    absent = np.asarray(array.is_null().to_numpy(zero_copy_only=False))
    if pa.types.is_struct(array.type) and array.type.num_fields:
        empty = np.logical_and.reduce([_unread(child) for child in array.flatten()])
        return np.asarray(absent | empty)
    return absent


def _elements(array: pa.Array) -> tuple[np.ndarray, pa.Array]:
    """Return (index of the list, element) of every element of lists or maps."""
    if pa.types.is_map(array.type):
        array = _values_by_key(array, array.items)
    return np.asarray(pc.list_parent_indices(array).to_numpy()), pc.list_flatten(array)


def _map_keys(array: pa.Array) -> pa.Array:
    return pc.list_flatten(_values_by_key(array, array.keys))


def _values_by_key(array: pa.Array, children: pa.Array) -> pa.Array:
    # A null map has no entries in what DuckDB and Arrow's filter make.
    return pa.ListArray.from_arrays(array.offsets, children)


def _has_children(kind: pa.DataType) -> bool:
    return bool(pa.types.is_struct(kind) or pa.types.is_map(kind) or _is_list(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))
