"""Earlier estimates against what was later true, and what that says about the next ones.

An estimate for a vintage is made at its end, from what was known then; when the vintage is mature its realised number
is known. The ledger holds what was known when, so the estimates of the past can be made again as they would have been.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sternpost.outcomes.estimate import Estimate
from sternpost.outcomes.measures.measure import Measure, finite

#: With fewer reconciled vintages nothing is learned from them.
RECONCILED_MIN = 4


@dataclass(frozen=True)
class Reconciled:
    """One estimate and what came true: of `name`, for `vintage`; `error` is estimated - realised."""

    vintage: str
    name: str
    estimated: float
    low: float
    high: float
    realised: float

    @property
    def error(self) -> float:
        """Estimated - realised."""
        return self.estimated - self.realised

    @property
    def held(self) -> bool:
        """Whether the interval held the realised number."""
        return self.low <= self.realised <= self.high

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "vintage": self.vintage,
            "name": self.name,
            "estimated": finite(self.estimated),
            "low": finite(self.low),
            "high": finite(self.high),
            "realised": finite(self.realised),
            "error": finite(self.error),
            "held": self.held,
        }


def reconcile(vintage: str, estimates: Iterable[Estimate], realised: Iterable[Measure]) -> list[Reconciled]:
    """Estimates and measures of one vintage by name; those that have no value on either side are left out."""
    measured = {m.name: m for m in realised if m.status == "ok"}
    return [
        Reconciled(vintage, e.name, e.value, e.low, e.high, measured[e.name].value)
        for e in estimates
        if e.status == "ok" and e.name in measured
    ]


def widen(estimate: Estimate, record: Sequence[Reconciled]) -> Estimate:
    """The estimate with an interval as wide as its track record asks for.

    The factor is the (n + 1) * 0.95 / n quantile of |error| / half width over the n reconciled estimates of the same
    measure, and never below one; with few of them that is the largest. Fewer than RECONCILED_MIN change nothing.
    """
    ratios = [
        abs(r.error) / ((r.high - r.low) / 2)
        for r in record
        if r.name == estimate.name and math.isfinite(r.error) and r.high > r.low
    ]
    if estimate.status != "ok" or len(ratios) < RECONCILED_MIN:
        return estimate
    factor = max(1.0, float(np.quantile(ratios, min(1.0, 0.95 * (len(ratios) + 1) / len(ratios)), method="higher")))
    top = math.inf if estimate.name == "log_loss" else 1.0
    return replace(
        estimate,
        low=max(0.0, estimate.value - factor * (estimate.value - estimate.low)),
        high=min(top, estimate.value + factor * (estimate.high - estimate.value)),
        widened=factor,
    )
