"""Alarms that keep a stated rate of false ones, from the counts of windows.

What this module owes its callers: as long as no share leaves its band, at most t / `windows_per_alarm` alarms are
expected in any t windows, over all columns together, whatever their dependence, looked at after every window.
`docs/alarms.md` says what the band is, what is not promised, and what was measured.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sternpost import _core
from sternpost.errors import UsageError

Kind = Literal["numeric", "category", "flag", "presence", "score"]

#: Cells behind the ordinary ones, in order.
SPECIAL_CELLS = ("tail", "unseen", "nan", "infinite", "null")


@dataclass(frozen=True)
class Watched:
    """A column to watch: its kind, its rows per cell in the reference, its part of the budget.

    `counts` holds the ordinary cells in order and then tail, unseen, NaN, infinite and null. `importance` is relative
    to the other columns and must be fixed before watching; 0 leaves the column out.
    """

    kind: Kind
    counts: Sequence[int]
    importance: float = 1.0


@dataclass(frozen=True)
class Budget:
    """What a detector promises, and what it may take for granted. Shares are parts of all rows.

    windows_per_alarm: at most one false alarm per so many windows.
    tolerance: the change of a share that does not matter; of every share up to an edge, and the most for one cell.
    rare_tolerance: the same for one cell that the reference (nearly) lacks: a new label, a missing value. Between the
        two, one cell may change by a fifth of its share.
    confidence: the probability that the reference, a sample, misleads. None: the reference is the truth.
    repeats: the most rows of one entity in a window, where its rows go together.
    cool_down: windows after an acknowledged alarm in which nothing is counted.
    acknowledge_at_once: take every alarm as acknowledged at once, as a replay does.
    discovery_rate: the false discovery rate at which columns are named.
    """

    windows_per_alarm: float = 10_000.0
    tolerance: float = 0.01
    rare_tolerance: float = 0.002
    confidence: float | None = 0.05
    repeats: int = 1
    cool_down: int = 0
    acknowledge_at_once: bool = False
    discovery_rate: float = 0.1

    def to_json(self) -> str:
        """As the core reads it. UsageError for a number that is not finite."""
        values = asdict(self)
        values["known_reference"] = self.confidence is None
        values["confidence"] = 0.05 if self.confidence is None else self.confidence
        return _json(values)


@dataclass(frozen=True)
class Culprit:
    """One column's part in the evidence, led by its strongest component.

    `share` is of the whole evidence, 0 to 1. `cell` is the place in the counts; with `cumulative` it is the last of the
    cells whose share is meant. `reference`, `edge` and `observed` (in this window; None without rows) are shares; `up`
    says whether it grew; `alternative` is how far beyond the edge. `since` is the window, from 0, at which the change
    most likely began, `log_evidence` the natural logarithm of the likelihood ratio since then.
    """

    column: str
    share: float
    cell: int
    cumulative: bool
    up: bool
    alternative: float
    reference: float
    edge: float
    observed: float | None
    since: int
    log_evidence: float


@dataclass(frozen=True)
class ColumnEvidence:
    """The e-value of one column as a natural logarithm, and whether e-BH names it a changed one."""

    column: str
    log_e: float
    named: bool


@dataclass(frozen=True)
class Verdict:
    """The answer to one window, numbered from 0.

    `alarm`: this window raises one. `status`: "watching", "alarmed" (one waits to be acknowledged) or "cooling".
    `log_mean` (natural logarithm of the evidence; None where there is none) is compared with `log_threshold`.
    `culprits` hold at least a hundredth of the evidence each, the largest first; `columns` are all watched ones.
    """

    window: int
    alarm: bool
    status: Literal["watching", "alarmed", "cooling"]
    log_mean: float | None
    log_threshold: float
    culprits: tuple[Culprit, ...]
    columns: tuple[ColumnEvidence, ...]

    @property
    def named(self) -> tuple[str, ...]:
        """The columns named as changed, at the budget's discovery rate."""
        return tuple(column.column for column in self.columns if column.named)


