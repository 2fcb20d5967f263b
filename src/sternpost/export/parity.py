"""The gate: an exported model passes only if it answers like its estimator on every row tried.

What "like" means is stated in the report. A probability may differ by `tolerance`; a regression value by
`tolerance` times the spread of the estimator's predictions on the reference rows, or times its distance
from their mean where that is larger. So the rule does not change when the target is measured in another
unit or from another zero, and it cannot hide an error behind a large offset, as a limit relative to |y|
would.

Why 1e-5 and 2e-5: ONNX rounds leaves and sums to float32. Measured on boosted models of 200 to 3,000 trees
over 46 columns, and on forests of 200 trees, that alone moves a probability by at most 1.8e-6 and a
regression value by at most 5.2e-6 of its scale. A row in a wrong leaf (thresholds rounded to nearest,
LightGBM, 100 and 1,000 trees) moves a regression value by more than 1.7e-4 in 99 of 100 cases, 1e-2 in the
middle, and a probability by 8e-4 to 6e-3 in the middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from sternpost.errors import ExportError, ParityError
from sternpost.export.cuts import collect
from sternpost.export.float32 import F32, F64
from sternpost.export.known import advice
from sternpost.export.oracle import Oracle
from sternpost.export.probes import Probes, make_probes
from sternpost.export.report import Allowed, OneRow, ParityReport, WorstRow
from sternpost.export.runtime import OnnxRuntime

PROBABILITY_TOLERANCE = 1e-5
REGRESSION_TOLERANCE = 2e-5
ONE_ROW_SAMPLE = 1_000
_SHOWN = 12
_ROUNDING = (
    "If the difference is small, it is float32 rounding: state a larger tolerance. If not, the converter misreads this "
    "estimator: bring its settings nearer to their defaults, or hand over an .onnx file made in another way."
)


def prove(
    oracle: Oracle,
    model: OnnxRuntime,
    reference: F32,
    names: Sequence[str],
    *,
    tolerance: float | None = None,
    seed: int = 0,
) -> ParityReport:
    """Compare model and estimator on all families of rows.

    Raises `ParityError` (with `.worst` and `.report`) when one row differs by more than is allowed, and
    `ExportError` when the two do not even have the same number of outputs.
    """
    asked = (_asked(oracle, probes, names) for probes in make_probes(reference, collect(oracle.estimator), seed))
    first = next(asked)  # the reference
    allowed = _allowed(oracle, first[1], tolerance)
    rows: dict[str, int] = {}
    refused: list[str] = []
    worst = _Worst(allowed)
    tried: list[tuple[Probes, F64, F32]] = []
    for probes, expected, missing in chain([first], asked):
        refused += missing
        rows[probes.family] = len(probes.rows)
        if not len(probes.rows):
            continue
        got = model.batch(probes.rows)
        if got.shape != expected.shape:
            raise ExportError(
                f"{oracle.name} gives {expected.shape[1]} scores per row, its ONNX form {got.shape[1]}. "
                f"{advice(oracle.estimator)}"
            )
        worst.compare(probes, expected, got)
        tried.append((probes, expected, got))
    one_row = _one_by_one(model, tried, worst, seed)
    report = ParityReport(rows, tuple(refused), worst.max_abs, worst.max_rel, allowed, worst.row(names), one_row)
    if worst.max_rel > allowed.tolerance:
        _refuse(oracle, report, names)
    return report


def _allowed(oracle: Oracle, scores: F64, tolerance: float | None) -> Allowed:
    if tolerance is not None and not 0.0 <= tolerance < np.inf:
        raise ExportError(f"tolerance is {tolerance!r}; expected a finite number >= 0, e.g. {PROBABILITY_TOLERANCE}")
    if oracle.kind != "regression":
        limit = PROBABILITY_TOLERANCE if tolerance is None else tolerance
        return Allowed(limit, "absolute difference of probabilities", 0.0, 1.0)
    limit = REGRESSION_TOLERANCE if tolerance is None else tolerance
    finite = scores[np.isfinite(scores)]
    centre = float(finite.mean()) if len(finite) else 0.0
    spread = float(finite.std()) if len(finite) else 0.0
    # Predictions that never vary have no scale of their own: fall back to their size.
    return Allowed(limit, "relative to max(spread, |y - centre|)", centre, spread or abs(centre) or 1.0)


def _asked(oracle: Oracle, probes: Probes, names: Sequence[str]) -> tuple[Probes, F64, list[str]]:
    """The rows the estimator takes, its answers, and what it refuses ("nan", or "nan:column" for a part)."""
    if not len(probes.rows):
        return probes, np.empty((0, oracle.outputs)), []
    if probes.family == "reference":
        return probes, oracle.reference(probes.rows), []
    # Rows probed in one column stand or fall together, but infinities are often refused where numbers are not.
    groups = 2 * probes.columns + np.isinf(probes.rows).any(axis=1)
    groups = np.where(probes.columns >= 0, groups, -1 - np.arange(len(probes.rows)))
    scores, taken = oracle.accepted(probes.rows, groups)
    refused: list[str] = []
    if not taken.any():
        refused = [probes.family]
    elif not taken.all():
        columns = np.unique(probes.columns[~taken])
        refused = [f"{probes.family}:{names[column]}" for column in columns if column >= 0]
    return Probes(probes.family, probes.rows[taken], probes.columns[taken]), scores[taken], refused


def _one_by_one(model: OnnxRuntime, tried: list[tuple[Probes, F64, F32]], worst: _Worst, seed: int) -> OneRow:
    rng = np.random.default_rng(seed)
    share = max(1, ONE_ROW_SAMPLE // max(1, len(tried)))
    count = differ = 0
    largest = 0.0
    for probes, expected, batch in tried:
        chosen = rng.permutation(len(probes.rows))[:share]
        single = model.one_by_one(probes.rows[chosen])
        count += len(chosen)
        differ += int((single.view(np.int32) != batch[chosen].view(np.int32)).any(axis=1).sum())
        with np.errstate(invalid="ignore"):
            gap = np.abs(single.astype(np.float64) - batch[chosen].astype(np.float64))
        largest = max(largest, float(np.nan_to_num(gap, nan=0.0).max(initial=0.0)))
        worst.compare(Probes(probes.family, probes.rows[chosen], probes.columns[chosen]), expected[chosen], single)
    return OneRow(count, differ, largest)


class _Worst:
    """The row with the largest difference so far, in units of its scale."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self.max_abs = 0.0
        self.max_rel = 0.0
        self._found: tuple[Probes, int, int, float, float, float] | None = None

    def compare(self, probes: Probes, expected: F64, got: F32) -> None:
        gap, scale = self._gap(expected, got)
        with np.errstate(invalid="ignore"):
            relative = np.where(np.isinf(gap), np.inf, np.where(gap == 0.0, 0.0, gap / scale))
        self.max_abs = max(self.max_abs, float(gap.max(initial=0.0)))
        row, output = np.unravel_index(int(relative.argmax()), relative.shape)
        if self._found is None or relative[row, output] > self.max_rel:
            self.max_rel = float(relative[row, output])
            limit = self._allowed.tolerance * float(scale[row, output])
            values = float(expected[row, output]), float(got[row, output])
            self._found = (probes, int(row), int(output), *values, limit)

    def _gap(self, expected: F64, got: F32) -> tuple[F64, F64]:
        """|expected - got| and the scale of each value. An answer beyond float32 must come out infinite."""
        with np.errstate(over="ignore", invalid="ignore"):
            beyond = np.isinf(expected.astype(np.float32))
            expected = np.where(beyond, np.copysign(np.inf, expected), expected)
            same = (expected == got) | (np.isnan(expected) & np.isnan(got))
            gap = np.where(same, 0.0, np.abs(expected - got))
            scale = np.maximum(self._allowed.spread, np.abs(expected - self._allowed.centre))
        if self._allowed.form.startswith("absolute"):
            scale = np.ones_like(gap)
        return np.where(np.isnan(gap), np.inf, gap), np.where(np.isfinite(scale), scale, self._allowed.spread)

    def row(self, names: Sequence[str]) -> WorstRow | None:
        if self._found is None:
            return None
        probes, row, output, expected, got, limit = self._found
        column = int(probes.columns[row])
        values = tuple(float(value) for value in probes.rows[row])
        return WorstRow(probes.family, values, names[column] if column >= 0 else None, output, expected, got, limit)


