"""Fitted estimators for the export tests: one entry for every kind that the export promises to handle.

The data is small and nasty on purpose: normal columns, one of whole numbers, one rounded to a decimal (so
that rows sit on thresholds), and a variant with missing values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import lightgbm as lgb
import numpy as np
import xgboost as xgb
from sklearn import ensemble, linear_model, tree
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from sternpost.export import ExportedModel, export_model

SEED = 20261123
ROWS, COLUMNS = 400, 6
CODES = 4  # the column of whole numbers


def make_rows(count: int, seed: int, *, missing: bool = False) -> np.ndarray:
    """Float32 [count, 6]."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, COLUMNS)) * 3
    rows[:, CODES] = rng.integers(0, 6, count)
    rows[:, 5] = np.round(rows[:, 5], 1)
    if missing:
        rows[rng.random(rows.shape) < 0.08] = np.nan
    return rows.astype(np.float32)


def make_target(rows: np.ndarray, task: str) -> np.ndarray:
    """A target that every column but one has a say in."""
    full = np.nan_to_num(rows.astype(np.float64))
    noise = np.random.default_rng(SEED).normal(size=len(rows))
    value = full[:, 0] * 2 + np.sin(full[:, 1]) + (full[:, CODES] % 2) * 3 + full[:, 5] + noise * 0.3
    targets = {
        "regression": lambda: value,
        "positive": lambda: np.exp(value / 8),
        "far": lambda: value + 10_000.0,
        "share": lambda: 1 / (1 + np.exp(-value)),
        "binary": lambda: (value > 0).astype(int),
        "words": lambda: np.where(value > 0, "late", "on time"),
        "multiclass": lambda: np.digitize(value, [-3, 3]),
        "names": lambda: np.array(["low", "middle", "high"])[np.digitize(value, [-3, 3])],
    }
    return targets[task]()


@dataclass(frozen=True)
class Case:
    """How to make one estimator; `fit` are keyword arguments of its fit()."""

    make: Callable[[], Any]
    task: str
    missing: bool = False
    fit: tuple[tuple[str, Any], ...] = ()


def _with_codes(encoder: Any, last: Any) -> Any:
    columns = [("codes", encoder, [CODES]), ("rest", StandardScaler(), [0, 1, 2, 3, 5])]
    return make_pipeline(ColumnTransformer(columns), last)


_ENSEMBLE = {"n_estimators": 10, "random_state": 0}
_HIST = {"max_iter": 15, "random_state": 0}
_LGB: dict[str, Any] = {"n_estimators": 15, "num_leaves": 8, "verbose": -1, "random_state": 0, "n_jobs": 1}
_XGB: dict[str, Any] = {"n_estimators": 15, "max_depth": 4, "random_state": 0, "n_jobs": 1}
_RF = {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}
_CODE_TYPES = ["c" if i == CODES else "q" for i in range(COLUMNS)]

_linear = {
    "LinearRegression": Case(linear_model.LinearRegression, "regression"),
    "Ridge": Case(linear_model.Ridge, "regression"),
    "Lasso": Case(partial(linear_model.Lasso, alpha=0.1), "regression"),
    "ElasticNet": Case(partial(linear_model.ElasticNet, alpha=0.1), "regression"),
    "HuberRegressor": Case(partial(linear_model.HuberRegressor, max_iter=1000), "regression"),
    "BayesianRidge": Case(linear_model.BayesianRidge, "regression"),
    "PoissonRegressor": Case(linear_model.PoissonRegressor, "positive"),
    "LogisticRegression-binary": Case(linear_model.LogisticRegression, "binary"),
    "LogisticRegression-words": Case(linear_model.LogisticRegression, "words"),
    "LogisticRegression-multiclass": Case(linear_model.LogisticRegression, "multiclass"),
    "LogisticRegression-names": Case(linear_model.LogisticRegression, "names"),
    "SGDClassifier-binary": Case(partial(linear_model.SGDClassifier, loss="log_loss", random_state=0), "binary"),
    "SGDClassifier-multiclass": Case(
        partial(linear_model.SGDClassifier, loss="log_loss", random_state=0), "multiclass"
    ),
    "GridSearchCV": Case(lambda: GridSearchCV(linear_model.Ridge(), {"alpha": [0.1, 1.0]}), "regression"),
}

