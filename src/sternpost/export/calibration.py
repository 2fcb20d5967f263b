"""CalibratedClassifierCV: the steps scikit-learn takes for isotonic calibration, in double precision.

The stock converter takes the nearest threshold's value; scikit-learn clips the score to the outermost
thresholds and interpolates linearly. Here: count the thresholds at or below the score, take that segment's
start and slope, and interpolate. Classes are scored one against the rest and normalised, folds are averaged,
and only the mean is rounded to float32. What makes the answers agree is the score before it: `double_scores`.
Sigmoid calibration keeps the stock converter, except over a pipeline: there the stock one calibrates
probabilities where scikit-learn calibrates the decision function.

Why double precision: the map rises between plateaus with slopes of 1e2 to 7e4 (binary, 2,000 to 50,000 rows of
20 columns), and an answer may be off by 1e-5. An exact score that is only rounded to float32 moves a
probability by 1e-6 to 2.5e-5, so whether a model passes would be a matter of luck. With the
score in double the largest difference seen is 3e-8, the final rounding, for logistic regression on float64
columns, forests, histogram gradient boosting and LightGBM. Where the library itself scores in float32 (linear
models fitted on float32 columns, XGBoost) the last digit of the score decides: logistic regression is off by
8e-6 at 2,000 rows, 5e-5 at 20,000 and 2e-4 at 50,000, and scikit-learn asked row by row differs as much from
scikit-learn asked for all rows at once (3e-6, 1e-5, 2e-4). The gate refuses that, with the advice in `known`.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from sternpost.errors import ExportError
from sternpost.export.double_scores import double_scores, unwrapped
from sternpost.export.ending import Stand
from sternpost.export.plain_nodes import PlainNodes


def convert(scope: Any, operator: Any, container: Any) -> None:
    """A skl2onnx converter function for CalibratedClassifierCV. Raises `ExportError` for a fold that lacks a class."""
    from onnx import TensorProto
    from skl2onnx.common.utils_classifier import _finalize_converter_classes
    from skl2onnx.operator_converters import calibrated_classifier_cv as stock

    calibrated = operator.raw_operator
    folds_inside = [unwrapped(fold.estimator) for fold in calibrated.calibrated_classifiers_]
    over_steps = any(hasattr(inside, "steps") for inside in folds_inside)
    if calibrated.method != "isotonic" and not (calibrated.method == "sigmoid" and over_steps):
        stand = Stand(operator, container, _without_frozen(calibrated))
        stock.convert_sklearn_calibrated_classifier_cv(scope, stand, container)
        return
    plain = PlainNodes(scope, container)
    folds = [_fold(plain, operator, fold) for fold in calibrated.calibrated_classifiers_]
    total = folds[0]
    for fold in folds[1:]:
        total = plain.add("Add", total, fold)
    mean = plain.add("Div", total, plain.constant(np.array([float(len(folds))])))
    container.add_node(
        "Cast",
        [mean],
        [operator.outputs[1].full_name],
        name=scope.get_unique_operator_name("Cast"),
        to=TensorProto.FLOAT,
    )
    label = plain.add("ArgMax", mean, axis=1)
    _finalize_converter_classes(
        scope, label, operator.outputs[0].full_name, container, calibrated.classes_, TensorProto.FLOAT
    )


def _without_frozen(calibrated: Any) -> Any:
    twin = copy.copy(calibrated)
    twin.calibrated_classifiers_ = [copy.copy(fold) for fold in calibrated.calibrated_classifiers_]
    for fold in twin.calibrated_classifiers_:
        fold.estimator = unwrapped(fold.estimator)
    return twin


def _fold(plain: PlainNodes, operator: Any, fold: Any) -> str:
    """Double [N, K]: the probabilities of one fold's classifier and its calibrators."""
    if len(fold.estimator.classes_) != len(fold.classes):
        raise ExportError(
            f"CalibratedClassifierCV: a fold was trained on {len(fold.estimator.classes_)} of {len(fold.classes)} "
            "classes; use fewer folds, or stratified ones, so that each one sees every class"
        )
    scores = double_scores(plain, operator, fold.estimator)
    one = plain.constant(np.array([1.0]))
    if len(fold.classes) == 2:
        late = _mapped(plain, scores, fold.calibrators[0])
        return plain.add("Concat", plain.add("Sub", one, late), late, axis=1)
    each = [_mapped(plain, plain.columns(scores, [i]), one_class) for i, one_class in enumerate(fold.calibrators)]
    shares = plain.add("Concat", *each, axis=1)
    total = plain.add("ReduceSum", shares, plain.constant(np.array([1])), keepdims=1)
    zero = plain.constant(np.array([0.0]))
    nothing = plain.add("Equal", total, zero)
    divided = plain.add("Div", shares, plain.add("Where", nothing, one, total))
    return plain.add("Where", nothing, plain.constant(np.array([1.0 / len(each)])), divided)


def _mapped(plain: PlainNodes, scores: str, calibrator: Any) -> str:
    if hasattr(calibrator, "X_thresholds_"):
        return interpolated(plain, scores, calibrator)
    slope, offset = (plain.constant(np.array([-float(value)])) for value in (calibrator.a_, calibrator.b_))
    return plain.add("Sigmoid", plain.add("Add", plain.add("Mul", scores, slope), offset))


def interpolated(plain: PlainNodes, scores: str, calibrator: Any) -> str:
    """Double [N, 1] -> double [N, 1]: one fitted IsotonicRegression with out_of_bounds='clip'."""
    from onnx import TensorProto

    if calibrator.X_thresholds_.dtype == np.float32:  # then scikit-learn looks up a float32 score
        scores = plain.double(plain.single(scores))
    x = np.asarray(calibrator.X_thresholds_, dtype=np.float64)
    y = np.asarray(calibrator.y_thresholds_, dtype=np.float64)
    slopes = np.diff(y) / np.diff(x) if len(x) > 1 else np.zeros(1)
    ends = (np.array([float(end)]) for end in (calibrator.X_min_, calibrator.X_max_))
    low, high = (plain.constant(end) for end in ends)
    clipped = plain.add("Min", plain.add("Max", scores, low), high)
    inner = x[1:-1] if len(x) > 2 else np.array([np.inf])
    passed = plain.add("Cast", plain.add("GreaterOrEqual", clipped, plain.constant(inner)), to=TensorProto.INT64)
    segment = plain.add("ReduceSum", passed, plain.constant(np.array([1])), keepdims=1)
    start, slope, value = (plain.add("Gather", plain.constant(each), segment) for each in (x, slopes, y))
    return plain.add("Add", plain.add("Mul", plain.add("Sub", clipped, start), slope), value)
