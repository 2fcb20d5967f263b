"""The gate notices a wrong model, names the worst row, and refuses what cannot be made right."""

from __future__ import annotations

import math
from functools import partial

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from sklearn import ensemble, linear_model
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from sternpost.errors import ExportError, ParityError
from sternpost.export import converters, export_model, scalers
from tests.export.estimators import COLUMNS, ROWS, SEED, answers, exported, fitted, make_rows, make_target
from tests.export.running import scores_of


def corrupted(monkeypatch, change):
    """Let every conversion pass through `change(tree node attributes by name)`."""
    real = converters.convert

    def convert(*arguments):
        model = real(*arguments)
        node = next(node for node in model.graph.node if node.op_type.startswith("TreeEnsemble"))
        change({attribute.name: attribute for attribute in node.attribute})
        return model

    monkeypatch.setattr(converters, "convert", convert)


def test_one_wrong_leaf_is_found_and_its_row_shown(monkeypatch):
    estimator, reference = fitted("HistGradientBoostingRegressor-quantile")
    names = [f"col{i}" for i in range(COLUMNS)]

    def change(attributes):
        attributes["target_weights"].floats[3] += 0.5

    corrupted(monkeypatch, change)
    with pytest.raises(ParityError) as caught:
        export_model(estimator, reference, feature_names=names)
    worst, text = caught.value.worst, str(caught.value)
    assert math.isclose(worst.difference, 0.5, rel_tol=1e-3)
    assert math.isclose(worst.expected, answers(estimator, np.float32([worst.row]))[0, 0], rel_tol=1e-12)
    for shown in ("HistGradientBoostingRegressor", worst.family, f"expected {worst.expected!r}", f"got {worst.got!r}"):
        assert shown in text
    assert f"allowed {worst.allowed:.3g}" in text
    assert f"col2={worst.row[2]!r}" in text


def test_the_smallest_wrong_leaf_that_counts_is_found(monkeypatch):
    """Twice what is allowed, in a single leaf of the last tree."""
    estimator, reference = fitted("LGBMClassifier-binary")
    corrupted(
        monkeypatch,
        lambda attributes: attributes["class_weights"].floats.append(attributes["class_weights"].floats.pop() + 2e-4),
    )
    with pytest.raises(ParityError, match=r"class '[01]' expected"):
        export_model(estimator, reference)


def test_a_wrong_direction_for_missing_values_is_found(monkeypatch):
    estimator, reference = fitted("XGBClassifier-binary")  # has seen no missing value in training

    def change(attributes):
        directions = attributes["nodes_missing_value_tracks_true"].ints
        directions[:] = [1 - direction for direction in directions]

    corrupted(monkeypatch, change)
    with pytest.raises(ParityError, match="family 'nan'"):
        export_model(estimator, reference)


def test_a_shifted_threshold_is_found(monkeypatch):
    """One threshold of one tree, by one float32: only rows made for it can tell."""
    estimator, reference = fitted("DecisionTreeRegressor")

    def change(attributes):
        values = attributes["nodes_values"].floats
        values[0] = float(np.nextafter(np.float32(values[0]), np.float32(np.inf)))

    corrupted(monkeypatch, change)
    with pytest.raises(ParityError, match="family 'next_above'") as caught:
        export_model(estimator, reference)
    column = int(estimator.tree_.feature[0])
    assert caught.value.worst.probed == f"x{column}"
    assert caught.value.worst.row[column] > estimator.tree_.threshold[0]


def test_stock_scaler_before_a_tree_is_found(monkeypatch):
    """The converter's own Scaler rounds differently; without ours the rows behind it tell."""
    from skl2onnx.operator_converters.scaler_op import convert_sklearn_scaler

    estimator, reference = fitted("Robust-GradientBoosting")
    monkeypatch.setattr(scalers, "convert_scaler", convert_sklearn_scaler)
    with pytest.raises(ParityError, match=r"family '(on_threshold|next_above|next_below)'"):
        export_model(estimator, reference)


def test_tolerance_is_the_callers_to_state():
    rows = make_rows(ROWS, SEED)
    target = make_target(rows, "regression") + 1e7  # float32 values are 1 apart there
    forest = RandomForestRegressor(5, random_state=0).fit(rows, target)
    with pytest.raises(ParityError, match="train on the target minus a constant"):
        export_model(forest, rows)
    model = export_model(forest, rows, tolerance=1.0)
    assert model.parity.allowed.tolerance == 1.0
    assert 0.01 < model.parity.max_rel <= 1.0
    with pytest.raises(ExportError, match="tolerance is -1"):
        export_model(forest, rows, tolerance=-1)


