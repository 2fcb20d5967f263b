"""Every estimator listed exports, and answers like its library on rows that the gate has not seen."""

from __future__ import annotations

import numpy as np
import pytest

from sternpost.export.report import FAMILIES
from tests.export.estimators import CASES, COLUMNS, ROWS, answers, exported, fitted, make_rows
from tests.export.running import scores_of

FRESH_SEED = 77


@pytest.mark.parametrize("name", CASES)
def test_exported_model_agrees_on_fresh_rows(name):
    estimator, reference = fitted(name)
    model = exported(name)

    rows = make_rows(600, FRESH_SEED, missing=CASES[name].missing)
    expected, got = answers(estimator, rows), scores_of(model, rows)
    assert got.shape == expected.shape
    scale = 1.0 if model.spec.kind != "regression" else answers(estimator, reference).std()
    worst = np.abs(expected - got).max() / scale
    assert worst <= model.parity.allowed.tolerance, f"{name}: off by {worst:.3g} (rows of seed {FRESH_SEED})"


@pytest.mark.parametrize("name", CASES)
def test_spec_and_report_say_what_was_done(name):
    estimator, _ = fitted(name)
    model = exported(name)
    spec, report = model.spec, model.parity

    classes = getattr(estimator, "classes_", None)
    if classes is None:
        assert (spec.kind, spec.outputs, spec.positive, spec.classes) == ("regression", 1, None, None)
    else:
        assert spec.classes == tuple(str(label) for label in classes.tolist())
        assert (spec.kind, spec.positive) == (("binary", 1) if len(classes) == 2 else ("multiclass", None))
    assert (spec.features, spec.min_rows, spec.chunk_rows) == (COLUMNS, 1, 64)
    assert tuple(report.rows) == FAMILIES
    assert report.rows["reference"] == ROWS
    assert report.rows["random_corner"] > 0
    for family in ("nan", "infinite"):
        assert (report.rows[family] > 0) != (family in report.refused_by_estimator)
    assert report.max_rel <= report.allowed.tolerance
    assert report.worst is not None
    assert len(report.worst.row) == COLUMNS
    library = "lightgbm" if name.startswith("LGBM") else "xgboost" if name.startswith("XGB") else "scikit-learn"
    assert model.library.startswith(library)


TREES = ("DecisionTree", "RandomForest", "ExtraTrees", "Boosting", "HistGradient", "LightGBM", "XGBoost", "LGBM", "XGB")


@pytest.mark.parametrize("name", [name for name in CASES if any(word in name for word in TREES)])
def test_thresholds_are_probed_wherever_there_are_trees(name):
    rows = exported(name).parity.rows
    assert 0 < rows["on_threshold"] == rows["next_above"] <= rows["next_below"], f"{name}: {rows}"
    if not CASES[name].missing:  # scikit-learn splits off missing values at infinity, and then refuses infinity
        assert rows["on_threshold"] == rows["next_below"], f"{name}: {rows}"
