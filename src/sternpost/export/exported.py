"""From a fitted estimator, or a ready .onnx file, to a model that the engine can run and trust.

Steps for an estimator: ask what it is (`oracle`), convert (`converters`), reduce to one input and one
output with canonical names (`graph`), then prove that it answers like the estimator (`parity`). A ready
.onnx has no estimator to agree with: its inputs and outputs are checked and it is run once (`ready`).
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sternpost.errors import ExportError
from sternpost.export.float32 import F32
from sternpost.export.report import ParityReport
from sternpost.export.spec import ModelSpec

INPUT = "X"


@dataclass(frozen=True)
class ExportedModel:
    """A model in ONNX with what is needed to run it and the evidence that it is right.

    `onnx`: the same bytes for the same estimator. `parity`: None only for a ready .onnx file, which has no
    estimator to compare with. `library`: e.g. "scikit-learn 1.9.1"; `estimator`: e.g. "Ridge".
    """

    onnx: bytes
    spec: ModelSpec
    parity: ParityReport | None
    library: str
    estimator: str
    feature_names: tuple[str, ...]


def export_model(
    estimator_or_path: Any,
    reference: npt.NDArray[np.float32],
    *,
    feature_names: Sequence[str] | None = None,
    tolerance: float | None = None,
    seed: int = 0,
) -> ExportedModel:
    """Turn a fitted estimator into ONNX and prove that both agree, or take a ready .onnx path or its bytes.

    `reference`: float32 [n, F], n >= 1, rows as the model sees them. `feature_names`: F names for messages
    (default: the estimator's own, else x0, x1, ...). `tolerance`: see `parity` (default 1e-5). `seed`: of
    the rows tried. The estimator is never modified.

    Raises `ParityError` with the worst row when the two disagree, `ExportError` for everything that cannot
    be exported.
    """
    rows = _reference(reference)
    if isinstance(estimator_or_path, bytes | bytearray | memoryview | str | os.PathLike):
        _need("onnx")
        from sternpost.export.ready import take_ready

        source = estimator_or_path
        ready = Path(source) if isinstance(source, str | os.PathLike) else bytes(source)
        onnx, spec, library = take_ready(ready, rows)
        names = _names(feature_names, None, rows.shape[1])
        return ExportedModel(onnx, spec, None, library, "onnx", names)
    return _export_estimator(estimator_or_path, rows, feature_names, tolerance, seed)


def _export_estimator(
    estimator: Any, rows: F32, feature_names: Sequence[str] | None, tolerance: float | None, seed: int
) -> ExportedModel:
    _need("onnx", "sklearn", "skl2onnx", "onnxmltools")
    from sternpost.export import converters, graph, parity
    from sternpost.export.oracle import Oracle
    from sternpost.export.parts import describe
    from sternpost.export.runtime import OnnxRuntime

    estimator = getattr(estimator, "best_estimator_", estimator)  # a search is its winner
    oracle = Oracle(estimator)
    width = rows.shape[1]
    if oracle.features is not None and oracle.features != width:
        raise ExportError(
            f"{oracle.name} was fitted on {oracle.features} columns, the reference rows have {width}. "
            "Give the reference rows with the columns the estimator was fitted on, in that order."
        )
    names = _names(feature_names, oracle.feature_names, width)
    oracle.reference(rows[: min(len(rows), 256)])
    model = converters.convert(estimator, width, oracle.classes)
    outputs = [output.name for output in model.graph.output]
    tensor, _ = graph.without_zipmap(model, outputs[0] if oracle.kind == "regression" else outputs[-1])
    graph.only_output(model, tensor, oracle.outputs)
    output = "prediction" if oracle.kind == "regression" else "probabilities"
    onnx = graph.canonical(model, width, INPUT, output)
    report = parity.prove(oracle, OnnxRuntime(onnx, INPUT, output), rows, names, tolerance=tolerance, seed=seed)
    positive = 1 if oracle.kind == "binary" else None
    spec = ModelSpec(oracle.kind, oracle.classes, INPUT, output, width, oracle.outputs, positive)
    library, name = describe(estimator)
    return ExportedModel(onnx, spec, report, library, name, names)


def _need(*packages: str) -> None:
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise ExportError(
            f"exporting needs {', '.join(missing)}: install the extra, e.g. pip install 'sternpost[train]'"
        )


def _reference(reference: npt.NDArray[np.float32]) -> F32:
    rows = np.asarray(reference)
    if rows.dtype != np.float32 or rows.ndim != 2 or not rows.size:
        raise ExportError(
            f"reference is {rows.dtype} {list(rows.shape)}; expected float32 [rows, features] with at least one of "
            "each: what the model sees, e.g. matrix.astype(numpy.float32)"
        )
    return np.ascontiguousarray(rows)


def _names(given: Sequence[str] | None, own: Sequence[str] | None, width: int) -> tuple[str, ...]:
    if given is None:
        return tuple(own) if own is not None and len(own) == width else tuple(f"x{i}" for i in range(width))
    names = tuple(given)
    if len(names) != width or len(set(names)) != width:
        raise ExportError(
            f"feature_names has {len(names)} names, {len(set(names))} of them distinct; "
            f"the reference rows have {width} columns"
        )
    return names
