"""From counts to a word: is a column quiet, or did it drift, and why is that said.

A column drifted if it changed by more than chance (its p-value, adjusted over all columns, is at most the level) and by
more than the tolerance: its debiased PSI, or the share of its missing values. Large tables make every change
significant, small ones make every index large; it takes both. New labels, more than the reference's own rarest ones
would bring, are a shift at least.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sternpost.monitor.counting import UNSEEN, Cells, Counts
from sternpost.monitor.drift_report import STATUSES, ColumnDrift
from sternpost.monitor.measuring import adjusted, measure, new_labels_p

#: Below this many current values nothing is said about a column.
ROWS_MIN = 30
#: A change of the missing share by this much, beyond chance, is drift whatever the index says.
MISSING_CHANGE = 0.05
_NAMES_SHOWN = 3


def compared(
    cells: Cells, current: Counts, odd: str | None, broken: Mapping[str, int], names: Mapping[str, int]
) -> ColumnDrift:
    """One column before all columns are looked at together: quiet, thin or unknown.

    `odd` says why the current values could not be counted; `broken` counts broken rules of the contract by rule,
    `names` new labels.
    """
    rows = int(cells.counts.sum()), int(current.sum())
    found = ColumnDrift(cells.name, cells.role, cells.kind, "quiet", (), *rows, violations=dict(broken))
    if odd is not None:
        return replace(found, status="unknown", reasons=(odd,))
    labels = tuple(sorted(names.items(), key=lambda item: (-item[1], item[0])))
    found = replace(found, **measure(cells, current), new_labels=labels)  # type: ignore[arg-type]
    unseen = int(current[UNSEEN])
    if cells.counts[UNSEEN] and rows[1]:
        unseen = sum(names.values())
        # The reference has more labels than it knows by name; the rows told which of them are new.
        found = replace(found, new=unseen / rows[1])
    found = replace(found, new_p=new_labels_p(cells, current, unseen))
    if not rows[0]:
        return replace(found, status="unknown", reasons=("the reference has no rows",))
    if rows[1] < ROWS_MIN:
        told = "no current rows" if not rows[1] else f"{rows[1]} current row{'s' if rows[1] > 1 else ''}"
        return replace(found, status="thin", reasons=(told,))
    return found


def judged(columns: Sequence[ColumnDrift], level: float, tolerance: float) -> list[ColumnDrift]:
    """All columns with their adjusted p-values and final statuses, culprits first.

    One family of tests: of every column the index, and of every column of labels the new ones.
    """
    ps = [c.p if c.status == "quiet" else None for c in columns]
    new = [c.new_p if c.status == "quiet" else None for c in columns]
    bh, by = adjusted([*ps, *new], any_dependence=False), adjusted([*ps, *new], any_dependence=True)
    done = []
    for column, p_bh, p_by, new_bh in zip(columns, bh, by, bh[len(columns) :], strict=False):
        done.append(_judged(replace(column, p_bh=p_bh, p_by=p_by, new_p_bh=new_bh), level, tolerance))
    return sorted(done, key=lambda c: (STATUSES.index(c.status), -(c.psi_debiased or 0.0), c.name))


def _percent(share: float) -> str:
    return f"{share:.2%}" if share < 0.1 else f"{share:.0%}"


def _judged(column: ColumnDrift, level: float, tolerance: float) -> ColumnDrift:
    if column.status != "quiet" or (column.p_bh is None and column.new_p_bh is None):
        return column
    reasons, large = [], False
    changed = column.p_bh is not None and column.p_bh <= level
    brought = column.new_p_bh is not None and column.new_p_bh <= level
    if changed and column.psi_debiased is not None:
        large = column.psi_debiased >= tolerance
        reasons.append(f"PSI {column.psi_debiased:.2g}")
    before, now = column.missing_reference or 0.0, column.missing or 0.0
    if column.missing_p is not None and column.missing_p <= level and abs(now - before) >= MISSING_CHANGE:
        large = True
        reasons.append(f"missing {before:.0%} before, {now:.0%} now")
    if column.new and column.new_labels:
        names = ", ".join(label for label, _ in column.new_labels[:_NAMES_SHOWN])
        more = f" and {len(column.new_labels) - _NAMES_SHOWN} more" if len(column.new_labels) > _NAMES_SHOWN else ""
        chance = "" if brought else "; no more than chance brings"
        reasons.append(f"new labels in {_percent(column.new)} of the rows: {names}{more}{chance}")
    elif brought and column.new:
        reasons.append(f"new labels in {_percent(column.new)} of the rows")
    if not changed and not brought and not large:
        return replace(column, reasons=tuple(reasons))
    return replace(column, status="drift" if large else "shift", reasons=tuple(reasons))
