"""Text → unbound statements: what a file says, before anyone knows its types.

Statements are split by sqlglot's tokenizer. A CREATE SOURCE is parsed in sqlglot's RisingWave
dialect (keyfold/sql/source.py). The query of a CREATE MATERIALIZED VIEW must first be DuckDB's
syntax, by DuckDB's own parser; sqlglot then gives the tree. Text that belongs to something else is
blanked out rather than cut, so every position in a tree is a position in the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import duckdb
import sqlglot
from sqlglot import Token, TokenType, exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, TokenError

from keyfold.errors import SqlError, SqlLocation, did_you_mean
from keyfold.sql.bind import locked_connection
from keyfold.sql.dialect import ViewDialect
from keyfold.sql.location import SqlText
from keyfold.sql.options import Option
from keyfold.sql.ordered import without_bounds
from keyfold.sql.otherclauses import chained_comparison, refuse_clauses
from keyfold.sql.windowcalls import plain_window_calls
from keyfold.view.plan import Include

_WORDS_ONLY = re.compile(r"[^\W\d][\w-]{0,99}")
_NOT_NAMES = frozenset({"AS", "WITH", "SELECT", "IF", "FROM"})
_BEFORE_RELATION = re.compile(r"(?i)(\bFROM|\()\s*$")
_SYNTAX_HINT = "look at this word and those before it; a name that is an SQL word takes quotes"
_OTHER_STATEMENTS = {
    "CREATE TABLE": "use CREATE SOURCE for a stream; a view keeps the state",
    "CREATE SINK": "every view is served and written to Iceberg as it is: leave the sink out",
    "CREATE OR": "write CREATE; the file says what there is, and `--rebuild NAME` replaces it",
    "CREATE MATERIALIZED": "write CREATE MATERIALIZED VIEW name AS SELECT …",
    "SELECT": "write CREATE MATERIALIZED VIEW name AS in front of it",
    "WITH": "write CREATE MATERIALIZED VIEW name AS SELECT … FROM a source",
    "INSERT": "events come from a source's connector",
    "DROP": "the file says what there is: delete the statement that creates it",
    "ALTER": "the file says what there is: change the statement that creates it",
    "SET": "settings stand in keyfold.toml, in flags and in the environment",
}


@dataclass(frozen=True, slots=True)
class UnboundSource:
    """A CREATE SOURCE as written.

    Attributes:
        name: Of the source.
        columns: (name, type in DuckDB's spelling), or None where the list was left out.
        watermark: (column, delay in µs), if declared.
        includes: INCLUDE columns.
        options: WITH options by key, ``connector`` among them.
        encode: ``json``, ``csv``, ``parquet``, or empty where each file's extension says it.
        sql: The statement's text.
        location: Of its name.
        column_locations: Where each column, each INCLUDE and the watermark stand.
    """

    name: str
    columns: tuple[tuple[str, str], ...] | None
    watermark: tuple[str, int] | None
    includes: tuple[Include, ...]
    options: dict[str, Option]
    encode: str
    sql: str
    location: SqlLocation
    column_locations: tuple[SqlLocation, ...] = ()
    watermark_location: SqlLocation | None = None

    @property
    def connector(self) -> str:
        """The connector's name."""
        return self.options["connector"].value


@dataclass(frozen=True, slots=True)
class UnboundView:
    """A CREATE MATERIALIZED VIEW, or a CREATE VIEW, as written.

    Attributes:
        name: Of the view.
        options: WITH options by key.
        query: The SELECT as sqlglot's tree.
        tokens: The SELECT's tokens.
        sql: The statement's text.
        location: Of its name.
        materialized: It is kept; otherwise it is a name for a subquery.
        on_close: Where EMIT ON WINDOW CLOSE stands; None where it does not.
    """

    name: str
    options: dict[str, Option]
    query: exp.Expr
    tokens: tuple[Token, ...]
    sql: str
    location: SqlLocation
    materialized: bool = True
    on_close: SqlLocation | None = None


def statements(source: SqlText) -> list[list[Token]]:
    """Return the tokens of each statement, without the semicolons.

    Raises:
        SqlError: A quote or a comment does not end.
    """
    try:
        tokens = sqlglot.tokenize(source.text, dialect="duckdb")
    except TokenError as problem:
        raise SqlError(
            "a quoted text or a comment does not end",
            hint="close it with ', \" or */",
            location=_unclosed(source),
        ) from problem
    found: list[list[Token]] = [[]]
    for token in tokens:
        if token.token_type is TokenType.SEMICOLON:
            found.append([])
        else:
            found[-1].append(token)
    return [statement for statement in found if statement]


_QUOTED = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$", re.S
)
_OPENING = re.compile(r"'|\"|/\*|\$\w*\$")


