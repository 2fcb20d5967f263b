"""A custom runtime of MLServer: an input a column, nulls by masks beside them."""

from __future__ import annotations

import os
from typing import Any

from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

from benchmarks.load.peers.scorer import scorer


class Loans(MLModel):
    """Scores one row a request."""

    async def load(self) -> bool:
        self._score = scorer(os.environ["LOANS_ONNX"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        row: dict[str, Any] = {}
        for tensor in payload.inputs:
            value = tensor.data[0]
            if tensor.name.endswith(".null"):
                row[tensor.name.removesuffix(".null")] = None
            else:
                row[tensor.name] = value.decode() if isinstance(value, bytes) else value
        output = ResponseOutput(name="score", shape=[1], datatype="FP64", data=[self._score(row)])
        return InferenceResponse(model_name=self.name, outputs=[output])
