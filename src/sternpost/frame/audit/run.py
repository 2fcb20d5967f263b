"""Every check on one case, in order."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sternpost.frame.audit.availability import availability
from sternpost.frame.audit.case import AuditCase
from sternpost.frame.audit.duplicates import duplicates
from sternpost.frame.audit.finding import Waiver, waived
from sternpost.frame.audit.report import AuditedColumn, AuditReport
from sternpost.frame.audit.separation import separation


def audit(case: AuditCase, *, waivers: Sequence[Waiver] = (), today: dt.date | None = None) -> AuditReport:
    """What `case` gives cause to suspect. `today` (default: the day in UTC) is held against the waivers' ends."""
    day = dt.datetime.now(dt.UTC).date() if today is None else today
    found = [*availability(case), *separation(case), *duplicates(case)]
    findings, states = waived(found, waivers, day)
    readers = case.readers
    return AuditReport(
        name=case.name,
        findings=findings,
        waivers=states,
        columns=tuple(AuditedColumn(c.name, c.known_at, readers[c.name]) for c in case.contract.columns),
        rows=len(case.training) + len(case.holdout),
        today=day,
    )
