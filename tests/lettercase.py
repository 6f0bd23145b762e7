"""``python -m tests.lettercase``: write keyfold/view/lettercase.py anew, from DuckDB's tables.

``lower`` and ``upper`` follow the Unicode tables of DuckDB, which are neither those of Python nor
the same in every Python. DuckDB maps each code point to one, by itself.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import duckdb

TARGET = Path(__file__).parents[1] / "keyfold" / "view" / "lettercase.py"

HEAD = '''"""``lower`` and ``upper`` as DuckDB has them, by code point.

Made by ``python -m tests.lettercase``; do not edit.
"""

# first:last:step:distance of code points that move alike
RUNS = {
'''
SURROGATES = range(0xD800, 0xE000)


def changed(function: str) -> list[tuple[int, int]]:
    """Return (code point, what ``lower`` or ``upper`` makes of it) of those that it changes.

    Raises:
        TypeError: It makes another number of code points of one.
    """
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"SELECT code, {function}(chr(code)) FROM (SELECT i::INTEGER AS code FROM "
            f"range(1, {0x110000}) AS t(i)) WHERE code NOT BETWEEN {SURROGATES[0]} AND "
            f"{SURROGATES[-1]} AND {function}(chr(code)) <> chr(code) ORDER BY code"
        ).fetchall()
    return [(code, ord(other)) for code, other in rows]


def runs(pairs: list[tuple[int, int]]) -> list[list[int]]:
    """Return (first, last, step, distance) of runs of code points that move alike."""
    found: list[list[int]] = []
    for code, other in pairs:
        if found and found[-1][3] == other - code:
            first, last, step, _ = found[-1]
            gap = code - last
            if gap == step or (first == last and gap <= 2):
                found[-1][1:3] = code, gap
                continue
        found.append([code, code, 1, other - code])
    return found


def source() -> str:
    """Return the text of keyfold/view/lettercase.py."""
    text = HEAD
    for function in ("lower", "upper"):
        words = " ".join(":".join(map(str, run)) for run in runs(changed(function)))
        text += f'    "{function}": """\n{textwrap.fill(words, 98)}\n""",\n'
    return text + "}\n"


if __name__ == "__main__":
    TARGET.write_text(source())
