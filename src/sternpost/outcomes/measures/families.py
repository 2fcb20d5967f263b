"""All numbers of one mature cohort."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sternpost.errors import UsageError
from sternpost.outcomes.cohort import Immature, Mature
from sternpost.outcomes.label import Kind
from sternpost.outcomes.measures.calibration import calibration
from sternpost.outcomes.measures.measure import Floats, Measure, effective, mean_and_sd
from sternpost.outcomes.measures.probability import probability
from sternpost.outcomes.measures.ranking import ranking
from sternpost.outcomes.measures.regression import regression
from sternpost.outcomes.measures.thresholds import at_threshold, wilson


def measure_cohort(
    cohort: Mature, kind: Kind = "binary", *, thresholds: Sequence[float] = (0.5,), seed: int = 0
) -> tuple[Measure, ...]:
    """The numbers of a mature cohort; never raises for what its rows are.

    An immature cohort raises `UsageError`: what is known of it so far is not the truth about it.
    """
    if isinstance(cohort, Immature):
        raise UsageError(
            f"cohort {cohort.name} is immature: its {cohort.rows} decisions are due from {cohort.due_from:%Y-%m-%d} to "
            f"{cohort.due_until:%Y-%m-%d}; compare it at equal age with age_matched(), or wait"
        )
    found = measure_arrays(cohort.y, cohort.score, cohort.weight, kind, thresholds=thresholds, seed=seed)
    if cohort.status == "ok":
        return found
    return tuple(replace(m, n=0, status=cohort.status, reason=cohort.reason) for m in found)


def measure_arrays(
    y: Floats,
    score: Floats,
    weight: Floats | None = None,
    kind: Kind = "binary",
    *,
    thresholds: Sequence[float] = (0.5,),
    seed: int = 0,
) -> tuple[Measure, ...]:
    """The numbers of rows that are known to be mature; see `measures` for shapes. `seed` is of every bootstrap."""
    if kind == "quantity":
        return regression(y, score, weight)
    return (
        _rate(y, weight),
        *ranking(y, score, weight, seed=seed),
        *probability(y, score, weight, seed=seed),
        *calibration(y, score, weight, seed=seed),
        *(m for t in thresholds for m in at_threshold(y, score, t, weight)),
    )


def _rate(y: Floats, weight: Floats | None) -> Measure:
    n = len(y)
    worth = effective(n, weight)
    if not worth:
        return Measure("positive_rate", math.nan, math.nan, math.nan, "", n, "no_rows", "no rows")
    return wilson("positive_rate", mean_and_sd(np.asarray(y), weight)[0], worth, n)
