"""The score of a classifier in double precision, as a calibrator sees it.

An isotonic map is steep: between two plateaus it can rise by a tenth over a gap of 1e-8. The usual float32
score, off by 1e-7, lands anywhere on such a rise, so the score is computed here as the library computes it:

1. linear models with float64 coefficients: the product in double;
2. forests, histogram gradient boosting and LightGBM: leaves added without rounding (`leaf_sums`), and the
   link (division, sigmoid, softmax) in double;
3. everything else: the usual converter, its float32 score widened. The parity gate decides whether that will do.

Steps before the classifier in a pipeline keep their converters.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sternpost.export import hist_gradient, lightgbm_model, lightgbm_text
from sternpost.export.ending import attribute, whole_numbers
from sternpost.export.leaf_sums import by_class, leaves_of, sum_leaves, take_trees
from sternpost.export.plain_nodes import PlainNodes

_FORESTS = ("RandomForestClassifier", "ExtraTreesClassifier", "DecisionTreeClassifier", "ExtraTreeClassifier")


def unwrapped(estimator: Any) -> Any:
    """The estimator inside FrozenEstimator and searches."""
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif type(estimator).__name__ == "FrozenEstimator":
            estimator = estimator.estimator
        else:
            return estimator


def double_scores(plain: PlainNodes, operator: Any, estimator: Any) -> str:
    """Double [N, K] scores of a fitted classifier on the operator's input; binary: [N, 1], of the second class.

    What scikit-learn calibrates: decision_function where there is one, else predict_proba.
    """
    source, last = _after_steps(plain.scope, operator.inputs, unwrapped(estimator))
    if type(last).__name__ in _FORESTS:
        return _forest(plain, operator, last, source)
    if type(last).__name__ == "HistGradientBoostingClassifier":
        return _hist_gradient(plain, operator, last, source)
    if type(last).__name__ == "LGBMClassifier":
        return _lightgbm(plain, operator, last, source)
    if type(last).__module__.startswith(("sklearn.linear_model", "sklearn.svm")) and hasattr(last, "coef_"):
        coefficients = np.asarray(last.coef_)
        if coefficients.dtype == np.float64 and coefficients.ndim == 2:
            product = plain.add("MatMul", plain.double(source.full_name), plain.constant(coefficients.T))
            return plain.add("Add", product, plain.constant(np.atleast_1d(np.float64(last.intercept_))))
    return _usual(plain, last, source)


def _after_steps(scope: Any, inputs: list[Any], estimator: Any) -> tuple[Any, Any]:
    """(the variable that the classifier of a pipeline reads, the classifier)."""
    from skl2onnx._parse import _parse_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    while hasattr(estimator, "steps"):
        for _, step in estimator.steps[:-1]:
            if hasattr(step, "transform"):
                inputs = _parse_sklearn(scope, step, inputs, custom_parsers=None)
        estimator = unwrapped(estimator.steps[-1][1])
    if len(inputs) > 1 or not isinstance(inputs[0].type, FloatTensorType):
        joined = scope.declare_local_operator("SklearnConcat")
        joined.inputs = inputs
        inputs = [scope.declare_local_variable("joined", FloatTensorType())]
        joined.outputs.append(inputs[0])
    return inputs[0], estimator


def _positive(estimator: Any) -> list[int]:
    count = len(estimator.classes_)
    return [1] if count == 2 else list(range(count))


def _forest(plain: PlainNodes, operator: Any, forest: Any, source: Any) -> str:
    from skl2onnx.operator_converters import decision_tree, random_forest

    from sternpost.export.sklearn_trees import repaired

    alone = hasattr(forest, "tree_")
    stock = (
        decision_tree.convert_sklearn_decision_tree_classifier
        if alone
        else random_forest.convert_sklearn_random_forest_classifier
    )
    node = take_trees(plain, operator, forest, source, repaired(stock))
    trees, nodes = where = leaves_of(node)
    own = [forest.tree_] if alone else [each.tree_ for each in forest.estimators_]
    shares = np.array([own[tree].value[at, 0] for tree, at in zip(trees, nodes, strict=True)])
    total = sum_leaves(plain, node, source.full_name, where, shares[:, _positive(forest)])
    return total if alone else plain.add("Div", total, plain.constant(np.array([float(len(own))])))


def _hist_gradient(plain: PlainNodes, operator: Any, model: Any, source: Any) -> str:
    node = take_trees(plain, operator, model, source, hist_gradient.convert)
    trees, nodes = where = leaves_of(node)
    own = [tree.nodes for each in hist_gradient.prepared(model)._predictors for tree in each]
    values = np.array([own[tree]["value"][at] for tree, at in zip(trees, nodes, strict=True)], dtype=np.float64)
    classes = trees % model.n_trees_per_iteration_
    total = sum_leaves(plain, node, source.full_name, where, by_class(values, classes))
    return plain.add("Add", total, plain.constant(np.asarray(model._baseline_prediction, dtype=np.float64).ravel()))


def _lightgbm(plain: PlainNodes, operator: Any, model: Any, source: Any) -> str:
    from onnxmltools.convert.lightgbm.operator_converters import LightGbm as stock

    twin, rewritten = lightgbm_model.prepared(model)
    text, values = lightgbm_text.numbered_leaves(rewritten.text)
    raw_wanted = hasattr(model, "decision_function")  # of newer versions: the plain sum of leaves
    if raw_wanted:
        _, values = lightgbm_text.numbered_leaves(model.booster_.model_to_string())
    twin._Booster = lightgbm_model.booster_of(text)
    node = take_trees(plain, operator, twin, source, stock.convert_lightgbm)
    kind = "class" if node.op_type == "TreeEnsembleClassifier" else "target"
    trees, nodes = (np.array(attribute(node, f"{kind}_{name}").ints, dtype=np.int64) for name in ("treeids", "nodeids"))
    leaf = np.array(attribute(node, f"{kind}_weights").floats).astype(np.int64)
    exact = np.array([values[tree][at] for tree, at in zip(trees, leaf, strict=True)])
    name = source.full_name
    if rewritten.categorical:
        read = _Sized(source, model.n_features_in_)
        name = whole_numbers(plain.scope, read, plain.container, rewritten.categorical, towards_zero=True)
    several = len(model.classes_) > 2
    classes = trees % len(model.classes_) if several else np.zeros_like(trees)
    raw = sum_leaves(plain, node, name, (trees, nodes), by_class(exact, classes))
    if raw_wanted:
        return raw
    if several and not rewritten.one_sigmoid_per_class:
        return plain.add("Softmax", raw, axis=1)
    return plain.add("Sigmoid", raw)


class _Sized:
    """What `whole_numbers` asks of an operator, for an input whose width the converter library may not know."""

    def __init__(self, source: Any, width: int) -> None:
        self.inputs = [self]
        self.full_name = source.full_name
        self._width = width

    def get_second_dimension(self) -> int:
        return self._width


def _usual(plain: PlainNodes, estimator: Any, source: Any) -> str:
    from skl2onnx._supported_operators import sklearn_operator_name_map
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType

    if hasattr(estimator, "decision_function"):
        for options in (plain.container, plain.scope):
            options.add_options(id(estimator), {"raw_scores": True})
    inner = plain.scope.declare_local_operator(sklearn_operator_name_map[type(estimator)], estimator)
    inner.inputs = [source]
    inner.outputs.append(plain.scope.declare_local_variable("label", Int64TensorType()))
    scores = plain.scope.declare_local_variable("scores", FloatTensorType())
    inner.outputs.append(scores)
    return plain.double(plain.columns(scores.full_name, _positive(estimator)))
