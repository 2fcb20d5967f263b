"""sternpost measure: what came true, what is expected, as of a moment."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sternpost.cli.label_options import (
    AbsenceMeans,
    Grace,
    Horizon,
    OutcomeKind,
    Positive,
    ProjectFolder,
    cuts_of,
    definition_of,
    moment,
)
from sternpost.cli.options import AsJson
from sternpost.cli.present import console, print_json
from sternpost.errors import DataError, UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from sternpost.outcomes.estimate import Estimate
    from sternpost.outcomes.measures import Measure
    from sternpost.outcomes.report import Group, Report, Waiting

NAME = "measure"
_BY = ("segment", "vintage", "version")
_COLUMNS = {
    "binary": ("positive_rate", "auc", "brier", "observed_over_expected"),
    "quantity": ("rmse", "mae", "bias"),
}
_EXPECTED = ("positive_rate", "auc", "brier")


def run(
    journal: Annotated[Path, typer.Argument(metavar="JOURNAL", help="A journal's folder.", show_default=False)],
    *,
    bundle: Annotated[
        str | None,
        typer.Option("--bundle", metavar="NAME", help="Whose decisions; needed if several.", show_default=False),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of", metavar="T", help="Count only what was recorded by then. Default: now.", show_default=False
        ),
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="WHAT", help="segment, vintage or version.", show_default=False)
    ] = None,
    segment: Annotated[
        str | None,
        typer.Option("--segment", metavar="COLUMN", help="The column to go by with --by segment.", show_default=False),
    ] = None,
    period: Annotated[
        str | None,
        typer.Option(
            "--period", metavar="P", help="A vintage is a day, week, month, quarter or year.", show_default=False
        ),
    ] = None,
    threshold: Annotated[
        list[float] | None,
        typer.Option(
            "--threshold",
            metavar="S",
            help="Scores from S on are called positive; may be repeated. Default: the policy's, or 0.5.",
            show_default=False,
        ),
    ] = None,
    weight: Annotated[
        str | None,
        typer.Option("--weight", metavar="COLUMN", help="How many decisions each stands for.", show_default=False),
    ] = None,
    compare_ages: Annotated[
        bool,
        typer.Option("--compare-ages", help="Compare what is not due with mature vintages at the same age."),
    ] = False,
    estimates: Annotated[bool, typer.Option(help="Estimate what is not due (CBPE), with the track record.")] = True,
    project: ProjectFolder = None,
    horizon: Horizon = None,
    grace: Grace = None,
    absence: AbsenceMeans = None,
    positive: Positive = None,
    kind: OutcomeKind = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with plots.", show_default=False)
    ] = None,
    findings: Annotated[
        Path | None,
        typer.Option(
            "--findings", metavar="DIR", help="List what did not fit here, a Parquet file per kind.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure decisions whose outcome is due; estimate those whose outcome is not."""
    if by is not None and by not in _BY:
        raise UsageError(f"--by {by} is not one of {', '.join(_BY)}")
    definition = definition_of(project, horizon=horizon, grace=grace, absence=absence, positive=positive, kind=kind)
    if definition is None:
        raise UsageError("what an outcome is was not said; use --project DIR with an [outcome], or --horizon 90d")
    until = dt.datetime.now(dt.UTC) if as_of is None else moment(as_of, "--as-of")
    from sternpost.outcomes.ledger import open_ledger
    from sternpost.outcomes.measuring import measure

    kept = open_ledger(journal)
    report = measure(
        kept.decisions(),
        kept.outcomes(),
        definition,
        as_of=until,
        bundle=bundle,
        by=by,  # type: ignore[arg-type]
        segment=segment,
        period=period,  # type: ignore[arg-type]
        thresholds=tuple(threshold or ()) or cuts_of(project) or (0.5,),
        weight=weight,
        estimates=estimates,
        compare_ages=compare_ages,
    )
    if findings is not None:
        _list(report, findings)
    if html is not None:
        from sternpost.bundle.atomic import whole_file
        from sternpost.outcomes.pages import page_of

        with whole_file(html) as file:
            file.write(page_of(report).html().encode())
    if as_json:
        print_json({**report.to_dict(), "html": None if html is None else str(html)})
    else:
        _show(report, html)


def _list(report: Report, folder: Path) -> None:
    import pyarrow.parquet as pq

    from sternpost.bundle.atomic import whole_file

    try:
        folder.mkdir(exist_ok=True)
    except OSError as e:
        raise DataError(f"--findings {folder}: {e.strerror or e}; name a folder that can be made") from e
    for kind, table in report.listed.items():
        if len(table):
            with whole_file(folder / f"{kind}.parquet") as file:
                pq.write_table(table, file.name)


