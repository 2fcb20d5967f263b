"""A batch, end to end: from an Arrow file to an Arrow file, with one and with two threads.

Ours is what `sternpost score` runs, and writes score, action and reasons; the peer writes the score.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.case import OURS, Case, Form
from benchmarks.material import MODELS, TABLES, Material, Sizes
from benchmarks.peer import session

BY_HAND = "polars + onnxruntime"
AT_MOST = {"tree": 1.0, "linear": 0.4}


def cases(sizes: Sizes, processors: int) -> list[Case]:
    """One case per model and number of threads, as far as there are processors."""
    return [
        Case("batch", model, sizes.table_rows, 1, threads, (OURS, BY_HAND), {BY_HAND: AT_MOST[model]}, "file to file")
        for model in MODELS
        for threads in (1, 2)
        if threads <= processors
    ]


def form(case: Case, name: str, material: Material) -> Form:
    """A run writes beside the input; the output is replaced by the next one."""
    sources = [material.table_path(i) for i in range(TABLES)]
    kind = "ours" if name == OURS else "by_hand"
    target = material.folder / f"scores-{case.name}-{case.threads}-{kind}.arrow"
    make = _ours if name == OURS else _by_hand
    return Form(make(case, material, target), sources)


def _ours(case: Case, material: Material, target: Path) -> Any:
    from sternpost.serve.batch import score_files

    bundle = material.bundle(case.name)

    def run(source: Path) -> None:
        score_files(bundle, [source], target, threads=case.threads)

    return run


def _by_hand(case: Case, material: Material, target: Path) -> Any:
    import polars as pl

    from benchmarks.by_hand.in_polars import inputs

    runtime = session(material.onnx_path(case.name), threads=case.threads)

    def run(source: Path) -> None:
        matrix = inputs(pl.scan_ipc(source))
        scores = runtime.run(["probabilities"], {"input": matrix})[0][:, 1]
        pl.DataFrame({"score": scores}).write_ipc(target)

    return run
