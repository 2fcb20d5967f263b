"""What one column's counts say before all columns are looked at together."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from sternpost.monitor.counting import Cells
from sternpost.monitor.verdict import compared

#: Three labels with a cell, 50 rows of known rare labels, 50 of labels that the reference does not know by name.
REFERENCE = np.array([1000, 600, 300, 50, 50, 0, 0, 0], np.uint64)
ROWS = 2000


def _cells(counts) -> Cells:
    return Cells("c", "input", "category", counts, labels=("a", "b", "d"))


def _p(new: int) -> float:
    """By hand: Good and Turing's rate at its upper end, and the binomial law."""
    alone = 100
    allowed = (alone + 2 * math.sqrt(alone + 1) + 1) / ROWS
    return float(stats.binom.sf(new - 1, ROWS, allowed))


@pytest.mark.parametrize("new", [3, 160, 400])
def test_labels_that_the_reference_had_without_a_name_are_not_new(new):
    """The cell UNSEEN holds them too: only the rows tell which labels are new, and those alone are tested."""
    current = np.array([900, 500, 150, 0, 450, 0, 0, 0], np.uint64)
    found = compared(_cells(REFERENCE), current, None, {}, {"x": new - 1, "y": 1})
    assert found.new == pytest.approx(new / ROWS, rel=1e-12)
    assert found.new_p == pytest.approx(_p(new), rel=1e-9, abs=0)
    # Were the whole cell taken for new, it would be another number in each of the cases.
    assert abs(_p(450) - _p(new)) > 1e-12 * _p(new)


def test_without_such_labels_the_cell_is_what_is_new():
    known = _cells(np.array([1000, 600, 350, 50, 0, 0, 0, 0], np.uint64))
    current = np.array([900, 500, 300, 0, 300, 0, 0, 0], np.uint64)
    found = compared(known, current, None, {}, {})
    assert found.new == pytest.approx(300 / ROWS, rel=1e-12)
    allowed = (50 + 2 * math.sqrt(51) + 1) / ROWS
    assert found.new_p == pytest.approx(stats.binom.sf(299, ROWS, allowed), rel=1e-9, abs=0)
