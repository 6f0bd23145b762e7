"""CREATE SOURCE: its text → an unbound source, as written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import ClassVar, cast

from sqlglot import Token, TokenType, exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.dialects.risingwave import RisingWave

from keyfold.errors import SqlError, SqlLocation, did_you_mean
from keyfold.sql import nexmark
from keyfold.sql.dialect import canonical_type
from keyfold.sql.interval import span_us
from keyfold.sql.location import SqlText
from keyfold.sql.options import ENCODES, Option, check_source_options
from keyfold.sql.parse import UnboundSource, blank, name_at, parse_tree, sql_of
from keyfold.view.plan import INCLUDE_TYPES, Include, IncludeKind

WATERMARK_HINT = "name a TIMESTAMP or TIMESTAMPTZ column of the source"
_TYPES_OF_DUCKDB = (
    "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
    "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_US", "TIMESTAMP_NS",
)  # fmt: skip


class SourceDialect(RisingWave):
    """RisingWave's syntax; what it cannot parse is an error, never an opaque command."""

    class Tokenizer(RisingWave.Tokenizer):
        """Knows DuckDB's own types as types: a field of a STRUCT may be one."""

        KEYWORDS: ClassVar = {
            **RisingWave.Tokenizer.KEYWORDS,
            **{word: DuckDB.Tokenizer.KEYWORDS[word] for word in _TYPES_OF_DUCKDB},
        }

    class Parser(RisingWave.Parser):  # type: ignore[valid-type,misc]
        """Parses CREATE SOURCE."""

        def _parse_struct_types(self, type_required: bool = False) -> exp.Expr | None:
            # A quoted name of a field is a name, and not the type that it would be without quotes.
            if self._curr and self._curr.token_type is TokenType.IDENTIFIER:
                name = self._parse_id_var()
                self._match(TokenType.COLON)
                return cast(exp.Expr | None, self._parse_column_def(name))
            return cast(exp.Expr | None, super()._parse_struct_types(type_required))

        def _warn_unsupported(self) -> None:
            self.raise_error("Unexpected word")


def parse_source(source: SqlText, tokens: list[Token]) -> UnboundSource:
    """Parse a CREATE SOURCE.

    Raises:
        SqlError: It is no such statement; with its location.
    """
    name, _ = name_at(source, tokens, 2, "source")
    location = source.token(name)
    includes, used = _includes(source, tokens)
    text = blank(source.text, tokens[0].start, tokens[-1].end + 1)
    for token in used:
        text = text[: token.start] + " " * (token.end + 1 - token.start) + text[token.end + 1 :]
    tree = parse_tree(source, text, SourceDialect, tokens)
    if not isinstance(tree, exp.Create) or tree.args.get("kind") != "SOURCE":
        raise SqlError(
            "this CREATE SOURCE cannot be read",
            hint="docs/sql.md shows its form",
            location=location,
        )
    if tree.args.get("expression") is not None:
        raise source.error(
            tree.args["expression"], "a source has no query", "write CREATE MATERIALIZED VIEW"
        )
    options: dict[str, Option] = {}
    encode = ""
    properties = tree.args.get("properties")
    for item in properties.expressions if properties else []:
        match item:
            case exp.FileFormatProperty():
                _check_format(item, _word_place(source, tokens, "FORMAT", item.name))
            case exp.EncodeProperty():
                encode = _encode(item, _word_place(source, tokens, "ENCODE", item.name))
            case exp.Property() if item.this is not None:
                option = _option(source, item, tokens)
                if option.key in options:
                    raise SqlError(
                        f"option {option.key} is given twice",
                        hint="keep one",
                        location=option.location,
                    )
                options[option.key] = option
            case _:
                word = item.sql("risingwave")
                place = next((token for token in tokens if token.text.upper() == word), None)
                raise SqlError(
                    f"a source cannot have {word}",
                    hint="after the columns: INCLUDE …, WITH (…), FORMAT PLAIN ENCODE JSON",
                    location=source.token(place) if place is not None else source.of(item),
                )
    check_source_options(options, location)
    columns, watermark, places, watermark_place = _columns(source, tree)
    if columns is None and options["connector"].value == "nexmark":
        columns, watermark = nexmark.COLUMNS, watermark or nexmark.WATERMARK
        places = [location] * len(columns)
    return UnboundSource(
        name.text,
        columns,
        watermark,
        tuple(include for include, _ in includes),
        options,
        encode or _encode_of_path(options),
        sql_of(source, tokens),
        location,
        (*places, *(place for _, place in includes)),
        watermark_place,
    )