@pytest.mark.parametrize(("factor", "offset"), [(1.0, 0.0), (1e-6, 0.0), (1e6, 0.0), (1.0, 100.0)])
def test_allowed_difference_moves_with_the_unit_of_the_target(factor, offset):
    rows = make_rows(ROWS, SEED)
    target = make_target(rows, "regression") * factor + offset
    model = export_model(linear_model.LinearRegression().fit(rows, target), rows)
    assert math.isclose(model.parity.allowed.spread, answers_spread(rows, target), rel_tol=1e-6)
    assert model.parity.max_rel < 2e-6


@pytest.mark.parametrize("make", [lgb.LGBMRegressor, RandomForestRegressor])
def test_a_large_mean_costs_no_precision(make):
    """The mean is added once, at the end; carried through every sum it would eat a digit."""
    rows = make_rows(ROWS, SEED)
    target = make_target(rows, "regression")
    settings = {"n_estimators": 150, "max_depth": 5, "n_jobs": 1} | (
        {"verbose": -1} if make is lgb.LGBMRegressor else {}
    )
    near, far = (export_model(make(**settings).fit(rows, t), rows).parity for t in (target, target + 200))
    step = float(np.spacing(np.float32(200))) / far.allowed.spread  # the base and the result are rounded to it
    assert far.max_rel < near.max_rel + 1.2 * step, f"near {near.max_rel:.2g}, far {far.max_rel:.2g} (seed {SEED})"


def answers_spread(rows, target):
    return float(linear_model.LinearRegression().fit(rows, target).predict(rows).std())


def test_single_rows_that_differ_in_bits_are_counted():
    """Linear operators add up in another order for one row; trees do not."""
    assert exported("LinearRegression").parity.one_row.differ > 0
    trees = exported("HistGradientBoostingRegressor").parity.one_row
    assert (trees.differ, trees.max_abs) == (0, 0.0)
    assert trees.rows >= 500


_LGB = {"n_estimators": 10, "verbose": -1, "n_jobs": 1}
_XGB = {"n_estimators": 5, "n_jobs": 1}

# What the stock converters get wrong without a word, or not at all. Each must be right or refused.
REFUSED = {
    "norms before a tree": (
        lambda: make_pipeline(Normalizer(), ensemble.RandomForestClassifier(10, random_state=0)),
        "binary",
        "leave the Normalizer out",
    ),
    "zero as missing": (partial(lgb.LGBMRegressor, zero_as_missing=True, **_LGB), "regression", "write missing values"),
    "linear leaves": (partial(lgb.LGBMRegressor, linear_tree=True, **_LGB), "regression", "linear_tree=False"),
    "dart": (partial(xgb.XGBRegressor, booster="dart", **_XGB), "regression", "booster='gbtree'"),
    "gblinear": (partial(xgb.XGBRegressor, booster="gblinear", **_XGB), "regression", "linear model of scikit-learn"),
    "margins": (partial(xgb.XGBClassifier, objective="binary:logitraw", **_XGB), "binary", "binary:logistic"),
    "own missing value": (partial(xgb.XGBRegressor, missing=0.0, **_XGB), "regression", "missing values are not"),
    "init": (
        lambda: ensemble.GradientBoostingRegressor(init=linear_model.LinearRegression(), n_estimators=5),
        "regression",
        "leave init out",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_right_is_refused_with_a_next_step(name):
    make, task, next_step = REFUSED[name]
    rows = make_rows(ROWS, SEED)
    rows[:, 1] = np.round(rows[:, 1])  # zeros, for zero_as_missing
    with pytest.raises(ExportError, match=r"cannot|disagree|linear_tree") as caught:
        export_model(make().fit(rows, make_target(rows, task)), rows)
    assert next_step in str(caught.value)


def test_what_the_estimator_refuses_is_recorded_not_probed():
    linear = exported("Ridge").parity
    assert linear.refused_by_estimator == ("nan", "infinite")
    assert linear.rows["nan"] == linear.rows["infinite"] == 0
    assert exported("XGBRegressor").parity.refused_by_estimator == ()


def test_one_refused_column_does_not_hide_the_others():
    """The encoder refuses a category it has not seen, the imputer takes NaN."""
    report = exported("OneHot-strict-RandomForest").parity
    assert "random_corner:x4" in report.refused_by_estimator
    assert report.rows["nan"] > 0
    assert report.rows["random_corner"] > 200


def test_reference_is_sampled_and_seeded(monkeypatch):
    from sternpost.export import probes

    estimator, reference = fitted("HistGradientBoostingRegressor")
    monkeypatch.setattr(probes, "ROWS_PER_FAMILY", 50)
    reports = [export_model(estimator, reference, seed=seed).parity for seed in (1, 1, 2)]
    assert reports[0].to_json() == reports[1].to_json()
    assert reports[0].worst != reports[2].worst
    assert max(reports[0].rows.values()) <= 400
    assert reports[0].rows["reference"] == reports[0].rows["on_threshold"] == 50


def test_exported_bytes_stand_alone():
    model = exported("LGBMClassifier-categorical")
    rows = make_rows(50, 5)
    assert scores_of(model, rows).shape == (50, model.spec.outputs)
