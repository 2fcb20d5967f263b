"""One row, end to end: a dict in, a score out; `bundle.score` beside Python features and ONNX Runtime."""

from __future__ import annotations

from typing import Any

from benchmarks.case import OURS, Case, Form
from benchmarks.material import MODELS, Material, Sizes
from benchmarks.peer import session

BY_HAND = "python + onnxruntime"
BOUND = "python + onnxruntime, bound"


def cases(sizes: Sizes, processors: int) -> list[Case]:
    """One case per model, one thread."""
    del processors
    return [
        Case("one_row", model, 1, sizes.calls, 1, (OURS, BY_HAND, BOUND), {BY_HAND: 0.7}, "dict to score")
        for model in MODELS
    ]


def form(case: Case, name: str, material: Material) -> Form:
    """Ours, by hand, or by hand with ONNX Runtime's inputs and outputs bound once."""
    if name == OURS:
        return Form(material.bundle(case.name).score, material.single_rows)
    return Form(_by_hand(case.name, material, bound=name == BOUND), material.single_rows)


def _by_hand(model: str, material: Material, *, bound: bool) -> Any:
    from benchmarks.by_hand.row import inputs

    runtime = session(material.onnx_path(model), threads=1)
    if not bound:

        def score(row: dict[str, Any]) -> float:
            return float(runtime.run(["probabilities"], {"input": inputs(row)})[0][0, 1])

        return score

    import numpy as np

    binding = runtime.io_binding()
    matrix, output = np.empty((1, 46), np.float32), np.empty((1, 2), np.float32)
    binding.bind_input("input", "cpu", 0, np.float32, matrix.shape, matrix.ctypes.data)
    binding.bind_output("probabilities", "cpu", 0, np.float32, output.shape, output.ctypes.data)

    def score_bound(row: dict[str, Any]) -> float:
        matrix[:] = inputs(row)
        runtime.run_with_iobinding(binding)
        return float(output[0, 1])

    return score_bound
