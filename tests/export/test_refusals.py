"""What is not an estimator to export is refused before any conversion, with value, place and next step."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sternpost.errors import ExportError
from sternpost.export import export_model
from tests.export.estimators import COLUMNS, ROWS, SEED, answers, fitted, make_rows, make_target

ROWS_ = make_rows(ROWS, SEED)
BINARY, VALUE = make_target(ROWS_, "binary"), make_target(ROWS_, "regression")
FRAME = pd.DataFrame(ROWS_, columns=list("abcdef"))


def by_name():
    columns = ColumnTransformer([("scaled", StandardScaler(), ["a", "b"])])
    return make_pipeline(columns, LogisticRegression()).fit(FRAME, BINARY)


def bare_xgboost():
    return xgb.train({}, xgb.DMatrix(ROWS_, VALUE), 1)


REFUSED = {
    "not an estimator": (lambda: 3, r"int has no predict\(\)"),
    "a class": (lambda: KernelDensity(), r"KernelDensity has no predict\(\)"),
    "not fitted, linear": (LogisticRegression, "not fitted"),
    "not fitted, LightGBM": (lgb.LGBMRegressor, "not fitted"),
    "not fitted, XGBoost": (xgb.XGBClassifier, "fit"),
    "no probabilities": (lambda: LinearSVC().fit(ROWS_, BINARY), "CalibratedClassifierCV"),
    "no probabilities, ridge": (lambda: RidgeClassifier().fit(ROWS_, BINARY), "CalibratedClassifierCV"),
    "two targets": (lambda: LinearRegression().fit(ROWS_, np.c_[VALUE, VALUE]), "one estimator per target"),
    "other width": (
        lambda: LinearRegression().fit(ROWS_[:, :4], VALUE),
        "fitted on 4 columns, the reference rows have 6",
    ),
    "columns by name": (by_name, "select columns by index"),
    "bare XGBoost": (bare_xgboost, r"XGBClassifier\(\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_estimator_is_refused(name):
    make, words = REFUSED[name]
    with pytest.raises(ExportError, match=words):
        export_model(make(), ROWS_)


@pytest.mark.parametrize(
    "reference",
    [ROWS_.astype(np.float64), ROWS_[0], ROWS_[:0], ROWS_[:, :0], np.array([["a"]])],
    ids=["float64", "one dimension", "no rows", "no columns", "text"],
)
def test_reference_is_refused(reference):
    estimator, _ = fitted("Ridge")
    with pytest.raises(ExportError, match=r"expected float32 \[rows, features\]"):
        export_model(estimator, reference)


def test_missing_extra_is_named(monkeypatch):
    estimator, rows = fitted("Ridge")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for model in (estimator, b"onnx"):
        with pytest.raises(ExportError, match=r"needs onnx.*sternpost\[train\]"):
            export_model(model, rows)


@pytest.mark.parametrize("names", [["a"], ["a"] * COLUMNS])
def test_feature_names_must_fit(names):
    estimator, rows = fitted("Ridge")
    with pytest.raises(ExportError, match="feature_names has"):
        export_model(estimator, rows, feature_names=names)


@pytest.mark.parametrize("make", [lgb.LGBMClassifier, xgb.XGBClassifier, LogisticRegression])
def test_fitted_on_a_frame_with_names(make):
    settings = {} if make is LogisticRegression else {"n_estimators": 5}
    estimator = make(**settings).fit(FRAME, BINARY)
    model = export_model(estimator, ROWS_)
    assert model.feature_names == tuple("abcdef")
    assert export_model(estimator, ROWS_, feature_names=tuple("uvwxyz")).feature_names == tuple("uvwxyz")


@pytest.mark.parametrize(
    ("objective", "task", "kind"),
    [
        ("binary", "binary", "binary"),
        ("multiclass", "multiclass", "multiclass"),
        ("regression", "regression", "regression"),
    ],
)
def test_bare_lightgbm_booster(objective, task, kind):
    settings = {"objective": objective, "verbose": -1, "num_class": 3 if kind == "multiclass" else 1}
    booster = lgb.train(settings, lgb.Dataset(ROWS_, make_target(ROWS_, task)), 5)
    model = export_model(booster, ROWS_)
    assert (model.spec.kind, model.estimator) == (kind, "Booster")
    assert model.parity.max_rel < 1e-5


@pytest.mark.filterwarnings("ignore:The argument 'eval_set'")
@pytest.mark.parametrize("make", [lgb.LGBMClassifier, xgb.XGBClassifier])
def test_early_stopped_model_uses_its_best_round(make):
    target = make_target(ROWS_, "multiclass")
    quiet = {"verbose": -1} if make is lgb.LGBMClassifier else {"early_stopping_rounds": 3}
    fit = {"callbacks": [lgb.early_stopping(3, verbose=False)]} if make is lgb.LGBMClassifier else {"verbose": False}
    estimator = make(n_estimators=200, n_jobs=1, **quiet)
    estimator.fit(ROWS_[100:], target[100:], eval_set=[(ROWS_[:100], target[:100][::-1])], **fit)
    model = export_model(estimator, ROWS_)
    assert model.parity.max_abs < 1e-6
    assert answers(estimator, ROWS_).shape == (ROWS, 3)
