"""What a detector will do before it does it: false alarms, delays and the smallest change, by simulation.

The reference's shares are taken for the truth. For false alarms every run draws a reference of its own from them, as
large as the real one, builds the detector from it, and watches windows of the truth: so the reference's own error is in
the figures. Delays are counted from a detector that has seen nothing, which is the slowest.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sternpost import _core
from sternpost.errors import UsageError
from sternpost.monitor.alarms import Budget, Detector, Watched, columns_json

#: (what is told of it, its name in the core, its size or None)
CHANGES: tuple[tuple[str, str, float | None], ...] = (
    ("values 0.05 sd higher", "location", 0.05),
    ("values 0.1 sd higher", "location", 0.1),
    ("values 0.2 sd higher", "location", 0.2),
    ("values 0.3 sd higher", "location", 0.3),
    ("missing +1 pt", "missing", 0.01),
    ("a new label in 0.5 % of rows", "unseen", 0.005),
    ("unit changed x100", "unit", None),
    ("one value stuck", "stuck", None),
)
#: Columns that a change is tried on, at most; spread over the list.
COLUMNS_TRIED = 6
#: Windows after which a delay is no longer waited for.
PATIENCE = 500
#: Runs without a change: 12,000 windows, so none with an alarm says one per 3,253 or more.
RUNS = 40
#: Half-width of a band beyond which a contract is refused: a quarter of a standard deviation would go unseen for ever.
BAND_MAX = 0.1
_SMALL = 100.0
_CHUNK = 8


@dataclass(frozen=True)
class FalseAlarms:
    """First alarms of simulated runs in which nothing changed.

    `windows` / `alarms` estimates the run length; it is at least `promised` if the promise is kept. `low` and `high`
    are its exact 95 % Poisson interval (Garwood); `high` is None where nothing alarmed.
    """

    promised: float
    runs: int
    windows: int
    alarms: int
    low: float
    high: float | None

    @property
    def run_length(self) -> float | None:
        """Windows per alarm; None where nothing alarmed."""
        return self.windows / self.alarms if self.alarms else None


@dataclass(frozen=True)
class Delay:
    """Windows from a change to its alarm, over columns in which it was tried.

    `unseen` names the columns in which it lies inside of the band: it is never seen there, and that is no fault.
    `median` and `most` (90 % of the runs) are None where the run did not alarm within PATIENCE windows, or no column
    has such a change outside of its band.
    """

    change: str
    columns: tuple[str, ...]
    unseen: tuple[str, ...]
    runs: int
    median: float | None
    most: float | None


@dataclass(frozen=True)
class Smallest:
    """The smallest changes of a column that are seen in so many windows; None where none is, or it has none such.

    `location_sd` is in standard deviations of normal scores, the others are parts of all rows; `band` is how far the
    share nearest one half may move unnoticed.
    """

    column: str
    location_sd: float | None
    missing: float | None
    unseen: float | None
    band: float


@dataclass(frozen=True)
class Outlook:
    """Everything that `outlook` found. `warnings` say what the reference cannot support."""

    promise: str
    rows_per_window: int
    windows_to_see: int
    budget: Budget
    seed: int
    false_alarms: tuple[FalseAlarms, ...]
    delays: tuple[Delay, ...]
    smallest: tuple[Smallest, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {**asdict(self), "run_lengths": [found.run_length for found in self.false_alarms]}


def promise(budget: Budget) -> str:
    """The contract in one sentence."""
    sure = "" if budget.confidence is None else f", with probability {1 - budget.confidence:g} over the reference"
    together = "" if budget.repeats == 1 else f", at most {budget.repeats} rows of a window go together"
    return (
        f"At most one false alarm per {budget.windows_per_alarm:,.0f} windows, over all columns together, if no share "
        f"of values up to an edge moves by more than {100 * budget.tolerance:g} pt and no share of a label, of missing "
        f"or of odd values by more than a fifth of itself (at least {100 * budget.rare_tolerance:g} pt, at most "
        f"{100 * budget.tolerance:g} pt){together}{sure}."
    )


def outlook(
    columns: Mapping[str, Watched],
    *,
    rows_per_window: int,
    budget: Budget | None = None,
    windows_to_see: int = 24,
    correlation: float = 0.3,
    runs: int = RUNS,
    seed: int = 1,
    progress: Callable[[int, int | None], None] | None = None,
) -> Outlook:
    """Simulate a detector over these columns. Same seed, same numbers, on any number of threads.

    `rows_per_window` is the traffic; `correlation` that of the normal scores of every two columns in the runs without a
    change; `windows_to_see` the time within which the smallest change is asked for. UsageError for settings that cannot
    be used, and for a reference so small that a quarter of a standard deviation would never be seen.
    """
    budget = budget or Budget()
    if rows_per_window < 1 or runs < 1 or windows_to_see < 1:
        raise UsageError("rows per window, runs and windows to see are whole numbers from 1")
    columns = {name: c for name, c in columns.items() if sum(c.counts) and c.importance > 0}
    detector = Detector(columns, budget)
    smallest = tuple(Smallest(**found) for found in json.loads(detector._core.reach(rows_per_window, windows_to_see)))
    warnings = _supported(columns, budget)
    rows = min(sum(c.counts) for c in columns.values())
    drawn = None if budget.confidence is None else rows
    plans = _plans(columns)
    total = runs + sum(len(tried) for _, tried in plans) * max(1, runs // 4)
    done = 0

    def run(columns: Mapping[str, Watched], count: int, **settings: Any) -> list[dict[str, Any]]:
        nonlocal done
        described = {
            "columns": json.loads(columns_json(columns)),
            "budget": json.loads(budget.to_json()),
            "rows_per_window": rows_per_window,
            "seed": seed,
            **settings,
        }
        text, found = json.dumps(described), []
        if settings["change"] is not None and not _core.alarm_ever_sees(text):
            done += count
            return []
        for first in range(0, count, _CHUNK):
            part = min(_CHUNK, count - first)
            found += json.loads(_core.simulate_alarms(text, first, part, os.cpu_count() or 1))
            done += part
            if progress is not None:
                progress(done, total)
        return found

    thresholds = sorted({min(_SMALL, budget.windows_per_alarm), budget.windows_per_alarm})
    quiet = run(
        columns,
        runs,
        windows=int(3 * _SMALL),
        thresholds=thresholds,
        reference_rows=drawn,
        correlation=correlation,
        change=None,
    )
    false_alarms = tuple(_false_alarms(quiet, place, threshold) for place, threshold in enumerate(thresholds))
    delays = []
    for (told, name, size), tried in plans:
        change = name if size is None else {name: size}
        waited: list[float] = []
        unseen = []
        for column in tried:
            passages = run(
                columns,
                max(1, runs // 4),
                windows=PATIENCE,
                thresholds=[budget.windows_per_alarm],
                reference_rows=None,
                correlation=0.0,
                change=[change, list(columns).index(column)],
            )
            if not passages:
                unseen.append(column)
            waited += [math.inf if p["passed"][0] is None else p["passed"][0] for p in passages]
        waited.sort()
        delays.append(
            Delay(told, tuple(tried), tuple(unseen), len(waited), _quantile(waited, 0.5), _quantile(waited, 0.9))
        )
    return Outlook(
        promise(budget),
        rows_per_window,
        windows_to_see,
        budget,
        seed,
        false_alarms,
        tuple(delays),
        smallest,
        tuple(warnings),
    )


def _supported(columns: Mapping[str, Watched], budget: Budget) -> list[str]:
    """What the reference is too small for. UsageError where the contract would be empty."""
    if budget.confidence is None:
        return []
    rows = min(sum(c.counts) for c in columns.values())
    own = math.sqrt(math.log(4 * len(columns) / budget.confidence) / (2 * rows))
    if own + budget.tolerance > BAND_MAX:
        needed = _core.reference_rows_needed(BAND_MAX - budget.tolerance, len(columns), budget.confidence)
        raise UsageError(
            f"a reference of {rows:,} rows cannot support this contract: its own error is {100 * own:.1f} pt, so with "
            f"the tolerance a share may move by {100 * (own + budget.tolerance):.1f} pt unnoticed, and "
            f"{100 * BAND_MAX:g} pt is the most; take a reference of at least {math.ceil(needed):,} rows"
        )
    if own > budget.tolerance:
        needed = _core.reference_rows_needed(max(budget.tolerance, 0.001), len(columns), budget.confidence)
        return [
            f"the reference has {rows:,} rows; its own error of {100 * own:.1f} pt is more than the tolerance of "
            f"{100 * budget.tolerance:g} pt, so small changes are slow to be seen or never; from {math.ceil(needed):,} "
            "rows on it is less"
        ]
    return []


def _plans(columns: Mapping[str, Watched]) -> list[tuple[tuple[str, str, float | None], list[str]]]:
    kinds = {
        "location": {"numeric", "score", "flag"},
        "missing": {"numeric", "category", "flag", "presence", "score"},
        "unseen": {"category"},
        "unit": {"numeric"},
        "stuck": {"numeric", "category", "score"},
    }
    plans = []
    for change in CHANGES:
        able = [name for name, c in columns.items() if c.kind in kinds[change[1]]]
        step = max(1, math.ceil(len(able) / COLUMNS_TRIED))
        if able:
            plans.append((change, able[::step]))
    return plans


def _false_alarms(passages: list[dict[str, Any]], place: int, promised: float) -> FalseAlarms:
    try:
        from scipy.special import gammaincinv
    except ImportError:
        raise UsageError("simulating needs SciPy: pip install 'sternpost[watch]'") from None

    alarms = sum(p["passed"][place] is not None for p in passages)
    windows = sum(p["windows"] if p["passed"][place] is None else p["passed"][place] for p in passages)
    # The chi-square quantile at 2k degrees of freedom is twice that of Gamma(k).
    low = windows / float(gammaincinv(alarms + 1, 0.975))
    high = windows / float(gammaincinv(alarms, 0.025)) if alarms else None
    return FalseAlarms(promised, len(passages), windows, alarms, low, high)


def _quantile(ordered: list[float], part: float) -> float | None:
    if not ordered:
        return None
    found = ordered[min(len(ordered) - 1, math.ceil(part * len(ordered)) - 1)]
    return None if math.isinf(found) else found


def with_budget(budget: Budget, windows_per_alarm: float | None) -> Budget:
    """The budget, with another A where one is given."""
    return budget if windows_per_alarm is None else replace(budget, windows_per_alarm=windows_per_alarm)
