"""Isotonic calibration exports and agrees to the last float32 digit; where float32 cannot decide, it is refused."""

from __future__ import annotations

from functools import cache, partial

import lightgbm as lgb
import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sternpost.errors import ExportError, ParityError
from sternpost.export import calibration, double_scores, export_model
from sternpost.export.leaf_sums import pieces
from tests.export.estimators import CODES, SEED, make_rows, make_target
from tests.export.running import scores_of

LAST_DIGIT = 6e-8  # half a step of a float32 just below 1, and the same again for 1 - p
_LGB = {"n_estimators": 10, "num_leaves": 6, "verbose": -1, "n_jobs": 1}
_HIST = {"max_iter": 8, "max_leaf_nodes": 8, "random_state": 0}
_FOREST = {"n_estimators": 10, "min_samples_leaf": 4, "random_state": 0}

BASES = {
    "logistic": LogisticRegression,
    "logistic behind a scaler": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "support vectors": LinearSVC,
    "forest": partial(RandomForestClassifier, **_FOREST),
    "extra trees": partial(ExtraTreesClassifier, **_FOREST),
    "tree": partial(DecisionTreeClassifier, min_samples_leaf=4, random_state=0),
    "boosting": partial(HistGradientBoostingClassifier, **_HIST),
    "boosting with categories": partial(HistGradientBoostingClassifier, categorical_features=[CODES], **_HIST),
    "lightgbm": partial(lgb.LGBMClassifier, **_LGB),
    "lightgbm behind a scaler": lambda: make_pipeline(StandardScaler(), lgb.LGBMClassifier(**_LGB)),
    "lightgbm with a slope": partial(lgb.LGBMClassifier, sigmoid=0.5, **_LGB),
    "lightgbm forest": partial(lgb.LGBMClassifier, boosting_type="rf", bagging_freq=1, bagging_fraction=0.6, **_LGB),
}


@cache
def data(task):
    """(float32 rows, noisy target): plateaus at all heights, some of them a hair apart."""
    rows = make_rows(1_000, SEED)
    noise = np.random.default_rng(SEED).normal(size=len(rows)) * 6
    value = make_target(rows, "regression") + noise
    return rows, np.digitize(value, [0.0] if task == "binary" else [-4.0, 4.0])


@pytest.mark.parametrize(("task", "ensemble"), [("binary", True), ("multiclass", False)])
@pytest.mark.parametrize("base", BASES)
def test_agrees_to_the_last_digit(base, task, ensemble):
    rows, target = data(task)
    calibrated = CalibratedClassifierCV(BASES[base](), method="isotonic", cv=2, ensemble=ensemble)
    calibrated.fit(rows.astype(np.float64), target)
    model = export_model(calibrated, rows)
    assert model.parity.max_abs < LAST_DIGIT
    assert model.parity.one_row.max_abs < LAST_DIGIT
    fresh = make_rows(500, SEED + 1)
    gap = np.abs(calibrated.predict_proba(fresh) - scores_of(model, fresh)).max()
    assert gap < LAST_DIGIT, f"{base}: off by {gap:.3g} (seed {SEED + 1})"


@pytest.mark.parametrize(
    ("task", "settings"),
    [("binary", {"sigmoid": 2.0}), ("multiclass", {}), ("multiclass", {"objective": "multiclassova"})],
)
def test_lightgbm_that_only_gives_probabilities(task, settings, monkeypatch):
    """Older versions have no decision_function, so the probabilities are what is calibrated."""
    monkeypatch.delattr(lgb.LGBMClassifier, "decision_function", raising=False)
    rows, target = data(task)
    base = lgb.LGBMClassifier(**_LGB, **settings)
    calibrated = CalibratedClassifierCV(base, method="isotonic", cv=2, ensemble=False).fit(rows, target)
    assert export_model(calibrated, rows).parity.max_abs < LAST_DIGIT


@pytest.mark.parametrize("method", ["isotonic", "sigmoid"])
@pytest.mark.parametrize("base", ["logistic behind a scaler", "forest"])
def test_frozen_estimator_and_text_classes(base, method):
    rows, target = data("binary")
    words = np.array(["late", "on time"])[target]
    frozen = FrozenEstimator(BASES[base]().fit(rows[:700].astype(np.float64), words[:700]))
    calibrated = CalibratedClassifierCV(frozen, method=method).fit(rows[700:].astype(np.float64), words[700:])
    model = export_model(calibrated, rows)
    assert model.spec.classes == ("late", "on time")
    assert model.parity.max_abs < (LAST_DIGIT if method == "isotonic" else 2e-7)


