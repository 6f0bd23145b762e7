"""The columns of generated sources: what a message says, and what DuckDB is told in its place.

A value is a pair (JSON text, SQL literal), so that the batch answer does not depend on how messages
are decoded. A misfit is JSON that the column's type cannot hold.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

Value = tuple[str, str]
EPOCH = "2026-03-01 00:00:00"
"""Event times are seconds from here on."""
EPOCH_MS = 1_772_323_200_000
"""The same, ms since 1970."""
TEXTS = ["", "a", "b", "B", "a b", "ä€", "Ω𝄞", "it's", '"', "%s", "0", "-1", "NULL", "\x01"]
ROUGH_MAX = 1e6


@dataclass(frozen=True)
class Kind:
    """A kind of column.

    Attributes:
        type: DuckDB's name of the type.
        draw: Chooses a value.
        misfits: JSON that becomes a dead letter.
        uses: What the grammar may do with it: ``int``, ``sum``, ``moments``, ``bits``, ``text``, …
    """

    type: str
    draw: Callable[[Random], Value]
    misfits: tuple[str, ...] = ()
    uses: frozenset[str] = frozenset()


def maybe(chance: Random, odds: float) -> bool:
    return chance.random() < odds


def _whole(type_: str, *extremes: int, least: int = -3) -> Callable[[Random], Value]:
    def draw(chance: Random) -> Value:
        value = chance.choice(extremes) if chance.random() < 0.15 else chance.randint(least, 4)
        text = f'"{value}"' if chance.random() < 0.1 else str(value)
        return text, f"'{value}'::{type_}"

    return draw


def _decimal(chance: Random) -> Value:
    cents = chance.choice([0, 5, -5, 1050, 99_999, 10**18 - 1, 1 - 10**18])
    text = f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}"
    return text, f"'{text}'::DECIMAL(18,2)"


def _gentle(type_: str) -> Callable[[Random], Value]:
    """Eighths: any sum of them is exact, in whatever order."""

    def draw(chance: Random) -> Value:
        value = -0.0 if chance.random() < 0.1 else chance.randint(-512, 512) / 8
        return repr(value), f"'{value!r}'::{type_}"

    return draw


def _rough(chance: Random) -> Value:
    value = chance.randint(-(10**9), 10**9) * ROUGH_MAX / 10**9
    return repr(value), f"'{value!r}'::DOUBLE"


def _tenths(chance: Random) -> Value:
    """Few values that are no doubles: groups of equal ones, whose spread must be nothing."""
    value = chance.choice([0.1, 0.1, 0.1, 0.7])
    return repr(value), f"'{value!r}'::DOUBLE"


def _wild(chance: Random) -> Value:
    text = chance.choice(
        ["1e308", "-1e308", "5e-324", "0.0", "-0.0", '"NaN"', '"Infinity"', '"-Infinity"', "1.5"]
    )
    return text, f"'{text.strip(chr(34))}'::DOUBLE"


def _text(chance: Random) -> Value:
    if chance.random() < 0.05:
        return "12", "'12'"
    value = chance.choice(TEXTS)
    return json.dumps(value, ensure_ascii=chance.random() < 0.5), _quoted(value)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _boolean(chance: Random) -> Value:
    value = chance.choice(["true", "false"])
    return value, value


def _moment(type_: str, *texts: str) -> Callable[[Random], Value]:
    def draw(chance: Random) -> Value:
        text = chance.choice(texts)
        return f'"{text}"', f"'{text}'::{type_}"

    return draw


def _list(chance: Random) -> Value:
    items = [chance.choice(["1", "2", "-1", "null"]) for _ in range(chance.randint(0, 3))]
    return f"[{','.join(items)}]", f"[{','.join(items)}]::BIGINT[]"


def _struct(chance: Random) -> Value:
    x, t = chance.choice(["1", "2", "null"]), chance.choice(["a", "b", "ä"])
    return f'{{"x":{x},"t":"{t}"}}', f"{{'x':{x},'t':'{t}'}}::STRUCT(x INTEGER, t VARCHAR)"


def _structs(chance: Random) -> Value:
    pairs = [_struct(chance) for _ in range(chance.randint(0, 3))]
    told, meant = ",".join(p[0] for p in pairs), ",".join(p[1] for p in pairs)
    return f"[{told}]", f"[{meant}]::STRUCT(x INTEGER, t VARCHAR)[]"


def _map(chance: Random) -> Value:
    names = chance.sample(["a", "b", "x y", ""], chance.randint(0, 3))
    pairs = [(name, chance.choice(["1", "2", "null"])) for name in names]
    told = ",".join(f'"{name}":{value}' for name, value in pairs)
    meant = ",".join(f"'{name}':{value}" for name, value in pairs)
    return f"{{{told}}}", f"MAP {{{meant}}}::MAP(VARCHAR, BIGINT)"


def _document(chance: Random) -> Value:
    text = chance.choice(['{"a":1}', '{"a":"x"}', '{"a":null}', '{"b":[1]}', "[]", "7"])
    return text, f"'{text}'::JSON"


def kind(type_: str, draw: Callable[[Random], Value], uses: str = "", *misfits: str) -> Kind:
    return Kind(type_, draw, misfits, frozenset(uses.split()))


I64, U64, I128 = 2**63, 2**64, 2**127
KINDS = [
    kind("BIGINT", _whole("BIGINT", I64 - 1, -I64), "int sum bits", '"x"', "1e30", "[]"),
    kind("INTEGER", _whole("INTEGER", 2**31 - 1, -(2**31)), "int sum bits", "2147483648"),
    kind("TINYINT", _whole("TINYINT", 127, -128), "int sum bits moments", "128", '"x"'),
    kind("UBIGINT", _whole("UBIGINT", U64 - 1, I64, least=0), "bits sum", "-1"),
    kind("HUGEINT", _whole("HUGEINT", I128 - 1, 1 - I128), "bits", '"x"'),
    kind("UHUGEINT", _whole("UHUGEINT", I128 - 1, least=0), "bits", "-1"),
    kind("UUID", _moment("UUID", *(f"{d * 8}-0000-4000-8000-{d * 12}" for d in "07f")), "", '"x"'),
    kind("BLOB", _moment("BLOB", "", "a", "b", "ab")),
    kind("TIMESTAMP_S", _moment("TIMESTAMP_S", "2026-01-31", "1969-12-31 23:59:59")),
    kind("DECIMAL(18,2)", _decimal, "sum decimal", "1e17", '"x"'),
    kind("DOUBLE", _gentle("DOUBLE"), "sum moments", '"x"'),
    kind("REAL", _gentle("REAL"), "sum moments", '"x"'),
    kind("DOUBLE", _rough, "rough", "{}"),
    kind("DOUBLE", _wild, "", '"x"'),
    kind("VARCHAR", _text, "text"),
    kind("BOOLEAN", _boolean, "sum truth", '"perhaps"'),
    kind("DATE", _moment("DATE", "1969-12-31", "2000-02-29", "2026-03-29", "0001-01-01"),
         "", '"2026-02-30"'),
    kind("TIME", _moment("TIME", "00:00:00", "23:59:59.999999", "12:30:00"), "", '"25:00"'),
    kind("TIMESTAMP", _moment("TIMESTAMP", "1969-12-31 23:59:59.999999", "2026-03-29 02:30:00",
         "2026-03-29 01:30:00", "1582-10-10 00:00:00"), "", '"soon"'),
    kind("BIGINT[]", _list, "list", '[1,"x"]', '"x"'),
    kind("STRUCT(x INTEGER, t VARCHAR)", _struct, "struct", '{"x":"y"}', "1"),
    kind("STRUCT(x INTEGER, t VARCHAR)[]", _structs, "structs", '[{"x":"y"}]'),
    kind("JSON", _document, "json"),
    kind("MAP(VARCHAR, BIGINT)", _map, "map", '{"a":"x"}', "[1]", '{"a":1,"a":2}'),
    kind("DOUBLE", _tenths, "spread"),
]  # fmt: skip
NESTED = {"list", "struct", "structs", "json", "map"}
_NARROWER = {
    "BIGINT": {"INTEGER", "TINYINT"},
    "INTEGER": {"TINYINT"},
    "HUGEINT": {"BIGINT", "INTEGER"},
    "DECIMAL(18,2)": {"INTEGER", "TINYINT"},
    "DOUBLE": {"REAL", "TINYINT"},
    "VARCHAR": {"BIGINT", "BOOLEAN", "DATE", "TIME"},
    "TIMESTAMP": {"DATE"},
}


def narrower(wide: Kind) -> list[Kind]:
    """Kinds of which every value is one of ``wide``, and that it is the union of."""
    return [wide, *(one for one in KINDS if one.type in _NARROWER.get(wide.type, ()))]
