"""Rows exactly on a threshold go where the library sends them, and an export that rounds is caught.

The rows are made here, from each library's own dump of its trees; the oracle is the estimator.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from sternpost.errors import ParityError
from sternpost.export import export_model, hist_gradient, lightgbm_text
from sternpost.export.float32 import floor32
from tests.export.estimators import ROWS, SEED, answers, exported, fitted, make_rows
from tests.export.running import scores_of

NAMES = [
    "DecisionTreeRegressor",
    "RandomForestRegressor",
    "GradientBoostingRegressor",
    "HistGradientBoostingRegressor",
    "HistGradientBoostingClassifier-missing",
    "LGBMRegressor",
    "LGBMClassifier-multiclass",
    "XGBRegressor",
    "XGBClassifier-missing",
]


def nearest(values):
    return np.asarray(values, dtype=np.float64).astype(np.float32)


def lightgbm_pairs(node):
    if "threshold" in node:
        yield node["split_feature"], float(node["threshold"])
        yield from lightgbm_pairs(node["left_child"])
        yield from lightgbm_pairs(node["right_child"])


def xgboost_pairs(node):
    if "children" in node:
        yield int(node["split"][1:]), float(node["split_condition"])
        for child in node["children"]:
            yield from xgboost_pairs(child)


def pairs_of(estimator):
    """(column, float64 threshold) of every split."""
    if hasattr(estimator, "booster_"):
        trees = estimator.booster_.dump_model()["tree_info"]
        return [pair for tree in trees for pair in lightgbm_pairs(tree["tree_structure"])]
    if hasattr(estimator, "get_booster"):
        trees = map(json.loads, estimator.get_booster().get_dump(dump_format="json"))
        return [pair for tree in trees for pair in xgboost_pairs(tree)]
    if hasattr(estimator, "_predictors"):
        nodes = np.concatenate([tree.nodes for trees in estimator._predictors for tree in trees])
        return [(int(n["feature_idx"]), float(n["num_threshold"])) for n in nodes if not n["is_leaf"]]
    inside = [estimator] if hasattr(estimator, "tree_") else list(np.ravel(estimator.estimators_))
    return [
        (int(column), float(threshold))
        for each in inside
        for column, threshold in zip(each.tree_.feature, each.tree_.threshold, strict=True)
        if column >= 0
    ]


def rows_at_thresholds(estimator, seed):
    """For each split the nearest float32, and the five float32 values around it, in random rows."""
    columns, thresholds = zip(*pairs_of(estimator), strict=True)
    rng = np.random.default_rng(seed)
    found = []
    for steps in range(-2, 3):
        values = nearest(np.clip(thresholds, -1e38, 1e38))  # LightGBM writes infinity as 1e300
        for _ in range(abs(steps)):
            values = np.nextafter(values, np.float32(np.copysign(np.inf, steps)))
        rows = make_rows(len(columns), int(rng.integers(1 << 30)))
        rows[np.arange(len(rows)), columns] = values
        found.append(rows)
    return np.concatenate(found)


def misrouted(estimator, model, rows):
    """How many rows clearly got another leaf."""
    expected = answers(estimator, rows)
    return int((np.abs(expected - scores_of(model, rows)).max(axis=1) > 1e-5 * max(1.0, expected.std())).sum())


@pytest.mark.parametrize("name", NAMES)
def test_no_row_on_or_next_to_a_threshold_is_misrouted(name):
    estimator, _ = fitted(name)
    rows = rows_at_thresholds(estimator, SEED)
    count = misrouted(estimator, exported(name), rows)
    assert count == 0, f"{name}: {count} of {len(rows)} rows misrouted (seed {SEED})"


@pytest.mark.parametrize(
    ("name", "module", "function"),
    [
        ("HistGradientBoostingRegressor", hist_gradient, "floor32"),
        ("HistGradientBoostingClassifier-binary", hist_gradient, "floor32"),
        ("LGBMRegressor", lightgbm_text, "_snapped"),
        ("LGBMClassifier-multiclass", lightgbm_text, "_snapped"),
    ],
)
def test_gate_catches_thresholds_rounded_to_nearest(name, module, function, monkeypatch):
    estimator, reference = fitted(name)
    monkeypatch.setattr(module, function, (lambda t: float(nearest(t))) if function == "_snapped" else nearest)
    with pytest.raises(ParityError, match=r"family 'on_threshold'|family 'next_above'") as caught:
        export_model(estimator, reference)
    assert caught.value.worst.probed is not None
    lenient = export_model(estimator, reference, tolerance=1e6)
    assert misrouted(estimator, lenient, rows_at_thresholds(estimator, SEED)) > 0


def test_lightgbm_reads_tiny_values_as_zero():
    """A split at +-1e-35 is LightGBM's way to cut beside zero: values within count as zero."""
    estimator, _ = fitted("LGBMClassifier-forest")
    zero = np.float32(1e-35)
    tiny = np.concatenate([[0.0, -0.0, zero, -zero], np.nextafter([zero, -zero], np.float32([np.inf, -np.inf]))])
    rows = np.repeat(make_rows(ROWS, SEED), len(tiny), axis=0)
    for column in range(rows.shape[1]):
        changed = rows.copy()
        changed[:, column] = np.tile(tiny.astype(np.float32), ROWS)
        assert misrouted(estimator, exported("LGBMClassifier-forest"), changed) == 0, f"column {column}, seed {SEED}"


def test_probes_behind_a_pipeline_sit_on_both_sides_of_the_cut():
    from sternpost.export.cuts import collect
    from sternpost.export.probes import make_probes

    estimator, reference = fitted("Robust-GradientBoosting")
    (cuts,) = collect(estimator)
    probes = {each.family: each for each in make_probes(reference, [cuts], SEED)}
    left, right = probes["on_threshold"], probes["next_above"]
    before, after = cuts.seen(left.rows), cuts.seen(right.rows)
    at = np.arange(len(before)), left.columns  # a scaler keeps the columns' order
    values = {column: np.sort(cuts.thresholds[cuts.columns == column]) for column in range(reference.shape[1])}
    crossed = [
        np.searchsorted(values[column], a, side="left") != np.searchsorted(values[column], b, side="left")
        for column, a, b in zip(left.columns, before[at], after[at], strict=True)
    ]
    assert len(crossed) > 0.9 * len(cuts.columns)
    assert all(crossed), f"{crossed.count(False)} probes do not cross a cut (seed {SEED})"
    assert floor32(0.1) < 0.1
