"""Lets a stock converter run on a prepared copy and write to another name, so that its graph can be finished.

skl2onnx forbids renaming an output once a node has written it, so the output is moved before the stock
converter runs.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np


class Stand:
    """An operator as a stock converter sees it: another estimator, and optionally another name for its output."""

    def __init__(self, operator: Any, container: Any, estimator: Any, output: str | None = None) -> None:
        self._operator = operator
        self.raw_operator = estimator
        if estimator is not operator.raw_operator:
            # Options, such as "raw scores, please" from a calibrator, are kept per object.
            for key, value in (container.options or {}).items():
                if key == id(operator.raw_operator):
                    container.add_options(id(estimator), dict(value))
                    break
            operator.raw_operator = estimator  # keeps the copy, and so its id, alive
        self.output_full_names = operator.output_full_names if output is None else [output]
        self.outputs = operator.outputs if output is None else [_Named(operator.outputs[0], output)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._operator, name)


class _Named:
    def __init__(self, variable: Any, full_name: str) -> None:
        self._variable = variable
        self.full_name = full_name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._variable, name)


def finish(scope: Any, operator: Any, container: Any, raw: str, operators: tuple[str, ...]) -> None:
    """Apply unary operators to tensor `raw` and write the operator's output; `Mul` also takes `raw`."""
    current = raw
    for i, op in enumerate(operators):
        last = i == len(operators) - 1
        following = operator.outputs[0].full_name if last else scope.get_unique_variable_name("linked")
        inputs = [current, raw] if op == "Mul" else [current]
        container.add_node(op, inputs, [following], name=scope.get_unique_operator_name(op))
        current = following


def attribute(node: Any, name: str) -> Any:
    """The attribute of a node, or None."""
    return next((item for item in node.attribute if item.name == name), None)


def tree_nodes(container: Any, first: int) -> list[Any]:
    """The tree ensembles among the nodes added since `first`."""
    return [node for node in container.nodes[first:] if node.op_type.startswith("TreeEnsemble")]


def centre_leaves(node: Any) -> None:
    """Move the mean of each tree's leaves into the base value, which the runtime adds last.

    Sums run in float32. Where every tree carries a part of a large mean (forests), or the first one carries all
    of it (LightGBM), the sum would be rounded to the steps of that mean at every tree instead of once.
    """
    from onnx import helper

    trees = np.array(attribute(node, "target_treeids").ints, dtype=np.int64)
    weights = np.array(attribute(node, "target_weights").floats, dtype=np.float64)
    means = np.bincount(trees, weights) / np.maximum(np.bincount(trees), 1)
    attribute(node, "target_weights").floats[:] = (weights - means[trees]).tolist()
    base = attribute(node, "base_values")
    if base is None:
        base = helper.make_attribute("base_values", [0.0])
        node.attribute.append(base)
        base = attribute(node, "base_values")
    base.floats[0] += float(means.sum())


def whole_numbers(scope: Any, operator: Any, container: Any, columns: Collection[int], *, towards_zero: bool) -> str:
    """A tensor like the operator's input with the fraction of `columns` dropped, as libraries do with category codes.

    Downwards, or towards zero; NaN and infinities stay.
    """
    from onnx import TensorProto

    def emit(op: str, *inputs: str) -> str:
        output: str = scope.get_unique_variable_name("whole")
        container.add_node(op, list(inputs), [output], name=scope.get_unique_operator_name(op))
        return output

    source = operator.inputs[0].full_name
    width = operator.inputs[0].get_second_dimension()
    mask: str = scope.get_unique_variable_name("categorical")
    container.add_initializer(mask, TensorProto.BOOL, [1, width], [i in columns for i in range(width)])
    if towards_zero:
        whole = emit("Mul", emit("Sign", source), emit("Floor", emit("Abs", source)))
    else:
        whole = emit("Floor", source)
    return emit("Where", mask, whole, source)
