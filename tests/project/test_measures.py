"""The holdout's numbers equal scikit-learn's, and gates are kept."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics

from sternpost.errors import GateMissed, UsageError
from sternpost.export import ModelSpec
from sternpost.project.measures import check_gates, measure
from sternpost.project.settings import GatesSection

BINARY = ModelSpec("binary", ("0", "1"), "X", "p", 3, 2, 1)
SCORES = np.array([0.1, 0.9, 0.4, 0.6, 0.35])


def scored(**columns) -> pa.Table:
    return pa.table(columns)


@pytest.mark.parametrize(
    ("classes", "truth"),
    [
        (("0", "1"), np.array([0, 1, 1, 0, 0])),
        (("False", "True"), np.array([False, True, True, False, False])),
        (("no", "yes"), np.array(["no", "yes", "yes", "no", "no"], dtype=object)),
        (None, np.array([0, 1, 1, 0, 0])),
    ],
)
def test_binary(classes, truth):
    model = ModelSpec("binary", classes, "X", "p", 3, 2, 1)
    y = [0, 1, 1, 0, 0]
    assert measure(model, scored(score=SCORES), truth) == {
        "auc": metrics.roc_auc_score(y, SCORES),
        "brier": metrics.brier_score_loss(y, SCORES),
        "log_loss": metrics.log_loss(y, SCORES),
    }


def test_binary_with_one_class_has_no_auc():
    found = measure(BINARY, scored(score=SCORES), np.zeros(5, dtype=int))
    assert found["auc"] is None
    assert found["brier"] == pytest.approx(np.mean(SCORES**2))


def test_multiclass_in_the_models_order_of_classes():
    model = ModelSpec("multiclass", ("2", "10", "3"), "X", "p", 3, 3, None)
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.5, 0.3]])
    labels = ["2", "10", "10"]
    table = scored(score=p.max(axis=1), label=labels, scores=pa.FixedSizeListArray.from_arrays(p.ravel(), 3))
    found = measure(model, table, np.array([2, 10, 3]))
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["log_loss"] == pytest.approx(-np.mean(np.log([0.7, 0.6, 0.3])))


def test_multiclass_with_a_class_that_training_did_not_see():
    model = ModelSpec("multiclass", ("a", "b"), "X", "p", 3, 2, None)
    table = scored(score=[0.8], label=["a"], scores=pa.FixedSizeListArray.from_arrays(pa.array([0.8, 0.2]), 2))
    assert measure(model, table, np.array(["c"], dtype=object)) == {"accuracy": 0.0, "log_loss": None}


def test_regression():
    model = ModelSpec("regression", None, "X", "p", 3, 1, None)
    found = measure(model, scored(score=[1.0, 2.0, 5.0]), np.array([1.0, 3.0, 3.0]))
    assert found == {"mae": 1.0, "rmse": pytest.approx(np.sqrt(5 / 3))}


def test_gates_that_are_kept_are_listed():
    gates = check_gates(GatesSection(min_auc=0.7, max_brier=0.2), "binary", {"auc": 0.7, "brier": 0.1, "log_loss": 0.3})
    assert [(g.name, g.passed) for g in gates] == [("min_auc", True), ("max_brier", True)]


def test_a_missed_gate_refuses_with_limit_and_value():
    with pytest.raises(GateMissed, match=r"min_auc = 0\.8, found 0\.7; max_brier = 0\.05, found 0\.1") as told:
        check_gates(GatesSection(min_auc=0.8, max_brier=0.05), "binary", {"auc": 0.7, "brier": 0.1, "log_loss": 0.3})
    assert told.value.exit_code == 30
    assert [g.passed for g in told.value.gates] == [False, False]


def test_a_number_that_cannot_be_computed_misses_its_gate():
    with pytest.raises(GateMissed, match="nothing to compute it from"):
        check_gates(GatesSection(min_auc=0.5), "binary", {"auc": None, "brier": 0.1, "log_loss": 0.3})


def test_a_gate_of_another_kind_of_model_is_a_mistake():
    with pytest.raises(UsageError, match="a regression model has no auc; it has mae, rmse"):
        check_gates(GatesSection(min_auc=0.5), "regression", {"mae": 1.0, "rmse": 1.0})
