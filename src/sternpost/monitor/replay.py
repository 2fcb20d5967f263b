"""A detector over held-out history, before it goes live: what it would have alarmed, period by period.

    told = replay(bundle, last_year, by="applied_at", period="day")
    told.sentence         # "245 windows (day of applied_at, ...): no alarm. ..."
    told.quarters         # {"2024-Q1": (91, 0), "2024-Q2": (91, 0), ...}: windows, alarms

If nothing changed in the history, every alarm is a false one; if a season changed it, the detector says so here first.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any

from sternpost.bundle import Bundle
from sternpost.errors import UsageError
from sternpost.monitor.alarms import Budget, null_replay
from sternpost.monitor.drift import Comparison
from sternpost.monitor.periods import Span
from sternpost.monitor.watched import watched_columns

_NAMES_SHOWN = 5


@dataclass(frozen=True)
class Raised:
    """One alarm: in which period, the columns with most of the evidence, and the period in which it began."""

    period: str
    columns: tuple[str, ...]
    since: str


@dataclass(frozen=True)
class History:
    """What a detector said of history. `quarters`: windows and alarms by the quarter that a window begins in."""

    by: str
    windows: int
    rows: int
    first: str
    last: str
    windows_per_alarm: float
    alarms: tuple[Raised, ...]
    quarters: dict[str, tuple[int, int]]

    @property
    def sentence(self) -> str:
        """For people: how many alarms, per quarter, beside what the budget allows."""
        many = len(self.alarms)
        told = f"{self.windows:,} windows of {self.rows:,} rows (by {self.by}, {self.first} to {self.last}): "
        told += "no alarm" if not many else f"{many:,} alarm{'s' if many > 1 else ''}"
        if many and self.quarters:
            told += f", {many / len(self.quarters):.3g} per quarter"
        told += f"; had nothing changed, at most {self.windows / self.windows_per_alarm:.2g} would be expected."
        if many:
            counted: dict[str, int] = {}
            for alarm in self.alarms:
                counted[alarm.columns[0]] = counted.get(alarm.columns[0], 0) + 1
            names = sorted(counted, key=lambda name: (-counted[name], name))
            listed = ", ".join(f"{name} ({counted[name]})" for name in names[:_NAMES_SHOWN])
            more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
            told += f" The first in {self.alarms[0].period}. Led by {listed}{more}."
        return told

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        quarters = {name: {"windows": n, "alarms": k} for name, (n, k) in self.quarters.items()}
        return {**asdict(self), "quarters": quarters, "sentence": self.sentence}


def replay(
    reference: Any,
    history: Any,
    *,
    by: str,
    period: Span | None = None,
    bundle: Bundle | None = None,
    columns: list[str] | None = None,
    budget: Budget | None = None,
) -> History:
    """Run a detector over an Arrow-speaking table of history, cut into windows as `sternpost.drift` cuts periods.

    `reference`, `bundle`, `by` and `period` are those of `sternpost.drift`, and so is what is raised; `columns` are the
    names watched (default: all). Every alarm is taken as acknowledged at once. UsageError for history without rows.
    """
    comparison = Comparison(reference, bundle=bundle, by=by, period=period)
    comparison.add(history)
    return replayed(comparison, by, budget, columns)


def replayed(
    comparison: Comparison, by: str, budget: Budget | None = None, columns: list[str] | None = None
) -> History:
    """The replay of the periods that a comparison has counted. UsageError where it has none, or lacks a column."""
    budget = budget or Budget()
    periods = [period for period in comparison.windows() if period.rows]
    if not periods:
        raise UsageError(f"by {by}: the history has no rows with a value there; nothing can be replayed")
    held = comparison.reference.columns
    named = watched_columns(held)
    places = dict(zip(named, held, strict=True))
    if columns is not None:
        for name in columns:
            if name not in named:
                raise UsageError(f"columns: the reference has no {name!r}; it has {', '.join(list(named)[:20])}")
        named = {name: watched for name, watched in named.items() if name in columns}
    counts = (
        {name: period.window.counts(places[name].name, places[name].role) for name in named} for period in periods
    )
    found = null_replay(named, counts, budget)
    quarters: dict[str, tuple[int, int]] = {}
    at = {verdict.window for verdict in found.alarms}
    for number, period in enumerate(periods):
        if isinstance(period.begins, dt.datetime):
            name = f"{period.begins:%Y}-Q{(period.begins.month + 2) // 3}"
            windows, alarms = quarters.get(name, (0, 0))
            quarters[name] = windows + 1, alarms + (number in at)
    raised = tuple(
        Raised(
            periods[verdict.window].name,
            tuple(culprit.column for culprit in verdict.culprits[:_NAMES_SHOWN]),
            periods[verdict.culprits[0].since].name,
        )
        for verdict in found.alarms
    )
    rows = sum(period.rows for period in periods)
    names = periods[0].name, periods[-1].name
    return History(by, len(periods), rows, *names, budget.windows_per_alarm, raised, quarters)
