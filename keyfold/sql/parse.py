"""Text → unbound statements: what a file says, before anyone knows its types.

Statements are split by sqlglot's tokenizer. A CREATE SOURCE is parsed in sqlglot's RisingWave
dialect, the query of a CREATE MATERIALIZED VIEW in its DuckDB dialect, since its scalar functions
are DuckDB's. Text that belongs to something else is blanked out rather than cut, so every position
in the tree is a position in the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import Token, TokenType, exp
from sqlglot.errors import ParseError, TokenError

from keyfold.errors import SqlError, SqlLocation
from keyfold.sql.interval import span_us
from keyfold.sql.location import SqlText, did_you_mean
from keyfold.view.plan import INCLUDE_TYPES, Include

CONNECTORS = ("kafka", "events", "file")
ENCODES = ("json", "csv", "parquet")


@dataclass(frozen=True, slots=True)
class Option:
    """One ``key = value`` of a WITH clause, and where it stands."""

    key: str
    value: str
    location: SqlLocation


@dataclass(frozen=True, slots=True)
class UnboundSource:
    """A CREATE SOURCE as written.

    Attributes:
        name: Of the source.
        columns: (name, type in DuckDB's spelling), or None where the list was left out.
        watermark: (column, delay in µs), if declared.
        includes: INCLUDE columns.
        options: WITH options by key, ``connector`` among them.
        encode: ``json``, ``csv``, ``parquet``, or empty where ENCODE was left out.
        sql: The statement's text.
        location: Of its name.
    """

    name: str
    columns: tuple[tuple[str, str], ...] | None
    watermark: tuple[str, int] | None
    includes: tuple[Include, ...]
    options: dict[str, Option]
    encode: str
    sql: str
    location: SqlLocation

    @property
    def connector(self) -> str:
        """The connector's name."""
        return self.options["connector"].value


@dataclass(frozen=True, slots=True)
class UnboundView:
    """A CREATE MATERIALIZED VIEW as written.

    Attributes:
        name: Of the view.
        options: WITH options by key.
        query: The SELECT as sqlglot's tree.
        sql: The statement's text.
        location: Of its name.
    """

    name: str
    options: dict[str, Option]
    query: exp.Expr
    sql: str
    location: SqlLocation


def parse(source: SqlText) -> tuple[list[UnboundSource], list[UnboundView]]:
    """Parse a file.

    Raises:
        SqlError: It is no SQL, or a statement of another kind; with its location.
    """
    sources: list[UnboundSource] = []
    views: list[UnboundView] = []
    for tokens in _statements(source):
        words = [token.text.upper() for token in tokens[:6]]
        match words:
            case ["CREATE", "SOURCE", *_]:
                sources.append(_parse_source(source, tokens))
            case ["CREATE", "MATERIALIZED", "VIEW", *_]:
                views.append(_parse_view(source, tokens))
            case _:
                raise SqlError(
                    f"a statement cannot start with {' '.join(words[:2])}",
                    hint="a pipeline has CREATE SOURCE and CREATE MATERIALIZED VIEW statements",
                    location=_at(source, tokens[0]),
                )
    _refuse_twice(sources, views)
    return sources, views


def _refuse_twice(sources: Sequence[UnboundSource], views: Sequence[UnboundView]) -> None:
    seen: set[str] = set()
    for name, location in [(one.name, one.location) for one in sources] + [
        (one.name, one.location) for one in views
    ]:
        if name.lower() in seen:
            raise SqlError(f"{name} is defined twice", location=location)
        seen.add(name.lower())


def _at(source: SqlText, token: Token) -> SqlLocation:
    return source.at(token.start, token.end - token.start + 1)


def _statements(source: SqlText) -> list[list[Token]]:
    """Tokens of each statement, without the semicolons."""
    try:
        tokens = sqlglot.tokenize(source.text, dialect="duckdb")
    except TokenError as problem:
        raise SqlError(
            f"this is no SQL: {problem}", location=source.at(len(source.text.rstrip()))
        ) from problem
    statements: list[list[Token]] = [[]]
    for token in tokens:
        if token.token_type is TokenType.SEMICOLON:
            statements.append([])
        else:
            statements[-1].append(token)
    return [statement for statement in statements if statement]


def _blank(text: str, start: int, end: int) -> str:
    """Replace everything outside [start, end) by spaces, keeping line ends."""
    before = "".join(c if c == "\n" else " " for c in text[:start])
    return before + text[start:end]


def _parse_tree(source: SqlText, text: str, dialect: str, tokens: list[Token]) -> exp.Expr:
    try:
        return sqlglot.parse_one(text, dialect=dialect)
    except ParseError as problem:
        first = problem.errors[0] if problem.errors else {}
        message = (first.get("description") or str(problem)).rstrip(".")
        word = str(first.get("highlight") or "")
        location = _at(source, tokens[-1])
        if first.get("line"):
            lines = source.text.split("\n")
            start = sum(len(line) + 1 for line in lines[: first["line"] - 1]) + first["col"]
            location = source.at(start - len(word), len(word) or 1)
        raise SqlError(
            f"syntax error{f' at {word!r}' if word else ''}: {message[:1].lower()}{message[1:]}",
            location=location,
        ) from problem


def _sql_of(source: SqlText, tokens: list[Token]) -> str:
    return source.text[tokens[0].start : tokens[-1].end + 1]


def _skip_if_not_exists(tokens: list[Token], at: int) -> int:
    words = [token.text.upper() for token in tokens[at : at + 3]]
    return at + 3 if words == ["IF", "NOT", "EXISTS"] else at


# --- CREATE SOURCE ---------------------------------------------------------------------------


def _parse_source(source: SqlText, tokens: list[Token]) -> UnboundSource:
    name = tokens[_skip_if_not_exists(tokens, 2)] if len(tokens) > 2 else tokens[-1]
    text = _blank(source.text, tokens[0].start, tokens[-1].end + 1)
    tree = _parse_tree(source, text, "risingwave", tokens)
    if not isinstance(tree, exp.Create) or tree.args.get("kind") != "SOURCE":
        raise SqlError(
            "this CREATE SOURCE cannot be read",
            hint="docs/sql.md shows its form",
            location=_at(source, name),
        )
    options: dict[str, Option] = {}
    includes: list[Include] = []
    encode = ""
    properties = tree.args.get("properties")
    for item in properties.expressions if properties else []:
        match item:
            case exp.FileFormatProperty():
                _check_format(source, item)
            case exp.EncodeProperty():
                encode = _encode(source, item)
            case exp.IncludeProperty():
                includes.append(_include(source, item))
            case exp.Property():
                key = _option_key(item.this)
                if key in options:
                    raise source.error(item, f"option {key} is given twice")
                value = item.args["value"]
                if isinstance(value, exp.Boolean):
                    written = "true" if value.this else "false"
                else:
                    written = value.name or value.sql()
                options[key] = Option(key, written, source.of(item))
            case _:
                raise source.error(item, f"a source cannot have {item.sql('risingwave')}")
    location = _at(source, name)
    _check_connector(options, location)
    columns, watermark = _columns(source, tree)
    return UnboundSource(
        name.text,
        columns,
        watermark,
        tuple(includes),
        options,
        encode,
        _sql_of(source, tokens),
        location,
    )


def _check_connector(options: dict[str, Option], location: SqlLocation) -> None:
    connector = options.get("connector")
    if connector is None:
        raise SqlError(
            "the source has no connector",
            hint=f"add WITH (connector = …), one of {', '.join(CONNECTORS)}",
            location=location,
        )
    if connector.value not in CONNECTORS:
        raise SqlError(
            f"there is no connector {connector.value!r}",
            hint=did_you_mean(connector.value, CONNECTORS),
            location=connector.location,
        )


def _option_key(node: exp.Expr) -> str:
    if isinstance(node, exp.Dot):
        return f"{_option_key(node.this)}.{_option_key(node.expression)}"
    return node.name


def _check_format(source: SqlText, item: exp.Expr) -> None:
    if item.name.upper() != "PLAIN":
        raise source.error(
            item,
            f"FORMAT {item.name} is not supported",
            "use FORMAT PLAIN; every message is an event",
        )


def _encode(source: SqlText, item: exp.Expr) -> str:
    encode = item.name.lower()
    if encode not in ENCODES:
        raise source.error(item, f"ENCODE {item.name} is not supported", "use ENCODE JSON")
    if item.args.get("properties"):
        raise source.error(item, f"ENCODE {item.name} takes no options")
    return encode


def _include(source: SqlText, item: exp.Expr) -> Include:
    kind = item.name.lower()
    kind = "headers" if kind == "header" else kind
    if kind not in INCLUDE_TYPES:
        raise source.error(
            item, f"INCLUDE {item.name} is not supported", did_you_mean(kind, INCLUDE_TYPES)
        )
    alias = item.args.get("alias")
    return Include(kind, alias.name if alias else f"_{kind}")  # type: ignore[arg-type]


def _columns(
    source: SqlText, tree: exp.Create
) -> tuple[tuple[tuple[str, str], ...] | None, tuple[str, int] | None]:
    watermark = None
    columns: list[tuple[str, str]] = []
    for item in tree.this.expressions if isinstance(tree.this, exp.Schema) else []:
        match item:
            case exp.ColumnDef():
                kind = item.args.get("kind")
                if kind is None:
                    raise source.error(item, f"column {item.name} has no type")
                if item.args.get("constraints"):
                    raise source.error(
                        item,
                        f"column {item.name} has a constraint",
                        "a source's columns are name and type; filter with WHERE in the view",
                    )
                columns.append((item.name, kind.sql("duckdb")))
            case exp.WatermarkColumnConstraint():
                if watermark is not None:
                    raise source.error(item, "a source has one watermark")
                watermark = _watermark(source, item)
            case _:
                raise source.error(
                    item,
                    f"a column list cannot have {item.sql('risingwave')}",
                    "write columns as name TYPE, and WATERMARK FOR column AS column - INTERVAL …",
                )
    return (tuple(columns) or None), watermark


def _watermark(source: SqlText, item: exp.Expr) -> tuple[str, int]:
    column = item.this.name
    expression = item.expression
    if isinstance(expression, exp.Column) and expression.name == column:
        return column, 0
    if isinstance(expression, exp.Sub) and expression.this.name == column:
        return column, interval_us(source, expression.expression)
    raise source.error(
        item, "a watermark is its column less an interval", f"write {column} - INTERVAL '5' SECOND"
    )


def interval_us(source: SqlText, node: exp.Expr) -> int:
    """Return an INTERVAL literal in µs.

    Raises:
        SqlError: It is none, or one of months or years.
    """
    if not isinstance(node, exp.Interval) or node.this is None:
        raise source.error(node, "an interval belongs here", "write INTERVAL '5' MINUTE")
    unit = node.args.get("unit")
    try:
        return span_us(f"{node.this.name} {unit.name if unit else ''}".strip())
    except ValueError as problem:
        raise source.error(node, str(problem)) from problem


# --- CREATE MATERIALIZED VIEW ----------------------------------------------------------------


def _parse_view(source: SqlText, tokens: list[Token]) -> UnboundView:
    at = _skip_if_not_exists(tokens, 3)
    if at >= len(tokens):
        raise SqlError("the view has no name", location=_at(source, tokens[-1]))
    name = tokens[at]
    at += 1
    options: dict[str, Option] = {}
    if at < len(tokens) and tokens[at].token_type is TokenType.L_PAREN:
        raise SqlError(
            "a view takes its column names from SELECT",
            hint="write SELECT expression AS name",
            location=_at(source, tokens[at]),
        )
    if at < len(tokens) and tokens[at].token_type is TokenType.WITH:
        options, at = _view_options(source, tokens, at + 1)
    if at >= len(tokens) or tokens[at].text.upper() != "AS":
        raise SqlError(
            "AS and a SELECT belong here",
            hint=f"CREATE MATERIALIZED VIEW {name.text} AS SELECT …",
            location=_at(source, tokens[min(at, len(tokens) - 1)]),
        )
    body = tokens[at + 1 :]
    if not body:
        raise SqlError("a SELECT belongs after AS", location=_at(source, tokens[at]))
    text = _blank(source.text, body[0].start, body[-1].end + 1)
    query = _parse_tree(source, _plain_window_calls(text, body), "duckdb", tokens)
    return UnboundView(name.text, options, query, _sql_of(source, tokens), _at(source, name))


def _view_options(source: SqlText, tokens: list[Token], at: int) -> tuple[dict[str, Option], int]:
    """Read ``( key = value, … )``; return the options and the place after them."""
    options: dict[str, Option] = {}
    if at >= len(tokens) or tokens[at].token_type is not TokenType.L_PAREN:
        raise SqlError("( belongs after WITH", location=_at(source, tokens[at - 1]))
    at += 1
    while at < len(tokens) and tokens[at].token_type is not TokenType.R_PAREN:
        start = tokens[at]
        key = start.text
        at += 1
        while at + 1 < len(tokens) and tokens[at].token_type is TokenType.DOT:
            key += f".{tokens[at + 1].text}"
            at += 2
        if at + 1 >= len(tokens) or tokens[at].token_type is not TokenType.EQ:
            raise SqlError(
                f"option {key} has no value",
                hint=f"write {key} = '…'",
                location=_at(source, start),
            )
        if key in options:
            raise SqlError(f"option {key} is given twice", location=_at(source, start))
        options[key] = Option(key, tokens[at + 1].text, _at(source, start))
        at += 2
        if at < len(tokens) and tokens[at].token_type is TokenType.COMMA:
            at += 1
    return options, at + 1


def _plain_window_calls(text: str, tokens: list[Token]) -> str:
    """Blank out Flink's decoration: ``TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), …))``.

    What is left is ``TUMBLE(t, ts, …)``, at the same positions.
    """
    characters = list(text)

    def blank(token: Token) -> None:
        for position in range(token.start, token.end + 1):
            characters[position] = " "

    words = [token.text.upper() for token in tokens]
    for i, word in enumerate(words):
        following = words[i + 1] if i + 1 < len(words) else ""
        if word == "TABLE" and following == "(":
            close = _closing(words, i + 1)
            if close is not None:
                blank(tokens[i])
                blank(tokens[i + 1])
                blank(tokens[close])
        elif word == "TABLE" and i and words[i - 1] == "(":
            blank(tokens[i])
        elif word == "DESCRIPTOR" and following == "(":
            close = _closing(words, i + 1)
            if close is not None:
                blank(tokens[i])
                blank(tokens[i + 1])
                blank(tokens[close])
    return "".join(characters)


def _closing(words: list[str], opening: int) -> int | None:
    depth = 0
    for i in range(opening, len(words)):
        depth += (words[i] == "(") - (words[i] == ")")
        if depth == 0:
            return i
    return None
