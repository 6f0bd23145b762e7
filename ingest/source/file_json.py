"""Rows of CSV and Parquet files as JSON objects, so that one decoder serves all formats.

What JSON cannot hold exactly goes as text, which the decoder casts to the column's declared type:

- decimals as their exact digits (``"1.10"``); DuckDB would write them through a double;
- timestamps as ISO 8601 in UTC (``"2024-01-01T00:00:00.5Z"``), those without a zone taken as UTC;
- blobs as base64, and ``{"base64": "…"}`` where the column is a BLOB, to tell them from a text;
- NaN and the infinities as ``"nan"``, ``"inf"``, ``"-inf"``.

All else is as DuckDB's ``to_json`` writes it; structs, lists and maps are walked.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import duckdb
import pyarrow as pa


class JsonRows:
    """Writes rows of one schema as JSON objects.

    Args:
        names: The keys of the objects, one per column.
        types: The Arrow type of each column.
        blobs: The names of those that are read as BLOB.
    """

    def __init__(
        self, names: Sequence[str], types: Sequence[pa.DataType], blobs: Collection[str] = ()
    ) -> None:
        self._places = [f"c{number}" for number in range(len(names))]
        fields = ", ".join(
            f"{_quoted(name)} := {_blob(place, kind) if name in blobs else _exact(place, kind)}"
            for name, place, kind in zip(names, self._places, types, strict=True)
        )
        self._query = f"SELECT to_json(struct_pack({fields}))::VARCHAR AS value FROM rows"
        self._connection = duckdb.connect(":memory:")
        self._connection.execute("SET threads = 1; SET enable_external_access = false")

    def encode(self, columns: Sequence[pa.Array | pa.ChunkedArray]) -> pa.Array:
        """Return a binary array with one JSON object per row, in order."""
        self._connection.register("rows", pa.table(list(columns), names=self._places))
        try:
            values = self._connection.sql(self._query).to_arrow_table().column("value")
        finally:
            self._connection.unregister("rows")
        return pa.concat_arrays([pa.array([], pa.binary()), *values.cast(pa.binary()).chunks])

    def close(self) -> None:
        """Release the engine."""
        self._connection.close()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _blob(value: str, kind: pa.DataType) -> str:
    """Return the SQL expression of a column that is read as BLOB."""
    exact = _exact(value, kind)
    if not _binary(kind):
        return exact
    return f"CASE WHEN {value} IS NOT NULL THEN struct_pack(base64 := {exact}) END"


def _binary(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _binary(kind.value_type)
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _exact(value: str, kind: pa.DataType, depth: int = 0) -> str:
    """Return the SQL expression that makes ``value`` of Arrow type ``kind`` exact in JSON."""
    inner = f"x{depth}"
    if pa.types.is_dictionary(kind):
        return _exact(f"({value})", kind.value_type, depth)
    if pa.types.is_timestamp(kind):
        # The instant that is stored is UTC, whatever the zone says that it is to be shown in.
        make = "make_timestamp_ns(epoch_ns" if kind.unit == "ns" else "make_timestamp(epoch_us"
        return f"replace({make}({value}))::VARCHAR, ' ', 'T') || 'Z'"
    if pa.types.is_decimal(kind):
        return f"({value})::VARCHAR"
    if pa.types.is_floating(kind):
        return (
            f"CASE WHEN isfinite({value}) THEN to_json({value}) "
            f"WHEN {value} IS NOT NULL THEN to_json(({value})::VARCHAR) END"
        )
    if _binary(kind):
        return f"base64({value})"
    if pa.types.is_struct(kind):
        fields = ", ".join(
            f"{_quoted(f.name)} := {_exact(f'({value}).{_quoted(f.name)}', f.type, depth)}"
            for f in kind
        )
        return f"CASE WHEN {value} IS NOT NULL THEN struct_pack({fields}) END"
    if pa.types.is_map(kind):
        items = _exact(inner, kind.item_type, depth + 1)
        return (
            f"CASE WHEN {value} IS NOT NULL THEN map(map_keys({value})::VARCHAR[], "
            f"list_transform(map_values({value}), lambda {inner}: {items})) END"
        )
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return (
            f"list_transform({value}, lambda {inner}: {_exact(inner, kind.value_type, depth + 1)})"
        )
    return value
