"""A report as a page: performance over time with what is not due shaded, calibration, estimates against what came true,
arrival of outcomes."""

from __future__ import annotations

import math

from sternpost.outcomes.arrival import Arrival
from sternpost.outcomes.estimate import ASSUMPTION, Estimate
from sternpost.outcomes.measures import Measure
from sternpost.outcomes.report import Group, Report, Waiting
from sternpost.page import Cell, Line, Page, Plot, Shade, calibration, lines

#: What is drawn over time: name, and its caption.
_OVER_TIME = {
    "binary": (
        ("auc", "AUC"),
        ("positive_rate", "Positive rate"),
        ("brier", "Brier score (lower is better)"),
        ("observed_over_expected", "Observed over expected"),
    ),
    "quantity": (("rmse", "RMSE"), ("mae", "MAE"), ("bias", "Bias (score - truth)")),
}
_RECONCILED = (("auc", "AUC"), ("positive_rate", "Positive rate"))
_TABLE = {
    "binary": ("positive_rate", "auc", "ks", "brier", "calibration_slope"),
    "quantity": ("rmse", "mae", "bias"),
}
Value = Cell | Plot | str | int | float | None
_ARRIVALS_MAX = 12
_MEANINGS = {
    "unscored": "no score",
    "unsettled": "contradicted, or perhaps another decision's",
    "unheard": "became due after the feed was last heard",
    "without_outcome": "no outcome told",
}


def page_of(report: Report) -> Page:
    """The page. Same report, same bytes."""
    page = Page(f"Outcomes of {report.bundle or 'no bundle'}", _lead(report), facts=_facts(report))
    if report.feed.stopped:
        page.section("The feed of outcomes").text(
            f"{report.feed.told()[0].upper()}{report.feed.told()[1:]}. Decisions that became due afterwards have no "
            f"labels; nothing is said about them.",
            tone="loud",
        )
    _over_time(page, report)
    if report.definition.kind == "binary":
        _calibration(page, report.whole)
    _numbers(page, report)
    _waiting(page, report)
    _record(page, report)
    _arrivals(page, report)
    _findings(page, report)
    return page


def _lead(report: Report) -> str:
    whole = report.whole.cohort
    waiting = sum(w.rows for w in report.waiting)
    due = f"{whole.rows:,} of {report.decisions:,} decisions are due; the outcomes of {len(whole.y):,} are known."
    if whole.status not in ("ok", "no_rows"):
        due = f"{due} {whole.reason[0].upper()}{whole.reason[1:]}."
    return f"{due} {waiting:,} are not due: they are estimated, not measured." if waiting else due


def _facts(report: Report) -> list[tuple[str, str]]:
    d = report.definition
    return [
        ("as of", f"{report.as_of:%Y-%m-%d %H:%M} UTC"),
        ("an outcome", _within(report)),
        ("no outcome means", d.absence.replace("_", " ")),
        ("feed", report.feed.told()),
    ]  # fmt: skip


def _within(report: Report) -> str:
    d = report.definition
    happens = f"happens within {_span(d.horizon.total_seconds())}"
    return f"{happens}, is told {_span(d.grace.total_seconds())} later" if d.grace else happens


def _over_time(page: Page, report: Report) -> None:
    page.section(
        "Performance over time",
        "Solid: measured on decisions that are due, with 95 % intervals. Dashed: ESTIMATE for decisions that are not "
        "due. Shaded: vintages with decisions that are not due.",
    )
    plots = []
    for name, caption in _OVER_TIME[report.definition.kind]:
        plot = _performance(report, name, caption)
        if plot is not None:
            plots.append((plot, caption))
    if plots:
        page.figures(plots)
    else:
        page.text("There is nothing to draw yet.", tone="quiet")


def _performance(report: Report, name: str, caption: str) -> Plot | None:
    measured = {g.cohort.name: g.number(name) for g in report.vintages}
    expected = {w.name: w.number(name) for w in report.waiting}
    x = [g.cohort.name for g in report.vintages]
    found = [measured.get(v) for v in x]
    ahead = [expected.get(v) for v in x]
    series = [_line("measured", found)]
    if any(e is not None and e.status == "ok" for e in ahead):
        series.append(_line("ESTIMATE", ahead))
    if not any(math.isfinite(v) for line in series for v in line.y if v is not None):
        return None
    shades = [Shade(report.waiting[0].name, report.waiting[-1].name, "not all due")] if report.waiting else []
    return lines(x, series, shades=shades, name=caption, width="half")


def _line(name: str, found: list[Measure | None] | list[Estimate | None] | list[Measure | Estimate | None]) -> Line:
    values = [m.value if m is not None and m.status == "ok" else None for m in found]
    low = [m.low if m is not None and m.status == "ok" else None for m in found]
    high = [m.high if m is not None and m.status == "ok" else None for m in found]
    return Line(name, values, low=low, high=high, dashed=name == "ESTIMATE", bars=True)


def _calibration(page: Page, group: Group) -> None:
    page.section("Calibration", "Of decisions that are due: ten groups of equal size by score.")
    if not group.curve or any(not 0 <= score <= 1 for score, _, _ in group.curve):
        page.text(group.cohort.reason or "The scores are no probabilities.", tone="quiet")
        return
    intervals = [_wilson(outcome, rows) for _, outcome, rows in group.curve]
    plot = calibration(
        [score for score, _, _ in group.curve],
        [outcome for _, outcome, _ in group.curve],
        low=[low for low, _ in intervals],
        high=[high for _, high in intervals],
        rows=[rows for _, _, rows in group.curve],
        name="mature decisions",
    )
    slope, ece = group.number("calibration_slope"), group.number("ece")
    told = ", ".join(
        f"{n} {m.value:.3g}" for n, m in (("slope", slope), ("ECE", ece)) if m is not None and m.status == "ok"
    )
    page.figure(plot, "Observed share by score", note=told)


