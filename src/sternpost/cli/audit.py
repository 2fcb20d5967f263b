"""sternpost audit: does training see what will not be there when the model decides?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sternpost.cli.options import AsJson
from sternpost.cli.present import console, print_json, steps
from sternpost.errors import LeakFound

if TYPE_CHECKING:
    from sternpost.frame.audit import AuditReport, Finding

NAME = "audit"


def run(
    project: Annotated[Path, typer.Argument(metavar="PROJECT", help="A project folder.", show_default=False)],
    *,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the report as a page.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for what training sees and a decision will not have: late columns, a split that leaks.

    Ends with 20 when a finding refuses training.
    """
    from sternpost.bundle.atomic import whole_file
    from sternpost.project import audit_project, load_project

    with steps({"audit": "auditing"}) as progress:
        progress("audit")
        report = audit_project(load_project(project))
    if html is not None:
        with whole_file(html) as file:
            file.write(report.html().encode())
    if as_json:
        print_json(report.to_dict() | {"html": None if html is None else str(html)})
    else:
        _show(report, html)
    if report.blocked:
        raise typer.Exit(LeakFound.exit_code)


def _show(report: AuditReport, html: Path | None) -> None:
    out = console()
    out.print(f"{report.name}: {report.rows:,} rows, {len(report.columns)} columns. {report.sentence}", soft_wrap=True)
    for finding in report.findings:
        out.print()
        out.print(f"{_mark(finding)}  {finding.check}: {finding.told}", soft_wrap=True)
        out.print(f"       {finding.remedy}", soft_wrap=True)
    for waiver, state in report.waivers:
        about = f"{waiver.check} of {waiver.column}" if waiver.column else waiver.check
        out.print()
        out.print(
            f"waiver {about}: {state}, until {waiver.expires.isoformat()}, by {waiver.owner}: {waiver.evidence}",
            soft_wrap=True,
        )
    if html is not None:
        out.print(f"report: {html}", soft_wrap=True)


def _mark(finding: Finding) -> str:
    return "waived" if finding.waiver is not None else f"{finding.severity:<5}"
