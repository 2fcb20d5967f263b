"""What the parity check found: the rows tried, the difference allowed, the largest one seen.

A report is evidence, kept inside the bundle and shown to people: it says which families of rows were
compared, which ones the estimator itself refuses, and the worst row with its values, also when all is well.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass

FAMILIES = ("reference", "on_threshold", "next_below", "next_above", "nan", "infinite", "random_corner")


@dataclass(frozen=True)
class Allowed:
    """The stated difference: |expected - got| <= tolerance * scale of the row.

    Probabilities: scale is 1. Regression: scale is max(spread, |expected - centre|), where `centre` and
    `spread` are the mean and the standard deviation of the estimator's predictions on the reference rows.
    """

    tolerance: float
    form: str
    centre: float
    spread: float


@dataclass(frozen=True)
class WorstRow:
    """The row with the largest difference in units of what is allowed. `row` are all feature values, in order."""

    family: str
    row: tuple[float, ...]
    probed: str | None
    output: int
    expected: float
    got: float
    allowed: float

    @property
    def difference(self) -> float:
        """|expected - got|; infinite when only one of the two is finite."""
        gap = abs(self.expected - self.got)
        return math.inf if math.isnan(gap) else gap


@dataclass(frozen=True)
class OneRow:
    """Rows run one at a time against the same rows in a batch: how many differ in any bit, and by how much.

    Linear operators of ONNX Runtime sum in another order for a single row; such models must run padded.
    """

    rows: int
    differ: int
    max_abs: float


@dataclass(frozen=True)
class ParityReport:
    """The comparison of an exported model with its estimator. `max_rel` is in units of the row's scale."""

    rows: dict[str, int]
    refused_by_estimator: tuple[str, ...]
    max_abs: float
    max_rel: float
    allowed: Allowed
    worst: WorstRow | None
    one_row: OneRow

    def to_json(self) -> str:
        """Canonical JSON; numbers that are not finite are written as strings ("nan", "inf", "-inf")."""
        return json.dumps(_jsonable(asdict(self)), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _jsonable(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
