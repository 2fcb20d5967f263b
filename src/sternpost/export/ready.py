"""Takes an .onnx file made elsewhere: finds its float32 matrix input and its score output.

Accepted: exactly one input, a float32 tensor [N, F] (N free), and one score output: a float32 tensor
[N, K], or the dictionaries of a ZipMap, which are undone. A label output beside it is left out. Everything
else is refused by an `ExportError` that says what was found and how to export the model again.

What the scores mean: class labels (from a ZipMap or a classifier node), a label output, or rows that add
up to one make it a classifier; a single Sigmoid column is a binary probability; any other single column is
a regression value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sternpost.errors import DataError, ExportError
from sternpost.export import graph
from sternpost.export.float32 import F32
from sternpost.export.runtime import OnnxRuntime
from sternpost.export.spec import ModelSpec

_PREFERRED = ("probabilities", "output_probability", "probability", "probs", "scores", "score")
_TRIED = 256


def take_ready(source: Path | bytes, rows: F32) -> tuple[bytes, ModelSpec, str]:
    """(ONNX bytes, spec, producer). `rows`: float32 [n, F], run once to see what comes out.

    Raises `ExportError` for a model that cannot be used, `DataError` when the file cannot be read.
    """
    model = _load(source)
    features = _matrix_input(model, rows.shape[1])
    output = _score_output(model)
    tensor, zipped = graph.without_zipmap(model, output)
    has_label = len(model.graph.output) > 1
    labels = zipped if zipped is not None else _labels_of_classifier(model, tensor)
    meaning = _Meaning(labels, has_label, _ends_in_sigmoid(model, tensor))
    if tensor != output or has_label:
        graph.only_output(model, tensor, None)
    onnx = bytes(model.SerializeToString(deterministic=True))
    runtime = OnnxRuntime(onnx, features, tensor)
    scores = _batch_is_free(runtime, rows[:_TRIED])
    spec = _spec((features, tensor), rows.shape[1], scores, meaning)
    producer = " ".join(part for part in (model.producer_name, model.producer_version) if part)
    return onnx, spec, producer or "onnx"


@dataclass(frozen=True)
class _Meaning:
    """What the graph itself says about its scores."""

    labels: tuple[str, ...] | None
    has_label: bool
    sigmoid: bool


def _load(source: Path | bytes) -> Any:
    import onnx

    where = "the bytes" if isinstance(source, bytes) else str(source)
    try:
        # onnx.load also brings in weights that lie in files beside the model.
        model = onnx.load_from_string(source) if isinstance(source, bytes) else onnx.load(source)
    except OSError as error:
        raise DataError(f"cannot read {where}: {error.strerror or error}") from error
    except Exception as error:
        raise ExportError(f"{where} is not an ONNX model: {error}. Give a file written by an ONNX exporter.") from error
    if not model.graph.node or not model.graph.output:
        raise ExportError(
            f"{where} is not an ONNX model with nodes and outputs; give a file written by an ONNX exporter"
        )
    try:
        onnx.checker.check_model(model)
    except Exception as error:
        first = next(iter(str(error).strip().splitlines()), "")
        raise ExportError(f"{where} is not a valid ONNX model: {first} Export it again.") from error
    return model


def _type_of(value: Any) -> str:
    """A tensor type as people write it: "float32 [N, 5]", "sequence", ..."""
    from onnx import helper

    if not value.type.HasField("tensor_type"):
        return str(value.type.WhichOneof("value")).removesuffix("_type")
    tensor = value.type.tensor_type
    shape = ", ".join(
        dim.dim_param or (str(dim.dim_value) if dim.HasField("dim_value") else "?") for dim in tensor.shape.dim
    )
    try:
        name = helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    except KeyError:
        name = "untyped"
    return f"{'string' if name == 'object' else name} [{shape}]"


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(f"{value.name!r} {_type_of(value)}" for value in values) or "none"


def _matrix_input(model: Any, width: int) -> str:
    from onnx import TensorProto

    constants = {item.name for item in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1:
        raise ExportError(
            f"the model has {len(inputs)} inputs ({_listed(inputs)}); expected one float32 matrix [N, {width}]. "
            "Export it with a single input: concatenate the columns first, "
            f"e.g. skl2onnx initial_types=[('X', FloatTensorType([None, {width}]))]."
        )
    found = inputs[0]
    tensor = found.type.tensor_type
    if not found.type.HasField("tensor_type") or tensor.elem_type != TensorProto.FLOAT:
        raise ExportError(
            f"the model's input is {_listed(inputs)}; expected float32 [N, {width}], because the engine hands over "
            "float32. Export it for float32, e.g. FloatTensorType in skl2onnx, model.float() in PyTorch."
        )
    dims = tensor.shape.dim
    if len(dims) != 2:
        raise ExportError(
            f"the model's input is {_listed(inputs)}; expected a matrix float32 [N, {width}], one row per case. "
            "Export it with a two-dimensional input."
        )
    if dims[1].HasField("dim_value") and dims[1].dim_value != width:
        raise ExportError(
            f"the model's input is {_listed(inputs)}: {dims[1].dim_value} features, but the reference rows have "
            f"{width}. Give the features the model was trained on, in that order."
        )
    if dims[0].HasField("dim_value"):
        raise ExportError(
            f"the model's input is {_listed(inputs)}: it only takes {dims[0].dim_value} rows at a time. "
            "Export it with a free first dimension (dynamic_axes in PyTorch, None in skl2onnx)."
        )
    return str(found.name)


def _score_output(model: Any) -> str:
    from onnx import TensorProto

    outputs = list(model.graph.output)

    def usable(value: Any) -> bool:
        if not value.type.HasField("tensor_type"):
            return bool(graph.without_zipmap(model, value.name)[0] != value.name)
        tensor = value.type.tensor_type
        return bool(tensor.elem_type == TensorProto.FLOAT and len(tensor.shape.dim) <= 2)

    scores = [value for value in outputs if usable(value)]
    if len(scores) > 1:
        scores = (
            [next((v for name in _PREFERRED for v in scores if v.name == name), None)] if _named(scores) else scores
        )
    if len(scores) != 1:
        raise ExportError(
            f"the model has {len(scores)} outputs that could be the score ({_listed(outputs)}); expected one float32 "
            f"tensor [N, K]. Keep only the score, or name it {_PREFERRED[0]!r}."
        )
    return str(scores[0].name)


def _named(scores: list[Any]) -> bool:
    return any(value.name in _PREFERRED for value in scores)


def _labels_of_classifier(model: Any, tensor: str) -> tuple[str, ...] | None:
    """Class labels written in the classifier node that ends in `tensor`, through nodes that only reshape."""
    makers = {output: node for node in model.graph.node for output in node.output}
    while tensor in makers:
        node = makers[tensor]
        for attribute in node.attribute:
            if attribute.name in ("classlabels_int64s", "classlabels_ints") and attribute.ints:
                return tuple(str(label) for label in attribute.ints)
            if attribute.name == "classlabels_strings" and attribute.strings:
                return tuple(label.decode() for label in attribute.strings)
        if node.op_type not in ("Identity", "Cast", "Reshape", "Normalizer", "Squeeze"):
            return None
        tensor = node.input[0]
    return None


def _ends_in_sigmoid(model: Any, tensor: str) -> bool:
    makers = {output: node for node in model.graph.node for output in node.output}
    while tensor in makers and makers[tensor].op_type in ("Identity", "Reshape", "Squeeze", "Flatten", "Cast"):
        tensor = makers[tensor].input[0]
    return tensor in makers and makers[tensor].op_type == "Sigmoid"


def _batch_is_free(runtime: OnnxRuntime, rows: F32) -> F32:
    """Run all rows and the first one alone. Raises `ExportError` when the model only works for one of the two."""
    scores = runtime.batch(rows)
    runtime.batch(rows[:1])
    return scores


def _spec(names: tuple[str, str], features: int, scores: F32, found: _Meaning) -> ModelSpec:
    """What the scores mean. `names`: of input and output tensor; `scores`: those of some reference rows."""
    width, (source, tensor), labels = scores.shape[1], names, found.labels
    if width == 1:
        two = labels if labels is not None and len(labels) == 2 else None
        if two is None and not found.sigmoid:
            return ModelSpec("regression", None, source, tensor, features, 1, None)
        return ModelSpec("binary", two, source, tensor, features, 1, 0)
    finite = np.isfinite(scores).all(axis=1)
    sums = scores[finite].astype(np.float64).sum(axis=1)
    adds_up = bool(len(sums)) and bool(np.allclose(sums, 1.0, atol=1e-3))
    if labels is None and not found.has_label and not adds_up:
        raise ExportError(
            f"output {tensor!r} has {width} columns that do not add up to one and no class labels: several targets, "
            "or scores before the softmax. Export probabilities (one column per class), or one target."
        )
    if labels is None or len(labels) != width:
        labels = tuple(str(i) for i in range(width))
    if width == 2:
        return ModelSpec("binary", labels, source, tensor, features, 2, 1)
    return ModelSpec("multiclass", labels, source, tensor, features, width, None)
