"""One number, with an interval, or with the reason why it has none."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEVEL = 0.95
#: The two-sided normal quantile of LEVEL.
Z = 1.959963984540054
#: Work of a bootstrap: replicates times rows. Large cohorts get fewer replicates, and their intervals need fewer.
_BOOTSTRAP_WORK = 10_000_000
_REPLICATES = (40, 200)


@dataclass(frozen=True)
class Measure:
    """`value` with the interval `low` to `high` at 95 %, made by `interval`; NaN where there is none.

    `status` is `ok`, or says why there is no value: `no_rows`, `no_labels`, `incomplete`, `one_class`, `undefined`;
    `reason` says it to a person, and may also say why an `ok` value has no interval.
    """

    name: str
    value: float
    low: float
    high: float
    interval: str
    n: int
    status: str = "ok"
    reason: str = ""

    def to_dict(self) -> dict[str, object]:
        """For JSON: NaN and infinities as None."""
        return {
            "name": self.name,
            "value": finite(self.value),
            "low": finite(self.low),
            "high": finite(self.high),
            "interval": self.interval,
            "n": self.n,
            "status": self.status,
            "reason": self.reason,
        }


def finite(value: float) -> float | None:
    """The value, or None for what JSON cannot say."""
    return float(value) if math.isfinite(value) else None


def absent(name: str, n: int, status: str, reason: str) -> Measure:
    """A number that cannot be given."""
    return Measure(name, math.nan, math.nan, math.nan, "", n, status, reason)


def around(
    name: str,
    value: float,
    sd: float,
    n: int,
    interval: str,
    *,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> Measure:
    """A number with a normal interval, cut at the ends of what it can be."""
    if not math.isfinite(value):
        return absent(name, n, "undefined", "the rows do not determine it")
    if not math.isfinite(sd):
        return Measure(name, value, math.nan, math.nan, "", n, "ok", "too few rows for an interval")
    return Measure(name, value, max(within[0], value - Z * sd), min(within[1], value + Z * sd), interval, n)


def around_logit(name: str, value: float, sd: float, n: int, interval: str) -> Measure:
    """A number in (0, 1) with an interval that is normal on the logit scale, so that it stays inside."""
    if not math.isfinite(value):
        return absent(name, n, "undefined", "the rows do not determine it")
    if not 0 < value < 1 or not sd > 0:
        return Measure(name, value, math.nan, math.nan, "", n, "ok", "no interval: the rows show no variation")
    step = Z * sd / (value * (1 - value))
    middle = math.log(value / (1 - value))
    return Measure(name, value, _expit(middle - step), _expit(middle + step), f"{interval}, logit scale", n)


def bootstrapped(
    names: Sequence[str],
    statistics: Callable[[Floats], Sequence[float]],
    n: int,
    weight: Floats | None,
    seed: int,
) -> list[Measure]:
    """Numbers with percentile bootstrap intervals.

    `statistics` takes row weights [n] and gives a number per name; replicates are multinomial counts of the rows (times
    `weight`), from numpy's default generator with `seed`.
    """
    base = np.ones(n) if weight is None else weight
    values = statistics(base)
    replicates = int(np.clip(_BOOTSTRAP_WORK // max(n, 1), *_REPLICATES))
    rng = np.random.default_rng(seed)
    drawn = np.array(
        [statistics(base * np.bincount(rng.integers(0, n, n), minlength=n)) for _ in range(replicates)],
        dtype=np.float64,
    )
    made = f"bootstrap, {replicates} replicates, seed {seed}"
    return [
        _percentiles(name, value, drawn[:, i], n, made)
        for i, (name, value) in enumerate(zip(names, values, strict=True))
    ]


def _percentiles(name: str, value: float, drawn: Floats, n: int, made: str) -> Measure:
    if not math.isfinite(value):
        return absent(name, n, "undefined", "the rows do not determine it")
    known = drawn[np.isfinite(drawn)]
    if len(known) < len(drawn) // 2 or n < 2:
        return Measure(name, value, math.nan, math.nan, "", n, "ok", "too few rows for an interval")
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Measure(name, value, float(low), float(high), made, n)


def weights_of(n: int, weight: Floats | None) -> Floats:
    """Ones, or the weights."""
    return np.ones(n) if weight is None else weight


def effective(n: int, weight: Floats | None) -> float:
    """How many equal rows the weighted ones are worth (Kish): (sum w)^2 / sum w^2."""
    if weight is None:
        return float(n)
    squares = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squares if squares else 0.0


def mean_and_sd(values: Floats, weight: Floats | None) -> tuple[float, float]:
    """A weighted mean and the standard deviation of that mean (linearised), with n / (n - 1)."""
    n = len(values)
    w = weights_of(n, weight)
    total = float(w.sum())
    if not total:
        return math.nan, math.nan
    mean = float((w * values).sum() / total)
    if n < 2:
        return mean, math.nan
    return mean, math.sqrt(float((w**2 * (values - mean) ** 2).sum()) * n / (n - 1)) / total


def _expit(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
