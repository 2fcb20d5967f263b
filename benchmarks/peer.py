"""ONNX Runtime as its Python users start it: CPU, a stated number of threads, nothing else changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def session(onnx: Path, *, threads: int) -> Any:
    """A session over an .onnx file; its output `probabilities` is float32 [n, 2]."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(onnx), options, providers=["CPUExecutionProvider"])