def test_a_calibrator_that_learned_nothing():
    """One score for every row: a map of a single point."""
    rows, target = data("binary")
    tree = FrozenEstimator(DecisionTreeClassifier(max_leaf_nodes=2, random_state=0).fit(rows, target))
    same = rows[rows[:, tree.tree_.feature[0]] <= tree.tree_.threshold[0]]
    calibrated = CalibratedClassifierCV(tree, method="isotonic").fit(same, np.arange(len(same)) % 2)
    assert len(calibrated.calibrated_classifiers_[0].calibrators[0].X_thresholds_) == 1
    assert export_model(calibrated, rows).parity.max_abs < LAST_DIGIT


def test_the_double_score_is_what_makes_it_agree(monkeypatch):
    rows, target = data("binary")
    calibrated = CalibratedClassifierCV(BASES["boosting"](), method="isotonic", cv=2).fit(rows, target)
    exact = export_model(calibrated, rows).parity.max_abs

    def rounded(plain, *arguments):
        return plain.double(plain.single(double_scores.double_scores(plain, *arguments)))

    monkeypatch.setattr(calibration, "double_scores", rounded)
    assert export_model(calibrated, rows, tolerance=1.0).parity.max_abs > 3 * exact


def test_scores_that_the_library_rounds_to_float32_are_refused_in_plain_words():
    """The same model, fitted on float64 columns, is exact."""
    rows = make_rows(40_000, SEED)
    noise = np.random.default_rng(SEED).normal(size=len(rows)) * 6
    target = (make_target(rows, "regression") + noise > 0).astype(int)
    calibrated = CalibratedClassifierCV(LogisticRegression(), method="isotonic", cv=2, ensemble=False)
    with pytest.raises(ParityError, match="scores in float32 in its own library") as caught:
        export_model(calibrated.fit(rows, target), rows)
    for words in ("method='sigmoid'", "longer plateaus", "tolerance=", "float64 columns"):
        assert words in str(caught.value)
    assert export_model(calibrated, rows, tolerance=0.05).parity.max_abs > 1e-5
    assert export_model(calibrated.fit(rows.astype(np.float64), target), rows).parity.max_abs < LAST_DIGIT


def test_a_fold_that_lacks_a_class_is_refused():
    rows, target = data("multiclass")
    calibrated = CalibratedClassifierCV(LogisticRegression(), method="isotonic", cv=2).fit(rows, target)
    calibrated.calibrated_classifiers_[0].estimator = LogisticRegression().fit(rows, target > 0)
    with pytest.raises(ExportError, match="2 of 3 classes; use fewer folds"):
        calibration._fold(None, None, calibrated.calibrated_classifiers_[0])


def test_pieces_add_up_without_rounding():
    rng = np.random.default_rng(SEED)
    trees = np.repeat(np.arange(300), 31)
    values = rng.normal(size=(len(trees), 2)) * [1.0, 1e-6]
    cut = pieces(trees, values)
    chosen = np.arange(300) * 31 + rng.integers(0, 31, 300)
    total = np.zeros(2)
    for piece in reversed(cut):
        assert np.array_equal(piece, piece.astype(np.float32))
        order = rng.permutation(chosen)
        summed = np.cumsum(piece[order].astype(np.float32), axis=0, dtype=np.float32)[-1]
        assert np.array_equal(summed, piece[chosen].sum(axis=0))
        total += summed
    assert np.abs(total - values[chosen].sum(axis=0)).max() < 1e-15 * 300 * np.abs(values).max()


@pytest.mark.parametrize("weights", [None, [1, 3]])
def test_soft_vote(weights):
    rows, target = data("multiclass")
    members = [("linear", BASES["logistic behind a scaler"]()), ("trees", BASES["boosting"]())]
    vote = VotingClassifier([*members, ("none", "drop")], voting="soft", weights=weights and [*weights, 9])
    assert export_model(vote.fit(rows, target), rows).parity.max_abs < 1e-6
