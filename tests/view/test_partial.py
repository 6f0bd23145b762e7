"""The bytes of partials: golden for each slot, and the same slots back by row and by column."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfold.errors import StateError
from keyfold.view.columns import int_of
from keyfold.view.family.law import Slot
from keyfold.view.partial import PartialCodec
from keyfold.view.types import Physical
from tests.delta import slot_column

VALUES = {
    Physical.BOOL: st.booleans(),
    Physical.I64: st.integers(-(2**63), 2**63 - 1),
    Physical.I128: st.integers(-(2**127), 2**127 - 1),
    Physical.U128: st.integers(0, 2**128 - 1),
    Physical.F64: st.floats(),
    Physical.BYTES: st.binary(max_size=5) | st.none(),
    Physical.TEXT: st.text(max_size=5) | st.none(),
}


def codec(*kinds: Physical) -> PartialCodec:
    return PartialCodec([Slot(f"s{i}", kind) for i, kind in enumerate(kinds)])


def column(kind: Physical, values: list[object]) -> np.ndarray:
    if kind is Physical.BYTES:
        return slot_column(Physical.TEXT, values)
    if kind is Physical.TEXT:
        values = [None if v is None else str(v).encode() for v in values]
    return slot_column(kind, values)


def python_values(kind: Physical, values: np.ndarray) -> list[object]:
    if kind in (Physical.I128, Physical.U128):
        return [int_of(low, high) for low, high in values.tolist()]
    if kind is Physical.TEXT:
        return [None if v is None else v.decode() for v in values]
    return values.tolist()


@pytest.mark.parametrize(
    ("kind", "value", "golden"),
    [
        (Physical.BOOL, True, "01 01"),
        (Physical.I64, -2, "01 feffffffffffffff"),
        (Physical.F64, 1.5, "01 000000000000f83f"),
        (Physical.I128, -2, "01 feffffffffffffff ffffffffffffffff"),
        (Physical.I128, 2**64, "01 0000000000000000 0100000000000000"),
        (Physical.U128, 2**128 - 1, "01 ffffffffffffffff ffffffffffffffff"),
        (Physical.TEXT, "é", "01 02000000 c3a9"),
        (Physical.TEXT, "", "01 00000000"),
        (Physical.TEXT, None, "01 ffffffff"),
        (Physical.BYTES, b"\xff\x00", "01 02000000 ff00"),
    ],
)
def test_the_bytes_of_a_partial_do_not_change(kind, value, golden):
    assert codec(kind).encode([column(kind, [value])]) == [bytes.fromhex(golden)]


def test_text_stands_after_all_slots_in_their_order():
    kinds = (Physical.TEXT, Physical.BOOL, Physical.TEXT)
    columns = [column(k, [v]) for k, v in zip(kinds, ("a", True, "bc"), strict=True)]
    assert codec(*kinds).encode(columns)[0].hex(" ") == "01 01 00 00 00 01 02 00 00 00 61 62 63"


@given(st.data())
def test_decoded_slots_are_the_encoded_ones(data):
    kinds = data.draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4))
    rows = data.draw(st.lists(st.tuples(*[VALUES[kind] for kind in kinds]), max_size=4))
    partials = codec(*kinds)
    columns = [column(kind, [row[i] for row in rows]) for i, kind in enumerate(kinds)]
    values = partials.encode(columns)
    assert len(values) == len(rows)
    decoded = partials.decode(values)
    by_column = [python_values(k, c) for k, c in zip(kinds, decoded, strict=True)]
    for i, row in enumerate(rows):
        assert shown(row) == shown([values_[i] for values_ in by_column])
        assert shown(partials.decode_one(values[i])) == shown(row)
        assert shown(partials.decode_one(partials.encode_one(row))) == shown(row)
        if not any(isinstance(value, float) and math.isnan(value) for value in row):
            assert partials.encode_one(row) == values[i]


def shown(slots: object) -> list[str]:
    return [("nan" if isinstance(v, float) and math.isnan(v) else repr(v)) for v in slots]


@pytest.mark.parametrize("kind", [Physical.I64, Physical.TEXT])
def test_another_format_version_is_refused(kind):
    partials = codec(kind)
    (value,) = partials.encode([column(kind, [1])])
    other = b"\x02" + value[1:]
    with pytest.raises(StateError, match="format version 2, this release reads 1"):
        partials.decode([value, other])
    older = b"\x00" + value[1:]
    with pytest.raises(StateError, match="format version 0"):
        partials.decode([value, older])
    with pytest.raises(StateError, match="format version 0"):
        partials.decode_one(older)
