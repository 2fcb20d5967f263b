"""Writes plain ONNX operators, one call per operator, for converters that need double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


class PlainNodes:
    """Adds nodes and constants to the container of a conversion; every call returns the name of the new tensor."""

    def __init__(self, scope: Any, container: Any) -> None:
        self.scope = scope
        self.container = container

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """One operator with one output."""
        output: str = self.scope.get_unique_variable_name("plain")
        self.container.add_node(op, list(inputs), [output], name=self.scope.get_unique_operator_name(op), **attributes)
        return output

    def constant(self, values: npt.ArrayLike) -> str:
        """A constant tensor: int64 for integers, else double."""
        from onnx import TensorProto

        array = np.asarray(values)
        whole = np.issubdtype(array.dtype, np.integer)
        name: str = self.scope.get_unique_variable_name("constant")
        element = TensorProto.INT64 if whole else TensorProto.DOUBLE
        self.container.add_initializer(name, element, list(array.shape), array.ravel().tolist())
        return name

    def double(self, tensor: str) -> str:
        """The tensor in double precision."""
        from onnx import TensorProto

        return self.add("Cast", tensor, to=TensorProto.DOUBLE)

    def single(self, tensor: str) -> str:
        """The tensor rounded to float32."""
        from onnx import TensorProto

        return self.add("Cast", tensor, to=TensorProto.FLOAT)

    def columns(self, tensor: str, chosen: list[int]) -> str:
        """Some columns of [N, K], as [N, len(chosen)]."""
        return self.add("Gather", tensor, self.constant(np.array(chosen, dtype=np.int64)), axis=1)
