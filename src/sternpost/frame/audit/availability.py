"""When each column can be had, as the contract declares it, held against the features that read it.

No statistics: what is not there when the decision is made must not reach the model, however little it tells.
"""

from __future__ import annotations

from sternpost.frame.audit.case import AuditCase
from sternpost.frame.audit.finding import Finding

_LISTED = 12


def availability(case: AuditCase) -> list[Finding]:
    """A BLOCK for each column that comes too late and is read, one WARN for all columns of which nobody said."""
    found = []
    readers = case.readers
    for column in case.contract.columns:
        if column.known_at in (None, "decision"):
            continue
        when = "with the outcome" if column.known_at == "outcome" else f"{column.known_at} after the decision"
        read_by = readers[column.name]
        if read_by:
            told = f"{column.name} is known {when}, and goes into {_listed(read_by)}"
            remedy = "take it out of the features, or read what was known before the decision instead"
            found.append(Finding("known_at", "BLOCK", (column.name,), told, remedy, read_by=read_by))
        else:
            told = f"{column.name} is known {when}; no feature reads it"
            remedy = "take it out of the contract: whoever asks for a decision has to send it"
            found.append(Finding("known_at", "INFO", (column.name,), told, remedy))
    undeclared = tuple(c.name for c in case.contract.columns if c.known_at is None)
    if undeclared:
        many = len(undeclared)
        told = f"{many} of {len(case.contract.columns)} columns do not say when they are known: {_listed(undeclared)}"
        remedy = (
            'declare sp.column(known_at="decision"), a delay such as "2h", or "outcome"; for all columns at once: '
            f'class {case.contract.name}(sp.Contract, known_at="decision")'
        )
        found.append(Finding("undeclared", "WARN", undeclared, told, remedy, float(many), 0.0))
    return found


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
