"""What was found, how grave it is, and who answers for letting it pass."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

#: BLOCK refuses training, WARN asks for a look, INFO tells what a reader should know.
Severity = Literal["BLOCK", "WARN", "INFO"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)

#: What is looked for, by the name that findings and waivers carry.
CHECKS: dict[str, str] = {
    "known_at": "the contract says that a column comes after the decision",
    "undeclared": "the contract does not say when a column can be had",
    "time_order": "training and holdout are not in the order of time",
    "embargo": "outcomes of training rows come after the holdout has begun",
    "entity_overlap": "both sides of the split are about the same entities",
    "duplicates": "rows stand on both sides of the split",
}

WaiverState = Literal["in force", "expired", "not needed"]


@dataclass(frozen=True)
class Waiver:
    """A named person's word that a finding is no leak.

    `check` and `column` say which finding (`column` None: one about the whole table); `evidence` says why; from the
    day `expires` on, the finding counts again.
    """

    check: str
    owner: str
    evidence: str
    expires: dt.date
    column: str | None = None


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    `check` names the check, `columns` whom it is about (none: the table as a whole), `told` says what was found and
    `remedy` what to do. `figure` was measured and `threshold` is what it was held against, where there are numbers.
    `read_by` are the model's inputs that the columns go into.
    """

    check: str
    severity: Severity
    columns: tuple[str, ...]
    told: str
    remedy: str
    figure: float | None = None
    threshold: float | None = None
    read_by: tuple[str, ...] = ()
    waiver: Waiver | None = None

    @property
    def blocks(self) -> bool:
        """Whether training is refused because of it."""
        return self.severity == "BLOCK" and self.waiver is None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        waiver = None if self.waiver is None else waiver_dict(self.waiver)
        return {**asdict(self), "columns": list(self.columns), "read_by": list(self.read_by), "waiver": waiver}


def waiver_dict(waiver: Waiver) -> dict[str, Any]:
    """For JSON."""
    return {**asdict(waiver), "expires": waiver.expires.isoformat()}


def waived(
    findings: Sequence[Finding], waivers: Sequence[Waiver], today: dt.date
) -> tuple[tuple[Finding, ...], tuple[tuple[Waiver, WaiverState], ...]]:
    """The findings with the waivers that hold today, gravest first, and every waiver with what became of it."""
    used: set[Waiver] = set()
    done = []
    for finding in findings:
        found = next((w for w in waivers if _meant(w, finding) and today < w.expires), None)
        if found is not None:
            used.add(found)
        done.append(replace(finding, waiver=found))
    states: list[tuple[Waiver, WaiverState]] = [
        (w, "in force" if w in used else "expired" if today >= w.expires else "not needed") for w in waivers
    ]
    ordered = sorted(done, key=lambda f: (SEVERITIES.index(f.severity), f.waiver is not None))
    return tuple(ordered), tuple(states)


def _meant(waiver: Waiver, finding: Finding) -> bool:
    return waiver.check == finding.check and finding.columns == (() if waiver.column is None else (waiver.column,))