def _encode_of_path(options: Mapping[str, Option]) -> str:
    """What a source reads when no ENCODE says so; empty where each file's own extension does."""
    if "path" not in options:
        return "json"
    path = options["path"].value.lower()
    for compressed in (".gz", ".zst"):
        path = path.removesuffix(compressed)
    if path.endswith((".csv", ".tsv")):
        return "csv"
    if path.endswith(".parquet"):
        return "parquet"
    return "json" if path.endswith((".ndjson", ".jsonl", ".json")) else ""


def _option(source: SqlText, item: exp.Property, tokens: list[Token]) -> Option:
    key = _option_key(item.this)
    value = item.args.get("value")
    location = _key_location(source, key, tokens) or source.of(item)
    match value:
        case exp.Literal() | exp.Var() | exp.Column() | exp.Identifier():
            return Option(key, value.name, location)
        case exp.Boolean():
            return Option(key, "true" if value.this else "false", location)
        case exp.Neg(this=exp.Literal()):
            return Option(key, f"-{value.this.name}", location)
    raise SqlError(
        f"option {key} takes a text, a number or a word",
        hint=f"write {key} = '…'",
        location=location,
    )


def _option_key(node: exp.Expr | str) -> str:
    if isinstance(node, exp.Dot):
        return f"{_option_key(node.this)}.{_option_key(node.expression)}"
    if isinstance(node, exp.Column):  # the first four of five words and more
        return ".".join(part.name for part in node.parts)
    return node if isinstance(node, str) else node.name


def _key_location(source: SqlText, key: str, tokens: list[Token]) -> SqlLocation | None:
    """Where ``key =`` stands: sqlglot keeps no place for an option's bare words."""
    for i, token in enumerate(tokens):
        if token.text != "=" or i == 0:
            continue
        first = i - 1
        while first >= 2 and tokens[first - 1].text == ".":
            first -= 2
        if "".join(token.text for token in tokens[first:i]) == key:
            start = tokens[first].start
            return source.at(start, tokens[i - 1].end - start + 1)
    return None


def _word_place(source: SqlText, tokens: list[Token], clause: str, word: str) -> SqlLocation:
    """Where a word stands right after another: sqlglot keeps no place for clauses."""
    for before, token in pairwise(tokens):
        if before.text.upper() == clause and token.text.lower() == word.lower():
            return source.token(token)
    return source.token(tokens[0])


def _check_format(item: exp.Expr, place: SqlLocation) -> None:
    if item.name.upper() != "PLAIN":
        raise SqlError(
            f"FORMAT {item.name} is not supported",
            hint="use FORMAT PLAIN; every message is an event",
            location=place,
        )


def _encode(item: exp.Expr, place: SqlLocation) -> str:
    encode = item.name.lower()
    if encode not in ENCODES:
        raise SqlError(
            f"ENCODE {item.name} is not supported",
            hint=f"use one of {', '.join(ENCODES)}",
            location=place,
        )
    if item.args.get("properties"):
        raise SqlError(
            f"ENCODE {item.name} takes no options",
            hint="options stand in the first WITH (…)",
            location=place,
        )
    return encode


def _includes(
    source: SqlText, tokens: list[Token]
) -> tuple[list[tuple[Include, SqlLocation]], list[Token]]:
    """Read ``INCLUDE kind [AS name]`` clauses; return them, each with its place, and their tokens.

    They are read here, since sqlglot takes the word after one that has no AS for a type.
    """
    found: list[tuple[Include, SqlLocation]] = []
    used: list[Token] = []
    depth = 0
    for i, token in enumerate(tokens):
        depth += (token.token_type is TokenType.L_PAREN) - (token.token_type is TokenType.R_PAREN)
        if depth or i < 3 or token in used or not _word(token, "INCLUDE"):
            continue
        clause = tokens[i : i + 4]
        kind = clause[1] if len(clause) > 1 else token
        renamed = len(clause) == 4 and _word(clause[2], "AS")
        clause = clause[: 4 if renamed else 2]
        name = clause[3].text if renamed else f"_{_kind(source, kind)}"
        found.append((Include(_kind(source, kind), name), source.token(clause[-1])))
        used += clause
    return found, used


def _word(token: Token, word: str) -> bool:
    quoted = token.token_type in (TokenType.STRING, TokenType.IDENTIFIER)
    return not quoted and token.text.upper() == word


def _kind(source: SqlText, token: Token) -> IncludeKind:
    kind = {"header": "headers"}.get(token.text.lower(), token.text.lower())
    if kind not in INCLUDE_TYPES:
        raise SqlError(
            f"INCLUDE {token.text} is not supported",
            hint=did_you_mean(kind, INCLUDE_TYPES),
            location=source.token(token),
        )
    return cast(IncludeKind, kind)


