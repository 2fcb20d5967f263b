"""Decisions at a threshold: score >= threshold is called positive. Every number is a function of the four cells of the
confusion table, and so are its intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sternpost.outcomes.measures.measure import Floats, Measure, Z, absent, around, effective, weights_of

Cells = Floats
#: Shares by name: (cells counted as hits, cells in all) out of TP, FP, FN, TN.
_SHARES: dict[str, tuple[tuple[int, ...], tuple[int, ...], str]] = {
    "accuracy": ((0, 3), (0, 1, 2, 3), "no rows"),
    "precision": ((0,), (0, 1), "nothing is called positive"),
    "recall": ((0,), (0, 2), "nothing is positive"),
    "specificity": ((3,), (1, 3), "nothing is negative"),
}


def at_threshold(y: Floats, score: Floats, threshold: float, weight: Floats | None = None) -> tuple[Measure, ...]:
    """Accuracy, precision, recall, specificity (Wilson intervals; with weights on the Kish effective number of rows),
    F1 and MCC (delta method on the cells). Names end in `@threshold`."""
    n = len(y)
    w = weights_of(n, weight)
    called = score >= threshold
    cell = np.where(called, np.where(y == 1, 0, 1), np.where(y == 1, 2, 3)).astype(np.int64)
    cells = np.asarray(np.bincount(cell, weights=w, minlength=4), dtype=np.float64)
    found = []
    for name, (hits, among, why) in _SHARES.items():
        full = f"{name}@{threshold:g}"
        total = float(cells[list(among)].sum())
        if not n or not total:
            found.append(absent(full, n, "no_rows" if not n else "undefined", "no rows" if not n else why))
            continue
        inside = np.isin(cell, among)
        worth = effective(int(inside.sum()), None if weight is None else weight[inside])
        found.append(wilson(full, float(cells[list(hits)].sum()) / total, worth, int(inside.sum())))
    for name, function in (("f1", _f1), ("mcc", _mcc)):
        found.append(_delta(f"{name}@{threshold:g}", function, cells, cell, w))
    return tuple(found)


def wilson(name: str, share: float, worth: float, n: int) -> Measure:
    """A share with Wilson's interval (JASA 22, 1927), for as many rows as `worth`."""
    middle = (share + Z * Z / (2 * worth)) / (1 + Z * Z / worth)
    half = Z * math.sqrt(share * (1 - share) / worth + Z * Z / (4 * worth * worth)) / (1 + Z * Z / worth)
    return Measure(name, share, max(0.0, middle - half), min(1.0, middle + half), "Wilson", n)


def _f1(cells: Cells) -> float:
    total = 2 * cells[0] + cells[1] + cells[2]
    return float(2 * cells[0] / total) if total else math.nan


def _mcc(cells: Cells) -> float:
    tp, fp, fn, tn = (float(c) for c in cells)
    product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return (tp * tn - fp * fn) / math.sqrt(product) if product else math.nan


def _delta(name: str, function: Callable[[Cells], float], cells: Cells, cell: npt.NDArray[Any], w: Floats) -> Measure:
    n, total = len(w), float(w.sum())
    if not n or not total:
        return absent(name, n, "no_rows", "no rows")
    shares = cells / total
    value = function(shares)
    if not math.isfinite(value):
        return absent(name, n, "undefined", "a margin of the confusion table is empty")
    squares = np.bincount(cell, weights=w**2, minlength=4)
    # Covariance of the weighted shares: sum w^2 (x - p)(x - p)' / (sum w)^2; multinomial when all weights are one.
    cross = np.outer(squares, shares)
    covariance = (np.diag(squares) - cross - cross.T + squares.sum() * np.outer(shares, shares)) / total**2
    step = 1e-6
    gradient = np.array([(function(shares + step * e) - value) / step for e in np.eye(4)])
    variance = float(gradient @ covariance @ gradient)
    sd = math.sqrt(variance) if variance > 0 else math.nan
    low = -1.0 if name.startswith("mcc") else 0.0
    return around(name, value, sd, n, "delta method", within=(low, 1.0))
