"""The audit for people: what refuses training first, then what asks for a look, waivers, and every column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sternpost.frame.audit.finding import CHECKS, Finding, Severity
from sternpost.page import Cell, Page, Tone

if TYPE_CHECKING:
    from sternpost.frame.audit.report import AuditReport

_HEADINGS: dict[Severity, tuple[str, str]] = {
    "BLOCK": ("What refuses training", "Each of these has to be mended, or waived by somebody who answers for it."),
    "WARN": ("What asks for a look", ""),
    "INFO": ("What a reader should know", ""),
}
_TONES: dict[Severity, Tone] = {"BLOCK": "loud", "WARN": "plain", "INFO": "quiet"}
_NAMES_SHOWN = 6


def page_of(report: AuditReport) -> str:
    """The report as one HTML file."""
    facts = [
        ("rows", f"{report.rows:,}"),
        ("columns", f"{len(report.columns):,}"),
        ("on", report.today.isoformat()),
    ]
    page = Page(f"Leak audit of {report.name}", report.sentence, facts=facts)
    for severity, (heading, text) in _HEADINGS.items():
        found = report.having(severity)
        if found:
            page.section(heading, text)
            page.table(["column", "check", "found", "figure", "threshold", "what to do"], [_row(f) for f in found])
        elif severity == "BLOCK":
            page.section(heading).text("Nothing does.")
    _waivers(page, report)
    page.section(
        "Every column", "When its values can be had, as the contract declares it, and the model's inputs it goes into."
    )
    page.table(
        ["column", "known at", "read by"],
        [
            [c.name, Cell("nobody said", "loud") if c.known_at is None else c.known_at, _few(c.read_by)]
            for c in report.columns
        ],
    )
    page.section("How to read this").facts(list(CHECKS.items()))
    return page.html()


def _row(finding: Finding) -> list[Cell | str | float | None]:
    about = _few(finding.columns) or "(all rows)"
    chip = Cell(finding.check, _TONES[finding.severity], CHECKS[finding.check], chip=True)
    return [about, chip, finding.told, finding.figure, finding.threshold, finding.remedy]


def _waivers(page: Page, report: AuditReport) -> None:
    if not report.waivers:
        return
    page.section("Waivers", "A named person answers for each; it stays listed whether or not it is needed.")
    told = {f.waiver: f.told for f in report.findings if f.waiver is not None}
    page.table(
        ["check", "column", "state", "until", "owner", "evidence", "found"],
        [
            [
                w.check,
                w.column,
                Cell(state, "loud" if state == "expired" else "plain", chip=True),
                w.expires.isoformat(),
                w.owner,
                w.evidence,
                told.get(w, ""),
            ]
            for w, state in report.waivers
        ],
    )


def _few(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more