def _unclosed(source: SqlText) -> SqlLocation:
    """Where the quote or comment starts that does not end."""
    rest = _QUOTED.sub(lambda match: " " * len(match[0]), source.text)
    opening = _OPENING.search(rest)
    return source.at(opening.start() if opening else len(source.text.rstrip()))


def other_statement(source: SqlText, tokens: Sequence[Token]) -> SqlError:
    """Return the error for a statement that creates neither a source nor a view."""
    words = [token.text.upper() for token in tokens[:2]]
    name = next((n for n in (" ".join(words), words[0]) if n in _OTHER_STATEMENTS), "")
    return SqlError(
        f"a statement cannot start with {name or ' '.join(words[:1])}",
        hint=_OTHER_STATEMENTS.get(
            name, "a pipeline has CREATE SOURCE and CREATE MATERIALIZED VIEW statements"
        ),
        location=source.token(tokens[0]),
    )


def blank(text: str, start: int, end: int) -> str:
    """Replace everything outside [start, end) by spaces, keeping line ends."""
    return re.sub(r"[^\r\n]", " ", text[:start]) + text[start:end]


def parse_tree(
    source: SqlText, text: str, dialect: type[Dialect], tokens: Sequence[Token]
) -> exp.Expr:
    """Parse one statement that stands in ``text`` where it stands in the file.

    Raises:
        SqlError: At the word that the parser did not expect.
    """
    try:
        return sqlglot.parse_one(text, dialect=dialect)
    except ParseError as problem:
        raise _syntax_error(source, problem, tokens) from problem
    except RecursionError as problem:
        raise SqlError(
            "the statement is nested too deeply",
            hint="write long conditions with IN, or as several views of the source",
            location=source.token(tokens[0]),
        ) from problem
    except (ValueError, TypeError, AttributeError, IndexError, KeyError, TokenError) as problem:
        # sqlglot stumbles over some texts that no grammar has.
        raise SqlError(
            "this statement cannot be read",
            hint="docs/sql.md shows the forms that there are",
            location=source.token(tokens[0]),
        ) from problem


def _syntax_error(source: SqlText, problem: ParseError, tokens: Sequence[Token]) -> SqlError:
    first = problem.errors[0] if problem.errors else {}
    message = (first.get("description") or str(problem)).rstrip(".")
    message = re.sub(r"Required keyword: '.*", "something is missing here", message)
    message = re.sub(r"^Invalid expression / ", "", message)
    word = str(first.get("highlight") or "")
    location = source.token(tokens[-1])
    if first.get("line"):
        lines = source.text.split("\n")
        end = sum(len(line) + 1 for line in lines[: first["line"] - 1]) + first["col"]
        location = source.at(end - len(word), len(word) or 1)
    return SqlError(
        f"syntax error{f' at {word!r}' if word else ''}: {message[:1].lower()}{message[1:]}",
        hint=_SYNTAX_HINT,
        location=location,
    )


def sql_of(source: SqlText, tokens: Sequence[Token]) -> str:
    """Return the text from the first token to the last."""
    return source.text[tokens[0].start : tokens[-1].end + 1]


