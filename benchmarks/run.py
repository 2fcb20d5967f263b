"""One run: make the material, check that the forms agree, measure the parts, keep everything."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import agreement, machine, report, results
from benchmarks.all_parts import PARTS, cases
from benchmarks.material import Material, Sizes
from benchmarks.sampling import measure

RESULTS = Path(__file__).parent / "results"


def run(
    sizes: Sizes,
    *,
    parts: Sequence[str] = tuple(PARTS),
    quick: bool = False,
    data: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """The record of a run, see `results`. Without `data` the material lives in a folder that is removed at the end."""
    if data is not None:
        return _run(sizes, parts, quick, data, tell)
    with tempfile.TemporaryDirectory(prefix="sternpost-benchmarks-") as folder:
        return _run(sizes, parts, quick, Path(folder), tell)


def keep(record: dict[str, Any], folder: Path | None = None) -> Path:
    """Write record and page into `folder` (default: results/<date>); the page's path."""
    folder = folder or RESULTS / record["date"]
    stem = "quick" if record["quick"] else "results"
    results.write(record, folder / f"{stem}.json")
    path = folder / f"{stem}.md"
    path.write_text(report.page(results.read(folder / f"{stem}.json")))
    return path


def _run(sizes: Sizes, parts: Sequence[str], quick: bool, folder: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    material = Material(folder, sizes)
    tell("making rows, models and bundles")
    material.prepare()
    tell("checking that all forms agree")
    agreed = agreement.check(material)
    before = machine.load()
    chosen = [case for part in parts for case in cases(part, sizes)]
    measured = [results.case_record(case, measure(case, folder, sizes, tell)) for case in chosen]
    return {
        "format": results.FORMAT,
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "quick": quick,
        "machine": machine.machine(),
        "versions": machine.versions(),
        "load": {"before": before, "after": machine.load()},
        "workload": sizes.to_dict(),
        "agreement": agreed,
        "cases": measured,
    }
