"""A drift report for people: culprits first, then time, scores, missing values, new labels, and every column."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sternpost.monitor.counting import SPECIALS, Counts
from sternpost.monitor.drift_report import STATISTICS, ColumnDrift, Counted, DriftReport, Period, Status
from sternpost.page import Cell, Level, Line, Mass, Page, Plot, Tone, Width, density, lines, percent, shares, spark

_CULPRITS_DRAWN = 12
_LINES_DRAWN = 5
_OTHERS_DRAWN = 48
_LABELS_LISTED = 12
_TONES: dict[Status, Tone] = {"drift": "loud", "unknown": "loud", "shift": "plain", "thin": "quiet", "quiet": "quiet"}
_STATUSES = (
    ("drift", "it changed by more than chance would explain, and by more than the tolerance"),
    ("unknown", "it cannot be compared; the reason stands beside it"),
    ("shift", "it changed by more than chance would explain, but by less than the tolerance"),
    ("thin", "there are too few current rows to tell"),
    ("quiet", "nothing that chance would not explain"),
)
_SPECIAL = ("rare", "new", "NaN", "infinite", "null")
#: With less than this of the mass between the points, a number is shown value by value.
_BETWEEN_MIN = 0.2
#: So many single values stand beside a density; more become part of it.
_POINTS_FEW = 3
#: Of the whole range: a narrower interval is drawn with the next.
_NO_WIDTH = 1e-9
_POINTS_MANY = 12
_INTERVALS_DRAWN = 24


def page_of(report: DriftReport) -> str:
    """The report as one HTML file."""
    facts = [
        ("current", f"{report.current_rows:,} rows" + _span(report)),
        ("reference", f"{report.reference_rows:,} rows"),
        *report.about,
        ("drift is", f"adjusted p ≤ {report.level:g} and debiased PSI ≥ {report.tolerance:g}"),
    ]
    page = Page(f"Drift of {report.name}", report.sentence, facts=facts)
    _culprits(page, report)
    _over_time(page, report)
    _outputs(page, report)
    _missing(page, report)
    _new_labels(page, report)
    _violations(page, report)
    _every_column(page, report)
    _others(page, report)
    _reading(page)
    return page.html()


def _culprits(page: Page, report: DriftReport) -> None:
    culprits = report.having("drift")
    page.section("What drifted")
    if not culprits:
        page.text("No column did. What changed a little, and what cannot be compared, stands in the table below.")
        return
    page.text(
        "The largest change first. Grey is the reference, orange what is there now; the areas are shares of rows."
    )
    drawn = culprits[:_CULPRITS_DRAWN]
    page.figures([(_picture(report.counted[c.name], c), c.name, "; ".join(c.reasons)) for c in drawn])
    if len(culprits) > len(drawn):
        names = ", ".join(c.name for c in culprits[len(drawn) :])
        page.text(f"Not drawn: {names}.", tone="quiet")


def _over_time(page: Page, report: DriftReport) -> None:
    if len(report.periods) < 2:
        return
    x = [p.name for p in report.periods]
    page.section(
        "Over time",
        f"Each point compares the rows of one value of {report.by} with the whole reference. A column that is steady "
        "stays near zero, whatever the number of rows.",
    )
    worst = [c for c in report.columns if c.status in ("drift", "shift")][:_LINES_DRAWN]
    worst = worst or [c for c in report.columns if c.psi_debiased is not None][:_LINES_DRAWN]
    series = [Line(c.name, _psi(report.periods, c.name)) for c in worst]
    levels = [Level(report.tolerance, "tolerance")]
    page.figure(
        lines(x, series, levels=levels, y_label="debiased PSI", name="debiased PSI by period"),
        "Debiased PSI by period",
        note="The columns that changed most.",
    )
    gone = [c for c in report.columns if _moves(_missing_of(report.periods, c.name))][:_LINES_DRAWN]
    plots: list[tuple[Plot, str]] = []
    if gone:
        series = [Line(c.name, _missing_of(report.periods, c.name)) for c in gone]
        made = lines(x, series, percents=True, y_range=(0, None), name="missing values by period", width="half")
        plots.append((made, "Share of missing values"))
    rows = lines(
        x, [Line("rows", [float(p.rows) for p in report.periods])], y_range=(0, None), width="half", name="rows"
    )
    page.figures([*plots, (rows, "Rows")])


def _outputs(page: Page, report: DriftReport) -> None:
    outputs = [c for c in report.columns if c.role == "output" and c.name in report.counted and c.current_rows]
    if outputs:
        page.section("What the model answered")
        page.figures([(_picture(report.counted[c.name], c), c.name, _told(c)) for c in outputs])


def _missing(page: Page, report: DriftReport) -> None:
    held = [c for c in report.columns if c.missing is not None and (c.missing or c.missing_reference)]
    held.sort(key=lambda c: (-abs((c.missing or 0) - (c.missing_reference or 0)), c.name))
    if not held:
        return
    page.section("Missing values", "Share of rows without a value; the largest change first.")
    rows = [
        Mass(
            c.name,
            c.missing_reference or 0.0,
            c.missing or 0.0,
            c.status == "drift" and any(r.startswith("missing") for r in c.reasons),
        )
        for c in held
    ]
    page.figure(shares(rows[:16], most=16, name="missing values", width="wide"), "Missing values by column")


def _new_labels(page: Page, report: DriftReport) -> None:
    rows: list[tuple[str, str, int, str]] = []
    for c in report.columns:
        if c.new_labels:
            told = [f"{label} ({n:,})" for label, n in c.new_labels[:_LABELS_LISTED]]
            more = f" and {len(c.new_labels) - len(told):,} more" if len(c.new_labels) > len(told) else ""
            rows.append((c.name, percent(c.new or 0.0), len(c.new_labels), ", ".join(told) + more))
    if rows:
        page.section("New labels", "Labels that the reference does not know, and in how many rows they came.")
        page.table(["column", "rows with one", "labels", "which"], rows)


def _violations(page: Page, report: DriftReport) -> None:
    broken = [(n, c.name, rule) for c in report.columns for rule, n in sorted(c.violations.items())]
    if broken:
        page.section("Broken rules", "Current values that break a rule of the contract.")
        broken.sort(key=lambda row: (-row[0], *row[1:]))
        page.table(["column", "rule", "rows"], [(name, rule, n) for n, name, rule in broken])


def _every_column(page: Page, report: DriftReport) -> None:
    timed = len(report.periods) > 1
    names = ["column", "role", "status", "PSI", "debiased", "p (BH)", "KS", "W1 / IQR", "JS", "TV", "missing"]
    rows = []
    for c in report.columns:
        row: list[Cell | Plot | str | int | float | None] = [
            Cell(c.name, about="; ".join(c.reasons)),
            Cell(c.role, "quiet"),
            Cell(c.status, _TONES[c.status], about="; ".join(c.reasons), chip=True),
            *(c.psi, c.psi_debiased, c.p_bh, c.ks, c.w1_iqr, c.js, c.tv),
            None if c.missing is None else percent(c.missing),
        ]
        if timed:
            row.append(
                spark([v if v is None else max(v, 0.0) for v in _psi(report.periods, c.name)], loud=c.status == "drift")
            )
        rows.append(row)
    page.section("Every column").table([*names, "PSI over time"] if timed else names, rows)
    unknown = report.having("unknown")
    if unknown:
        page.facts([(c.name, "; ".join(c.reasons)) for c in unknown])


def _others(page: Page, report: DriftReport) -> None:
    drawn = [
        c for c in report.columns
        if c.status in ("shift", "quiet") and c.role != "output" and c.name in report.counted and c.kind != "presence"
    ][:_OTHERS_DRAWN]  # fmt: skip
    if drawn:
        page.section("The other columns", "Grey is the reference, blue what is there now.")
        page.figures([(_picture(report.counted[c.name], c, "third"), c.name, c.status) for c in drawn])


def _reading(page: Page) -> None:
    page.section(
        "How to read this",
        "Values are counted in cells that the reference fixed: intervals that each hold about a fortieth of its rows, "
        "values and labels that are frequent, and cells of their own for what is rare, new, infinite or missing. "
        "Statistics compare the shares of rows in these cells. What chance alone would do at these numbers of rows is "
        "taken off, so that few rows do not look like drift and many rows do not hide that a change is small.",
    )
    page.facts([*_STATUSES])
    page.facts([(name, meaning) for name, meaning in STATISTICS.items()])


def _picture(counted: Counted, column: ColumnDrift, width: Width = "half") -> Plot:
    """A column's cells, reference beside current."""
    cells = counted.cells
    a, b = _parts(cells.counts), _parts(counted.current)
    said = any(reason.startswith("missing") for reason in column.reasons)
    special = [
        Mass(word, x, y, said and word in ("NaN", "null"))
        for word, x, y in zip(_SPECIAL, a[-SPECIALS:], b[-SPECIALS:], strict=True)
        if x or y
    ]
    loud = column.status == "drift"
    if cells.ordered and cells.edges:
        return _numeric(counted, (a, b), special, loud=loud, width=width)
    named = {"category": cells.labels, "flag": ("false", "true")}.get(cells.kind, ("present",))
    labels = [Mass(label, x, y) for label, x, y in zip(named, a, b, strict=False)]
    labels.sort(key=lambda row: (-row.reference, -row.current))
    most = 10 if width == "half" else 5
    if len(labels) > most + 1:
        rest = labels[most:]
        others = Mass(f"{len(rest)} others", math.fsum(r.reference for r in rest), math.fsum(r.current for r in rest))
        labels = [*labels[:most], others]
    return shares([*labels, *special], loud=loud, name=column.name, width=width, most=most + 6)


