"""Cells, counts and windows against plain definitions in numpy."""

from __future__ import annotations

import contextlib
import itertools
import math

import numpy as np
import pyarrow as pa
import pytest

from sternpost import _core
from sternpost.errors import DataError, UsageError

SEED = 20260711
SPECIALS = ["TAIL", "UNSEEN", "NAN", "INFINITE", "NULL"]


def plain_edges(values: np.ndarray, grid: int) -> list[float]:
    """The definition: quantiles k/grid, and two edges round every value with at least 1/grid of the mass."""
    found = set(np.quantile(values, np.arange(1, grid) / grid, method="linear"))
    distinct, counts = np.unique(values, return_counts=True)
    for value in distinct[counts * grid >= len(values)]:
        found |= {float(value), float(np.nextafter(value, -np.inf))}
    return sorted(float(edge) for edge in found)


def plain_counts(edges: list[float], column: list[float | None]) -> list[int]:
    counts = [0] * (len(edges) + 1 + 5)
    for value in column:
        if value is None:
            counts[-1] += 1
        elif math.isnan(value):
            counts[-3] += 1
        elif math.isinf(value):
            counts[-2] += 1
        else:
            counts[sum(edge < value for edge in edges)] += 1
    return counts


def columns(rng: np.random.Generator) -> dict[str, np.ndarray]:
    n = 3000
    return {
        "normal": rng.normal(size=n),
        "lognormal": np.exp(2 * rng.normal(size=n)),
        "heavy": rng.standard_cauchy(size=n) ** 3,
        "zeros": np.where(rng.random(n) < 0.6, 0.0, rng.gamma(2.0, size=n)),
        "few": rng.integers(0, 7, n).astype(float),
        "constant": np.full(n, -3.25),
        "near": 1e9 + rng.random(n) * 1e-3,
        "huge": rng.normal(size=n) * 1e307,
        "tiny": rng.normal(size=n) * 5e-322,
        "signed_zero": np.where(rng.random(n) < 0.5, -0.0, 0.0) + np.where(rng.random(n) < 0.3, 1.0, 0.0),
    }


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(SEED)
    print("seed", SEED)
    values = columns(rng)
    return values, _core.Reference.of_table(pa.table(values))


@pytest.mark.parametrize("name", columns(np.random.default_rng(0)))
def test_edges_are_quantiles_and_points_and_counts_are_plain(made, name):
    values, reference = made
    column = reference.column(name)
    if name != "huge":  # there the difference of neighbours may overflow in numpy
        assert column.edges == plain_edges(values[name] + 0.0, 40)
    assert column.counts == plain_counts(column.edges, values[name].tolist())
    assert column.cells[-5:] == SPECIALS
    assert (column.min, column.max) == (values[name].min(), values[name].max())


@pytest.mark.parametrize("grid", [10, 20])
def test_coarser_grids_are_what_their_own_rule_gives(made, grid):
    values, reference = made
    for name in values.keys() - {"huge"}:
        column = reference.column(name)
        groups = column.groups(grid)
        kept = [edge for edge, (a, b) in zip(column.edges, itertools.pairwise(groups), strict=True) if a != b]
        assert kept == plain_edges(values[name] + 0.0, grid), name
        coarse = _core.tally(reference, pa.table(values))[0].counts(name, grid=grid)
        assert coarse == plain_counts(kept, values[name].tolist()), name


def nasty(edges: list[float]) -> list[float | None]:
    around = [
        f(e)
        for e in edges
        for f in (float, lambda e: math.nextafter(e, math.inf), lambda e: math.nextafter(e, -math.inf))
    ]
    ends = [0.0, -0.0, 5e-324, -5e-324, 1.7976931348623157e308, -1.7976931348623157e308, 2.2250738585072014e-308]
    return [*around, *ends, math.inf, -math.inf, math.nan, None, *np.random.default_rng(SEED).normal(size=400) * 1e3]


def test_every_float_falls_where_the_definition_says(made):
    values, reference = made
    for name in values:
        column = reference.column(name)
        current = nasty(column.edges)
        window, told = _core.tally(reference, pa.table({name: pa.array(current, pa.float64())}))
        assert window.counts(name) == plain_counts(column.edges, current), name
        assert told.keys() == values.keys() - {name}


def test_chunks_threads_order_and_types_change_no_bit(made):
    values, reference = made
    table = pa.table(values)
    whole = _core.tally(reference, table, threads=1)[0].to_bytes()
    rng = np.random.default_rng(SEED)
    shuffled = table.take(rng.permutation(len(table)))
    cuts = sorted(rng.integers(0, len(table), 20))
    pieces = pa.concat_tables(table.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, len(table)], strict=True))
    for other in (shuffled, pieces):
        for threads in (1, 2, 5):
            assert _core.tally(reference, other, threads=threads)[0].to_bytes() == whole
    assert _core.Reference.of_table(shuffled).digest == reference.digest