def _wilson(share: float, rows: int) -> tuple[float, float]:
    from sternpost.outcomes.measures.thresholds import wilson

    found = wilson("", share, rows, rows)
    return found.low, found.high


def _numbers(page: Page, report: Report) -> None:
    page.section("Numbers", "Of decisions that are due. Every number has a 95 % interval, or the reason why not.")
    if report.groups:
        names = _TABLE[report.definition.kind]
        page.table(
            [str(report.by), "due", "known", *names, ""],
            [
                [g.cohort.name, g.cohort.rows, len(g.cohort.y), *(_cell(g.number(n)) for n in names),
                 Cell(g.cohort.status, "loud", g.cohort.reason) if g.cohort.status != "ok" else ""]
                for g in report.groups
            ],
        )  # fmt: skip
    page.table(
        ["measure", "value", "low", "high", "made by", "rows", ""],
        [
            [m.name, _known(m.value), _known(m.low), _known(m.high), m.interval, m.n,
             Cell(m.reason, "quiet") if m.status == "ok" else Cell(m.status, "loud", m.reason)]
            for m in report.whole.measures
        ],
        caption="all mature decisions",
    )  # fmt: skip


def _waiting(page: Page, report: Report) -> None:
    if not report.waiting:
        return
    page.section("Not due", "The outcomes of these decisions are not known, whatever has been told of them so far.")
    names = ("auc", "positive_rate", "brier") if any(w.estimates for w in report.waiting) else ()
    page.table(
        ["vintage", "decisions", "due from", "due until", *(f"ESTIMATE {n}" for n in names)],
        [
            [w.name, w.rows, f"{w.due_from:%Y-%m-%d}", f"{w.due_until:%Y-%m-%d}", *(_cell(w.number(n)) for n in names)]
            for w in report.waiting
        ],
    )
    if names:
        page.text(f"An ESTIMATE is expected, not measured. It rests on this: {ASSUMPTION}.", tone="quiet")
    compared = [w for w in report.waiting if w.at_equal_age is not None]
    if compared:
        page.table(
            ["vintage", "age in days", "told", "expected", "ratio", "low", "high", "p", ""],
            [_age_row(w) for w in compared],
            caption="Outcomes told, against mature vintages at the same age",
        )


def _age_row(waiting: Waiting) -> list[Value]:
    a = waiting.at_equal_age
    if a is None or a.status != "ok":
        why = Cell(a.status, "loud", a.reason) if a is not None else Cell("")
        return [waiting.name, None if a is None else a.age_days, None, None, None, None, None, None, why]
    return [waiting.name, a.age_days, a.told, a.expected, a.ratio, a.low, _known(a.high), a.p, ""]


def _record(page: Page, report: Report) -> None:
    if not report.record:
        return
    held = [r.held for r in report.record if r.name in dict(_RECONCILED)]
    page.section(
        "Estimates against what came true",
        f"Each estimate is the one that could be made at its vintage's end. Of {len(held)} intervals {sum(held)} held "
        f"what came true. From four vintages on, this record widens the next ones.",
    )
    plots = []
    for name, caption in _RECONCILED:
        of = [r for r in report.record if r.name == name]
        if of:
            came = Line("came true", [r.realised for r in of])
            guess = Line(
                "ESTIMATE", [r.estimated for r in of], [r.low for r in of], [r.high for r in of], dashed=True, bars=True
            )
            plots.append((lines([r.vintage for r in of], [came, guess], name=caption, width="half"), caption))
    if plots:
        page.figures(plots)


def _arrivals(page: Page, report: Report) -> None:
    page.section(
        "Arrival of outcomes",
        "Outcomes told, by the age of their decision when they were recorded; the last place is what came after "
        "maturity. A lighter feed shows here before it shows in any measure.",
    )
    some = [a for a in report.arrivals if a.decisions][-_ARRIVALS_MAX:]
    if some:
        page.figures([(_arrival(a), a.name, f"{a.decisions:,} decisions") for a in some])


def _arrival(a: Arrival) -> Plot:
    ages = [f"{e:.3g}" for e in a.edges_days[1:]] + ["late"]
    counts: list[float | None] = [
        float(c) if i < a.reached or (i == len(a.counts) - 1 and c) else None for i, c in enumerate(a.counts)
    ]
    return lines(ages, [Line("told", counts)], y_label="", name=f"arrival {a.name}", width="third", y_range=(0, None))


def _findings(page: Page, report: Report) -> None:
    from sternpost.outcomes.join import FINDINGS

    page.section("What did not fit")
    rows: list[list[Value]] = [
        [kind, report.findings[kind], meaning] for kind, meaning in FINDINGS.items() if report.findings.get(kind)
    ]
    for why, n in report.whole.cohort.left_out.items():
        rows.append([why, n, f"mature decisions that are not measured: {_MEANINGS.get(why, why)}"])
    if rows:
        page.table(["", "how many", "what it is"], rows)
    else:
        page.text("Everything fitted.", tone="quiet")


def _cell(found: Measure | Estimate | None) -> Cell:
    if found is None:
        return Cell(None)
    if found.status != "ok":
        return Cell(None, "quiet", f"{found.status}: {found.reason}")
    return Cell(found.value, about=f"{found.low:.4g} to {found.high:.4g}")


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _span(seconds: float) -> str:
    days = seconds / 86_400
    return f"{days:g} days" if days >= 1 else f"{seconds / 3600:g} hours"
