"""Ready .onnx files: what is taken, what it is taken for, and what is refused with which words."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

from sternpost.errors import DataError, ExportError
from sternpost.export import export_model
from tests.export.estimators import COLUMNS, answers, fitted
from tests.export.running import scores_of

F = COLUMNS
REFERENCE = np.random.default_rng(3).normal(size=(40, F)).astype(np.float32)


def graph_of(nodes, inputs, outputs, constants=()):
    """Model bytes from (op, inputs, outputs, attributes) and (name, type, shape)."""
    made = [helper.make_node(op, i, o, **attributes) for op, i, o, attributes in nodes]
    values = [[helper.make_tensor_value_info(*each) for each in side] for side in (inputs, outputs)]
    arrays = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants]
    model = helper.make_model(
        helper.make_graph(made, "g", *values, arrays), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    model.producer_name, model.producer_version = "torch", "2.9"
    return model.SerializeToString()


def dense(width, *after, output=("y", TensorProto.FLOAT, ["n", None]), rows="n", features=F, weights=None):
    """A matrix product, then the operators in `after`, ending in `output`."""
    chain = ["m", *(f"a{i}" for i in range(len(after) - 1)), output[0]] if after else [output[0]]
    weights = (
        np.linspace(-1, 1, features * width, dtype=np.float32).reshape(features, width) if weights is None else weights
    )
    nodes = [("MatMul", ["X", "w"], [chain[0]], {})]
    nodes += [(op, [chain[i]], [chain[i + 1]], {}) for i, op in enumerate(after)]
    return graph_of(nodes, [("X", TensorProto.FLOAT, [rows, features])], [output], [("w", weights)])


def skl(name, zipmap=True, kind=FloatTensorType):
    estimator, _ = fitted(name)
    options = {} if not hasattr(estimator, "classes_") else {id(estimator): {"zipmap": zipmap}}
    model = convert_sklearn(estimator, initial_types=[("rows", kind([None, F]))], options=options, target_opset=17)
    return model.SerializeToString()


ACCEPTED = {
    # name: (bytes, kind, classes, outputs, positive)
    "dictionaries of a ZipMap": (
        lambda: skl("LogisticRegression-names"),
        "multiclass",
        ("high", "low", "middle"),
        3,
        None,
    ),
    "binary ZipMap": (lambda: skl("RandomForestClassifier-binary"), "binary", ("0", "1"), 2, 1),
    "tensor beside labels": (lambda: skl("DecisionTreeClassifier", False), "multiclass", ("0", "1", "2"), 3, None),
    "string labels": (lambda: skl("LogisticRegression-words", False), "binary", ("late", "on time"), 2, 1),
    "regressor": (lambda: skl("Ridge"), "regression", None, 1, None),
    "network, regression": (lambda: dense(1), "regression", None, 1, None),
    "network, sigmoid": (lambda: dense(1, "Sigmoid"), "binary", None, 1, 0),
    "network, sigmoid, squeezed": (lambda: dense(1, "Sigmoid", "Identity"), "binary", None, 1, 0),
    "network, softmax of two": (lambda: dense(2, "Softmax"), "binary", ("0", "1"), 2, 1),
    "network, softmax of four": (lambda: dense(4, "Softmax"), "multiclass", ("0", "1", "2", "3"), 4, None),
    "free feature dimension": (
        lambda: graph_of(
            [("ReduceSum", ["X", "axes"], ["y"], {"keepdims": 0})],
            [("X", TensorProto.FLOAT, ["n", "f"])],
            [("y", TensorProto.FLOAT, ["n"])],
            [("axes", np.array([1], dtype=np.int64))],
        ),
        "regression",
        None,
        1,
        None,
    ),
    "several outputs, one of them called probabilities": (
        lambda: graph_of(
            [("MatMul", ["X", "w"], ["logits"], {}), ("Softmax", ["logits"], ["probabilities"], {})],
            [("X", TensorProto.FLOAT, ["n", F])],
            [("logits", TensorProto.FLOAT, ["n", 3]), ("probabilities", TensorProto.FLOAT, ["n", 3])],
            [("w", np.eye(F, 3, dtype=np.float32))],
        ),
        "multiclass",
        ("0", "1", "2"),
        3,
        None,
    ),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name, tmp_path):
    make, kind, classes, outputs, positive = ACCEPTED[name]
    raw = make()
    (tmp_path / "model.onnx").write_bytes(raw)
    model = export_model(str(tmp_path / "model.onnx"), REFERENCE)
    spec = model.spec
    assert (spec.kind, spec.classes, spec.outputs, spec.positive) == (kind, classes, outputs, positive)
    assert (spec.features, model.parity, model.estimator) == (F, None, "onnx")
    assert scores_of(model, REFERENCE).shape == (len(REFERENCE), outputs)
    loaded = onnx.load_from_string(model.onnx)
    assert len(loaded.graph.output) == 1
    assert "ZipMap" not in {node.op_type for node in loaded.graph.node}
    for source in (raw, tmp_path / "model.onnx"):
        assert export_model(source, REFERENCE).onnx == model.onnx


@pytest.mark.parametrize(
    "name", ["LogisticRegression-names", "RandomForestClassifier-binary", "GradientBoostingRegressor"]
)
def test_scores_are_those_of_the_estimator_behind(name):
    estimator, rows = fitted(name)
    model = export_model(skl(name), rows)
    np.testing.assert_allclose(scores_of(model, rows), answers(estimator, rows), rtol=1e-5, atol=1e-5)


def test_a_matrix_product_is_exact_and_keeps_its_producer():
    model = export_model(dense(1), REFERENCE)
    weights = np.linspace(-1, 1, F, dtype=np.float32)
    np.testing.assert_allclose(scores_of(model, REFERENCE)[:, 0], REFERENCE @ weights, rtol=1e-5, atol=1e-6)
    assert model.library == "torch 2.9"
    assert model.feature_names == tuple(f"x{i}" for i in range(F))


def two_inputs():
    return graph_of(
        [("Add", ["a", "b"], ["y"], {})],
        [("a", TensorProto.FLOAT, ["n", F]), ("b", TensorProto.FLOAT, ["n", F])],
        [("y", TensorProto.FLOAT, ["n", F])],
    )


def only_labels():
    return graph_of(
        [("ArgMax", ["X"], ["label"], {"axis": 1})],
        [("X", TensorProto.FLOAT, ["n", F])],
        [("label", TensorProto.INT64, ["n", 1])],
    )


def two_scores():
    return graph_of(
        [("Relu", ["X"], ["a"], {}), ("Neg", ["X"], ["b"], {})],
        [("X", TensorProto.FLOAT, ["n", F])],
        [("a", TensorProto.FLOAT, ["n", F]), ("b", TensorProto.FLOAT, ["n", F])],
    )


def one_row_only():
    """Free by declaration, but reshaped to a single row inside."""
    return graph_of(
        [("Reshape", ["X", "one"], ["r"], {}), ("MatMul", ["r", "w"], ["y"], {})],
        [("X", TensorProto.FLOAT, ["n", F])],
        [("y", TensorProto.FLOAT, [None, 1])],
        [("one", np.array([1, F], dtype=np.int64)), ("w", np.ones((F, 1), dtype=np.float32))],
    )


def foreign_operator():
    model = onnx.load_from_string(dense(1))
    model.graph.node[0].domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    return model.SerializeToString()


def four_dimensions():
    return graph_of(
        [("GlobalAveragePool", ["X"], ["y"], {})],
        [("X", TensorProto.FLOAT, ["n", 1, 2, 3])],
        [("y", TensorProto.FLOAT, ["n", 1, 1, 1])],
    )


REFUSED = {
    # name: (bytes, what was found, what to do)
    "two inputs": (two_inputs, r"2 inputs \('a' float32 \[n, 6\], 'b' float32 \[n, 6\]\)", "concatenate the columns"),
    "double input": (lambda: skl("Ridge", kind=DoubleTensorType), r"'rows' float64 \[\?, 6\]", "FloatTensorType"),
    "image input": (four_dimensions, r"float32 \[n, 1, 2, 3\]", "two-dimensional"),
    "other width": (lambda: dense(1, features=9), "9 features, but the reference rows have 6", "in that order"),
    "fixed batch": (lambda: dense(1, rows=1), "only takes 1 rows at a time", "dynamic_axes"),
    "only labels": (
        only_labels,
        r"0 outputs that could be the score \('label' int64 \[n, 1\]\)",
        "Keep only the score",
    ),
    "two scores": (two_scores, r"2 outputs that could be the score", "name it 'probabilities'"),
    "several targets": (lambda: dense(3), r"3 columns that do not add up to one", "one target"),
    "one row inside": (one_row_only, r"cannot run the model on float32 \[40, 6\]", ""),
    "custom operator": (foreign_operator, "cannot load the model|not a valid ONNX model", ""),
    "truncated": (lambda: skl("Ridge")[:-40], "not an ONNX model|not a valid ONNX model", ""),
    "something else": (lambda: b"PK\x03\x04 a zip, not a model", "not an ONNX model", "an ONNX exporter"),
    "empty": (lambda: b"", "not an ONNX model", "an ONNX exporter"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    make, found, next_step = REFUSED[name]
    with pytest.raises(ExportError, match=found) as caught:
        export_model(make(), REFERENCE)
    assert next_step in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*nowhere\.onnx"):
        export_model(tmp_path / "nowhere.onnx", REFERENCE)


def test_weights_beside_the_file_are_taken_in(tmp_path):
    model = onnx.load_from_string(dense(1, weights=np.ones((F, 1), dtype=np.float32)))
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    taken = export_model(tmp_path / "m.onnx", REFERENCE)
    np.testing.assert_allclose(scores_of(taken, REFERENCE)[:, 0], REFERENCE.sum(axis=1), atol=1e-5)
