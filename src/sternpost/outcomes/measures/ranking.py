"""How well the score orders: AUC, Gini, KS, average precision. Ties count half in the AUC, as scikit-learn has it."""

from __future__ import annotations

import math
from copy import copy

import numpy as np
import numpy.typing as npt

from sternpost.outcomes.measures.measure import (
    Floats,
    Measure,
    absent,
    around_logit,
    bootstrapped,
    weights_of,
)

_NAMES = ("auc", "gini", "ks", "average_precision")


def ranking(y: Floats, score: Floats, weight: Floats | None = None, *, seed: int = 0) -> tuple[Measure, ...]:
    """AUC and Gini with DeLong's interval (Biometrics 44, 1988), KS and average precision with a bootstrap."""
    n = len(y)
    w = weights_of(n, weight)
    positive, negative = float(w[y == 1].sum()), float(w[y == 0].sum())
    if not n:
        return tuple(absent(name, 0, "no_rows", "no rows") for name in _NAMES)
    if not positive or not negative:
        only = "positive" if positive else "negative"
        told = f"all {n} rows are {only}; ordering needs both classes"
        return tuple(absent(name, n, "one_class", told) for name in _NAMES)
    value, sd = delong(y, score, weight)
    auc = around_logit("auc", value, sd, n, "DeLong")
    gini = Measure("gini", 2 * value - 1, 2 * auc.low - 1, 2 * auc.high - 1, auc.interval, n, "ok", auc.reason)
    curve = Ordered(y, score)
    return (
        auc,
        gini,
        *bootstrapped(_NAMES[2:], lambda w: (curve.ks(w), curve.average_precision(w)), n, weight, seed),
    )


def delong(y: Floats, score: Floats, weight: Floats | None = None) -> tuple[float, float]:
    """AUC and the standard deviation of it from its structural components; weights enter both as in a mean.

    NaN for the standard deviation when a class has fewer than two rows.
    """
    w = weights_of(len(y), weight)
    hit = y == 1
    s1, w1, s0, w0 = score[hit], w[hit], score[~hit], w[~hit]
    of_positive, of_negative = _share_below(s1, s0, w0), 1 - _share_below(s0, s1, w1)
    value = float((w1 * of_positive).sum() / w1.sum())
    if len(s1) < 2 or len(s0) < 2:
        return value, math.nan
    variance = 0.0
    for component, share in ((of_positive, w1), (of_negative, w0)):
        m = len(component)
        variance += float((share**2 * (component - value) ** 2).sum()) / float(share.sum()) ** 2 * m / (m - 1)
    return value, math.sqrt(variance)


def _share_below(of: Floats, among: Floats, weight: Floats) -> Floats:
    """For each of `of`: the weighted share of `among` that lies below it, equal ones half."""
    order = np.argsort(among, kind="stable")
    sums = np.concatenate([[0.0], np.cumsum(weight[order])])
    among = among[order]
    low, high = np.searchsorted(among, of, "left"), np.searchsorted(among, of, "right")
    share: Floats = (sums[low] + sums[high]) / (2 * sums[-1])
    return share


class Ordered:
    """Rows in order of falling score, ready for many row weights [n]. `y` may lie between 0 and 1: such a row counts
    as y of a positive and 1 - y of a negative row."""

    def __init__(self, y: Floats, score: Floats) -> None:
        self._order: npt.NDArray[np.int64] = np.argsort(-score, kind="stable").astype(np.int64)
        self._y = y[self._order]
        fallen = score[self._order]
        # The last row of each run of equal scores: a threshold cannot lie inside of a run.
        self._ends = np.flatnonzero(np.append(np.diff(fallen) != 0, True))

    def told(self, y: Floats) -> Ordered:
        """The same rows with other outcomes [n], not sorted again."""
        other = copy(self)
        other._y = y[self._order]
        return other

    def _curve(self, weight: Floats) -> tuple[Floats, Floats]:
        w = weight[self._order]
        hits, all_of = np.cumsum(w * self._y)[self._ends], np.cumsum(w)[self._ends]
        return hits, all_of

    def ks(self, weight: Floats) -> float:
        """The largest distance between the shares of positives and of negatives above a threshold."""
        hits, all_of = self._curve(weight)
        misses = all_of - hits
        if not hits[-1] or not misses[-1]:
            return math.nan
        return float(np.abs(hits / hits[-1] - misses / misses[-1]).max())

    def average_precision(self, weight: Floats) -> float:
        """Sum over thresholds of (recall gained) x (precision there), as scikit-learn has it."""
        hits, all_of = self._curve(weight)
        if not hits[-1]:
            return math.nan
        some = all_of > 0
        hits, all_of = hits[some], all_of[some]
        return float((np.diff(hits, prepend=0.0) * hits / all_of).sum() / hits[-1])

    def auc(self, weight: Floats) -> float:
        """The area under the curve of the two shares."""
        hits, all_of = self._curve(weight)
        misses = all_of - hits
        if not hits[-1] or not misses[-1]:
            return math.nan
        middle = hits - np.diff(hits, prepend=0.0) / 2
        return float((np.diff(misses, prepend=0.0) * middle).sum() / (hits[-1] * misses[-1]))