def name_at(source: SqlText, tokens: Sequence[Token], at: int, what: str) -> tuple[Token, int]:
    """Read the name of a source or a view, after IF NOT EXISTS; return it and the place after.

    Raises:
        SqlError: There is none, or one that cannot stand in a path and a table name.
    """
    if [token.text.upper() for token in tokens[at : at + 3]] == ["IF", "NOT", "EXISTS"]:
        at += 3
    quoted = at < len(tokens) and tokens[at].token_type is TokenType.IDENTIFIER
    not_names = () if quoted else (*_NOT_NAMES, "(")
    if at >= len(tokens) or tokens[at].text.upper() in not_names:
        raise SqlError(
            f"the {what} has no name",
            hint=f"write its name before {tokens[at].text}" if at < len(tokens) else "write a name",
            location=source.token(tokens[min(at, len(tokens) - 1)]),
        )
    token = tokens[at]
    if token.token_type is TokenType.STRING or not _WORDS_ONLY.fullmatch(token.text):
        raise SqlError(
            f"{token.text!r} cannot be the name of a {what}",
            hint="it stands in URLs and table names: use letters, digits and _, 100 at most",
            location=source.token(token),
        )
    if token.text.startswith("__"):
        raise SqlError(
            f"the name {token.text} is reserved",
            hint="names must not start with two underscores",
            location=source.token(token),
        )
    if at + 1 < len(tokens) and tokens[at + 1].token_type is TokenType.DOT:
        raise SqlError(
            f"a {what} has a plain name",
            hint="leave the schema out",
            location=source.token(token),
        )
    return token, at + 1


# --- CREATE MATERIALIZED VIEW ----------------------------------------------------------------


def parse_view(source: SqlText, tokens: list[Token], relations: Sequence[str]) -> UnboundView:
    """Parse a CREATE MATERIALIZED VIEW or a CREATE VIEW.

    Args:
        source: The file.
        tokens: Of the statement.
        relations: Names that can stand in a FROM, for the hint of an error.

    Raises:
        SqlError: It is no such statement; with its location.
    """
    materialized = tokens[1].text.upper() == "MATERIALIZED"
    create = "CREATE MATERIALIZED VIEW" if materialized else "CREATE VIEW"
    name, at = name_at(source, tokens, 3 if materialized else 2, "view")
    options: dict[str, Option] = {}
    if at < len(tokens) and tokens[at].token_type is TokenType.L_PAREN:
        raise SqlError(
            "a view takes its column names from SELECT",
            hint="write SELECT expression AS name",
            location=source.token(tokens[at]),
        )
    if at < len(tokens) and tokens[at].token_type is TokenType.WITH:
        if not materialized:
            raise SqlError(
                "a view that is not materialized has no options",
                hint="they belong to the CREATE MATERIALIZED VIEW that reads it",
                location=source.token(tokens[at]),
            )
        options, at = _view_options(source, tokens, at + 1)
    if at >= len(tokens) or tokens[at].text.upper() != "AS":
        raise SqlError(
            "AS and a SELECT belong here",
            hint=f"{create} {name.text} AS SELECT …",
            location=source.token(tokens[min(at, len(tokens) - 1)]),
        )
    body = tokens[at + 1 :]
    if not body or body[0].text.upper() not in ("SELECT", "FROM", "WITH", "(", "VALUES"):
        raise SqlError(
            "a SELECT belongs after AS",
            hint=f"{create} {name.text} AS SELECT …",
            location=source.token(body[0] if body else tokens[at]),
        )
    on_close = None
    if [token.text.upper() for token in body[-4:]] == ["EMIT", "ON", "WINDOW", "CLOSE"]:
        on_close = source.token(body[-4])
        if not materialized:
            raise SqlError(
                "a view that is not materialized emits nothing",
                hint="EMIT ON WINDOW CLOSE belongs to the CREATE MATERIALIZED VIEW that reads it",
                location=on_close,
            )
        body = body[:-4]
    refuse_clauses(source, body)
    text = plain_window_calls(blank(source.text, body[0].start, body[-1].end + 1), body)
    _check_syntax(source, without_bounds(text, body), body, relations)
    query = parse_tree(source, text, ViewDialect, body)
    while isinstance(query, exp.Subquery) and set(_given(query)) == {"this"}:
        query = query.this
    return UnboundView(
        name.text,
        options,
        query,
        tuple(body),
        sql_of(source, tokens),
        source.token(name),
        materialized,
        on_close,
    )


