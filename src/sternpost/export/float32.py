"""Neighbours in float32: the grid on which a model meets its thresholds.

A model sees float32 values x, but many libraries keep a threshold t in float64. On the float32 grid
`x <= t` is exactly `x <= floor32(t)`; rounding t to the nearest float32 instead moves every row that sits
between the two, which for histogram-made thresholds is a few per cent of the rows that touch one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]


def floor32(values: npt.ArrayLike) -> F32:
    """The largest float32 <= each float64 value. +-inf and NaN stay; beyond the range: the last finite, or -inf."""
    exact = np.asarray(values, dtype=np.float64)
    with np.errstate(over="ignore"):
        nearest = exact.astype(np.float32)
    return np.where(nearest.astype(np.float64) > exact, below(nearest), nearest).astype(np.float32)


def below(values: F32) -> F32:
    """The next float32 downwards; below the smallest finite one, -inf."""
    with np.errstate(over="ignore"):
        return np.nextafter(values, np.float32(-np.inf), dtype=np.float32)


def above(values: F32) -> F32:
    """The next float32 upwards; above the largest finite one, inf."""
    with np.errstate(over="ignore"):
        return np.nextafter(values, np.float32(np.inf), dtype=np.float32)


def to_ordinal(values: F32) -> npt.NDArray[np.int64]:
    """A count along the float32 line: neighbours differ by 1, order is kept, both zeros are 0."""
    bits = values.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def from_ordinal(ordinals: npt.NDArray[np.int64]) -> F32:
    """The inverse of `to_ordinal`."""
    bits = np.where(ordinals < 0, -ordinals | 0x80000000, ordinals)
    return bits.astype(np.uint32).view(np.float32)
