"""What a measurement says: plain facts, ready for text, JSON and pages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from sternpost.outcomes.age_matched import AgeMatched
from sternpost.outcomes.arrival import Arrival
from sternpost.outcomes.cohort import Mature
from sternpost.outcomes.estimate import ASSUMPTION, Estimate
from sternpost.outcomes.label import LabelDefinition
from sternpost.outcomes.measures import Measure
from sternpost.outcomes.measures.measure import finite
from sternpost.outcomes.track_record import Reconciled


@dataclass(frozen=True)
class Group:
    """The mature decisions of one group and their numbers; `curve`: (mean score, mean outcome, rows) by score."""

    cohort: Mature
    measures: tuple[Measure, ...]
    curve: tuple[tuple[float, float, int], ...] = ()

    def number(self, name: str) -> Measure | None:
        """The measure of that name."""
        return next((m for m in self.measures if m.name == name), None)

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        c = self.cohort
        return {
            "name": c.name,
            "decisions": c.rows,
            "known": len(c.y),
            "status": c.status,
            "reason": c.reason,
            "left_out": dict(c.left_out),
            "from": _moment(c.first_at),
            "to": _moment(c.last_at),
            "measures": [m.to_dict() for m in self.measures],
            "calibration": [
                {"score": finite(score), "outcome": finite(outcome), "rows": rows}
                for score, outcome, rows in self.curve
            ],
        }


@dataclass(frozen=True)
class Waiting:
    """Decisions of one vintage that are not due. They have estimates, and are compared by age when that was asked."""

    name: str
    rows: int
    first_at: dt.datetime
    last_at: dt.datetime
    due_from: dt.datetime
    due_until: dt.datetime
    estimates: tuple[Estimate, ...]
    at_equal_age: AgeMatched | None

    def number(self, name: str) -> Estimate | None:
        """The estimate of that name."""
        return next((e for e in self.estimates if e.name == name), None)

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "name": self.name,
            "decisions": self.rows,
            "from": _moment(self.first_at),
            "to": _moment(self.last_at),
            "due_from": _moment(self.due_from),
            "due_until": _moment(self.due_until),
            "estimates": [e.to_dict() for e in self.estimates],
            "at_equal_age": None if self.at_equal_age is None else self.at_equal_age.to_dict(),
        }


@dataclass(frozen=True)
class Feed:
    """How the feed of outcomes is: when it was last heard, how long it may be quiet, whether it has stopped."""

    heard_at: dt.datetime | None
    may_be_quiet_s: float
    stopped: bool

    def told(self) -> str:
        """In a sentence."""
        if self.heard_at is None:
            return "no outcome was ever told"
        heard = f"heard last on {self.heard_at:%Y-%m-%d %H:%M} UTC"
        days = self.may_be_quiet_s / 86_400
        return f"{heard}; quiet for more than {days:.3g} days: it has STOPPED" if self.stopped else heard

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {"heard_at": _moment(self.heard_at), "may_be_quiet_s": self.may_be_quiet_s, "stopped": self.stopped}


@dataclass(frozen=True)
class Report:
    """Everything that was known of a bundle's decisions as of a moment.

    `whole`: all mature decisions; `groups`: the same by `by`; `vintages`: the mature part of every vintage; `waiting`:
    the vintages, or parts of them, that are not due; `record`: earlier estimates against what came true; `listed`: the
    events and decisions behind `findings`.
    """

    as_of: dt.datetime
    bundle: str
    decisions: int
    definition: LabelDefinition
    by: str | None
    thresholds: tuple[float, ...]
    findings: Mapping[str, int]
    feed: Feed
    whole: Group
    groups: tuple[Group, ...]
    vintages: tuple[Group, ...]
    waiting: tuple[Waiting, ...]
    record: tuple[Reconciled, ...]
    arrivals: tuple[Arrival, ...]
    listed: Mapping[str, pa.Table]

    def to_dict(self) -> dict[str, object]:
        """For JSON; moments in ISO 8601, UTC."""
        return {
            "as_of": _moment(self.as_of),
            "bundle": self.bundle,
            "decisions": self.decisions,
            "definition": self.definition.to_dict(),
            "thresholds": list(self.thresholds),
            "feed": self.feed.to_dict(),
            "findings": dict(self.findings),
            "mature": self.whole.to_dict(),
            "by": self.by,
            "groups": [g.to_dict() for g in self.groups],
            "immature": [w.to_dict() for w in self.waiting],
            "assumption_of_estimates": ASSUMPTION,
            "track_record": [r.to_dict() for r in self.record],
            "arrivals": [a.to_dict() for a in self.arrivals],
        }


def _moment(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
