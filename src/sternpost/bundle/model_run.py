"""How a model is to be run so that its bits depend on the row alone: `settle`, decided once, when a bundle is built.

ONNX Runtime sums a linear model in another order for a single row than for several, so the same row could score
differently alone and in a batch. The cure is measured, not assumed: the smallest padding is taken for which every
batch size and every position tried gives the same bits; when there is none, the model runs one row at a time.
"""

from __future__ import annotations

import importlib.util
import platform
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sternpost import _core
from sternpost.errors import ModelError
from sternpost.export import ModelSpec

# Most rows of one run. Nothing measured gets slower with more rows; beyond 512 linear pipelines gain no more, trees
# gain nothing beyond 128 (benchmarks/README.md).
CHUNK_ROWS = 512

_PADDINGS = (1, 2, 4, 8, 16)
_BATCHES = (2, 3, 5, 7, 16, 33, 64, 200, 256, CHUNK_ROWS, 1000)
_ROWS_TRIED = 1000


@cache
def start_onnxruntime() -> None:
    """Load the ONNX Runtime library of the installed `onnxruntime` package, once. Raises ModelError."""
    found = importlib.util.find_spec("onnxruntime")
    if found is None or not found.submodule_search_locations:
        raise ModelError("onnxruntime is not installed; pip install onnxruntime")
    folder = Path(next(iter(found.submodule_search_locations))) / "capi"
    names = {"Darwin": "libonnxruntime*.dylib", "Windows": "onnxruntime.dll"}
    libraries = sorted(
        p for p in folder.glob(names.get(platform.system(), "libonnxruntime.so*")) if "providers" not in p.name
    )
    if not libraries:
        raise ModelError("the installed onnxruntime package holds no shared library; install the official wheel")
    _core.init_onnxruntime(str(libraries[0].resolve()))


def settle(onnx: bytes, spec: ModelSpec, matrix: npt.NDArray[np.float32]) -> ModelSpec:
    """The spec with `min_rows` and `chunk_rows` under which scores do not depend on the batch.

    `matrix` is float32 [n, F], rows to try; the first 1,000 are used, repeated when there are fewer.
    """
    start_onnxruntime()
    model = _core.Model(onnx, spec.to_json())
    rows = np.ascontiguousarray(np.resize(matrix, (_ROWS_TRIED, spec.features)), dtype=np.float32)
    for padding in _PADDINGS:
        alone = model.run(rows.data, 1, padding)
        if all(_same(model, rows, alone, batch, padding) for batch in _BATCHES):
            return replace(spec, min_rows=padding, chunk_rows=max(CHUNK_ROWS, padding))
    return replace(spec, min_rows=1, chunk_rows=1)


def _same(model: _core.Model, rows: npt.NDArray[np.float32], alone: bytes, batch: int, padding: int) -> bool:
    """Whether batches of this size give the bits of single rows, also when every row has another place in its batch."""
    if model.run(rows.data, batch, padding) != alone:
        return False
    shift = min(batch // 2 + 1, len(rows) - 1)
    shifted = model.run(np.ascontiguousarray(rows[shift:]).data, batch, padding)
    return shifted == alone[shift * (len(alone) // len(rows)) :]
