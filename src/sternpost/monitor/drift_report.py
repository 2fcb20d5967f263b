"""What a comparison found, as data: a status and statistics per column, culprits first.

A column has exactly one status:

    drift     it changed by more than chance and by more than the tolerance
    unknown   it cannot be compared, and `reasons` says why: it is missing, or its type is another
    shift     it changed by more than chance, by less than the tolerance
    thin      there are too few rows to tell
    quiet     nothing that chance would not explain
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal

import pyarrow as pa

from sternpost.monitor.counting import Cells, Counts, Ends

Status = Literal["drift", "unknown", "shift", "thin", "quiet"]
STATUSES: Final[tuple[Status, ...]] = ("drift", "unknown", "shift", "thin", "quiet")

#: The statistics of a column, in the order in which they are shown, with their one-line meaning.
STATISTICS: Final[dict[str, str]] = {
    "psi": "population stability index: sum of (q - p) ln(q / p) over the cells, with half a row added to each cell; "
    "0 is no change",
    "psi_debiased": "the index less what chance alone adds at these numbers of rows; held against the tolerance",
    "p": "how often chance alone would give an index as large (chi-square)",
    "p_bh": "p after Benjamini-Hochberg over all columns: of the columns called changed, at most the level is wrong on "
    "average",
    "p_by": "p after Benjamini-Yekutieli: the same, however the columns depend on each other",
    "ks": "Kolmogorov-Smirnov: the largest distance of the two distribution functions at a cell's bound",
    "w1_iqr": "Wasserstein-1 over the reference's interquartile range: how far values moved, in its own widths",
    "js": "Jensen-Shannon distance, base 2: 0 equal, 1 nothing in common",
    "tv": "total variation: the share of rows that would have to change cell",
    "missing": "share of rows without a value (null or NaN)",
    "missing_p": "how often chance alone would change the share of missing values as much",
    "new": "share of rows with a label that the reference does not know",
    "new_p": "how often labels as rare as those of a single reference row would bring as many new ones (Good and "
    "Turing; binomial)",
    "new_p_bh": "the same after Benjamini-Hochberg, together with every p",
}


@dataclass(frozen=True)
class ColumnDrift:
    """One column: status, why, and the statistics (None where one makes no sense or cannot be known).

    `role` is input, feature or output; `kind` numeric, category, flag, presence or score, None for what is not watched.
    `missing` and `new` are shares of the current rows in [0, 1], `missing_reference` of the reference's.
    `new_labels` are the labels that the reference does not know, most frequent first, with how often they came.
    `violations` counts broken rules of the contract by rule. `same_as` names the input that a feature passes on: the
    same name, cells and counts.
    """

    name: str
    role: str
    kind: str | None
    status: Status
    reasons: tuple[str, ...] = ()
    reference_rows: int = 0
    current_rows: int = 0
    psi: float | None = None
    psi_debiased: float | None = None
    p: float | None = None
    p_bh: float | None = None
    p_by: float | None = None
    ks: float | None = None
    w1_iqr: float | None = None
    js: float | None = None
    tv: float | None = None
    missing_reference: float | None = None
    missing: float | None = None
    missing_p: float | None = None
    new: float | None = None
    new_p: float | None = None
    new_p_bh: float | None = None
    new_labels: tuple[tuple[str, int], ...] = ()
    violations: dict[str, int] = field(default_factory=dict)
    same_as: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able: what is not finite is None."""
        found = asdict(self)
        for key, value in found.items():
            if isinstance(value, float) and not math.isfinite(value):
                found[key] = None
        found["reasons"] = list(self.reasons)
        found["new_labels"] = [{"label": label, "rows": rows} for label, rows in self.new_labels]
        return found


@dataclass(frozen=True)
class Period:
    """The rows of one stretch of time (or of one value of the column asked for), compared with the reference."""

    name: str
    rows: int
    psi_debiased: dict[str, float | None]
    missing: dict[str, float | None]


@dataclass(frozen=True)
class Counted:
    """The counts behind a column, for plots and for whoever wants to compute more.

    `cells` holds those of the reference; `current`: uint64 [K + 5], over the same cells; `ends`: the least and the
    greatest current number.
    """

    cells: Cells
    current: Counts
    ends: Ends | None = None


