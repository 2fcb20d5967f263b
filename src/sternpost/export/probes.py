"""Rows on which an estimator and its ONNX form are most likely to part ways.

How the rows are made:

1. *reference*: rows of the reference, at most `ROWS_PER_FAMILY`, drawn without replacement.
2. *on_threshold*: a reference row with one value replaced by the largest float32 that still goes left at
   one cut; *next_above* takes the next float32, the first that goes right; *next_below* the one before.
   Trees behind a pipeline are reached by bisection along one input column, through the fitted steps.
3. *nan*, *infinite*: one value replaced, column by column, and rows of nothing else.
4. *random_corner*: zeros, the corners of the reference range, single zeros and single very large values.

Everything is drawn from one seeded generator: same estimator, reference and seed, same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sternpost.export.cuts import Cuts
from sternpost.export.float32 import F32, above, below, floor32, from_ordinal, to_ordinal

ROWS_PER_FAMILY = 20_000
CORNERS = 256
LARGE = 1e3
_BISECTIONS = 33  # enough to halve the whole float32 line down to neighbours

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Probes:
    """Rows of one family, float32 [n, F]; `columns[i]` is the column probed in row i, -1 for the whole row."""

    family: str
    rows: F32
    columns: Ints


def make_probes(reference: F32, cuts: list[Cuts], seed: int) -> Iterator[Probes]:
    """All families, in the order of `report.FAMILIES`. `reference` is float32 [n, F] with n >= 1."""
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(reference))[:ROWS_PER_FAMILY])
    yield _whole("reference", reference[chosen])
    rows, columns, at = _threshold_rows(reference, cuts, rng)
    for family, values in (("on_threshold", at), ("next_below", below(at)), ("next_above", above(at))):
        yield Probes(family, _with(rows, columns, values), columns)
    yield _special("nan", reference, [np.nan], rng)
    yield _special("infinite", reference, [np.inf, -np.inf], rng)
    yield _corners(reference, rng)


def _whole(family: str, rows: F32) -> Probes:
    return Probes(family, rows, np.full(len(rows), -1, dtype=np.int64))


def _with(rows: F32, columns: Ints, values: F32) -> F32:
    changed = rows.copy()
    changed[np.arange(len(rows)), columns] = values
    return changed


def _draw(reference: F32, count: int, rng: np.random.Generator) -> F32:
    return reference[rng.integers(0, len(reference), count)]


def _threshold_rows(reference: F32, cuts: list[Cuts], rng: np.random.Generator) -> tuple[F32, Ints, F32]:
    """(base rows, column to replace, the last value that goes left), at most `ROWS_PER_FAMILY` over all cuts."""
    found: list[tuple[F32, Ints, F32]] = []
    total = sum(len(each.columns) for each in cuts)
    for each in cuts:
        share = -(-ROWS_PER_FAMILY * len(each.columns) // max(total, ROWS_PER_FAMILY))
        chosen = np.sort(rng.permutation(len(each.columns))[:share])
        columns, thresholds = each.columns[chosen], each.thresholds[chosen]
        rows = _draw(reference, len(chosen), rng)
        if each.seen is None:
            found.append((rows, columns, floor32(thresholds)))
        else:
            found.extend(_through_steps(rows, Cuts(columns, thresholds, each.seen), reference, rng))
    if not found:
        width = reference.shape[1]
        return np.empty((0, width), np.float32), np.empty(0, np.int64), np.empty(0, np.float32)
    rows, columns, at = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    return rows, columns, at


def _through_steps(rows: F32, cuts: Cuts, reference: F32, rng: np.random.Generator) -> Iterator[tuple[F32, Ints, F32]]:
    """Move one input column until the value the trees see crosses the cut; cuts that it never crosses are dropped."""
    assert cuts.seen is not None
    low, high = _range(reference)
    drivers = _drivers(rows[:1], low, high, cuts)
    picked = np.array([rng.choice(drivers[j]) if len(drivers[j]) else -1 for j in cuts.columns], dtype=np.int64)
    for column in np.unique(picked[picked >= 0]):
        own = picked == column
        crossing = _Crossing(rows[own], int(column), Cuts(cuts.columns[own], cuts.thresholds[own], cuts.seen))
        try:
            crossed, at = crossing.bisect(low[column], high[column])
        except ValueError:
            continue  # an encoder that refuses values it has not seen
        yield crossing.rows[crossed], np.full(int(crossed.sum()), column, dtype=np.int64), at[crossed]


@dataclass(frozen=True)
class _Crossing:
    """For each row: one input column to move, and one cut of what the trees see to move it across."""

    rows: F32
    column: int
    cuts: Cuts

    def left(self, values: F32) -> npt.NDArray[np.bool_]:
        assert self.cuts.seen is not None
        moved = self.rows.copy()
        moved[:, self.column] = values
        seen = self.cuts.seen(moved)[np.arange(len(moved)), self.cuts.columns]
        return np.asarray(seen <= self.cuts.thresholds)

    def bisect(self, low: np.float32, high: np.float32) -> tuple[npt.NDArray[np.bool_], F32]:
        """(which rows cross between low and high, the last value that goes left)."""
        start, stop = (to_ordinal(np.full(len(self.rows), edge, dtype=np.float32)) for edge in (low, high))
        first, last = self.left(from_ordinal(start)), self.left(from_ordinal(stop))
        for _ in range(_BISECTIONS):
            middle = (start + stop) // 2
            same = self.left(from_ordinal(middle)) == first
            start, stop = np.where(same, middle, start), np.where(same, stop, middle)
        return first != last, from_ordinal(np.where(first, start, stop))


def _drivers(row: F32, low: F32, high: F32, cuts: Cuts) -> dict[int, Ints]:
    """For each column the trees see: the input columns that change it."""
    assert cuts.seen is not None
    width = row.shape[1]
    moved: dict[int, list[int]] = {int(j): [] for j in cuts.columns}
    for i in range(width):
        pair = np.repeat(row, 2, axis=0)
        pair[:, i] = low[i], high[i]
        try:
            seen = cuts.seen(pair)
        except ValueError:
            continue
        for j in np.flatnonzero(seen[0] != seen[1]).tolist():
            if j in moved:
                moved[j].append(i)
    return {j: np.array(inputs, dtype=np.int64) for j, inputs in moved.items()}


def _range(reference: F32) -> tuple[F32, F32]:
    """Smallest and largest finite value per column; 0 and 1 for a column without any."""
    finite = np.isfinite(reference)
    some = finite.any(axis=0)
    low = np.where(some, np.where(finite, reference, np.float32(np.inf)).min(axis=0), np.float32(0))
    high = np.where(some, np.where(finite, reference, np.float32(-np.inf)).max(axis=0), np.float32(1))
    return low.astype(np.float32), high.astype(np.float32)


def _special(family: str, reference: F32, values: list[float], rng: np.random.Generator) -> Probes:
    width = reference.shape[1]
    repeats = int(np.clip(ROWS_PER_FAMILY // (4 * width * len(values)), 1, 32))
    columns = np.repeat(np.arange(width, dtype=np.int64), repeats * len(values))
    rows = _draw(reference, len(columns), rng)
    rows = _with(rows, columns, np.resize(np.array(values, dtype=np.float32), len(columns)))
    only = np.array(values, dtype=np.float32)[:, None] * np.ones((1, width), dtype=np.float32)
    none = np.full(len(only), -1, dtype=np.int64)
    return Probes(family, np.concatenate([rows, only]), np.concatenate([columns, none]))


def _corners(reference: F32, rng: np.random.Generator) -> Probes:
    low, high = _range(reference)
    width = reference.shape[1]
    whole = [np.zeros((1, width), np.float32), low[None], high[None]]
    whole.append(np.where(rng.integers(0, 2, (CORNERS, width)) == 1, high, low))
    parts = [_whole("random_corner", np.concatenate(whole).astype(np.float32))]
    large = np.maximum(np.maximum(np.abs(low), np.abs(high)), np.float32(1)) * np.float32(LARGE)
    columns = np.arange(width, dtype=np.int64)
    for values in (np.zeros(width, np.float32), np.full(width, -0.0, np.float32), large, -large):
        parts.append(Probes("random_corner", _with(_draw(reference, width, rng), columns, values), columns))
    return Probes(
        "random_corner", np.concatenate([part.rows for part in parts]), np.concatenate([part.columns for part in parts])
    )
