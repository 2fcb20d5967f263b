"""Measures of rows whose outcomes are known only as probabilities.

A row with probability c of being positive counts as c of a positive row and 1 - c of a negative one, with the same
score. Every number below is then the ordinary one on twice the rows, weighted; for what is a mean over rows that is its
expectation. Outcomes that are known (c is 0 or 1) give the ordinary numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sternpost.outcomes.measures.measure import Floats
from sternpost.outcomes.measures.ranking import Ordered

_EPS = float(np.finfo(np.float64).eps)
_AT_THRESHOLD = ("accuracy", "precision", "recall", "specificity", "f1")


class Expectations:
    """Numbers of n rows with `score` [n] and `weight` [n], for many vectors of probabilities [n]."""

    def __init__(self, score: Floats, weight: Floats, thresholds: Sequence[float]) -> None:
        self._score, self._weight, self._thresholds = score, weight, tuple(thresholds)
        self._ordered = Ordered(np.zeros(len(score)), score)
        self._probability = bool(len(score)) and float(score.min()) >= 0 and float(score.max()) <= 1
        clipped = np.clip(score, _EPS, 1 - _EPS)
        self._if_positive, self._if_negative = -np.log(clipped), -np.log1p(-clipped)

    @property
    def names(self) -> tuple[str, ...]:
        """What `of` returns, in its order."""
        family = tuple(f"{name}@{t:g}" for t in self._thresholds for name in _AT_THRESHOLD)
        return ("positive_rate", "auc", "ks", "average_precision", "brier", "log_loss", *family)

    def of(self, c: Floats) -> tuple[float, ...]:
        """The numbers for probabilities `c` [n]; NaN where the rows do not determine one."""
        w, s = self._weight, self._score
        total = float(w.sum())
        if not total:
            return (math.nan,) * len(self.names)
        order = self._ordered.told(c)
        brier = loss = math.nan
        if self._probability:
            brier = float((w * (c * (1 - s) ** 2 + (1 - c) * s**2)).sum()) / total
            loss = float((w * (c * self._if_positive + (1 - c) * self._if_negative)).sum()) / total
        found = [float((w * c).sum()) / total, order.auc(w), order.ks(w), order.average_precision(w), brier, loss]
        for threshold in self._thresholds:
            called = s >= threshold
            tp, fp = float((w * c)[called].sum()), float((w * (1 - c))[called].sum())
            fn, tn = float((w * c)[~called].sum()), float((w * (1 - c))[~called].sum())
            found += [
                _share(tp + tn, total),
                _share(tp, tp + fp),
                _share(tp, tp + fn),
                _share(tn, tn + fp),
                _share(2 * tp, 2 * tp + fp + fn),
            ]
        return tuple(found)


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan
