"""Lists around aggregates: ``list_max([b.price for b in array_agg(…) if b.at < MAX(closed)])``.

A list that is kept is folded into one value (keyfold/view/fold.py). What stands between the list
and the function is any number of ``list_filter`` and at most one ``list_transform`` around them, or
the same as a comprehension. Their parameters are names for the element while they are lowered. No
fold stands within another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlglot import exp

from keyfold.sql.bind import Binder
from keyfold.sql.dialect import bare, call_name, find_aggregate
from keyfold.sql.relation import Relation
from keyfold.view import expression as ex
from keyfold.view.fold import FOLDS
from keyfold.view.types import Physical, column_type

_LENGTHS = ("len", "length", "array_length")
_FILTERS = ("list_filter", "array_filter", "filter")
_TRANSFORMS = ("list_transform", "list_apply", "array_transform", "array_apply", "apply")
LISTS = (*_FILTERS, *_TRANSFORMS)
LISTS_HINT = f"it makes a list, and a view answers one value of it: {', '.join(FOLDS)}"
Lower = Callable[[exp.Expr], ex.Expression]


@dataclass(slots=True)
class _Shape:
    """What stands between a list and the function that folds it, each with its parameter."""

    items: exp.Expr
    conditions: list[tuple[str, exp.Expr]] = field(default_factory=list)
    value: tuple[str, exp.Expr] | None = None


class Folds:
    """Lowers folds, and the names of elements within them."""

    def __init__(self, relation: Relation) -> None:
        self._relation = relation
        self._text = relation.text
        self._binder: Binder = relation.binder
        self._element: tuple[str, str] | None = None  # its name and type, within a fold

    def reads(self, node: exp.Expr) -> bool:
        """Say whether an expression reads an element."""
        return self._read(node) is not None

    def refuse_in_aggregate(self, node: exp.Expr) -> None:
        """Refuse an element where events are aggregated, which know nothing of it.

        Raises:
            SqlError: The node is an aggregate that reads one.
        """
        read = self._read(node)
        if read is not None and find_aggregate(node) is node:
            raise self._text.error(
                read,
                f"{read.name} is an element of a list here, and an aggregate reads events",
                "give the parameter a name that no column has",
            )

    def _read(self, node: exp.Expr) -> exp.Identifier | None:
        if self._element is None:
            return None
        name, _ = self._element
        found = (part for part in node.find_all(exp.Identifier) if part.name.lower() == name)
        return next((part for part in found if not _named(part)), None)

    def item(self, node: exp.Expr) -> ex.Item | None:
        """Return the element, or the field of one, that a node names; None for anything else.

        Raises:
            SqlError: There is no such field, or it is nested.
        """
        if self._element is None:
            return None
        element, kind = self._element
        path = _path(node)
        if not path or path[0].name.lower() != element:
            return None
        names = []
        for part in path[1:]:
            name, kind = self._field(part, kind)
            names.append(name)
        return self._item(node, tuple(names), kind)

    def _item(self, node: exp.Expr, names: tuple[str, ...], kind: str) -> ex.Item:
        if self._relation.kept_type(node, kind).physical is Physical.JSON:
            raise self._text.error(
                node, f"an element of type {kind} cannot stand here", "take one of its fields"
            )
        return ex.Item(names, kind)

    def _field(self, part: exp.Identifier, kind: str) -> tuple[str, str]:
        """Return the name of a field, as it was declared, and its type."""
        if kind.startswith("STRUCT(") and not kind.endswith("]"):
            typed = f"SELECT unnest(x) FROM (SELECT CAST(NULL AS {kind}) AS x)"
            for column in self._binder.describe(typed):
                if column.name.lower() == part.name.lower():
                    return column.name, column.type
        raise self._text.error(part, f"{kind} has no field {part.name}", "name one that it has")

    def fold(self, node: exp.Expr, lower: Lower) -> ex.Fold | None:
        """Return the fold that a call is, None where it is none.

        Raises:
            SqlError: It is one that readers lack.
        """
        name = call_name(node)
        function = "len" if name in _LENGTHS else name
        if function not in FOLDS or len(node.expressions) != 1:
            return None
        shape = self._shape(node.expressions[0])
        items = lower(shape.items)
        kind = _element_type(items.type)
        if kind is None:
            if name in _LENGTHS and shape.items is node.expressions[0]:
                return None  # of a text
            raise self._text.error(
                shape.items, f"{items.type} is no list", f"{function} takes a list, as array_agg is"
            )
        self._refuse_in_fold(node, name)
        conditions = []
        for parameter, condition in shape.conditions:
            with self._naming(parameter, kind):
                lowered = lower(condition)
            if lowered.type != "BOOLEAN":
                raise self._text.error(
                    condition, "a list is filtered by a condition", "compare it with something"
                )
            conditions.append(lowered)
        value = None if function == "len" else self._value(shape, kind, lower)
        result = self._result(node, function, value)
        return ex.Fold(function, items, tuple(conditions), value, result)

    def _refuse_in_fold(self, node: exp.Expr, name: str) -> None:
        # A lookup takes time with the length of a list, never with the product of two lengths.
        if self._element is not None:
            raise self._text.error(
                node,
                f"{name} would read its list for each element of the list around it",
                "compare elements with keys and aggregates, such as MAX(x)",
            )

    def _value(self, shape: _Shape, kind: str, lower: Lower) -> ex.Expression:
        if shape.value is None:
            return self._item(shape.items, (), kind)
        parameter, body = shape.value
        with self._naming(parameter, kind):
            value = lower(body)
        if column_type(value.type).physical is Physical.JSON:
            raise self._text.error(
                body, f"a value of type {value.type} cannot be folded", "take one of its fields"
            )
        return value

    def _result(self, node: exp.Expr, function: str, value: ex.Expression | None) -> str:
        if value is None:
            return "BIGINT"
        column = column_type(value.type)
        if function == "list_sum" and not (column.integer or column.decimal):
            raise self._text.error(
                node,
                f"list_sum over {column.name} cannot stand around aggregates",
                "cast its values to DECIMAL: sums of these are exact",
            )
        typed = f"SELECT {function}([CAST(NULL AS {value.type})]) AS x"
        return self._binder.describe(typed)[0].type

    @contextmanager
    def _naming(self, parameter: str, kind: str) -> Iterator[None]:
        self._element = parameter.lower(), kind
        try:
            yield
        finally:
            self._element = None

    def _shape(self, argument: exp.Expr) -> _Shape:
        shape = _Shape(argument)
        while True:
            node = bare(shape.items)
            name = call_name(node)
            match node:
                case exp.Array(expressions=[exp.Comprehension() as inner]):
                    self._comprehend(shape, inner)
                case exp.Anonymous(expressions=[items, exp.Lambda() as body]) if name in LISTS:
                    parameter = self._parameter(body)
                    if name in _FILTERS:
                        shape.conditions.insert(0, (parameter, body.this))
                    else:
                        self._transform(shape, node, parameter, body.this)
                    shape.items = items
                case _:
                    return shape

    def _comprehend(self, shape: _Shape, inner: exp.Comprehension) -> None:
        if inner.args.get("position") is not None:
            raise self._text.error(
                inner, "an element's place cannot stand around aggregates", "leave it out"
            )
        name = inner.args["expression"].name
        if not (isinstance(inner.this, exp.Identifier) and inner.this.name == name):
            self._transform(shape, inner, name, inner.this)
        if inner.args.get("condition") is not None:
            shape.conditions.insert(0, (name, inner.args["condition"]))
        shape.items = inner.args["iterator"]

    def _transform(self, shape: _Shape, node: exp.Expr, parameter: str, body: exp.Expr) -> None:
        if shape.value is not None or shape.conditions:
            raise self._text.error(
                node,
                "what was made of a list is not filtered or transformed again",
                "filter first, and transform once",
            )
        shape.value = parameter, body

    def _parameter(self, body: exp.Lambda) -> str:
        if len(body.expressions) != 1:
            raise self._text.error(body, "this lambda has several parameters", "write lambda x: …")
        return str(body.expressions[0].name)


def bound_names(node: exp.Expr) -> set[str]:
    """Return the names of the elements that stand for themselves where a node stands."""
    names: set[str] = set()
    parent = node.parent
    while parent is not None:
        match parent:
            case exp.Lambda():
                names |= {part.name.lower() for part in parent.expressions}
            case exp.Comprehension():
                names.add(parent.args["expression"].name.lower())
        parent = parent.parent
    return names


def _element_type(kind: str) -> str | None:
    """Return the type of the elements of a list, None where it is none."""
    return kind[: kind.rindex("[")] if kind.endswith("]") else None


def _named(part: exp.Identifier) -> bool:
    """Say whether a name is that of a column or a field."""
    parent = part.parent
    return isinstance(parent, exp.Column) or (
        isinstance(parent, exp.Dot) and parent.expression is part
    )


def _path(node: exp.Expr) -> list[exp.Identifier]:
    """Return the names of ``element.field.field``, empty for anything else."""
    node = bare(node)
    match node:
        case exp.Identifier():
            return [node]
        case exp.Dot(this=owner, expression=exp.Identifier() as field_):
            before = _path(owner)
            return [*before, field_] if before else []
    return []