@dataclass(frozen=True)
class DriftReport:
    """A comparison of current rows with a reference. Made by `sternpost.drift`.

    `columns` has culprits first; iterate over it, or ask by name: `report["temp_f"]`. `drifted` names the columns with
    the status drift. `level` is the share of false discoveries allowed, `tolerance` the least debiased PSI called
    drift. `counted` holds the counts by column name.
    """

    name: str
    reference_rows: int
    current_rows: int
    level: float
    tolerance: float
    columns: tuple[ColumnDrift, ...]
    by: str | None = None
    periods: tuple[Period, ...] = ()
    about: tuple[tuple[str, str], ...] = ()
    counted: dict[str, Counted] = field(default_factory=dict, repr=False, compare=False)

    def __getitem__(self, name: str) -> ColumnDrift:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def drifted(self) -> tuple[str, ...]:
        """The names of the columns with the status drift, worst first."""
        return tuple(c.name for c in self.columns if c.status == "drift")

    def having(self, status: Status) -> tuple[ColumnDrift, ...]:
        """The columns with one status, worst first."""
        return tuple(c for c in self.columns if c.status == status)

    @property
    def told_once(self) -> DriftReport:
        """For people: without the features that only pass an input on."""
        return replace(self, columns=tuple(c for c in self.columns if c.same_as is None))

    @property
    def sentence(self) -> str:
        """What was found, in a sentence or two; a feature that passes an input on is not counted."""
        if any(c.same_as is not None for c in self.columns):
            return self.told_once.sentence
        many = len(self.columns)
        if not self.current_rows:
            return f"There are no current rows, so nothing can be said about the {_columns(many)}."
        drifted, unknown = self.drifted, self.having("unknown")
        if drifted:
            names = ", ".join(drifted[:3]) + (f" and {len(drifted) - 3} more" if len(drifted) > 3 else "")
            told = f"{len(drifted)} of {_columns(many)} drifted: {names}."
        else:
            told = f"None of the {_columns(many)} drifted."
        shifted, thin = self.having("shift"), self.having("thin")
        if shifted:
            told += f" {len(shifted)} changed by more than chance but by less than the tolerance."
        if thin:
            told += f" There are too few rows to tell about {_columns(len(thin))}."
        if unknown:
            told += (
                f" {_columns(len(unknown)).capitalize()} cannot be compared: {', '.join(c.name for c in unknown[:3])}."
            )
        return told

    def to_dict(self) -> dict[str, Any]:
        """Everything but the counts, JSON-able."""
        return {
            "name": self.name,
            "reference_rows": self.reference_rows,
            "current_rows": self.current_rows,
            "level": self.level,
            "tolerance": self.tolerance,
            "drifted": list(self.drifted),
            "sentence": self.sentence,
            "about": dict(self.about),
            "columns": [c.to_dict() for c in self.columns],
            "by": self.by,
            "periods": [asdict(p) for p in self.periods],
        }

    def to_table(self) -> pa.Table:
        """One row per column, culprits first: name, role, kind, status, reasons, rows, every statistic (float64)."""
        texts = [("column", "name"), ("role", "role"), ("kind", "kind"), ("status", "status")]
        numbers = [*STATISTICS]
        numbers.insert(numbers.index("missing"), "missing_reference")
        arrays: dict[str, pa.Array] = {
            title: pa.array([getattr(c, key) for c in self.columns], pa.string()) for title, key in texts
        }
        arrays["reasons"] = pa.array([list(c.reasons) for c in self.columns], pa.list_(pa.string()))
        for key in ("reference_rows", "current_rows"):
            arrays[key] = pa.array([getattr(c, key) for c in self.columns], pa.int64())
        for key in numbers:
            arrays[key] = pa.array([getattr(c, key) for c in self.columns], pa.float64())
        names = [[label for label, _ in c.new_labels] for c in self.columns]
        arrays["new_labels"] = pa.array(names, pa.list_(pa.string()))
        return pa.table(arrays)

    def html(self) -> str:
        """The report as one self-contained page; needs matplotlib and jinja2 (the extra `watch`)."""
        from sternpost.monitor.drift_page import page_of

        return page_of(self.told_once)

    def __repr__(self) -> str:
        lines = [f"<drift of {self.name}: {self.current_rows:,} rows against {self.reference_rows:,}; {self.sentence}"]
        told = self.told_once.columns
        shown: Sequence[ColumnDrift] = told[:15]
        width = max((len(c.name) for c in shown), default=0)
        for c in shown:
            psi = "      -" if c.psi_debiased is None else f"{c.psi_debiased:7.3f}"
            lines.append(f"  {c.name:<{width}}  {c.status:<7}  PSI {psi}  {'; '.join(c.reasons)}".rstrip())
        if len(told) > len(shown):
            lines.append(f"  and {len(told) - len(shown)} more")
        return "\n".join(lines) + ">"


def _columns(many: int) -> str:
    return f"{many} column{'' if many == 1 else 's'}"