_trees = {
    "DecisionTreeClassifier": Case(partial(tree.DecisionTreeClassifier, random_state=0), "multiclass"),
    "DecisionTreeClassifier-missing": Case(partial(tree.DecisionTreeClassifier, random_state=0), "names", True),
    "DecisionTreeRegressor": Case(partial(tree.DecisionTreeRegressor, random_state=0), "regression"),
    "DecisionTreeRegressor-missing": Case(partial(tree.DecisionTreeRegressor, random_state=0), "regression", True),
    "RandomForestClassifier-binary": Case(partial(ensemble.RandomForestClassifier, **_ENSEMBLE), "binary"),
    "RandomForestClassifier-names": Case(partial(ensemble.RandomForestClassifier, **_ENSEMBLE), "names"),
    "RandomForestClassifier-missing": Case(partial(ensemble.RandomForestClassifier, **_ENSEMBLE), "multiclass", True),
    "RandomForestRegressor": Case(partial(ensemble.RandomForestRegressor, **_ENSEMBLE), "regression"),
    "RandomForestRegressor-missing": Case(partial(ensemble.RandomForestRegressor, **_ENSEMBLE), "regression", True),
    "ExtraTreesClassifier": Case(partial(ensemble.ExtraTreesClassifier, **_ENSEMBLE), "multiclass"),
    "ExtraTreesRegressor": Case(partial(ensemble.ExtraTreesRegressor, **_ENSEMBLE), "regression"),
    "GradientBoostingClassifier-binary": Case(partial(ensemble.GradientBoostingClassifier, **_ENSEMBLE), "binary"),
    "GradientBoostingClassifier-multiclass": Case(
        partial(ensemble.GradientBoostingClassifier, **_ENSEMBLE), "multiclass"
    ),
    "GradientBoostingClassifier-exponential": Case(
        partial(ensemble.GradientBoostingClassifier, loss="exponential", **_ENSEMBLE), "binary"
    ),
    "GradientBoostingRegressor": Case(partial(ensemble.GradientBoostingRegressor, **_ENSEMBLE), "regression"),
    "GradientBoostingRegressor-huber": Case(
        partial(ensemble.GradientBoostingRegressor, loss="huber", **_ENSEMBLE), "regression"
    ),
    "AdaBoostClassifier": Case(partial(ensemble.AdaBoostClassifier, **_ENSEMBLE), "binary"),
    "BaggingRegressor-columns": Case(
        lambda: ensemble.BaggingRegressor(tree.DecisionTreeRegressor(), 5, max_features=0.5, random_state=0),
        "regression",
    ),
}

_hist = {
    "HistGradientBoostingClassifier-binary": Case(partial(ensemble.HistGradientBoostingClassifier, **_HIST), "binary"),
    "HistGradientBoostingClassifier-missing": Case(
        partial(ensemble.HistGradientBoostingClassifier, **_HIST), "multiclass", True
    ),
    "HistGradientBoostingClassifier-names": Case(partial(ensemble.HistGradientBoostingClassifier, **_HIST), "names"),
    "HistGradientBoostingClassifier-categorical": Case(
        partial(ensemble.HistGradientBoostingClassifier, categorical_features=[CODES], **_HIST), "multiclass", True
    ),
    "HistGradientBoostingRegressor": Case(partial(ensemble.HistGradientBoostingRegressor, **_HIST), "regression", True),
    "HistGradientBoostingRegressor-poisson": Case(
        partial(ensemble.HistGradientBoostingRegressor, loss="poisson", **_HIST), "positive", True
    ),
    "HistGradientBoostingRegressor-gamma": Case(
        partial(ensemble.HistGradientBoostingRegressor, loss="gamma", **_HIST), "positive"
    ),
    "HistGradientBoostingRegressor-quantile": Case(
        partial(ensemble.HistGradientBoostingRegressor, loss="quantile", quantile=0.3, **_HIST), "regression"
    ),
    "HistGradientBoostingRegressor-categorical": Case(
        partial(ensemble.HistGradientBoostingRegressor, categorical_features=[CODES], **_HIST), "regression", True
    ),
}

