"""XGBoost: the stock converter on a copy of the booster, and what it leaves out.

XGBoost adds up in float32 and starts from the base score. The stock converter adds the base at the end,
which for a target far from zero rounds differently in every row; so for regression the base becomes the
first tree, a single leaf, and the sum runs in XGBoost's own order.
"""

from __future__ import annotations

import copy
import json
import math
from typing import Any

from sternpost.export.ending import Stand, attribute, finish, tree_nodes, whole_numbers

_BEFORE_SIGMOID = ("reg:logistic",)


def convert(scope: Any, operator: Any, container: Any) -> None:
    """A skl2onnx converter function for XGBClassifier, XGBRegressor and their random-forest variants."""
    from onnxmltools.convert.xgboost.operator_converters import XGBoost as stock

    estimator = operator.raw_operator
    classifier = hasattr(estimator, "predict_proba")
    twin = copy.copy(estimator)
    twin._Booster = estimator.get_booster().copy()
    twin._Booster.feature_names = None  # the converter only understands f0, f1, ...
    objective = json.loads(twin._Booster.save_config())["learner"]["objective"]["name"]
    sigmoid = objective in _BEFORE_SIGMOID and not classifier
    raw = scope.get_unique_variable_name("raw") if sigmoid else None
    first = len(container.nodes)
    source = operator.inputs[0].full_name
    categorical = [i for i, kind in enumerate(estimator.get_booster().feature_types or []) if kind == "c"]
    if categorical:  # a code is rounded down; a negative one is no category
        source = whole_numbers(scope, operator, container, categorical, towards_zero=False)
    stock.convert_xgboost(scope, Stand(operator, container, twin, raw), container)
    for trees in tree_nodes(container, first):
        trees.input[0] = source
        base = attribute(trees, "base_values")
        if classifier or base is None or len(base.floats) != 1:
            continue
        if sigmoid:
            base.floats[0] = math.log(base.floats[0]) - math.log1p(-base.floats[0])
        _base_as_first_tree(trees)
    if raw is not None:
        finish(scope, operator, container, raw, ("Sigmoid",))


def _base_as_first_tree(trees: Any) -> None:
    base = attribute(trees, "base_values")
    value = base.floats[0]
    trees.attribute.remove(base)
    for name in ("nodes_treeids", "target_treeids"):
        ids = attribute(trees, name).ints
        ids[:] = [0, *(tree + 1 for tree in ids)]
    for name in ("nodes_nodeids", "nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids"):
        ids = attribute(trees, name).ints
        ids[:] = [0, *ids]
    for name in ("nodes_missing_value_tracks_true", "target_nodeids", "target_ids"):
        ids = attribute(trees, name).ints
        ids[:] = [0, *ids]
    modes = attribute(trees, "nodes_modes").strings
    modes[:] = [b"LEAF", *modes]
    for name, number in (("nodes_values", 0.0), ("target_weights", value)):
        numbers = attribute(trees, name).floats
        numbers[:] = [number, *numbers]
    hits = attribute(trees, "nodes_hitrates")
    if hits is not None:
        hits.floats[:] = [1.0, *hits.floats]
