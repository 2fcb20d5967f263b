"""The compiled kernel against the author's functions called as plain Python, row by row."""

from __future__ import annotations

import math
import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sternpost as sp

from .flights_like import FEATURES, Flight, rows

SEED = 20130101


@pytest.fixture(scope="module")
def features() -> sp.FeatureSet:
    return sp.FeatureSet(Flight, FEATURES)


def by_hand(row: dict) -> dict:
    """Every feature by calling the Python functions, nulls as None."""
    values = dict(row)
    labels = Flight.spec.by_name["carrier"].categories
    for item in FEATURES:
        if isinstance(item, str):
            continue
        if item.name == "unlisted":
            values[item.name] = sp.is_unseen(row["carrier"], labels)
            continue
        if any(values[p.name] is None and not p.optional for p in item.parameters):
            values[item.name] = None
            continue
        try:
            found = item(**{p.name: values[p.name] for p in item.parameters})
        except ZeroDivisionError:
            found = math.copysign(math.inf, row["distance_mi"]) if row["distance_mi"] else None
        values[item.name] = None if sp.is_null(found) else found
    return values


def test_every_feature_equals_its_python_function(features):
    table = rows(2_000, SEED)
    frame = features.frame(table).to_pylist()
    labels = {label: code for code, label in enumerate(Flight.spec.by_name["carrier"].categories)}
    exact, close = 0, 0
    for i, row in enumerate(table.to_pylist()):
        hand = by_hand(row)
        for item in FEATURES:
            name = item if isinstance(item, str) else item.name
            expected = hand[name]
            if name == "carrier":
                expected = labels.get(expected, -2)
            found = frame[i][name]
            where = f"row {i} (seed {SEED}), {name}: {row}"
            if expected is None or isinstance(expected, bool | int):
                assert found == expected, where
                assert type(found) is type(expected), where
                exact += 1
            elif name in ("log_distance", "curved"):
                assert found == pytest.approx(expected, rel=4e-16), where
                close += 1
            else:
                assert struct.pack("<d", found) == struct.pack("<d", expected), where
                exact += 1
    assert exact > 25_000
    assert close == 4_000


def test_bits_do_not_depend_on_how_many_rows_there_are(features):
    table = rows(3_000, SEED + 1)
    whole = features.matrix(table).view(np.uint32)
    one_by_one = np.concatenate([features.matrix(table.slice(i, 1)) for i in range(0, 3_000, 7)]).view(np.uint32)
    assert np.array_equal(whole[::7], one_by_one)
    for threads in (1, 2, 5):
        assert np.array_equal(features.matrix(table, threads=threads).view(np.uint32), whole)


def test_bits_do_not_depend_on_chunks(features):
    table = rows(1_000, SEED + 2)
    chunked = pa.concat_tables([table.slice(0, 1), table.slice(1, 0), table.slice(1, 700), table.slice(701)])
    assert np.array_equal(features.matrix(chunked).view(np.uint32), features.matrix(table).view(np.uint32))


def test_nan_has_one_bit_pattern():
    @sp.feature
    def made(distance_mi: float, wind_mph: float) -> float:
        return (distance_mi - distance_mi) / (wind_mph - wind_mph) - math.inf + math.inf * -1

    matrix = sp.FeatureSet(Flight, [made, "wind_mph"]).matrix(rows(64, SEED))
    assert np.isnan(matrix[:, 0]).all()
    assert set(matrix[np.isnan(matrix)].view(np.uint32)) == {0x7FC00000}


@settings(max_examples=200, deadline=None, print_blob=True)
@given(
    a=st.one_of(st.floats(), st.sampled_from([0.0, -0.0, 2.0**63, -(2.0**63), 1e300, math.nan, math.inf])),
    k=st.integers(-(2**53), 2**53),
)
def test_whole_numbers_from_floats_have_a_stated_value(a, k):
    expected = {"whole": None, "floored": None, "rounded": None}
    if -(2.0**63) < a < 2.0**63:
        expected = {"whole": int(a), "floored": math.floor(a), "rounded": round(a)}
    found = _whole_numbers().frame(pa.table({"a": pa.array([a]), "k": pa.array([k])})).to_pylist()[0]
    for name, value in expected.items():
        if value is not None and abs(value) <= 2**53:
            assert found[name] == value, (name, a)
        elif value is None:
            assert found[name] is None, (name, a)
    assert found["halves"] == k // 7


def test_division_by_zero_has_a_stated_value():
    table = pa.table({"a": pa.array([1.0, -1.0, 0.0]), "k": pa.array([5, -5, 0])})
    found = _zero_division().frame(table).to_pydict()
    assert found["quotient"] == [math.inf, -math.inf, None]
    assert found["floor_quotient"] == [0, 0, 0]
    assert found["remainder"] == [0, 0, 0]


def test_the_smallest_int_divided_by_minus_one_does_not_stop_the_process():
    found = _overflowing().frame(pa.table({"k": pa.array([-(2**63) + 1, 7])})).to_pydict()
    assert found["wrapped"][1] == -6


class Numbers(sp.Contract):
    a: float | None = sp.column(on_violation="count")
    k: int


@sp.feature
def whole(a: float | None) -> int | None:
    return int(a)


@sp.feature
def floored(a: float | None) -> int | None:
    return math.floor(a)


@sp.feature
def rounded(a: float | None) -> int | None:
    return round(a)


@sp.feature
def halves(k: int) -> int:
    return k // 7


@sp.feature
def quotient(a: float, k: int) -> float:
    return a / (k - k)


@sp.feature
def floor_quotient(k: int) -> int:
    return k // (k - k)


@sp.feature
def remainder(k: int) -> int:
    return k % (k - k)


@sp.feature
def wrapped(k: int) -> int:
    return (k - 1) // (-1 if k < 100 else 1)


def _cached(made: dict = {}):  # noqa: B006 - one compilation for every hypothesis example
    return made


def _whole_numbers() -> sp.FeatureSet:
    return _cached().setdefault("whole", sp.FeatureSet(Numbers, [whole, floored, rounded, halves]))


def _zero_division() -> sp.FeatureSet:
    return sp.FeatureSet(Numbers, [quotient, floor_quotient, remainder])


class Whole(sp.Contract):
    k: int


def _overflowing() -> sp.FeatureSet:
    return sp.FeatureSet(Whole, [wrapped])