def _refuse(oracle: Oracle, report: ParityReport, names: Sequence[str]) -> None:
    worst = report.worst
    assert worst is not None
    pairs = [f"{name}={value!r}" for name, value in zip(names, worst.row, strict=True)]
    probed = "" if worst.probed is None else f"probed {pairs[list(names).index(worst.probed)]}; "
    more = f", and {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
    which = f"class {oracle.classes[worst.output]!r}" if oracle.classes else "prediction"
    raise ParityError(
        f"{oracle.name} and its ONNX form disagree on a row of family {worst.family!r}: {which} expected "
        f"{worst.expected!r}, got {worst.got!r}, difference {worst.difference:.3g}, allowed {worst.allowed:.3g} "
        f"({report.allowed.form}, tolerance {report.allowed.tolerance:g}). "
        f"Row: {probed}{', '.join(pairs[:_SHOWN])}{more}. {_next_step(oracle, report.allowed)}",
        worst,
        report,
    )


def _next_step(oracle: Oracle, allowed: Allowed) -> str:
    """Advice; for a target far from zero, the limit of float32 comes first."""
    step = float(np.spacing(np.float32(abs(allowed.centre))))
    if oracle.kind == "regression" and step > allowed.tolerance * allowed.spread:
        return (
            f"Predictions lie around {allowed.centre:g} and vary by {allowed.spread:g}, but float32 values there "
            f"are {step:.2g} apart: train on the target minus a constant, or state a larger tolerance."
        )
    return advice(oracle.estimator, otherwise=_ROUNDING)
