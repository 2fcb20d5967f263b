"""Runs an ONNX model the way the checks need it: ONNX Runtime, one thread, CPU only."""

from __future__ import annotations

from typing import Any

import numpy as np

from sternpost.errors import ExportError
from sternpost.export.float32 import F32


class OnnxRuntime:
    """One session over one output. Results are float32 [n, K].

    One thread, because more threads add up in another order and so change bits.
    """

    def __init__(self, onnx: bytes, input_name: str, output_name: str) -> None:
        """Raises `ExportError` when ONNX Runtime cannot load the model."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session: Any = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ExportError(
                f"ONNX Runtime {onnxruntime.__version__} cannot load the model: {_first_line(error)}. "
                "Export it again for an opset this version supports, without custom operators."
            ) from error
        self._input = input_name
        self._output = output_name

    def batch(self, rows: F32) -> F32:
        """All rows in one run. Raises `ExportError` when the run fails or gives another number of rows."""
        try:
            found = np.asarray(self._session.run([self._output], {self._input: rows})[0])
        except Exception as error:
            raise ExportError(
                f"ONNX Runtime cannot run the model on float32 {list(rows.shape)}: {_first_line(error)}"
            ) from error
        if found.dtype != np.float32 or found.shape[:1] != rows.shape[:1] or found.ndim > 2:
            raise ExportError(
                f"output {self._output!r} is {found.dtype} {list(found.shape)} for {len(rows)} rows; "
                f"expected float32 [{len(rows)}, K]"
            )
        return found.reshape(len(rows), -1)

    def one_by_one(self, rows: F32) -> F32:
        """Each row in a run of its own, the results stacked."""
        return np.concatenate([self.batch(rows[i : i + 1]) for i in range(len(rows))])


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
