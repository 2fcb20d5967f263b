"""Distances between a predicted and a true quantity, in the unit of the quantity."""

from __future__ import annotations

import math

import numpy as np

from sternpost.outcomes.measures.measure import Floats, Measure, absent, around, mean_and_sd


def regression(
    y: Floats, score: Floats, weight: Floats | None = None, *, quantiles: tuple[float, ...] = (0.5,)
) -> tuple[Measure, ...]:
    """RMSE (normal interval of the mean square, its root taken), MAE, bias (score - y), and the quantile loss
    max(q (y - s), (q - 1)(y - s)) for each of `quantiles` (normal intervals of a mean)."""
    n = len(y)
    losses = {f"quantile_loss@{q:g}": np.maximum(q * (y - score), (q - 1) * (y - score)) for q in quantiles}
    if not n:
        return tuple(absent(name, 0, "no_rows", "no rows") for name in ("rmse", "mae", "bias", *losses))
    square, square_sd = mean_and_sd((score - y) ** 2, weight)
    inner = around("rmse", square, square_sd, n, "normal, of the mean square", within=(0.0, math.inf))
    rmse = Measure(
        "rmse", _root(square), _root(inner.low), _root(inner.high), inner.interval, n, inner.status, inner.reason
    )
    mae, mae_sd = mean_and_sd(np.abs(score - y), weight)
    bias, bias_sd = mean_and_sd(score - y, weight)
    return (
        rmse,
        around("mae", mae, mae_sd, n, "normal, of a mean", within=(0.0, math.inf)),
        around("bias", bias, bias_sd, n, "normal, of a mean"),
        *(
            around(name, *mean_and_sd(loss, weight), n, "normal, of a mean", within=(0.0, math.inf))
            for name, loss in losses.items()
        ),
    )


def _root(value: float) -> float:
    return math.sqrt(value) if value >= 0 else math.nan