def _columns(
    source: SqlText, tree: exp.Create
) -> tuple[
    tuple[tuple[str, str], ...] | None,
    tuple[str, int] | None,
    list[SqlLocation],
    SqlLocation | None,
]:
    """Return (columns or None, watermark, where the columns stand, where the watermark stands)."""
    watermark_item = None
    columns: list[tuple[str, str]] = []
    places: list[SqlLocation] = []
    for item in tree.this.expressions if isinstance(tree.this, exp.Schema) else []:
        match item:
            case exp.ColumnDef():
                columns.append(_column(source, item))
                places.append(source.of(item.this))
            case exp.Identifier() | exp.Column():
                raise source.error(
                    item, f"column {item.name} has no type", f"write {item.name} VARCHAR"
                )
            case exp.WatermarkColumnConstraint():
                if watermark_item is not None:
                    raise source.error(item, "a source has one watermark", "keep one")
                watermark_item = item
            case _:
                raise source.error(
                    item,
                    f"a column list cannot have {item.sql('risingwave')}",
                    "write columns as name TYPE, and WATERMARK FOR column AS column - INTERVAL …",
                )
    if watermark_item is None:
        return (tuple(columns) or None), None, places, None
    place = source.of(watermark_item.this)
    if columns:  # said before the expression is looked at, which may be of the right column
        check_watermark_column(watermark_item.this.name, [name for name, _ in columns], place)
    return (tuple(columns) or None), _watermark(source, watermark_item), places, place


def check_watermark_column(name: str, columns: Sequence[str], place: SqlLocation) -> None:
    """Refuse a watermark for a column that the source does not have.

    Raises:
        SqlError: It does not.
    """
    if name.lower() not in [column.lower() for column in columns]:
        raise SqlError(
            f"WATERMARK FOR {name}: there is no column {name}",
            hint=did_you_mean(name, columns, WATERMARK_HINT),
            location=place,
        )


def _column(source: SqlText, item: exp.ColumnDef) -> tuple[str, str]:
    kind = item.args.get("kind")
    if not isinstance(kind, exp.DataType):
        raise source.error(item, f"column {item.name} has no type", f"write {item.name} VARCHAR")
    if item.args.get("constraints"):
        raise source.error(
            item,
            f"column {item.name} has a constraint",
            "a source's columns are name and type; filter with WHERE in the view",
        )
    return item.name, canonical_type(kind).sql("duckdb")


def _watermark(source: SqlText, item: exp.Expr) -> tuple[str, int]:
    column = item.this.name
    expression = item.expression
    while isinstance(expression, exp.Paren):
        expression = expression.this
    if _is_column(expression, column):
        return column, 0
    if isinstance(expression, exp.Sub) and _is_column(expression.this, column):
        delay_us = interval_us(
            source, expression.expression, source.word_after(item.this, "INTERVAL")
        )
        if delay_us < 0:
            raise source.error(
                expression, "a watermark is its column less an interval", "leave the sign out"
            )
        return column, delay_us
    raise source.error(
        item, "a watermark is its column less an interval", f"write {column} - INTERVAL '5' SECOND"
    )


def _is_column(node: exp.Expr, name: str) -> bool:
    return isinstance(node, exp.Column) and node.name.lower() == name.lower()


def interval_us(source: SqlText, node: exp.Expr, place: SqlLocation | None = None) -> int:
    """Return an INTERVAL literal in µs.

    Args:
        source: The file.
        node: The literal.
        place: Where it stands, since sqlglot keeps no place of an interval.

    Raises:
        SqlError: It is none, or one of months or years.
    """
    sign = 1
    if isinstance(node, exp.Neg):
        sign, node = -1, node.this
    number = node.this if isinstance(node, exp.Interval) else None
    if isinstance(number, exp.Neg):
        sign, number = -sign, number.this
    if not isinstance(node, exp.Interval) or not isinstance(number, exp.Literal):
        raise SqlError(
            "an interval belongs here",
            hint="write INTERVAL '5' MINUTE",
            location=source.of(node) if node.find(exp.Column, exp.Literal) else place,
        )
    unit = node.args.get("unit")
    try:
        return sign * span_us(f"{number.name} {unit.name if unit else ''}".strip())
    except ValueError as problem:
        message, _, hint = str(problem).partition("; ")
        raise SqlError(
            message,
            hint=hint or "write INTERVAL '5' MINUTE",
            location=place or source.of(node),
        ) from problem