def _given(node: exp.Expr) -> list[str]:
    return [key for key, value in node.args.items() if value]


@cache
def _syntax_connection() -> duckdb.DuckDBPyConnection:
    return locked_connection()


def _check_syntax(
    source: SqlText, text: str, tokens: Sequence[Token], relations: Sequence[str]
) -> None:
    """Have DuckDB parse the query: sqlglot forgives what DuckDB does not, as ``a,,b``.

    Raises:
        SqlError: It is no SQL; at the word where that shows.
    """
    cursor = _syntax_connection().cursor()
    row = cursor.execute("SELECT json_serialize_sql(?)", [text]).fetchone()
    answer = json.loads(row[0]) if row else {}
    kind = str(answer.get("error_type", ""))
    if not answer.get("error") or kind not in ("parser", "syntax"):
        return  # "not implemented" is for what is no SELECT, which has errors of its own
    message = str(answer.get("error_message", "")).split("\n", maxsplit=1)[0]
    near = re.search(r'at or near "(.*)"', message)
    location = source.token(tokens[-1])
    position = answer.get("position")
    hint = _SYNTAX_HINT
    if position is not None:
        offset = len(text.encode()[: int(position)].decode(errors="ignore"))
        location = source.at(offset, len(near[1]) if near else 1)
        if near and _BEFORE_RELATION.search(text[:offset]):  # FROM order, where there is orders
            others = [name for name in relations if name.lower() != near[1].lower()]
            hint = did_you_mean(near[1], others, hint)
    chained = chained_comparison(tokens) if "chained comparison" in message.lower() else None
    if chained is not None:
        location = source.token(chained)
        hint = "write it as two: a < b AND b < c"
    word = f" at {near[1]!r}" if near else f": {message[:1].lower()}{message[1:]}"
    raise SqlError(
        f"syntax error{word}",
        hint=hint,
        location=location,
    )


def _view_options(source: SqlText, tokens: list[Token], at: int) -> tuple[dict[str, Option], int]:
    """Read ``( key = value, … )``; return the options and the place after them."""
    options: dict[str, Option] = {}

    def expect(kind: TokenType, message: str, hint: str) -> Token:
        if at >= len(tokens) or tokens[at].token_type is not kind:
            raise SqlError(
                message, hint=hint, location=source.token(tokens[min(at, len(tokens) - 1)])
            )
        return tokens[at]

    expect(TokenType.L_PAREN, "( belongs after WITH", "write WITH (retention = '7 days')")
    at += 1
    while at < len(tokens) and tokens[at].token_type is not TokenType.R_PAREN:
        start = tokens[at]
        key = start.text
        at += 1
        while at + 1 < len(tokens) and tokens[at].token_type is TokenType.DOT:
            key += f".{tokens[at + 1].text}"
            at += 2
        expect(TokenType.EQ, f"option {key} has no value", f"write {key} = '…'")
        at += 1
        if at >= len(tokens) or tokens[at].text in (",", ")", "("):
            raise SqlError(
                f"option {key} has no value",
                hint=f"write {key} = '…'",
                location=source.token(start),
            )
        if key in options:
            raise SqlError(
                f"option {key} is given twice", hint="keep one", location=source.token(start)
            )
        options[key] = Option(key, tokens[at].text, source.token(start))
        at += 1
        if at < len(tokens) and tokens[at].token_type is TokenType.COMMA:
            at += 1
        else:
            expect(TokenType.R_PAREN, ", or ) belongs here", "quote a value: key = '…'")
    expect(TokenType.R_PAREN, ") belongs at the end of WITH", "write WITH (key = '…')")
    return options, at + 1
