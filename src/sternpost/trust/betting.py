"""Evidence by betting: whether a model is no worse than the incumbent, at a level that holds however often one looks.

One pair is one case with both answers and its outcome: d = (cost of the model's - cost of the incumbent's) / largest
cost, in [-1, 1]. A gambler bets the share `lam` of her money that the mean of d is below the margin; if it is not, no
strategy makes her rich: the chance that her money *ever* reaches 1 / alpha times what she had is at most alpha (Ville
1939; Waudby-Smith and Ramdas, JRSS B 86, 2024). Her money is the e-value. It is the mean over `BETS` constant bets, so
it does not depend on the order of the pairs, and needs no tuning on the data that it judges.

All values are natural logarithms; NaN comes out for what cannot be judged (nothing, a NaN, a d outside of [-1, 1]).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: How many constant bets share the money, from LEAST to MOST of the largest bet that cannot ruin.
BETS, LEAST, MOST = 32, 1 / 256, 15 / 16


def log_no_worse(d: Floats, margin: float) -> float:
    """log e-value against "the mean of d [n] is at least `margin`": large when the model is no worse than that."""
    x, ruin = margin - d, 1 - margin
    return math.nan if not _fair(d, margin) else _mixed(_gains(x, ruin))


def log_worse(days: Sequence[Floats], margin: float) -> float:
    """log e-value against "the mean of d never rises above `margin`", for d of each day in order.

    The money is divided over all days as a day on which the model goes bad: day s (0, 1, ...) gets 1 / ((s + 1)(s + 2))
    and starts betting then, so months of good work do not hide a bad week. The level holds for all days together.
    """
    if not len(days) or not _fair(np.concatenate(list(days)), margin):
        return math.nan
    gains = np.array([_gains(d - margin, 1 + margin) for d in days])
    since = np.cumsum(gains[::-1], axis=0)[::-1]
    start = np.arange(len(days))
    weights = -np.log((start + 1) * (start + 2))
    running = weights + np.array([_mixed(row) for row in since])
    # What is kept for days to come has not been bet.
    return _log_sum(np.append(running, -math.log(len(days) + 1)))


def pairs_needed(
    values: Sequence[float],
    chances: Sequence[float],
    margin: float,
    *,
    alpha: float = 0.05,
    worse_after: int | None = None,
) -> float:
    """About how many pairs it takes until the e-value reaches 1 / alpha, if d takes `values` with `chances`.

    Of the bets, the one that grows best has 1 / BETS of the money and grows by g per pair: n = log(BETS / alpha) / g.
    With `worse_after` (a day), for `log_worse` when the model is bad from that day on. Infinite if no bet grows.
    """
    d, p = np.asarray(values, dtype=np.float64), np.asarray(chances, dtype=np.float64)
    x, ruin = (margin - d, 1 - margin) if worse_after is None else (d - margin, 1 + margin)
    growth = max(float(p @ np.log1p(bet * x)) for bet in _bets(ruin))
    share = 1.0 if worse_after is None else 1 / ((worse_after + 1) * (worse_after + 2))
    return math.log(BETS / alpha / share) / growth if growth > 0 else math.inf


def _fair(d: Floats, margin: float) -> bool:
    return bool(len(d)) and 0 < margin < 1 and bool(np.isfinite(d).all()) and float(np.abs(d).max()) <= 1


def _bets(ruin: float) -> Floats:
    return np.asarray(np.geomspace(LEAST, MOST, BETS) / ruin, dtype=np.float64)


def _gains(x: Floats, ruin: float) -> Floats:
    """log money of each bet [BETS] after the pairs; d takes few values, so each is taken once."""
    value, count = np.unique(x, return_counts=True)
    return np.asarray(np.log1p(np.outer(_bets(ruin), value)) @ count, dtype=np.float64)


def _mixed(logs: Floats) -> float:
    return _log_sum(logs) - math.log(len(logs))


def _log_sum(logs: npt.NDArray[Any]) -> float:
    top = float(logs.max())
    return top + math.log(float(np.exp(logs - top).sum()))