def test_labels_flags_and_presence():
    labels = [*(f"l{k:03d}" for k in range(300)), *(f"l{k:03d}" for k in range(255)), None]
    n = len(labels)
    flags = [True, False, None] * (n // 3) + [True] * (n % 3)
    when = pa.array([None if k % 5 == 0 else k for k in range(n)], pa.timestamp("us"))
    table = pa.table({"label": labels, "flag": flags, "when": when, "list": [[1]] * n})
    reference = _core.Reference.of_table(table)
    label = reference.column("label")
    assert label.labels == [f"l{k:03d}" for k in range(255)]
    assert label.counts == [2] * 255 + [45, 0, 0, 0, 1]
    assert reference.column("flag").counts == [flags.count(False), flags.count(True), 0, 0, 0, 0, flags.count(None)]
    assert reference.column("when").counts == [n - when.null_count, 0, 0, 0, 0, when.null_count]
    assert [c.kind for c in reference.columns] == ["category", "flag", "presence", "presence"]
    current = ["l001", "l299", "new", None, "l001"]
    for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())):
        window, told = _core.tally(reference, pa.table({"label": pa.array(current).cast(kind), "flag": [1] * 5}))
        assert window.counts("label")[1] == 2
        assert window.counts("label")[-5:] == [1, 1, 0, 0, 1]
        assert told["flag"] == "it holds numbers and the reference is of kind flag"


def test_integers_decimals_and_floats_fall_alike(made):
    numbers = [int(v) for v in np.random.default_rng(SEED).integers(-500, 500, 2000)]
    reference = _core.Reference.of_table(pa.table({"x": pa.array(numbers, pa.float64())}))
    expected = reference.column("x").counts
    for kind in (pa.int16(), pa.int64(), pa.float32(), pa.decimal128(22, 3)):
        assert _core.tally(reference, pa.table({"x": pa.array(numbers).cast(kind)}))[0].counts("x") == expected, kind


def test_windows_add_subtract_and_refuse(made):
    values, reference = made
    table = pa.table(values)
    parts = [
        _core.tally(reference, table.slice(k * 100, 100))[0].marked(span=(k, k + 1), replica=f"r{k % 3}")
        for k in range(30)
    ]
    whole = _core.Window.merge(reference, parts)
    order = np.random.default_rng(SEED).permutation(30)
    assert _core.Window.merge(reference, [parts[k] for k in order]).to_bytes() == whole.to_bytes()
    assert whole.span == (0, 30)
    assert whole.replicas == ["r0", "r1", "r2"]
    assert whole.rows["seen"] == 3000
    assert (whole - parts[3]).counts("normal") == _core.Window.merge(reference, parts[:3] + parts[4:]).counts("normal")
    assert _core.Window.from_bytes(whole.to_bytes(), reference) == whole
    for name in ("normal", "zeros", "few"):
        mean, deviation = whole.mean_and_deviation(name)
        assert mean == pytest.approx(values[name].mean(), abs=2**-12 * values[name].std())
        assert deviation == pytest.approx(values[name].std(), rel=2**-11)
    with pytest.raises(UsageError, match="not a part"):
        parts[0] - parts[1]
    other = _core.Reference.of_table(table.slice(0, 2999))
    with pytest.raises(UsageError, match="references"):
        _core.Window(other) + whole
    with pytest.raises(UsageError, match="reference"):
        _core.Window.from_bytes(whole.to_bytes(), other)


def test_damaged_files_are_refused(made):
    _, reference = made
    window = _core.tally(reference, pa.table({"normal": [1.0, None, 2.0]}))[0]
    rng = np.random.default_rng(SEED)
    for whole, read in (
        (reference.to_bytes(), _core.Reference.from_bytes),
        (window.to_bytes(), lambda data: _core.Window.from_bytes(data, reference)),
    ):
        assert read(whole).to_bytes() == whole
        for length in [0, 1, 5, 8, 12, *rng.integers(13, len(whole), 200)]:
            with pytest.raises(DataError):
                read(whole[:length])
        for place in rng.integers(0, len(whole), 3000):
            bent = bytearray(whole)
            bent[place] ^= 1 << int(rng.integers(8))
            with contextlib.suppress(DataError, UsageError):
                read(bytes(bent))


@pytest.mark.parametrize("column", [[], [1.5], [None] * 9, [math.nan] * 4, [math.inf, -math.inf], [7.0] * 50])
def test_columns_with_little_in_them(column):
    table = pa.table({"x": pa.array(column, pa.float64())})
    reference = _core.Reference.of_table(table)
    assert _core.tally(reference, table)[0].counts("x") == reference.column("x").counts
    assert sum(reference.column("x").counts) == len(column) == reference.rows
    assert _core.Reference.from_bytes(reference.to_bytes()) == reference
