"""Bins of a score: of equal mass, or of equal width on [0, 1]."""

from __future__ import annotations

import numpy as np

from sternpost.outcomes.measures.measure import Floats


def equal_mass(score: Floats, bins: int) -> Floats:
    """Per row its bin, by quantiles k/bins of the scores (numpy `linear`); equal scores share a bin, so that there may
    be fewer."""
    edges = np.unique(np.quantile(score, np.arange(1, bins) / bins)) if len(score) else np.zeros(0)
    return np.searchsorted(edges, score, "left").astype(np.float64)


def equal_width(score: Floats, bins: int) -> Floats:
    """Per row its bin ((k-1)/bins, k/bins]; the first one holds 0 too."""
    cell: Floats = np.clip(np.ceil(score * bins) - 1, 0, bins - 1)
    return cell
