"""All findings of one audit together: a sentence, JSON, a page."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any

from sternpost.frame.audit.finding import Finding, Waiver, WaiverState, waiver_dict


@dataclass(frozen=True)
class AuditedColumn:
    """A column of the contract: when its values are known (None: nobody said), and the model's inputs it goes into."""

    name: str
    known_at: str | None
    read_by: tuple[str, ...]


@dataclass(frozen=True)
class AuditReport:
    """What was audited and found, gravest first.

    `waivers` are all that the project has, in force or not; `columns` are the contract's; `rows` counts training and
    holdout; `today` is the day that waivers were held against.
    """

    name: str
    findings: tuple[Finding, ...]
    waivers: tuple[tuple[Waiver, WaiverState], ...]
    columns: tuple[AuditedColumn, ...]
    rows: int
    today: dt.date

    @property
    def blocked(self) -> bool:
        """Whether training is refused."""
        return any(f.blocks for f in self.findings)

    def having(self, severity: str) -> tuple[Finding, ...]:
        """The findings of one severity that nobody waived."""
        return tuple(f for f in self.findings if f.severity == severity and f.waiver is None)

    @property
    def sentence(self) -> str:
        """What it comes to, in one sentence."""
        counts = [(len(self.having("BLOCK")), "refuse training"), (len(self.having("WARN")), "ask for a look")]
        told = [f"{n} {_findings(n)} {words if n > 1 else _singular(words)}" for n, words in counts if n]
        if self.findings and not told:
            told.append("nothing refuses training or asks for a look")
        waived = sum(f.waiver is not None for f in self.findings)
        if waived:
            told.append(f"{waived} {_findings(waived)} {'are' if waived > 1 else 'is'} waived")
        sentence = "; ".join(told) or "nothing was found"
        return f"{sentence[0].upper()}{sentence[1:]}."

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "blocked": self.blocked,
            "sentence": self.sentence,
            "findings": [f.to_dict() for f in self.findings],
            "waivers": [{**waiver_dict(w), "state": state} for w, state in self.waivers],
            "columns": [{**asdict(c), "read_by": list(c.read_by)} for c in self.columns],
            "rows": self.rows,
            "today": self.today.isoformat(),
        }

    def html(self) -> str:
        """The audit as one HTML file. Needs the extra `watch`."""
        from sternpost.frame.audit.audit_page import page_of

        return page_of(self)


def _findings(n: int) -> str:
    return "finding" if n == 1 else "findings"


def _singular(words: str) -> str:
    verb, _, rest = words.partition(" ")
    return f"{verb}s {rest}"
