"""Estimator -> ONNX graph, by skl2onnx with our converters in the places where the stock ones are inexact.

Guarantees: the estimator is not modified; skl2onnx's registry is as before when the call returns (its
entries are swapped for the time of one conversion, under a lock); every failure is an `ExportError` that
names the estimator and the next step. Whether the graph is *right* is not decided here: see `parity`.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sternpost.errors import ExportError
from sternpost.export import calibration, hist_gradient, lightgbm_model, scalers, voting, xgboost_model
from sternpost.export.known import advice
from sternpost.export.sklearn_trees import repaired

OPSET = 17
ML_OPSET = 3
_REGISTRY = threading.Lock()
# What skl2onnx may ask of a classifier from a library it does not know.
_ZIPMAP = {"zipmap": [True, False, "columns"], "nocl": [True, False], "output_class_labels": [False, True]}
_RAW = {"raw_scores": [True, False]}


def convert(estimator: Any, features: int, classes: tuple[str, ...] | None) -> Any:
    """An `onnx.ModelProto` with one float32 input [N, features] named "X".

    `classes`: the labels of a classifier, None for regression (a bare LightGBM Booster does not know).
    Raises `ExportError` when the estimator, or a part of it, has no converter or the converter gives up.
    """
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    if type(estimator).__name__ == "Booster":
        estimator = lightgbm_model.around_booster(estimator, classes)
    try:
        with _our_converters(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the converters' own code
            return convert_sklearn(
                estimator,
                name="model",
                initial_types=[("X", FloatTensorType([None, features]))],
                target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET},
            )
    except ExportError:
        raise
    except Exception as error:
        lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
        cause = lines[0][:300] if lines else type(error).__name__
        raise ExportError(
            f"{type(estimator).__name__} cannot be converted to ONNX: {type(error).__name__}: {cause} "
            f"{advice(estimator)}"
        ) from error


@contextmanager
def _our_converters() -> Iterator[None]:
    from skl2onnx import update_registered_converter
    from skl2onnx._supported_operators import sklearn_operator_name_map
    from skl2onnx.common._registration import get_converter

    with _REGISTRY:
        before = dict(sklearn_operator_name_map)
        try:
            for model, shapes, converter, options in _replacements():
                # A class that skl2onnx knows keeps the options of its stock converter.
                known = get_converter(before[model]).get_allowed_options() if model in before else None
                alias = f"Sternpost{model.__name__}"
                update_registered_converter(model, alias, shapes, converter, options=known or options)
            yield
        finally:
            sklearn_operator_name_map.clear()
            sklearn_operator_name_map.update(before)


Replacement = tuple[type, Callable[..., None], Callable[..., None], dict[str, Any] | None]


def _replacements() -> Iterator[Replacement]:
    """(estimator class, shape calculator, converter, options) for every library that is installed."""
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes as classes,
    )
    from skl2onnx.common.shape_calculator import (
        calculate_linear_regressor_output_shapes as value,
    )
    from skl2onnx.operator_converters import decision_tree, random_forest
    from skl2onnx.shape_calculators.scaler import calculate_sklearn_scaler_output_shapes as scaled
    from sklearn import calibration as calibrators
    from sklearn import ensemble, preprocessing, tree

    for name in ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler"):
        yield getattr(preprocessing, name), scaled, scalers.convert_scaler, None
    classifying = repaired(random_forest.convert_sklearn_random_forest_classifier)
    regressing = repaired(random_forest.convert_sklearn_random_forest_regressor_converter)
    for name in ("RandomForest", "ExtraTrees"):
        yield getattr(ensemble, f"{name}Classifier"), classes, classifying, None
        yield getattr(ensemble, f"{name}Regressor"), value, regressing, None
    classifying = repaired(decision_tree.convert_sklearn_decision_tree_classifier)
    regressing = repaired(decision_tree.convert_sklearn_decision_tree_regressor)
    for name in ("DecisionTree", "ExtraTree"):
        yield getattr(tree, f"{name}Classifier"), classes, classifying, None
        yield getattr(tree, f"{name}Regressor"), value, regressing, None
    yield ensemble.HistGradientBoostingClassifier, classes, hist_gradient.convert, None
    yield ensemble.HistGradientBoostingRegressor, value, hist_gradient.convert, None
    yield calibrators.CalibratedClassifierCV, classes, calibration.convert, None
    yield ensemble.VotingClassifier, classes, voting.convert, None
    try:
        import lightgbm
    except ImportError:
        pass
    else:
        yield lightgbm.LGBMClassifier, classes, lightgbm_model.convert, _ZIPMAP | _RAW
        yield lightgbm.LGBMRegressor, value, lightgbm_model.convert, None
    try:
        import xgboost
    except ImportError:
        pass
    else:
        for name in ("XGBClassifier", "XGBRFClassifier"):
            yield getattr(xgboost, name), classes, xgboost_model.convert, _ZIPMAP
        for name in ("XGBRegressor", "XGBRFRegressor"):
            yield getattr(xgboost, name), value, xgboost_model.convert, None
