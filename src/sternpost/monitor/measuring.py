"""Statistics of one column from two vectors of counts over the same cells; the core computes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from sternpost._core import adjusted_p_values, compare_counts, unseen_rate
from sternpost.monitor.counting import NULL, SPECIALS, TAIL, UNSEEN, Cells, Counts


def measure(cells: Cells, current: Counts) -> dict[str, float | None]:
    """The statistics of `drift_report.STATISTICS` but the adjusted p-values; None where one makes no sense.

    What is new counts as rare where the reference has rare labels: half of any such table finds labels new that the
    other half lacks.
    """
    # numpy's arrays are buffers, which its types say from Python 3.12 on.
    reference: Any = cells.counts.copy()
    now: Any = current.copy()
    new = int(now[UNSEEN])
    if reference[TAIL]:
        for counts in (reference, now):
            counts[TAIL] += counts[UNSEEN]
            counts[UNSEEN] = 0
    ordered = cells.ordered and len(cells.means) > 1
    # A cell without reference rows has no mean; its upper edge stands for it.
    tops = [*cells.edges, cells.ends[1] if cells.ends is not None else 0.0]
    at: Any = np.asarray([top if mean is None else mean for mean, top in zip(cells.means, tops, strict=False)])
    found = compare_counts(reference, now, ordered=ordered, reference_at=at if ordered else None, iqr=cells.iqr)
    rows = int(now.sum())
    missing = found["missing"]
    return {
        "psi": found["psi"]["value"],
        "psi_debiased": found["psi"]["debiased"],
        "p": found["psi"]["p_value"],
        "ks": found["ks"]["value"],
        "w1_iqr": found["wasserstein_per_iqr"]["value"],
        "js": found["jensen_shannon"]["value"],
        "tv": found["total_variation"]["value"],
        "missing_reference": missing["reference"],
        "missing": missing["current"],
        "missing_p": missing["p_value"],
        "new": new / rows if rows and cells.kind == "category" else None,
    }


def new_labels_p(cells: Cells, current: Counts, new: int) -> float | None:
    """How often chance would bring `new` or more rows with new labels; None for what has no labels.

    Good and Turing: the next label is new with a probability near N1 / N, where N1 of the reference's N labels stood
    in one row alone. N1 is a count by chance itself, so its upper 95 % end is taken (N1 + 2 sqrt(N1 + 1) + 1, which is
    at least the exact Poisson one), and every row of a rare label without a cell counts as a label of its own.
    """
    if cells.kind != "category":
        return None
    alone = int((cells.counts[:-SPECIALS] == 1).sum()) + int(cells.counts[TAIL]) + int(cells.counts[UNSEEN])
    before = int(cells.counts.sum() - cells.counts[NULL])
    now = int(current.sum() - current[NULL])
    slack = (2 * math.sqrt(alone + 1) + 1) / before if before else 0.0
    p = unseen_rate(new, now, alone, before, tolerance=min(slack, 1.0))["p_value"]
    return None if p is None else float(p)


def adjusted(ps: Sequence[float | None], *, any_dependence: bool) -> list[float | None]:
    """p-values after Benjamini-Hochberg, or Benjamini-Yekutieli with `any_dependence`; None stays None."""
    known = [p for p in ps if p is not None]
    found = iter(adjusted_p_values(known, any_dependence))
    return [None if p is None else next(found) for p in ps]
