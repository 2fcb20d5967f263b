"""The leak audit: does training see what will not be there when the model decides?

    case           what is audited: rows, outcome, split, features
    finding        what was found, how grave it is, and who waived it
    availability   when each column can be had, as the contract declares it
    separation     time order, embargo and entities of the two sides of a split
    duplicates     rows that stand on both sides
    run            every check in order
    report         all findings together: a sentence, JSON; audit_page makes a page of it

The checks are mechanical: what is declared and what is split decides, not how well a column predicts. Who knows better
waives a finding, and the waiver stays in the report.
"""

from sternpost.frame.audit.case import AuditCase
from sternpost.frame.audit.finding import Finding, Severity, Waiver
from sternpost.frame.audit.report import AuditReport
from sternpost.frame.audit.run import audit

__all__ = ["AuditCase", "AuditReport", "Finding", "Severity", "Waiver", "audit"]