class Detector:
    """One detector over all watched columns; see the module. Not for two threads at once in a stated order."""

    def __init__(self, columns: Mapping[str, Watched], budget: Budget | None = None) -> None:
        """UsageError for columns or a budget that cannot be used."""
        self._core = _core.AlarmDetector(columns_json(columns), (budget or Budget()).to_json())
        self._names = tuple(columns)

    @classmethod
    def restore(cls, state: bytes) -> Detector:
        """The detector that `save` wrote. DataError if the bytes are not one."""
        made = cls.__new__(cls)
        made._core = _core.AlarmDetector.from_bytes(state)
        made._names = tuple(column["name"] for column in json.loads(made._core.columns))
        return made

    def save(self) -> bytes:
        """All it knows, as an Arrow IPC file; `restore` goes on with the same bits."""
        return self._core.to_bytes()

    def update(self, counts: Mapping[str, Sequence[int]]) -> Verdict:
        """Take one window: rows per cell of every column, with the cells of its reference.

        UsageError for a missing column, other cells or a negative count. Columns that are not watched are ignored.
        """
        rows = []
        for name in self._names:
            if name not in counts:
                raise UsageError(f"the window has no counts of column {name}, which the detector watches")
            values = [int(count) for count in counts[name]]
            if any(not 0 <= count < 1 << 64 for count in values):
                raise UsageError(f"column {name}: counts must be from 0 to 2^64 - 1")
            rows.append(values)
        found = json.loads(self._core.update(rows))
        found["culprits"] = tuple(Culprit(**culprit) for culprit in found["culprits"])
        found["columns"] = tuple(ColumnEvidence(**column) for column in found["columns"])
        return Verdict(**found)

    def acknowledge(self) -> bool:
        """Somebody knows of the alarm: evidence starts anew after the cool-down. False if none was waiting."""
        return self._core.acknowledge()

    @property
    def alarms(self) -> int:
        """Alarms raised so far."""
        return self._core.alarms


@dataclass(frozen=True)
class Limit:
    """How many rows of a window may break a rule of the contract: up to `share` of them, or fewer than `least_rows`.

    Without column or rule it is for any. The most particular limit counts: column and rule, column, rule, all. Refused
    rows as a whole are held against limits for the rule "refused". These alarms are facts and outside of the budget.
    """

    column: str | None = None
    rule: str | None = None
    share: float = 0.01
    least_rows: int = 5


@dataclass(frozen=True)
class Breach:
    """A rule that too many rows broke: how many, their share of the window's rows, the share allowed."""

    column: str
    rule: str
    rows: int
    share: float
    allowed: float


def breaches(
    rows: int, refused: int, broken: Mapping[tuple[str, str], int], limits: Iterable[Limit] = (Limit(),)
) -> list[Breach]:
    """What of one window goes beyond its limits, the largest share first; `broken` is (column, rule) -> rows."""
    given = [(column, rule, count) for (column, rule), count in broken.items()]
    found = _core.contract_breaches(_json([asdict(limit) for limit in limits]), rows, refused, given)
    return [Breach(**breach) for breach in json.loads(found)]


def adjusted(p_values: Sequence[float], *, dependent: bool = True) -> list[float]:
    """P-values adjusted for looking at all of them: Benjamini-Yekutieli (any dependence), or Benjamini-Hochberg.

    NaN stands for no test: it stays NaN and counts nowhere. UsageError for a number outside of [0, 1].
    """
    return _core.adjusted_p_values([float(p) for p in p_values], dependent)


def level_per_test(alarms: float, windows: int, columns: int) -> float:
    """The level for each column of each window at which at most `alarms` false ones are expected in so many windows."""
    return _core.level_per_test(alarms, windows, columns)


@dataclass(frozen=True)
class Replay:
    """A detector's way over held-out history: the verdicts that alarmed, and how many windows there were."""

    windows: int
    alarms: tuple[Verdict, ...] = field(repr=False)

    def per(self, windows: float) -> float:
        """Alarms per so many windows."""
        return len(self.alarms) / self.windows * windows if self.windows else math.nan


def null_replay(
    columns: Mapping[str, Watched], history: Iterable[Mapping[str, Sequence[int]]], budget: Budget | None = None
) -> Replay:
    """Run the configured detector over windows of history, in time order, each alarm acknowledged at once.

    On history that was fine, every alarm is one that the detector would have raised for nothing.
    """
    settings = {**asdict(budget or Budget()), "acknowledge_at_once": True}
    detector = Detector(columns, Budget(**settings))
    windows, alarms = 0, []
    for counts in history:
        verdict = detector.update(counts)
        windows += 1
        if verdict.alarm:
            alarms.append(verdict)
    return Replay(windows, tuple(alarms))


def columns_json(columns: Mapping[str, Watched]) -> str:
    """The columns as the core reads them."""
    described = [
        {"name": name, "kind": c.kind, "counts": [int(n) for n in c.counts], "importance": float(c.importance)}
        for name, c in columns.items()
    ]
    return _json(described)


def _json(value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        raise UsageError("a setting of an alarm is not a finite number") from None
