"""Performance before outcomes are known: CBPE, confidence-based performance estimation, for binary models.

A calibrator learns from mature reference decisions how often a score comes true; applied to new scores it gives each
row a probability, and from those follows every expected number (`expected`). The estimate rests on `ASSUMPTION`: it
sees that other rows arrive, and cannot see that the same rows now turn out otherwise. Every number made here is an
`Estimate`, and says so wherever it is shown.

The interval has two parts: outcomes are drawn from the probabilities (what chance does to so many rows), and the
reference is drawn again (what the calibrator does not know). Expected calibration error is not estimated: calibrated
probabilities make it nought by construction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sternpost.errors import UsageError
from sternpost.outcomes.expected import Expectations
from sternpost.outcomes.measures.measure import Floats, Z, finite, weights_of

if TYPE_CHECKING:
    from sklearn.isotonic import IsotonicRegression

ASSUMPTION = "the outcome given the score is as it was in the reference; only the mix of rows may differ"
#: Fewer reference rows, or fewer of one class, and there is no estimate.
REFERENCE_MIN = 200
CLASS_MIN = 20
_DRAWS = 60
_REFITS = 30


@dataclass(frozen=True)
class Estimate:
    """`value` of a measure as it is expected to turn out, with an interval at 95 %; an estimate, not a measure.

    `sampling_sd`: of chance in n outcomes; `calibrator_sd`: of the calibrator, from `reference` rows; `widened`: the
    factor that its track record put on the interval. `status` is `ok`, or says why there is no value.
    """

    name: str
    value: float
    low: float
    high: float
    sampling_sd: float
    calibrator_sd: float
    n: int
    reference: int
    widened: float = 1.0
    status: str = "ok"
    reason: str = ""

    def to_dict(self) -> dict[str, object]:
        """For JSON: NaN as None, and marked as an estimate."""
        return {
            "kind": "ESTIMATE",
            "assumption": ASSUMPTION,
            "name": self.name,
            "value": finite(self.value),
            "low": finite(self.low),
            "high": finite(self.high),
            "sampling_sd": finite(self.sampling_sd),
            "calibrator_sd": finite(self.calibrator_sd),
            "n": self.n,
            "reference": self.reference,
            "widened": finite(self.widened) if self.widened > 1 else None,
            "status": self.status,
            "reason": self.reason,
        }


class Estimator:
    """Calibrators of one reference; `estimate` applies them.

    `y`, `score`, `weight` [m]: mature reference rows that the model was not fitted on, binary. `folds`: each calibrator
    leaves out one part of the rows, and their mean is used; 1 fits a single one on all rows. `seed`: of the parts and
    of every draw. Raises `UsageError` for folds that are no count.
    """

    def __init__(
        self, y: Floats, score: Floats, weight: Floats | None = None, *, folds: int = 5, seed: int = 0
    ) -> None:
        if folds < 1:
            raise UsageError(f"folds = {folds} must be 1 or more")
        self.rows, self._seed = len(y), seed
        self.reason = _too_little(y)
        if self.reason:
            return
        rng = np.random.default_rng(seed)
        w = weights_of(len(y), weight)
        part = rng.integers(0, folds, len(y)) if folds > 1 else np.full(len(y), -1)
        kept = [part != k for k in range(folds)]
        self._calibrators = [_isotonic(y[k], score[k], w[k]) for k in kept]
        self._refits = []
        for _ in range(_REFITS):
            i = rng.integers(0, len(y), len(y))
            self._refits.append(_isotonic(y[i], score[i], w[i]))

    def probabilities(self, score: Floats) -> Floats:
        """How often rows with such scores come true. float64 [n]"""
        mean: Floats = np.mean([c.predict(score) for c in self._calibrators], axis=0)
        return mean

    def estimate(
        self, score: Floats, weight: Floats | None = None, *, thresholds: Sequence[float] = (0.5,)
    ) -> tuple[Estimate, ...]:
        """Every number expected of rows with `score` [n]; never raises for what the rows are."""
        n = len(score)
        w = weights_of(n, weight)
        expectations = Expectations(score, w, thresholds)
        reason = self.reason or ("" if n else "no rows to estimate for")
        if reason:
            status = "no_rows" if not n else "no_reference"
            nan = math.nan
            return tuple(
                Estimate(name, nan, nan, nan, nan, nan, n, self.rows, status=status, reason=reason)
                for name in expectations.names
            )
        c = self.probabilities(score)
        rng = np.random.default_rng(self._seed + 1)
        drawn = np.array([expectations.of((rng.random(n) < c).astype(np.float64)) for _ in range(_DRAWS)])
        refitted = np.array([expectations.of(r.predict(score)) for r in self._refits])
        found = []
        for i, (name, value) in enumerate(zip(expectations.names, expectations.of(c), strict=True)):
            if not math.isfinite(value):
                why = "the rows do not determine it"
                nan = math.nan
                found.append(Estimate(name, nan, nan, nan, nan, nan, n, self.rows, status="undefined", reason=why))
                continue
            by_chance, by_calibrator = _sd(drawn[:, i]), _sd(refitted[:, i])
            if name.startswith("accuracy@") or name == "positive_rate":
                # A sum of independent draws: its variance is known exactly (Poisson binomial).
                by_chance = math.sqrt(float((w**2 * c * (1 - c)).sum())) / float(w.sum())
            half = Z * math.hypot(by_chance, by_calibrator)
            top = math.inf if name == "log_loss" else 1.0
            found.append(
                Estimate(
                    name, value, max(0.0, value - half), min(top, value + half), by_chance, by_calibrator, n, self.rows
                )
            )
        return tuple(found)


def _isotonic(y: Floats, score: Floats, weight: Floats) -> IsotonicRegression:
    from sklearn.isotonic import IsotonicRegression

    return IsotonicRegression(out_of_bounds="clip").fit(score, y, sample_weight=weight)


def _too_little(y: Floats) -> str:
    positive = int((y == 1).sum())
    fewer = min(positive, len(y) - positive)
    if len(y) < REFERENCE_MIN or fewer < CLASS_MIN:
        return (
            f"the reference has {len(y)} mature decisions with a known outcome, {fewer} of the rarer class; an "
            f"estimate needs {REFERENCE_MIN} and {CLASS_MIN}"
        )
    return ""


def _sd(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.std(ddof=1)) if len(known) > 1 else 0.0
