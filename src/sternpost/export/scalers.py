"""Scalers in ONNX with the same roundings as scikit-learn.

The converter's `Scaler` operator multiplies by a float32 reciprocal, so a scaled value can differ in its
last bit; a tree behind the scaler then sends rows near a threshold to another leaf. scikit-learn works in
place on a float32 array: each step is done in float32 or in float64 and rounded to float32. Which of the
two depends on the scaler and on the scikit-learn version, so it is found by trying.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sternpost.errors import ExportError
from sternpost.export.float32 import F32, F64

Step = tuple[str, F64]


def scaler_steps(scaler: Any) -> list[Step]:
    """The arithmetic of a fitted scaler as (ONNX operator, one float64 per column), in order."""
    name = type(scaler).__name__
    if name == "StandardScaler":
        wanted = [("Sub", scaler.mean_ if scaler.with_mean else None), ("Div", scaler.scale_)]
    elif name == "RobustScaler":
        wanted = [
            ("Sub", scaler.center_ if scaler.with_centering else None),
            ("Div", scaler.scale_ if scaler.with_scaling else None),
        ]
    elif name == "MinMaxScaler":
        wanted = [("Mul", scaler.scale_), ("Add", scaler.min_)]
    else:
        wanted = [("Div", scaler.scale_)]
    steps = [(op, np.asarray(values, dtype=np.float64)) for op, values in wanted if values is not None]
    if getattr(scaler, "clip", False):
        low, high = scaler.feature_range if name == "MinMaxScaler" else (-1.0, 1.0)
        columns = scaler.n_features_in_
        steps += [("Max", np.full(columns, low)), ("Min", np.full(columns, high))]
    return steps


def in_double(scaler: Any, steps: list[Step]) -> bool:
    """Whether this scikit-learn computes the steps in float64 before each rounding to float32."""
    rows = _trial_rows(scaler.n_features_in_, steps)
    expected = np.asarray(scaler.transform(rows.copy()))
    for double in (True, False):
        if expected.dtype == np.float32 and np.array_equal(_apply(rows, steps, double), expected):
            return double
    raise ExportError(
        f"{type(scaler).__name__}: its arithmetic is not the one known for this scikit-learn. "
        "Leave the scaler out (trees do not need one) or use another scaler."
    )


def _trial_rows(columns: int, steps: list[Step]) -> F32:
    scale = np.max([np.abs(values) for _, values in steps], axis=0, initial=1.0) if steps else np.ones(columns)
    rows = np.random.default_rng(0).normal(size=(64, columns)) * np.minimum(scale, 1e6)
    return rows.astype(np.float32)


def _apply(rows: F32, steps: list[Step], double: bool) -> F32:
    ufunc = {
        "Sub": np.subtract,
        "Div": np.divide,
        "Mul": np.multiply,
        "Add": np.add,
        "Max": np.maximum,
        "Min": np.minimum,
    }
    for op, values in steps:
        if double:
            rows = ufunc[op](rows.astype(np.float64), values).astype(np.float32)
        else:
            rows = ufunc[op](rows, values.astype(np.float32))
    return rows


def convert_scaler(scope: Any, operator: Any, container: Any) -> None:
    """A skl2onnx converter function for Standard, MinMax, MaxAbs and RobustScaler."""
    from onnx import TensorProto
    from skl2onnx.operator_converters.common import concatenate_variables

    scaler = operator.raw_operator
    steps = scaler_steps(scaler)
    double = in_double(scaler, steps)
    current = operator.inputs[0].full_name
    if len(operator.inputs) > 1:
        current = concatenate_variables(scope, operator.inputs, container)

    def emit(op: str, inputs: list[str], **attributes: Any) -> str:
        output: str = scope.get_unique_variable_name("scaled")
        container.add_node(op, inputs, [output], name=scope.get_unique_operator_name(op), **attributes)
        return output

    for op, values in steps:
        constant = scope.get_unique_variable_name("scaling")
        element = TensorProto.DOUBLE if double else TensorProto.FLOAT
        container.add_initializer(constant, element, [1, len(values)], values.tolist())
        if double:
            wide = emit("Cast", [current], to=TensorProto.DOUBLE)
            current = emit("Cast", [emit(op, [wide, constant])], to=TensorProto.FLOAT)
        else:
            current = emit(op, [current, constant])
    container.add_node("Identity", [current], [operator.outputs[0].full_name])
