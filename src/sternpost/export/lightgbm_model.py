"""LightGBM: the stock converter on a rewritten copy of the booster, and the links it leaves out."""

from __future__ import annotations

import copy
from typing import Any

from sternpost.export.ending import Stand, attribute, centre_leaves, finish, tree_nodes, whole_numbers
from sternpost.export.lightgbm_text import Rewritten, rewrite


def convert(scope: Any, operator: Any, container: Any) -> None:
    """A skl2onnx converter function for LGBMClassifier and LGBMRegressor."""
    from onnxmltools.convert.lightgbm.operator_converters import LightGbm as stock

    estimator = operator.raw_operator
    twin, rewritten = prepared(estimator)
    # A calibrator asks a classifier for the plain sum of leaves.
    asked = container.get_options(estimator, {"raw_scores": False}) if hasattr(estimator, "classes_") else {}
    raw = scope.get_unique_variable_name("raw") if rewritten.link else None
    first = len(container.nodes)
    source = operator.inputs[0].full_name
    if rewritten.categorical:  # a code is cut off towards zero, so that -0.5 counts as category 0
        source = whole_numbers(scope, operator, container, rewritten.categorical, towards_zero=True)
    stock.convert_lightgbm(scope, Stand(operator, container, twin, raw), container)
    for trees in tree_nodes(container, first):
        trees.input[0] = source
        if trees.op_type == "TreeEnsembleRegressor":
            centre_leaves(trees)
        if asked.get("raw_scores"):
            attribute(trees, "post_transform").s = b"NONE"
        elif rewritten.one_sigmoid_per_class:
            attribute(trees, "post_transform").s = b"LOGISTIC"
    if raw is not None:
        finish(scope, operator, container, raw, rewritten.link)


def prepared(estimator: Any) -> tuple[Any, Rewritten]:
    """A copy of the estimator around a rewritten booster, and what the rewriting left to do."""
    rewritten = rewrite(estimator.booster_.model_to_string())
    twin = copy.copy(estimator)
    twin._Booster = booster_of(rewritten.text)
    twin.boosting_type = "gbdt"  # a random forest's averaging is in the leaves now
    return twin, rewritten


def booster_of(text: str) -> Any:
    """A booster read from a text model."""
    import lightgbm

    return lightgbm.Booster(model_str=text)


def around_booster(booster: Any, classes: tuple[str, ...] | None) -> Any:
    """A scikit-learn style estimator around a bare Booster, for the converter to read."""
    import lightgbm
    import numpy as np

    estimator = lightgbm.LGBMRegressor() if classes is None else lightgbm.LGBMClassifier()
    estimator._Booster = booster
    estimator.fitted_ = True
    estimator._n_features = estimator._n_features_in = booster.num_feature()
    if classes is not None:
        estimator._classes = np.arange(len(classes))
        estimator._n_classes = len(classes)
    return estimator
