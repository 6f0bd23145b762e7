"""The rows of a view as Arrow tables in the exact types of its Iceberg table.

Memory stays bounded: rows come in chunks of about ``CHUNK_ROWS``. They are read and converted by
pages, which are small enough to stay in the processor's own cache from one step to the next, and a
chunk is the pages' columns laid end to end. All chunks of one export are of one commit as long as
nobody calls ``StateReader.refresh`` meanwhile (law 4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.schema import Schema, sanitize_column_names

from keyfold.errors import LakeError
from keyfold.state.protocol import Page
from keyfold.state.reader import StateReader, ViewReader
from keyfold.view.columns import written
from keyfold.view.moment import INFINITY_US, TICKS, ticks_text
from keyfold.view.nestedtimes import nested_times
from keyfold.view.row import HidesMany
from keyfold.view.types import Physical, column_type
from lake.nested import decode_json, parse_type, restorer

CHUNK_ROWS = 262_144
PAGE_ROWS = 4_096


class Exporter:
    """Turns the rows of one view into Arrow tables of one Iceberg schema.

    Attributes:
        schema: The Arrow schema of the tables, Iceberg field ids in its metadata.
    """

    def __init__(self, view: ViewReader, table_schema: Schema) -> None:
        """Prepare the conversion.

        Args:
            view: The view.
            table_schema: The schema of its Iceberg table; has every column of the view.
        """
        self._view = view
        # Parquet columns are named as Avro allows; readers find them by field id.
        self.schema: pa.Schema = schema_to_pyarrow(sanitize_column_names(table_schema))
        positions = {output.name: at for at, output in enumerate(view.plan.outputs)}
        self._columns = [
            (field.name, positions.get(field.name), self.schema.field(at).type)
            for at, field in enumerate(table_schema.fields)
        ]
        self._restorers = [
            _column_restorer(output.type, self.schema.field(at).type)
            for output in view.plan.outputs
            for at in [table_schema.fields.index(table_schema.find_field(output.name))]
        ]

    def chunks(self, reader: StateReader, chunk_rows: int = CHUNK_ROWS) -> Iterator[pa.Table]:
        """Yield the live rows of the view in key order, as they are at the reader's commit.

        Args:
            reader: The state.
            chunk_rows: After so many a chunk ends, with its page.

        Raises:
            LakeError: A value does not fit its Iceberg type.
        """
        pages: list[pa.Table] = []
        held = 0
        hides = reader.hides_many(self._view)
        for page in reader.pages(self._view, min(PAGE_ROWS, chunk_rows)):
            pages.append(self._page(page, hides))
            held += pages[-1].num_rows
            if held >= chunk_rows:
                yield pa.concat_tables(pages)
                pages, held = [], 0
        if held:
            yield pa.concat_tables(pages)

    def _page(self, page: Page, hides: HidesMany | None) -> pa.Table:
        """Return stored rows, the view's prefix before their keys, as one table of ``schema``."""
        rows = self._view.compiled.arrow_page(
            *page, prefix_bytes=len(self._view.prefix), hides=hides
        )
        arrays = [
            pa.nulls(rows.num_rows, target)
            if position is None
            else self._convert(name, rows.column(position), position, target)
            for name, position, target in self._columns
        ]
        return pa.table(arrays, schema=self.schema)

    def _convert(
        self, name: str, column: pa.ChunkedArray, position: int, target: pa.DataType
    ) -> pa.ChunkedArray:
        restore = self._restorers[position]
        try:
            if restore is not None:
                return restore(column)
            if column.type == target:
                if pa.types.is_decimal(target):
                    column.validate(full=True)  # 128 bits hold more than 38 digits
                return column
            return column.cast(target)
        except (pa.ArrowException, TypeError, ValueError, ArithmeticError) as problem:
            kind = self._view.plan.outputs[position].type
            raise LakeError(
                f"column {name} of view {self._view.plan.name} has a value that its Iceberg type "
                f"{target} cannot hold: {problem}",
                hint=f"cast it in the view's SELECT; it is {kind} now",
            ) from problem


def _column_restorer(
    type_name: str, target: pa.DataType
) -> Callable[[pa.ChunkedArray], pa.ChunkedArray] | None:
    """Return how the JSON text of a nested column becomes values; None where it stays as it is."""
    if type_name == "TIMESTAMP_NS":
        return _nanosecond_texts
    if type_name in TICKS:
        ticks = TICKS[type_name]
        return lambda column: _microseconds(column, ticks).cast(target)
    if column_type(type_name).physical is not Physical.JSON:
        return None
    tree = parse_type(type_name)
    if tree is None:
        return _texts(nested_times(type_name))
    restore = restorer(tree, target)

    def column(texts: pa.ChunkedArray) -> pa.ChunkedArray:
        values: list[Any] = [
            None if text is None else restore(decode_json(text)) for text in texts.to_pylist()
        ]
        return pa.chunked_array([pa.array(values, target)])

    return column


def _texts(write: Callable[[str], str]) -> Callable[[pa.ChunkedArray], pa.ChunkedArray] | None:
    """Return how stored JSON text becomes the text that REST has; None where it is that."""
    if write is str:
        return None

    return lambda texts: pa.chunked_array([written(texts.to_pylist(), write)])


def _nanosecond_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    ticks = TICKS["TIMESTAMP_NS"]
    values = column.combine_chunks().view(pa.int64()).to_pylist()
    return pa.chunked_array([written(values, lambda value: ticks_text(value, ticks))])


def _microseconds(column: pa.ChunkedArray, ticks: int) -> pa.ChunkedArray:
    """Return timestamps of so many ticks per second as those of Iceberg; infinity stays infinite.

    Raises:
        ValueError: One is beyond these.
    """
    whole = column.combine_chunks().view(pa.int64())
    values = whole.fill_null(0).to_numpy(zero_copy_only=False)
    factor = 1_000_000 // ticks
    infinite = np.abs(values) == INFINITY_US
    if (~infinite & (np.abs(values) > INFINITY_US // factor)).any():
        raise ValueError("it is more than 292,000 years away")
    micros = np.where(infinite, values, np.where(infinite, 0, values) * factor)
    mask = whole.is_null().to_numpy(zero_copy_only=False)
    return pa.chunked_array([pa.array(micros, pa.int64(), mask=mask).view(pa.timestamp("us"))])
