"""Whether a score of 0.2 comes true in two of ten: slope, intercept, observed over expected, ECE."""

from __future__ import annotations

import math

import numpy as np

from sternpost.outcomes.measures.bins import equal_mass, equal_width
from sternpost.outcomes.measures.measure import (
    Floats,
    Measure,
    Z,
    absent,
    around,
    bootstrapped,
    mean_and_sd,
    weights_of,
)

#: Scores are kept this far from 0 and 1 before their logit is taken.
_CLIP = 1e-6
_ROUNDS = 50
ECE_BINS = 10
_NAMES = ("observed_over_expected", "calibration_intercept", "calibration_slope", "ece", "ece_equal_width")


def calibration(y: Floats, score: Floats, weight: Floats | None = None, *, seed: int = 0) -> tuple[Measure, ...]:
    """Observed over expected (normal on the log scale); the intercept of a logistic regression of y on logit(score)
    with slope fixed at 1, and its slope with free intercept (Cox 1958; Wald intervals, sandwich with weights); ECE on
    10 equal-mass and 10 equal-width bins (bootstrap; ECE is biased upwards in small cohorts)."""
    n = len(y)
    if not n:
        return tuple(absent(name, 0, "no_rows", "no rows") for name in _NAMES)
    if float(score.min()) < 0 or float(score.max()) > 1:
        told = f"scores lie between {score.min():g} and {score.max():g}, so they are not probabilities"
        return tuple(absent(name, n, "undefined", told) for name in _NAMES)
    mass, width = equal_mass(score, ECE_BINS), equal_width(score, ECE_BINS)
    return (
        _observed_over_expected(y, score, weight),
        *_cox(y, score, weight),
        *bootstrapped(_NAMES[3:], lambda w: (ece(y, score, mass, w), ece(y, score, width, w)), n, weight, seed),
    )


def ece(y: Floats, score: Floats, cell: Floats, weight: Floats | None) -> float:
    """Mean over rows of |mean score - mean outcome| of the row's bin."""
    w = weights_of(len(y), weight)
    if not w.sum():
        return math.nan
    gaps = np.bincount(cell.astype(np.int64), weights=w * (score - y))
    return float(np.abs(gaps).sum() / w.sum())


def _observed_over_expected(y: Floats, score: Floats, weight: Floats | None) -> Measure:
    n = len(y)
    w = weights_of(n, weight)
    expected = float((w * score).sum())
    if not expected:
        return absent("observed_over_expected", n, "undefined", "every score is 0, so nothing is expected")
    ratio = float((w * y).sum()) / expected
    rate, sd = mean_and_sd(y, weight)
    if not rate or not math.isfinite(sd):
        told = "nothing was observed" if not rate else "too few rows for an interval"
        return Measure("observed_over_expected", ratio, math.nan, math.nan, "", n, "ok", told)
    step = math.exp(Z * sd / rate)
    return Measure("observed_over_expected", ratio, ratio / step, ratio * step, "normal, log scale", n)


def _cox(y: Floats, score: Floats, weight: Floats | None) -> tuple[Measure, Measure]:
    names = ("calibration_intercept", "calibration_slope")
    n = len(y)
    w = weights_of(n, weight)
    if not (w * y).sum() or not (w * (1 - y)).sum():
        return tuple(absent(name, n, "one_class", f"all {n} rows are of one class") for name in names)  # type: ignore[return-value]
    clipped = np.clip(score, _CLIP, 1 - _CLIP)
    logit = np.log(clipped) - np.log1p(-clipped)
    ones = np.ones((n, 1))
    shift = logistic(ones, y, weight, offset=logit)
    intercept = (
        absent(names[0], n, "undefined", "the regression does not converge")
        if shift is None
        else around(names[0], float(shift[0][0]), float(shift[1][0]), n, "Wald")
    )
    line = logistic(np.column_stack([ones, logit]), y, weight) if np.ptp(logit) > 0 else None
    slope = (
        absent(names[1], n, "undefined", "the scores are all alike, or separate the classes")
        if line is None
        else around(names[1], float(line[0][1]), float(line[1][1]), n, "Wald")
    )
    return intercept, slope


def logistic(X: Floats, y: Floats, weight: Floats | None, offset: Floats | None = None) -> tuple[Floats, Floats] | None:
    """Logistic regression by Newton's method: coefficients [k] and their standard errors [k], for X [n, k]; the
    sandwich estimate when there are weights. None when it does not converge, as with separated classes."""
    w = weights_of(len(y), weight)
    base = np.zeros(len(y)) if offset is None else offset
    beta = np.zeros(X.shape[1])
    for _ in range(_ROUNDS):
        p = 1 / (1 + np.exp(-np.clip(X @ beta + base, -700, 700)))
        gradient = X.T @ (w * (y - p))
        hessian = (X * (w * p * (1 - p))[:, None]).T @ X
        try:
            step = np.linalg.solve(hessian, gradient)
        except np.linalg.LinAlgError:
            return None
        # A long step from a far start overshoots; half of it is still uphill.
        size = float(np.abs(step).max())
        beta = beta + (step if size <= 5 else step * (5 / size))
        if not np.isfinite(beta).all() or float(np.abs(beta).max()) > 1e3:
            return None
        if size < 1e-10 * (1 + float(np.abs(beta).max())):
            inverse = np.linalg.inv(hessian)
            if weight is not None:
                scores = X * (w * (y - p))[:, None]
                inverse = inverse @ (scores.T @ scores) @ inverse
            return beta, np.sqrt(np.maximum(np.diag(inverse), 0))
    return None
