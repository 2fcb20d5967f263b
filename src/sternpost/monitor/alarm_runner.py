"""The alarms of one bundle behind a server: a detector fed window by window, and limits on broken rules.

Owed to callers: the detector's promise holds over restarts where its state is kept; an alarm is one `Alarm`, told once,
and a change that stays is told again after the cool-down.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from sternpost._core import Reference, Window
from sternpost.bundle.atomic import whole_file
from sternpost.errors import SternpostError
from sternpost.monitor.alarms import Breach, Budget, Detector, Limit, Verdict, breaches
from sternpost.monitor.watched import watched_columns

#: Windows for which an alarm stays on; then evidence is collected anew.
COOL_DOWN: Final = 60
_CULPRITS_TOLD = 10


@dataclass(frozen=True)
class Alarm:
    """What a hook is given. `kind` is "shift" (the detector's) or "contract" (too many rows broke a rule).

    `start` and `end` of the window are microseconds since 1970, UTC; `rows` those counted in it. `told` has culprits
    and named columns, or breaches.
    """

    kind: Literal["shift", "contract"]
    bundle: str
    digest: str
    start: int | None
    end: int | None
    rows: int
    told: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        window = {"start_us": self.start, "end_us": self.end, "rows": self.rows}
        return {"kind": self.kind, "bundle": self.bundle, "digest": self.digest, "window": window, **self.told}


class Alarms:
    """For one bundle; `look` at its windows one after the other."""

    def __init__(
        self,
        bundle: str,
        digest: str,
        reference: Reference,
        budget: Budget,
        *,
        log: Callable[[str, str], None],
        limits: Sequence[Limit] = (Limit(),),
        state: Path | None = None,
    ) -> None:
        """Goes on from `state` where that was written with the same reference and budget. UsageError for the budget."""
        self._bundle, self._digest, self._limits, self._state, self._log = bundle, digest, limits, state, log
        self._columns = [(column.name, column.role, column.cells) for column in reference.columns]
        watched = watched_columns(reference.columns)
        self._names = tuple(watched)
        self._detector = Detector(watched, replace(budget, cool_down=COOL_DOWN, acknowledge_at_once=True))
        self._detector = self._kept() or self._detector
        self._on = False
        self._window = 0
        self._breached: dict[tuple[str, str], int] = {}

    @property
    def on(self) -> bool:
        """Is an alarm on: raised, or not yet cooled down?"""
        return self._on or any(self._cooling(seen) for seen in self._breached.values())

    def look(self, window: Window) -> list[Alarm]:
        """Take the next window; the alarms that it raises. DataError if the state cannot be kept."""
        self._window += 1
        counts = [window.counts(name, role) for name, role, _ in self._columns]
        verdict = self._detector.update(dict(zip(self._names, counts, strict=True)))
        # An alarm is acknowledged by the cool-down, so it is on while that lasts.
        self._on = verdict.alarm or verdict.status != "watching"
        found = [self._alarm("shift", window, self._shift(verdict))] if verdict.alarm else []
        new = self._new_breaches(window)
        if new:
            found.append(self._alarm("contract", window, {"breaches": [asdict(breach) for breach in new]}))
        return found

    def keep(self) -> None:
        """Write the state, if it has a place. DataError if the system refuses."""
        if self._state is not None:
            with whole_file(self._state) as file:
                file.write(self._detector.save())

    def _kept(self) -> Detector | None:
        if self._state is None or not self._state.exists():
            return None
        try:
            kept = Detector.restore(self._state.read_bytes())
        except (SternpostError, OSError) as error:
            self._log("warn", f"bundle {self._bundle}: alarms begin anew, {self._state} cannot be read: {error}")
            return None
        same = [
            json.loads(kept._core.budget) == json.loads(self._detector._core.budget),
            json.loads(kept._core.columns) == json.loads(self._detector._core.columns),
        ]
        if not all(same):
            self._log("warn", f"bundle {self._bundle}: alarms begin anew, their budget or reference is another one")
            return None
        return kept

    def _alarm(self, kind: Literal["shift", "contract"], window: Window, told: dict[str, Any]) -> Alarm:
        start, end = window.span or (None, None)
        return Alarm(kind, self._bundle, self._digest, start, end, window.rows["seen"], told)

    def _shift(self, verdict: Verdict) -> dict[str, Any]:
        words = {key: cells for key, (_, _, cells) in zip(self._names, self._columns, strict=True)}
        culprits = [
            {**asdict(culprit), "cell": words[culprit.column][culprit.cell]}
            for culprit in verdict.culprits[:_CULPRITS_TOLD]
        ]
        evidence = {"log_evidence": verdict.log_mean, "log_threshold": verdict.log_threshold}
        return {"culprits": culprits, "named": list(verdict.named), **evidence}

    def _new_breaches(self, window: Window) -> list[Breach]:
        rows, broken = window.rows, {}
        for (role, column, rule), count in window.broken.items():
            if role == "input":
                broken[column, rule] = count
        found = breaches(rows["seen"], rows["refused"], broken, self._limits)
        new = [b for b in found if not self._cooling(self._breached.get((b.column, b.rule)))]
        self._breached |= {(b.column, b.rule): self._window for b in new}
        return new

    def _cooling(self, told: int | None) -> bool:
        return told is not None and self._window - told < COOL_DOWN