_lightgbm = {
    "LGBMClassifier-binary": Case(partial(lgb.LGBMClassifier, **_LGB), "binary"),
    "LGBMClassifier-missing": Case(partial(lgb.LGBMClassifier, **_LGB), "words", True),
    "LGBMClassifier-multiclass": Case(partial(lgb.LGBMClassifier, **_LGB), "multiclass", True),
    "LGBMClassifier-one-vs-all": Case(
        partial(lgb.LGBMClassifier, objective="multiclassova", sigmoid=0.5, **_LGB), "multiclass"
    ),
    "LGBMClassifier-sigmoid": Case(partial(lgb.LGBMClassifier, sigmoid=2.0, **_LGB), "binary"),
    "LGBMClassifier-forest": Case(partial(lgb.LGBMClassifier, **_RF, **_LGB), "binary"),
    "LGBMClassifier-forest-multiclass": Case(partial(lgb.LGBMClassifier, **_RF, **_LGB), "multiclass"),
    "LGBMClassifier-categorical": Case(
        partial(lgb.LGBMClassifier, **_LGB), "binary", True, (("categorical_feature", [CODES]),)
    ),
    "LGBMRegressor": Case(partial(lgb.LGBMRegressor, **_LGB), "regression"),
    "LGBMRegressor-missing": Case(partial(lgb.LGBMRegressor, **_LGB), "regression", True),
    "LGBMRegressor-forest": Case(partial(lgb.LGBMRegressor, **_RF, **_LGB), "regression"),
    "LGBMRegressor-dart": Case(partial(lgb.LGBMRegressor, boosting_type="dart", **_LGB), "regression"),
    "LGBMRegressor-sqrt": Case(partial(lgb.LGBMRegressor, reg_sqrt=True, **_LGB), "regression"),
    "LGBMRegressor-mape": Case(partial(lgb.LGBMRegressor, objective="mape", **_LGB), "regression"),
    "LGBMRegressor-poisson": Case(partial(lgb.LGBMRegressor, objective="poisson", **_LGB), "positive"),
    "LGBMRegressor-cross-entropy": Case(partial(lgb.LGBMRegressor, objective="cross_entropy", **_LGB), "share"),
    "LGBMRegressor-categorical": Case(
        partial(lgb.LGBMRegressor, min_data_per_group=5, **_LGB),
        "regression",
        True,
        (("categorical_feature", [CODES]),),
    ),
}

_xgboost = {
    "XGBClassifier-binary": Case(partial(xgb.XGBClassifier, **_XGB), "binary"),
    "XGBClassifier-missing": Case(partial(xgb.XGBClassifier, **_XGB), "multiclass", True),
    "XGBClassifier-base-score": Case(partial(xgb.XGBClassifier, base_score=0.9, **_XGB), "binary"),
    "XGBRFClassifier": Case(partial(xgb.XGBRFClassifier, **_XGB), "binary"),
    "XGBRegressor": Case(partial(xgb.XGBRegressor, **_XGB), "regression", True),
    "XGBRegressor-far": Case(partial(xgb.XGBRegressor, **_XGB), "far"),
    "XGBRegressor-logistic": Case(partial(xgb.XGBRegressor, objective="reg:logistic", **_XGB), "share"),
    "XGBRegressor-poisson": Case(partial(xgb.XGBRegressor, objective="count:poisson", **_XGB), "positive"),
    "XGBRegressor-gamma": Case(partial(xgb.XGBRegressor, objective="reg:gamma", **_XGB), "positive"),
    "XGBRegressor-absolute": Case(partial(xgb.XGBRegressor, objective="reg:absoluteerror", **_XGB), "regression"),
    "XGBRegressor-one-hot-codes": Case(
        partial(xgb.XGBRegressor, enable_categorical=True, feature_types=_CODE_TYPES, **_XGB), "regression", True
    ),
    "XGBRegressor-grouped-codes": Case(
        partial(xgb.XGBRegressor, enable_categorical=True, feature_types=_CODE_TYPES, max_cat_to_onehot=1, **_XGB),
        "regression",
        True,
    ),
    "XGBRFRegressor": Case(partial(xgb.XGBRFRegressor, **_XGB), "regression"),
}

