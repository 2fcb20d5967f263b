"""The score as a probability: Brier score and where it comes from, log loss."""

from __future__ import annotations

import math

import numpy as np

from sternpost.outcomes.measures.bins import equal_mass
from sternpost.outcomes.measures.measure import Floats, Measure, absent, around, bootstrapped, mean_and_sd, weights_of

#: As scikit-learn clips: the distance of float64 from one.
_EPS = float(np.finfo(np.float64).eps)
_NAMES = ("brier", "log_loss", "brier_reliability", "brier_resolution", "brier_uncertainty", "brier_within_bins")


def probability(
    y: Floats, score: Floats, weight: Floats | None = None, *, bins: int = 10, seed: int = 0
) -> tuple[Measure, ...]:
    """Brier score and log loss (normal intervals of a mean), and Murphy's decomposition on equal-mass bins
    (J. Appl. Meteor. 12, 1973): brier = reliability - resolution + uncertainty + within_bins, where the last term is
    what scores inside of one bin add (Stephenson et al., 2008). Scores outside of [0, 1] are no probabilities: then all
    are `undefined`."""
    n = len(y)
    if not n:
        return tuple(absent(name, 0, "no_rows", "no rows") for name in _NAMES)
    if float(score.min()) < 0 or float(score.max()) > 1:
        told = f"scores lie between {score.min():g} and {score.max():g}, so they are not probabilities"
        return tuple(absent(name, n, "undefined", told) for name in _NAMES)
    brier, brier_sd = mean_and_sd((score - y) ** 2, weight)
    clipped = np.clip(score, _EPS, 1 - _EPS)
    loss, loss_sd = mean_and_sd(-(y * np.log(clipped) + (1 - y) * np.log1p(-clipped)), weight)
    cell = equal_mass(score, bins)
    return (
        around("brier", brier, brier_sd, n, "normal, of a mean", within=(0.0, 1.0)),
        around("log_loss", loss, loss_sd, n, "normal, of a mean", within=(0.0, math.inf)),
        *bootstrapped(_NAMES[2:], lambda w: murphy(y, score, cell, w), n, weight, seed),
    )


def murphy(y: Floats, score: Floats, cell: Floats, weight: Floats | None) -> tuple[float, float, float, float]:
    """Reliability, resolution, uncertainty and the within-bins term, for rows in `cell` [n]."""
    w = weights_of(len(y), weight)
    places = cell.astype(np.int64)
    mass = np.bincount(places, weights=w)
    some = mass > 0
    total = float(mass.sum())
    if not total:
        return math.nan, math.nan, math.nan, math.nan
    told = np.bincount(places, weights=w * score)[some] / mass[some]
    seen = np.bincount(places, weights=w * y)[some] / mass[some]
    share = mass[some] / total
    base = float((w * y).sum() / total)
    reliability = float((share * (told - seen) ** 2).sum())
    resolution = float((share * (seen - base) ** 2).sum())
    uncertainty = base * (1 - base)
    brier = float((w * (score - y) ** 2).sum() / total)
    return reliability, resolution, uncertainty, brier - (reliability - resolution + uncertainty)
