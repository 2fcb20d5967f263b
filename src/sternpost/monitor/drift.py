"""A table against a reference: what changed, by how much, and whether chance would explain it.

    report = sp.drift(last_quarter, this_week)
    report.drifted            # ("temp_f", "wind_speed_mph")
    report["temp_f"].psi
    Path("drift.html").write_text(report.html())

Owed to callers: a report, whatever the data: what cannot be compared has a status that says why. Cells are frozen by
the reference, so one absurd current value moves nothing but its own count; the order of rows, how they are cut into
batches, and threads change no bit.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from sternpost._core import Reference, Window
from sternpost.bundle import Bundle
from sternpost.contract import as_table
from sternpost.errors import UsageError
from sternpost.monitor.counting import Cells, Tally, count, labels_of, together
from sternpost.monitor.drift_report import ColumnDrift, Counted, DriftReport, Period
from sternpost.monitor.measuring import measure
from sternpost.monitor.periods import Calendar, Place, Span
from sternpost.monitor.through import known_labels, reference_through, through
from sternpost.monitor.verdict import compared, judged

LEVEL = 0.05
TOLERANCE = 0.1
#: What periods of windows are cut by.
WINDOWS = "windows"
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def drift(
    reference: Any,
    current: Any,
    *,
    bundle: Bundle | None = None,
    columns: Sequence[str] | None = None,
    by: str | None = None,
    period: Span | None = None,
    level: float = LEVEL,
    tolerance: float = TOLERANCE,
) -> DriftReport:
    """Compare an Arrow-speaking table (pyarrow, polars, pandas) with a reference, column by column.

    `reference` is another such table, a bundle (its sealed reference is taken), or what `reference_of` made. With a
    bundle, also with `bundle` beside a reference table, rows go through its contract, features and model, and inputs,
    features and scores are compared. `columns` names what is compared (default: all). `by` names a column of
    `current`: a timestamp is cut into periods (`period`: hour, day, week, month, quarter, year; default: the finest
    from day on that gives at most 60), anything else is taken value by value.

    A column drifted if its p-value, adjusted by Benjamini-Hochberg over all columns, is at most `level`, and its
    debiased PSI at least `tolerance` or its share of missing values changed by 5 points. Raises UsageError for
    arguments that make no sense together, ContractError for what is no table or does not fit the bundle.
    """
    comparison = Comparison(
        reference, bundle=bundle, columns=columns, by=by, period=period, level=level, tolerance=tolerance
    )
    comparison.add(current)
    return comparison.report()


def reference_of(table: Any) -> Reference:
    """The reference of a table, to compare with many: cells and counts of every column that is there once."""
    rows = as_table(table)
    return Reference.of_table(rows.select(_once(rows)))


@dataclass(frozen=True)
class CountedPeriod:
    """The rows of one period as a window; `begins` is the moment or the value that it begins with."""

    name: str
    begins: Place
    rows: int
    window: Window


class Comparison:
    """A comparison in parts: `add` current rows as they come, any number of times, then ask for the `report`.

    Memory is that of the counts, whatever the number of rows.
    """

    def __init__(
        self,
        reference: Any,
        *,
        bundle: Bundle | None = None,
        columns: Sequence[str] | None = None,
        by: str | None = None,
        period: str | None = None,
        level: float = LEVEL,
        tolerance: float = TOLERANCE,
    ) -> None:
        if not 0 < level < 1:
            raise UsageError(f"level is {level}; it is a share of false discoveries between 0 and 1, such as 0.05")
        if not tolerance >= 0:
            raise UsageError(f"tolerance is {tolerance}; it is the least debiased PSI called drift, 0 or more")
        if by is None and period is not None:
            raise UsageError(f"period {period} needs the name of a timestamp column in by")
        self._bundle = reference if isinstance(reference, Bundle) else bundle
        self._level, self._tolerance = level, tolerance
        self._calendar = None if by is None else Calendar(by, period)
        self._unwatched: dict[str, ColumnDrift] = {}
        self._known: dict[str, frozenset[str]] = {}
        self._reference = self._made(reference)
        self._cells: dict[str, Cells] = {}
        for cells in map(Cells.of, self._reference.columns):
            # A feature may have the name of an input that it passes on.
            taken = cells.name in self._cells
            self._cells[f"{cells.name} ({cells.role})" if taken else cells.name] = cells
        self._all = columns is None
        if columns is not None:
            self._choose(list(columns))
        self._broken: Counter[tuple[str, str]] = Counter()
        self._rows = 0
        self._windows: dict[Place, Tally] = {}

    def add(self, current: Any) -> None:
        """Count more current rows. Raises ContractError for what is no table, UsageError where `by` is not there."""
        table = as_table(current)
        self._rows += table.num_rows
        for place, rows in [(None, table)] if self._calendar is None else self._calendar.cut(table):
            found = self._counted(rows)
            before = self._windows.get(place)
            self._windows[place] = found if before is None else together(self._reference, [before, found])
        if self._calendar is not None and not self._windows:
            self._windows[None] = self._counted(table)

    def add_window(self, window: Window) -> None:
        """Count a window of the same reference; `windows_by` cuts windows into periods, by when they begin.

        Raises UsageError for a window of another reference.
        """
        calendar = self._calendar
        start = None if window.span is None else _EPOCH + dt.timedelta(microseconds=window.span[0])
        place = None if calendar is None or start is None else calendar.place_of(start)
        found = Tally(window, window.rows["seen"])
        before = self._windows.get(place)
        self._windows[place] = together(self._reference, [found] if before is None else [before, found])
        self._rows += found.rows
        for (role, column, rule), rows in window.broken.items():
            if role == "input":
                self._broken[column, rule] += rows

    def windows_by(self, period: str | None = None) -> None:
        """Cut windows that are added from now on into periods; without one, the finest from hour on of at most 60."""
        self._calendar = Calendar(WINDOWS, period, "hour")

    @property
    def reference(self) -> Reference:
        """What rows are compared with."""
        return self._reference

    def windows(self) -> list[CountedPeriod]:
        """The windows of the periods so far, in order; rows without a place in them are left out."""
        if self._calendar is None:
            return []
        made = []
        for title, places in self._calendar.gathered(self._windows):
            if places != [None]:
                now = together(self._reference, [self._windows[place] for place in places])
                made.append(CountedPeriod(title, places[0], now.rows, now.window))
        return made

    def report(self) -> DriftReport:
        """What was found so far."""
        now = together(self._reference, self._windows.values())
        found, counted = [], {}
        for key, cells in self._cells.items():
            counts = now.counts(cells)
            broken = {
                rule: n for (name, rule), n in self._broken.items() if name == cells.name and cells.role == "input"
            }
            names = now.names.get(cells.name, Counter()) if cells.role == "input" else Counter()
            odd = now.odd.get(cells.name) if cells.role == "input" else None
            column = compared(cells, counts, odd, broken, names)
            found.append(replace(column, name=key, same_as=self._passed_on(cells, now)))
            counted[key] = Counted(cells, counts, now.ends.get(cells.name))
        bundle = self._bundle
        about = [("reference", self._reference.digest[:12])]
        if bundle is not None:
            about.append(("bundle", f"{bundle.name} {bundle.digest[:12]}"))
        return DriftReport(
            name="the current rows" if bundle is None else bundle.name,
            reference_rows=self._reference.rows,
            current_rows=self._rows,
            level=self._level,
            tolerance=self._tolerance,
            columns=tuple(judged([*found, *self._unwatched.values()], self._level, self._tolerance)),
            by=None if self._calendar is None else self._calendar.column,
            periods=self._periods(),
            about=tuple(about),
            counted=counted,
        )

    def _passed_on(self, cells: Cells, now: Tally) -> str | None:
        """The input that a feature is: same name, same cells, same counts in the reference and now."""
        other = self._cells.get(cells.name)
        if cells.role != "feature" or other is None or other.role != "input":
            return None
        where = (cells.kind, cells.edges, cells.labels) == (other.kind, other.edges, other.labels)
        equal = where and np.array_equal(cells.counts, other.counts)
        return cells.name if equal and np.array_equal(now.counts(cells), now.counts(other)) else None

    def _made(self, reference: Any) -> Reference:
        if isinstance(reference, Reference):
            self._known = {} if self._bundle is None else known_labels(self._bundle)
            return reference
        if isinstance(reference, Bundle):
            self._known = known_labels(reference)
            return reference.require_reference()
        if self._bundle is not None:
            self._known = known_labels(self._bundle)
            return reference_through(self._bundle, reference)
        table = as_table(reference)
        self._twice(table)
        once = table.select(_once(table))
        self._known = labels_of(once)
        return Reference.of_table(once)

    def _counted(self, rows: pa.Table) -> Tally:
        if self._bundle is None:
            self._twice(rows)
            self._strangers(rows)
            return count(self._reference, rows.select(_once(rows)), "input", self._known)
        passed = through(self._bundle, rows)
        self._broken.update(passed.broken)
        parts = [
            count(self._reference, passed.inputs, "input", self._known),
            count(self._reference, passed.features, "feature"),
            count(self._reference, passed.outputs, "output"),
        ]
        return replace(together(self._reference, parts), rows=rows.num_rows)

    def _periods(self) -> tuple[Period, ...]:
        if self._calendar is None or not self._rows:
            return ()
        made = []
        for title, places in self._calendar.gathered(self._windows):
            now = together(self._reference, [self._windows[place] for place in places])
            found = {key: measure(cells, now.counts(cells)) for key, cells in self._cells.items()}
            psi = {key: values["psi_debiased"] for key, values in found.items()}
            made.append(Period(title, now.rows, psi, {key: values["missing"] for key, values in found.items()}))
        return tuple(made)

    def _choose(self, columns: list[str]) -> None:
        for name in columns:
            if name not in self._cells and name not in self._unwatched:
                known = ", ".join([*self._cells, *self._unwatched][:20])
                raise UsageError(f"columns: the reference has no {name!r}; it has {known or 'no columns'}")
        self._cells = {name: cells for name, cells in self._cells.items() if name in columns}
        self._unwatched = {name: c for name, c in self._unwatched.items() if name in columns}

    def _twice(self, table: pa.Table) -> None:
        for name, times in Counter(table.column_names).items():
            if times > 1:
                self._unwatched[name] = _unknown(name, f"it is there {times} times")

    def _strangers(self, table: pa.Table) -> None:
        if self._all:
            for name in table.column_names:
                if name not in self._cells and name not in self._unwatched:
                    self._unwatched[name] = _unknown(name, "the reference does not have it")


def _once(table: pa.Table) -> list[str]:
    return [name for name, times in Counter(table.column_names).items() if times == 1]


def _unknown(name: str, reason: str) -> ColumnDrift:
    return ColumnDrift(name, "input", None, "unknown", (reason,))
