"""Runs exported bytes in ONNX Runtime, without any code of the package under test."""

from __future__ import annotations

import numpy as np
import onnxruntime

from sternpost.export import ExportedModel


def scores_of(exported: ExportedModel, rows: np.ndarray) -> np.ndarray:
    """Float32 [n, K], one thread, one batch."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(exported.onnx, options, providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_inputs()] == [exported.spec.input]
    assert [value.name for value in session.get_outputs()] == [exported.spec.output]
    (found,) = session.run(None, {exported.spec.input: rows})
    return found.reshape(len(rows), -1)
