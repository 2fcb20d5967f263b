"""The thresholds at which an estimator changes its mind, read from the estimator (not from the ONNX).

A categorical column gives its codes as thresholds, and one below and one above them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sternpost.export import lightgbm_text
from sternpost.export.float32 import F64
from sternpost.export.hist_gradient import categories
from sternpost.export.parts import Transform, leaves_with_inputs


@dataclass(frozen=True)
class Cuts:
    """Distinct (column, threshold) pairs of one set of trees, sorted. `seen` maps model rows to the trees' rows."""

    columns: npt.NDArray[np.int64]
    thresholds: F64
    seen: Transform | None


def collect(estimator: Any) -> list[Cuts]:
    """The cuts of all trees inside; empty for models without trees."""
    found = []
    for part, seen in leaves_with_inputs(estimator):
        pairs = sorted(set(_pairs(part)))
        if pairs:
            columns, thresholds = zip(*pairs, strict=True)
            found.append(Cuts(np.array(columns, dtype=np.int64), np.array(thresholds), seen))
    return found


def _pairs(part: Any) -> Iterator[tuple[int, float]]:
    if hasattr(part, "_predictors"):
        yield from _hist_gradient(part)
    elif type(part).__module__.startswith("lightgbm") and hasattr(part, "predict"):
        yield from lightgbm_text.cuts(getattr(part, "booster_", part).model_to_string())
    elif hasattr(part, "get_booster"):
        yield from _xgboost(part.get_booster())
    elif hasattr(part, "tree_"):
        yield from _tree(part.tree_)
    elif vars(part).get("estimators_") is not None:
        for inner in np.ravel(np.asarray(part.estimators_, dtype=object)):
            if hasattr(inner, "tree_"):
                yield from _tree(inner.tree_)


def _hist_gradient(estimator: Any) -> Iterator[tuple[int, float]]:
    columns, values = categories(estimator)
    for trees in estimator._predictors:
        for tree in trees:
            splits = tree.nodes[(tree.nodes["is_leaf"] == 0) & (tree.nodes["is_categorical"] == 0)]
            seen = splits["feature_idx"] if columns is None else columns[splits["feature_idx"]]
            yield from zip(seen.tolist(), splits["num_threshold"].tolist(), strict=True)
    if columns is not None:
        for i, known in values.items():
            yield from ((int(columns[i]), float(value)) for value in (-1.0, *known, np.max(known, initial=0.0) + 1.0))


def _tree(tree: Any) -> Iterator[tuple[int, float]]:
    splits = tree.children_left >= 0
    yield from zip(tree.feature[splits].tolist(), tree.threshold[splits].tolist(), strict=True)


def _xgboost(booster: Any) -> Iterator[tuple[int, float]]:
    model = json.loads(booster.save_raw(raw_format="json"))["learner"]["gradient_booster"]
    for tree in model.get("model", model.get("gbtree", {}).get("model", {})).get("trees", []):
        splits = zip(
            tree["split_indices"], tree["split_conditions"], tree["left_children"], tree["split_type"], strict=True
        )
        for column, threshold, left, categorical in splits:
            if left >= 0 and not categorical:
                yield int(column), float(np.float32(threshold))
        for node, column in ((node, tree["split_indices"][node]) for node in tree.get("categories_nodes", [])):
            at = tree["categories_nodes"].index(node)
            start = tree["categories_segments"][at]
            codes = tree["categories"][start : start + tree["categories_sizes"][at]]
            yield from ((int(column), float(code)) for code in (-1, *codes, max(codes, default=0) + 1))
