"""Where our own time goes: the stages of a table and of a row, one by one, on one core. No peers here.

The stages contain one another: `check` decodes and judges; `matrix` is that, the kernel, and the cast to float32 rows;
`score` is that, the model, and the table that comes back. `kernel` and `model` stand alone.
"""

from __future__ import annotations

from typing import Any

from benchmarks.case import Case, Form
from benchmarks.material import TABLES, Material, Sizes

BLOCK_ROWS = 1024
CALLS = 3
_ENDS = {"tree": "score, tree", "linear": "score, linear"}
_MODELS = {"tree": "model, tree", "linear": "model, linear"}


def cases(sizes: Sizes, processors: int) -> list[Case]:
    """The stages of a table, and those of a single row."""
    del processors
    rows = min(sizes.table_rows, 200_000)
    stages = ("kernel", "check", "frame", "matrix", *_MODELS.values(), *_ENDS.values())
    single = (*_MODELS.values(), *_ENDS.values())
    return [
        Case("parts", "table", rows, CALLS, 1, stages, what="stages of a table"),
        Case("parts", "row", 1, sizes.calls, 1, single, what="stages of a row"),
    ]


def form(case: Case, name: str, material: Material) -> Form:
    """A stage over tables, or over rows when the case's name says so."""
    model = name.removeprefix("model, ").removeprefix("score, ")
    if case.name == "row":
        bundle = material.bundle(model)
        if name in _ENDS.values():
            return Form(bundle.score, material.single_rows)
        run = _model(material, model)
        return Form(run, _single_matrices(material, bundle))
    tables = [material.table(i).slice(0, case.rows) for i in range(TABLES)]
    if name in _ENDS.values():
        bundle = material.bundle(model)
        return Form(lambda table: bundle.score(table, threads=1), tables)
    if name in _MODELS.values():
        bundle = material.bundle(model)
        return Form(_over_blocks(_model(material, model)), [bundle.matrix(table) for table in tables])
    bundle = material.bundle("linear")
    if name == "kernel":
        from benchmarks.kernel_call import over_blocks

        return Form(over_blocks(bundle.kernel, tables[0], case.rows, BLOCK_ROWS), [None])
    if name == "check":
        return Form(bundle.kernel.engine().check, tables)
    stage = {"frame": bundle.frame, "matrix": bundle.matrix}[name]
    return Form(lambda table: stage(table, threads=1), tables)


def _model(material: Material, model: str) -> Any:
    """The ONNX model alone, run as the bundle says: float32 [n, 46] in, raw outputs out."""
    from sternpost._core import Model
    from sternpost.bundle.archive import read_archive
    from sternpost.bundle.model_run import start_onnxruntime

    start_onnxruntime()
    spec = material.bundle(model).model
    runtime = Model(read_archive(material.bundle_path(model)).parts["model.onnx"], spec.to_json())
    return lambda matrix: runtime.run(matrix, spec.chunk_rows, spec.min_rows)


def _over_blocks(run: Any) -> Any:
    """Block by block, as in the engine: the copy that the call makes of its input then stays in the cache."""

    def over(matrix: Any) -> None:
        for first in range(0, len(matrix), BLOCK_ROWS):
            run(matrix[first : first + BLOCK_ROWS])

    return over


def _single_matrices(material: Material, bundle: Any) -> list[Any]:
    import pyarrow as pa

    schema = material.table(0).schema
    matrix = bundle.matrix(pa.Table.from_pylist(material.single_rows, schema))
    return [matrix[i : i + 1].copy() for i in range(len(matrix))]
