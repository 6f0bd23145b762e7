"""The Iceberg schema of a view, and how it may change.

===============================================  ===============================================
SQL type                                         Iceberg type
===============================================  ===============================================
BOOLEAN                                          boolean
TINYINT, SMALLINT, INTEGER, UTINYINT, USMALLINT  int
UINTEGER, BIGINT                                 long
UBIGINT, HUGEINT, UHUGEINT                       decimal(38, 0); a longer number fails the snapshot.
                                                 UHUGEINT within nested types string
DECIMAL(p, s)                                    decimal(p, s)
FLOAT, DOUBLE                                    float, double
VARCHAR, UUID, ENUM                              string
BLOB                                             binary; within nested types string, DuckDB's text
DATE, TIME, TIMESTAMP, TIMESTAMPTZ               date, time, timestamp, timestamptz (µs)
TIMESTAMP_S, TIMESTAMP_MS                        timestamp; within nested types as TIMESTAMP_NS
TIMESTAMP_NS                                     string, as REST has it: timestamp is of µs
T[], STRUCT, MAP                                 list, struct, map
JSON, UNION, maps with nested keys               string, JSON text as REST has it
===============================================  ===============================================

Every column is optional: a key may be NULL. That rules out Iceberg's identifier fields, which must
be required; the sort order says what the key is instead.

How a changed view meets its table: **a table never loses a column and never changes the meaning of
one.** Columns may be added, and widened as Iceberg allows (int → long, float → double, more decimal
digits); a view whose column became narrower goes on in the wider type. Anything else is refused,
because the queries of analysts would break: they choose when to let the old table go.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from pyiceberg.schema import Schema
from pyiceberg.table.sorting import NullOrder, SortDirection, SortField, SortOrder
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    PrimitiveType,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
)

from keyfold.view import expression as ex
from keyfold.view.plan import ViewPlan
from keyfold.view.types import Physical, column_type
from lake.nested import ListOf, MapOf, Scalar, Struct, Tree, parse_type

_SCALARS: dict[str, IcebergType] = {
    "BOOLEAN": BooleanType(),
    "TINYINT": IntegerType(),
    "SMALLINT": IntegerType(),
    "INTEGER": IntegerType(),
    "UTINYINT": IntegerType(),
    "USMALLINT": IntegerType(),
    "UINTEGER": LongType(),
    "BIGINT": LongType(),
    "UBIGINT": DecimalType(38, 0),
    "HUGEINT": DecimalType(38, 0),
    "FLOAT": FloatType(),
    "DOUBLE": DoubleType(),
    "DATE": DateType(),
    "TIME": TimeType(),
    "TIMESTAMP": TimestampType(),
    "TIMESTAMP WITH TIME ZONE": TimestamptzType(),
    "TIMESTAMPTZ": TimestamptzType(),
}
_ALONE: dict[str, IcebergType] = {
    "UHUGEINT": DecimalType(38, 0),
    "BLOB": BinaryType(),
    "TIMESTAMP_S": TimestampType(),
    "TIMESTAMP_MS": TimestampType(),
}
"""Types that are another one within nested types, of which JSON text is kept."""


def schema_of(plan: ViewPlan) -> Schema:
    """Return the Iceberg schema of a view, with provisional field ids."""
    ids = count(1)
    return Schema(
        *(
            NestedField(next(ids), output.name, iceberg_type(output.type, ids), required=False)
            for output in plan.outputs
        )
    )


def iceberg_type(name: str, ids: count[int]) -> IcebergType:
    """Return the Iceberg type for one of DuckDB's type names.

    Args:
        name: The type's name.
        ids: Where field ids of nested parts come from.
    """
    tree = parse_type(name)
    match tree:
        case None:
            return StringType()
        case Scalar(name=scalar) if scalar in _ALONE:
            return _ALONE[scalar]
    return _of_tree(tree, ids)


def _of_tree(tree: Tree, ids: count[int]) -> IcebergType:
    match tree:
        case ListOf(element=element):
            return ListType(next(ids), _of_tree(element, ids), element_required=False)
        case Struct(fields=fields):
            return StructType(
                *(
                    NestedField(next(ids), name, _of_tree(part, ids), required=False)
                    for name, part in fields
                )
            )
        case MapOf(key=key, value=value):
            key_id, value_id = next(ids), next(ids)
            return MapType(
                key_id, _of_tree(key, ids), value_id, _of_tree(value, ids), value_required=False
            )
        case Scalar(name=name):
            if name.startswith("DECIMAL("):
                precision, scale = name[len("DECIMAL(") : -1].split(",")
                return DecimalType(int(precision), int(scale))
            return _SCALARS.get(name, StringType())


def sort_order_of(plan: ViewPlan, schema: Schema) -> SortOrder:
    """Return the order in which the rows lie: by the key, as far as its columns are selected.

    NULL comes last in a row key, and NaN after every number, as Iceberg has it. A nested key has
    no order in Iceberg, and an ENUM, which is text there, another one; so the order ends before it.
    """
    selected = {
        output.expression.index: output.name
        for output in reversed(plan.outputs)
        if isinstance(output.expression, ex.Key)
    }
    fields = []
    for index, key in enumerate(plan.keys):
        column = column_type(key.type)
        if index not in selected or column.physical is Physical.JSON or column.enum:
            break
        fields.append(
            SortField(
                source_id=schema.find_field(selected[index]).field_id,
                transform=IdentityTransform(),
                direction=SortDirection.ASC,
                null_order=NullOrder.NULLS_LAST,
            )
        )
    return SortOrder(*fields)


@dataclass(frozen=True, slots=True)
class Evolution:
    """What it takes for a table to hold the rows of a view.

    Attributes:
        added: Columns that the table does not have yet.
        widened: Column name → the wider type.
        refused: Why the table cannot hold them, one text per column; empty when it can.
    """

    added: tuple[NestedField, ...]
    widened: dict[str, PrimitiveType]
    refused: tuple[str, ...]

    @property
    def needed(self) -> bool:
        """True where the table's schema must change."""
        return bool(self.added or self.widened)


def evolution(table: Schema, view: Schema) -> Evolution:
    """Compare the schema that a table has with the one that a view asks for."""
    have = {field.name: field for field in table.fields}
    added, refused = [], []
    widened: dict[str, PrimitiveType] = {}
    for field in view.fields:
        old = have.pop(field.name, None)
        if old is None:
            added.append(field)
        elif shape(old.field_type) == shape(field.field_type) or _fits(
            field.field_type, old.field_type
        ):
            continue
        elif isinstance(field.field_type, PrimitiveType) and _fits(
            old.field_type, field.field_type
        ):
            widened[field.name] = field.field_type
        else:
            refused.append(f"column {field.name} was {old.field_type} and is {field.field_type}")
    refused += [f"column {name} is gone" for name in have]
    return Evolution(tuple(added), widened, tuple(refused))


def shape(kind: IcebergType) -> object:
    """Return a type without its field ids, to compare types of different schemas."""
    match kind:
        case ListType():
            return ("list", shape(kind.element_type))
        case MapType():
            return ("map", shape(kind.key_type), shape(kind.value_type))
        case StructType():
            return ("struct", tuple((f.name, shape(f.field_type)) for f in kind.fields))
    return str(kind)


def _fits(narrow: IcebergType, wide: IcebergType) -> bool:
    """Say whether Iceberg lets a column of one type become the other."""
    match narrow, wide:
        case IntegerType(), LongType():
            return True
        case FloatType(), DoubleType():
            return True
        case DecimalType(), DecimalType():
            return narrow.scale == wide.scale and narrow.precision <= wide.precision
    return False
