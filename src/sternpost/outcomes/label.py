"""What counts as the outcome of a decision, and when it has to be known.

    [outcome]
    horizon = "365d"                  # an outcome counts if it happened within this time of the decision
    grace = "30d"                     # and may be told this much later
    absence = "negative_at_maturity"  # or "explicit", or "censored"
    positive = ["charged_off"]        # labels that mean 1; without it, values 0 and 1 are read

Maturity is age: a decision of moment `at` is mature as of T when `at + horizon + grace <= T`, whether or not anybody
told an outcome.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, Literal, get_args

from sternpost.contract.duration import duration
from sternpost.errors import UsageError

Absence = Literal["explicit", "negative_at_maturity", "censored"]
Kind = Literal["binary", "quantity"]


@dataclass(frozen=True)
class LabelDefinition:
    """What an outcome is. Complete and consistent once it exists; raises `UsageError` otherwise.

    - `horizon`, `grace`: lengths of time, or text as `duration` reads it.
    - `absence`: what it means that a mature decision has no outcome event.
      `explicit`: nothing, every decision gets an event of its own, and one without is missing;
      `negative_at_maturity`: it did not happen (label 0), provided that the feed was still heard then;
      `censored`: nothing, some decisions never get one (a cancelled flight), and those are left out.
    - `kind`: `binary` (0 or 1) or `quantity` (a number in `unit`).
    - `positive`: labels that mean 1, every other label means 0. Without it an event's value must be 0 or 1.
    - `sources`: whose word counts, first to last, when sources contradict each other; sources not named come last.
      Among equals a contradiction leaves the decision out.
    - `exclude_ids`: prediction ids that are never measured. `exclude_where`: a SQL condition on the decisions table.
    - `silence`: after how long a quiet the feed counts as stopped; default: twice the longest quiet between its
      last 200 recordings, and no less than `grace` and one day.
    - `coverage_min`: the share of mature decisions that must have an outcome before `explicit` labels are measured.
    """

    horizon: dt.timedelta
    grace: dt.timedelta = dt.timedelta(0)
    absence: Absence = "explicit"
    kind: Kind = "binary"
    positive: tuple[str, ...] = ()
    unit: str = ""
    sources: tuple[str, ...] = ()
    exclude_ids: frozenset[str] = frozenset()
    exclude_where: str | None = None
    silence: dt.timedelta | None = None
    coverage_min: float = 0.9

    def __post_init__(self) -> None:
        for name in ("horizon", "grace", "silence"):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, duration(given, name))
        for name in ("positive", "sources", "exclude_ids"):
            given = getattr(self, name)
            listed = isinstance(given, list | tuple | set | frozenset)
            if not listed or not all(isinstance(v, str) for v in given):
                raise UsageError(f"{name} = {given!r} must be a list of texts, e.g. {name} = ['a', 'b']")
            object.__setattr__(self, name, frozenset(given) if name == "exclude_ids" else tuple(given))
        for name, known in (("absence", get_args(Absence)), ("kind", get_args(Kind))):
            if getattr(self, name) not in known:
                raise UsageError(f"{name} = {getattr(self, name)!r} is not one of {', '.join(known)}")
        if self.kind == "quantity" and self.absence == "negative_at_maturity":
            raise UsageError(
                "absence = 'negative_at_maturity' says what did not happen, and a quantity has no such value; "
                "use explicit or censored"
            )
        if self.kind == "quantity" and self.positive:
            raise UsageError(f"positive = {list(self.positive)} is for kind = 'binary'; remove it")
        for name in ("unit", "exclude_where"):
            if not isinstance(getattr(self, name), str | None):
                raise UsageError(f"{name} = {getattr(self, name)!r} must be text")
        share = self.coverage_min
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1 or math.isnan(share):
            raise UsageError(f"coverage_min = {share!r} must be a share between 0 and 1")

    @classmethod
    def from_settings(cls, section: Mapping[str, Any]) -> LabelDefinition:
        """The `[outcome]` section of sternpost.toml. Raises `UsageError` that names the key."""
        known = [f.name for f in fields(cls)]
        for key in section:
            if key not in known:
                near = get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]}? " if near else ""
                raise UsageError(f"{key} is not a known key; {hint}known: {', '.join(known)}")
        if "horizon" not in section:
            raise UsageError('horizon is missing; add e.g. horizon = "90d"')
        return cls(**section)

    def to_dict(self) -> dict[str, object]:
        """For JSON; spans of time in seconds."""
        return {
            "horizon_s": self.horizon.total_seconds(),
            "grace_s": self.grace.total_seconds(),
            "absence": self.absence,
            "kind": self.kind,
            "positive": list(self.positive),
            "unit": self.unit,
            "sources": list(self.sources),
            "exclude_ids": len(self.exclude_ids),
            "exclude_where": self.exclude_where,
            "silence_s": None if self.silence is None else self.silence.total_seconds(),
            "coverage_min": self.coverage_min,
        }

    @property
    def horizon_us(self) -> int:
        """Microseconds."""
        return self.horizon // dt.timedelta(microseconds=1)

    @property
    def due_us(self) -> int:
        """Microseconds from a decision to its maturity: horizon and grace."""
        return (self.horizon + self.grace) // dt.timedelta(microseconds=1)
