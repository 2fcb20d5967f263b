"""The story, in order: copy the project, train and seal it, score the year that came afterwards, compare the routes."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sternpost.contract.types import microseconds
from sternpost.demo.months import Month, by_month, month_names
from sternpost.demo.routes import Route, choose, compare
from sternpost.demo.telling import Telling
from sternpost.demo.workplace import Workplace, prepare
from sternpost.errors import BundleError
from sternpost.project import Project, TrainResult, load_project, train
from sternpost.serve.batch import BatchReport, score_files

_ROUTE_ROWS, _ROUTE_ROWS_QUICK = 300, 100
_QUICK_EVERY_DAYS, _QUICK_DAY = 8, 6
_DAY_US = 86_400_000_000
#: Whose months are meant.
_CLOCK = "America/New_York"


@dataclass(frozen=True)
class _FewDays(Project):
    """The same project on every eighth day of its rows, for a coarse run; fewer rows also make a smaller model."""

    def load(self) -> pa.Table:
        table = super().load()
        days = np.asarray(table.column(_time_of(self)).cast(pa.int64()).to_numpy()) // _DAY_US
        return table.filter(pa.array(days % _QUICK_EVERY_DAYS == _QUICK_DAY))


def run_demo(into: Path, *, quick: bool = False, json: bool = False) -> dict[str, Any]:
    """Tell the story of the flights example in the folder `into`; `quick` takes every eighth day only.

    Text goes to stdout, none with `json`. The returned facts are JSON-able: `folder`, `bundle`, `digest`, `rows`,
    `metrics` (of the days held out), `training_seconds`, `months`, `scoring`, `routes`, `same_bits`, `seconds` (by
    step) and `seconds_total`.

    Raises UsageError when `into` holds what no demo wrote, BundleError when one answer differs between two routes, and
    whatever training and scoring raise.
    """
    started = time.perf_counter()
    telling = Telling(silent=json)
    with telling.step("copy", "copying the project") as told:
        place = prepare(into)
        project = load_project(place.project)
        if quick:
            project = _FewDays(**vars(project))
        told.append(f"{place.project}: an ordinary project, copied")
        told.append(project.settings.project.decision)
    with telling.step("train", "training: loading, compiling features, fitting, proving, sealing") as told:
        trained = train(project)
        trained.bundle.save(place.bundle)
        told.extend(_of_training(place, trained))
    with telling.step("write", "writing the rows that came afterwards") as told:
        rows = _afterwards(project)
        months = month_names(rows.column(_time_of(project)), _CLOCK)
        files = _write_months(place, rows.select(list(project.contract.names)), months)
        told.append(f"{place.rows}: {rows.num_rows:,} rows that came after training, {files} files")
    with telling.step("score", "scoring the files") as told:
        report = score_files(trained.bundle, [place.rows], place.scored, keep=_kept(project))
        told.extend(_of_scoring(place, report))
    scored = pq.read_table(place.scored)
    measured = by_month(months, scored.column("score"), rows.column(project.target))
    _tell_months(telling, trained, measured)
    with telling.step("compare", "scoring the same rows on every route") as told:
        picked = choose(scored, _ROUTE_ROWS_QUICK if quick else _ROUTE_ROWS)
        routes = compare(trained.bundle, place.bundle, rows, place.scored, picked)
        told.append(f"the same {len(picked)} rows on {len(routes)} routes: bits of the score, action and reasons")
    differing = sum(route.differing for route in routes)
    telling.table(("route", "rows", "other answers"), [(r.name, str(r.rows), str(r.differing)) for r in routes])
    total = round(time.perf_counter() - started, 3)
    if differing:
        raise BundleError(_difference(routes, differing))
    _tell_end(telling, place, routes, total)
    return {
        "folder": str(place.folder),
        "bundle": str(place.bundle),
        "digest": trained.bundle.digest,
        "quick": quick,
        "rows": {
            "loaded": trained.rows_loaded,
            "training": trained.rows_training,
            "holdout": trained.rows_holdout,
            "afterwards": rows.num_rows,
        },
        "metrics": trained.metrics,
        "training_seconds": trained.seconds,
        "months": [asdict(month) for month in measured],
        "scoring": report.to_dict(),
        "routes": [asdict(route) for route in routes],
        "same_bits": differing == 0,
        "seconds": telling.seconds,
        "seconds_total": total,
    }


def _time_of(project: Project) -> str:
    time_column = project.settings.split.time
    assert time_column is not None, "the examples split by time"
    return time_column


def _afterwards(project: Project) -> pa.Table:
    """The rows that training did not see."""
    table, before = project.load(), project.settings.split.train_before
    assert before is not None, "the examples say where training ends"
    moments = table.column(_time_of(project)).cast(pa.int64())
    return table.filter(pc.greater_equal(moments, microseconds(before))).combine_chunks()


def _write_months(place: Workplace, rows: pa.Table, months: pa.ChunkedArray) -> int:
    names = sorted(pc.unique(months).to_pylist())
    for name in names:
        pq.write_table(rows.filter(pc.equal(months, name)), place.rows / f"{name}.parquet", compression="zstd")
    return len(names)


def _kept(project: Project) -> list[str]:
    """Columns that tell a reader which row a score belongs to."""
    labels = [c.name for c in project.contract.columns if c.type == "category"]
    return list(dict.fromkeys([_time_of(project), *labels]))


def _of_training(place: Workplace, trained: TrainResult) -> list[str]:
    bundle, metrics = trained.bundle, trained.metrics
    measured = ", ".join(f"{name} {value:.3f}" for name, value in metrics.items() if value is not None)
    return [
        f"{place.bundle}: {len(bundle.kernel.outputs)} features and a model, sealed in {bundle.size_bytes:,} bytes",
        f"trained on {trained.rows_training:,} rows; on {trained.rows_holdout:,} rows of days held out: {measured}",
        f"digest {bundle.digest}",
    ]


def _of_scoring(place: Workplace, report: BatchReport) -> list[str]:
    rate = report.rows_in / max(report.seconds, 1e-6)
    noted = ", ".join(f"{count:,} {code}" for code, count in report.reasons.items()) or "none"
    return [
        f"{place.scored}: {report.rows_scored:,} rows scored, {report.rows_refused:,} refused, {rate:,.0f} rows/s",
        f"noted: {noted}",
    ]


def _tell_months(telling: Telling, trained: TrainResult, measured: list[Month]) -> None:
    rows = [
        (
            m.month,
            f"{m.rows:,}",
            f"{m.positive_share:.3f}",
            f"{m.mean_score:.3f}",
            "" if m.auc is None else f"{m.auc:.3f}",
        )
        for m in measured
    ]
    auc = trained.metrics.get("auc")
    held = ("days held out", f"{trained.rows_holdout:,}", "", "", "" if auc is None else f"{auc:.3f}")
    telling.table(("month", "known outcomes", "late", "mean score", "AUC"), [held, *rows])


def _difference(routes: list[Route], differing: int) -> str:
    worst = max(routes, key=lambda route: route.differing)
    return (
        f"{differing} answers differ between routes, most on {worst.name!r} ({worst.differing} of {worst.rows}); "
        f"one row must have one answer, so do not use this installation, and report the machine and the versions"
    )


def _tell_end(telling: Telling, place: Workplace, routes: list[Route], total: float) -> None:
    compared = sum(route.rows for route in routes[1:])
    month = place.rows / "2013-07.parquet"
    telling.say(f"{compared:,} comparisons, 0 differ. {total:.1f} s in all.")
    telling.say()
    telling.say("Next:")
    for command in (
        f"sternpost inspect {place.bundle}",
        f"sternpost score {place.bundle} {month} -o july.parquet --keep carrier,dest",
        f"edit {place.project / 'flights.py'}, then: sternpost train {place.project} -o mine.sbundle",
    ):
        telling.say(f"   {command}")