def _show(report: Report, html: Path | None) -> None:
    out = console()
    out.print(
        f"{report.bundle or 'no decisions'} as of {report.as_of:%Y-%m-%d %H:%M} UTC: {report.decisions:,} decisions, "
        f"{report.whole.cohort.rows:,} of them due, the outcomes of {len(report.whole.cohort.y):,} known",
        soft_wrap=True,
    )
    out.print(f"feed      {report.feed.told()}", soft_wrap=True)
    found = ", ".join(f"{kind} {count:,}" for kind, count in report.findings.items() if count)
    out.print(f"findings  {found or 'none'}", soft_wrap=True)
    if left := report.whole.cohort.left_out:
        out.print(f"left out  {', '.join(f'{why} {n:,}' for why, n in left.items())}", soft_wrap=True)
    out.print()
    out.print(_measures(report.whole))
    if report.groups:
        out.print(_groups(report))
    if report.waiting:
        out.print(_waiting(report))
        if any(w.estimates for w in report.waiting):
            from sternpost.outcomes.estimate import ASSUMPTION

            out.print(f"ESTIMATE: expected, not measured; it rests on this: {ASSUMPTION}.", soft_wrap=True)
    if any(w.at_equal_age is not None for w in report.waiting):
        out.print()
        out.print(_ages(report.waiting))
    if report.record:
        out.print()
        out.print(_record(report))
    if html is not None:
        out.print(f"page      {html}")


def _table(title: str, *headings: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _measures(group: Group) -> Table:
    table = _table("mature decisions", "measure", "value", "95 % interval", "made by", "rows", "")
    for m in group.measures:
        interval = f"{_number(m.low)} .. {_number(m.high)}" if m.low == m.low else ""
        told = m.reason if m.status == "ok" else f"{m.status}: {m.reason}"
        table.add_row(m.name, _number(m.value), interval, m.interval, f"{m.n:,}", told)
    return table


def _groups(report: Report) -> Table:
    names = _COLUMNS[report.definition.kind]
    table = _table(f"by {report.by}", str(report.by).split()[-1], "due", "known", *names, "")
    for g in report.groups:
        told = "" if g.cohort.status == "ok" else f"{g.cohort.status}: {g.cohort.reason}"
        numbers = (_ranged(g.number(name)) for name in names)
        table.add_row(g.cohort.name, f"{g.cohort.rows:,}", f"{len(g.cohort.y):,}", *numbers, told)
    return table


def _waiting(report: Report) -> Table:
    some = any(w.estimates for w in report.waiting)
    names = _EXPECTED if some else ()
    table = _table("not due", "vintage", "decisions", "due", *(f"{name} ESTIMATE" for name in names))
    for w in report.waiting:
        due = f"{w.due_from:%Y-%m-%d} .. {w.due_until:%Y-%m-%d}"
        table.add_row(w.name, f"{w.rows:,}", due, *(_ranged(w.number(name)) for name in names))
    return table


def _ages(waiting: tuple[Waiting, ...]) -> Table:
    table = _table(
        "at equal age, against mature vintages", "vintage", "age in days", "told", "expected", "ratio", "p", ""
    )
    for w in waiting:
        a = w.at_equal_age
        if a is not None:
            ratio = f"{_number(a.ratio)} ({_number(a.low)} .. {_number(a.high)})" if a.status == "ok" else ""
            told, expected = (f"{a.told:,}", f"{a.expected:,.1f}") if a.status == "ok" else ("", "")
            why = "" if a.status == "ok" else f"{a.status}: {a.reason}"
            table.add_row(w.name, f"{a.age_days:.1f}", told, expected, ratio, _number(a.p), why)
    return table


def _record(report: Report) -> Table:
    table = _table("track record of estimates", "vintage", "of", "estimated", "interval", "came true", "held")
    for r in report.record:
        if r.name in _EXPECTED:
            interval = f"{_number(r.low)} .. {_number(r.high)}"
            table.add_row(
                r.vintage, r.name, _number(r.estimated), interval, _number(r.realised), "yes" if r.held else "NO"
            )
    return table


def _ranged(found: Measure | Estimate | None) -> str:
    if found is None or found.status != "ok":
        return "" if found is None else found.status
    inside = f" ({found.low:.3g}..{found.high:.3g})" if math.isfinite(found.low) else ""
    return f"{found.value:.3g}{inside}"


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else ""