def _numeric(
    counted: Counted, parts: tuple[list[float], list[float]], special: Sequence[Mass], *, loud: bool, width: Width
) -> Plot:
    """A density; single values beside it if they are few, bars alone if there is nothing between the values."""
    cells = counted.cells
    grid = cells.kind == "score"
    low, high = (0.0, 1.0) if grid else cells.ends or (cells.edges[0], cells.edges[-1])
    few = sum(cells.points) <= _POINTS_FEW
    edges, kept = [low], (0.0, 0.0)
    p: list[float] = []
    q: list[float] = []
    points: list[Mass] = []
    for top, point, before, now in zip([*cells.edges, high], cells.points, *parts, strict=False):
        if point:
            points.append(Mass(f"{top:g}", before, now))
        if point and few:
            continue
        if point and p:
            p[-1], q[-1] = p[-1] + before, q[-1] + now  # it closes the interval before it
            continue
        kept = kept[0] + before, kept[1] + now
        if top - edges[-1] > _NO_WIDTH * (high - low):
            edges.append(top)
            p.append(kept[0])
            q.append(kept[1])
            kept = 0.0, 0.0
    if kept != (0.0, 0.0) and p:
        p[-1], q[-1] = p[-1] + kept[0], q[-1] + kept[1]
    listed = [*points, *special]
    between = Mass("between", 1 - sum(m.reference for m in listed), 1 - sum(m.current for m in listed))
    narrow = between.reference + between.current < 2 * _BETWEEN_MIN
    if points and (len(edges) < 3 or narrow) and len(points) <= _POINTS_MANY:
        rest = [between] if max(between.reference, between.current) > 1e-9 else []
        rows = [*points, *rest, *special]
        return shares(rows, loud=loud, name=cells.name, width=width, most=len(rows))
    while len(p) > _INTERVALS_DRAWN:
        # Two by two: fewer and calmer steps, the same areas.
        edges = [*edges[:-1:2], edges[-1]]
        p = [sum(p[k : k + 2]) for k in range(0, len(p), 2)]
        q = [sum(q[k : k + 2]) for k in range(0, len(q), 2)]
    beside = [*(points if few else ()), *special]
    ends = None if grid else counted.ends
    return density(edges, p, q, points=beside, current_ends=ends, loud=loud, name=cells.name, width=width)


def _parts(counts: Counts) -> list[float]:
    total = int(counts.sum()) or 1
    return [int(n) / total for n in counts]


def _psi(periods: Sequence[Period], name: str) -> list[float | None]:
    return [p.psi_debiased.get(name) for p in periods]


def _missing_of(periods: Sequence[Period], name: str) -> list[float | None]:
    return [p.missing.get(name) for p in periods]


def _moves(values: Sequence[float | None]) -> bool:
    known = [v for v in values if v is not None]
    return bool(known) and max(known) - min(known) > 0.01


def _told(column: ColumnDrift) -> str:
    return f"{column.status}: {'; '.join(column.reasons)}" if column.reasons else column.status


def _span(report: DriftReport) -> str:
    if not report.periods:
        return ""
    first, last = report.periods[0].name, report.periods[-1].name
    return f", {report.by} {first}" + (f" to {last}" if last != first else "")