_pipelines = {
    "Imputer-Standard-Logistic": Case(
        lambda: make_pipeline(SimpleImputer(), StandardScaler(), linear_model.LogisticRegression()), "binary", True
    ),
    "Imputer-indicator-Ridge": Case(
        lambda: make_pipeline(SimpleImputer(strategy="median"), linear_model.Ridge()), "regression", True
    ),
    "Standard-RandomForest": Case(
        lambda: make_pipeline(StandardScaler(), ensemble.RandomForestRegressor(**_ENSEMBLE)), "regression"
    ),
    "Imputer-MinMax-HistGradient": Case(
        lambda: make_pipeline(SimpleImputer(), MinMaxScaler(), ensemble.HistGradientBoostingRegressor(**_HIST)),
        "regression",
        True,
    ),
    "MinMax-clip-Ridge": Case(lambda: make_pipeline(MinMaxScaler(clip=True), linear_model.Ridge()), "regression"),
    "Robust-GradientBoosting": Case(
        lambda: make_pipeline(RobustScaler(), ensemble.GradientBoostingClassifier(**_ENSEMBLE)), "multiclass"
    ),
    "MaxAbs-DecisionTree": Case(
        lambda: make_pipeline(MaxAbsScaler(), tree.DecisionTreeRegressor(random_state=0)), "regression"
    ),
    "Normalizer-Logistic": Case(lambda: make_pipeline(Normalizer(), linear_model.LogisticRegression()), "binary"),
    "Polynomial-Ridge": Case(
        lambda: make_pipeline(PolynomialFeatures(2), StandardScaler(), linear_model.Ridge()), "regression"
    ),
    "OneHot-Logistic": Case(
        lambda: _with_codes(OneHotEncoder(handle_unknown="ignore"), linear_model.LogisticRegression()), "binary"
    ),
    "OneHot-strict-RandomForest": Case(
        lambda: _with_codes(OneHotEncoder(), ensemble.RandomForestClassifier(**_ENSEMBLE)), "binary"
    ),
    "Ordinal-HistGradient": Case(
        lambda: _with_codes(
            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
            ensemble.HistGradientBoostingClassifier(**_HIST),
        ),
        "binary",
    ),
    "Standard-LightGBM": Case(lambda: make_pipeline(StandardScaler(), lgb.LGBMClassifier(**_LGB)), "multiclass"),
    "Standard-XGBoost": Case(lambda: make_pipeline(StandardScaler(), xgb.XGBClassifier(**_XGB)), "multiclass"),
    "Calibrated-Logistic": Case(lambda: CalibratedClassifierCV(linear_model.LogisticRegression(), cv=3), "binary"),
    "Calibrated-HistGradient": Case(
        lambda: CalibratedClassifierCV(ensemble.HistGradientBoostingClassifier(**_HIST), cv=3), "binary"
    ),
    "Calibrated-RandomForest": Case(
        lambda: CalibratedClassifierCV(ensemble.RandomForestClassifier(**_ENSEMBLE), cv=3), "multiclass"
    ),
    "Calibrated-LightGBM": Case(lambda: CalibratedClassifierCV(lgb.LGBMClassifier(**_LGB), cv=3), "binary"),
    "Calibrated-XGBoost": Case(lambda: CalibratedClassifierCV(xgb.XGBClassifier(**_XGB), cv=3), "binary"),
    "Stacking": Case(
        lambda: ensemble.StackingRegressor(
            [("ridge", linear_model.Ridge()), ("boosted", ensemble.HistGradientBoostingRegressor(**_HIST))], cv=3
        ),
        "regression",
    ),
}

CASES: dict[str, Case] = {**_linear, **_trees, **_hist, **_lightgbm, **_xgboost, **_pipelines}


@cache
def fitted(name: str) -> tuple[Any, np.ndarray]:
    """(estimator, float32 rows it was fitted on). Shared by all tests: an export must not change it."""
    case = CASES[name]
    rows = make_rows(ROWS, SEED, missing=case.missing)
    estimator = case.make()
    estimator.fit(rows, make_target(rows, case.task), **dict(case.fit))
    return estimator, rows


@cache
def exported(name: str) -> ExportedModel:
    """The case's model, exported once for all tests that only look at it."""
    return export_model(*fitted(name))


def answers(estimator: Any, rows: np.ndarray) -> np.ndarray:
    """What the library itself says, float64 [n, K]."""
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(rows), dtype=np.float64)
    return np.asarray(estimator.predict(rows), dtype=np.float64).reshape(len(rows), -1)
