"""HistGradientBoosting: thresholds on the float32 grid, categorical splits, and links.

All on a copy of the trees; the stock converter then writes the nodes. It knows nothing of categories, so
a categorical split becomes a chain of plain nodes "x == value", one per category of one side, that share
that side's subtree; the last one of the chain falls to the other side. The side of unknown and missing
values is never the one that is listed, because neither equals any category.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from sternpost.export.ending import Stand, attribute, finish, tree_nodes
from sternpost.export.float32 import floor32

_LINKS: dict[str, tuple[str, ...]] = {"poisson": ("Exp",), "gamma": ("Exp",)}
Nodes = npt.NDArray[np.void]


def convert(scope: Any, operator: Any, container: Any) -> None:
    """A skl2onnx converter function for HistGradientBoostingClassifier and -Regressor."""
    from skl2onnx.operator_converters import random_forest as stock

    estimator = operator.raw_operator
    twin = prepared(estimator)
    first = len(container.nodes)
    if hasattr(estimator, "classes_"):
        stand = Stand(operator, container, twin)
        stock.convert_sklearn_random_forest_classifier(scope, stand, container)
    else:
        link = _LINKS.get(estimator.loss, ())
        raw = scope.get_unique_variable_name("raw") if link else None
        stand = Stand(operator, container, twin, raw)
        stock.convert_sklearn_random_forest_regressor_converter(scope, stand, container)
        if raw is not None:
            finish(scope, operator, container, raw, link)
    for node in tree_nodes(container, first):
        _mark_equalities(node, twin)


def prepared(estimator: Any) -> Any:
    """A copy whose trees read the model's own columns and whose splits are exact in float32."""
    twin = copy.copy(estimator)
    columns, values = categories(estimator)
    twin._predictors = [[copy.copy(tree) for tree in trees] for trees in estimator._predictors]
    for trees in twin._predictors:
        for tree in trees:
            nodes = tree.nodes.copy()
            nodes["num_threshold"] = floor32(nodes["num_threshold"])
            if columns is not None:
                splits = nodes["is_leaf"] == 0
                nodes = _chains(nodes, np.asarray(tree.raw_left_cat_bitsets), values)
                splits = nodes["is_leaf"] == 0
                nodes["feature_idx"][splits] = columns[nodes["feature_idx"][splits]]
            tree.nodes = nodes
    return twin


def categories(estimator: Any) -> tuple[npt.NDArray[np.int64] | None, dict[int, npt.NDArray[np.float64]]]:
    """(model column of each column the trees see, values by code of each categorical one); (None, {}) without any.

    The estimator encodes categorical columns and puts them first; codes are positions in the list of values.
    """
    encoder = getattr(estimator, "_preprocessor", None)
    if encoder is None:
        return None, {}
    categorical = np.flatnonzero(estimator.is_categorical_)
    columns = np.concatenate([categorical, np.flatnonzero(~np.asarray(estimator.is_categorical_))])
    lists = encoder.named_transformers_["encoder"].categories_
    values = {i: np.asarray(each, dtype=np.float64) for i, each in enumerate(lists)}
    return columns, {i: each[~np.isnan(each)] for i, each in values.items()}


def _chains(nodes: Nodes, bitsets: npt.NDArray[np.uint32], values: dict[int, npt.NDArray[np.float64]]) -> Nodes:
    """Each categorical split as a chain of equalities; the first takes the split's place, the rest are appended."""
    added: list[np.void] = []
    for at in np.flatnonzero((nodes["is_categorical"] == 1) & (nodes["is_leaf"] == 0)):
        split = nodes[at].copy()
        listed = values[int(split["feature_idx"])]
        bits = bitsets[int(split["bitset_idx"])]
        goes_left = np.array([bool(bits[code // 32] >> np.uint32(code % 32) & 1) for code in range(len(listed))])
        left, right = int(split["left"]), int(split["right"])
        # List the side where missing values do not go.
        side, hit, miss = (~goes_left, right, left) if split["missing_go_to_left"] else (goes_left, left, right)
        # A side without any category gets one equality that nothing satisfies.
        wanted = listed[side].tolist() or [float("nan")]
        for i, value in enumerate(wanted):
            link = split.copy()
            following = len(nodes) + len(added) + (0 if i == 0 else 1)
            link["num_threshold"], link["missing_go_to_left"] = value, 0
            link["left"], link["right"] = hit, miss if i == len(wanted) - 1 else following
            if i == 0:
                nodes[at] = link
            else:
                added.append(link)
    return np.concatenate([nodes, np.array(added, dtype=nodes.dtype)]) if added else nodes


def _mark_equalities(node: Any, twin: Any) -> None:
    """The stock converter writes every split as "<="; put "==" where a chain was made."""
    trees = [tree for trees in twin._predictors for tree in trees]
    modes = attribute(node, "nodes_modes").strings
    where = zip(attribute(node, "nodes_treeids").ints, attribute(node, "nodes_nodeids").ints, strict=True)
    for i, (tree, split) in enumerate(where):
        if modes[i] != b"LEAF" and trees[tree].nodes["is_categorical"][split]:
            modes[i] = b"BRANCH_EQ"
