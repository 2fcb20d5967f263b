"""CBPE: the numbers of the synthetic car loans, the definition by weighted rows, and intervals that hold."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from sternpost.errors import UsageError
from sternpost.outcomes.estimate import Estimate, Estimator
from sternpost.outcomes.expected import Expectations
from sternpost.outcomes.measures.families import measure_arrays
from sternpost.outcomes.track_record import Reconciled, reconcile, widen
from tests.outcomes.shared_data import shared_table

#: What NannyML 0.13.1 estimated and what came true, per 5,000 rows, to four decimals; alert below 0.9633.
CAR_LOANS = [
    (0.9710, 0.9707, False),
    (0.9702, 0.9710, False),
    (0.9763, 0.9714, False),
    (0.9677, 0.9711, False),
    (0.9699, 0.9711, False),
    (0.9600, 0.9611, True),
    (0.9585, 0.9618, True),
    (0.9590, 0.9611, True),
    (0.9631, 0.9625, True),
    (0.9576, 0.9613, True),
]


@pytest.mark.parametrize(("folds", "within"), [(1, 5.1e-5), (5, 1.5e-4)])
def test_the_car_loans_table_is_reproduced(folds, within):
    table = shared_table("nannyml_car_loan_synthetic.parquet")
    y = table.column("repaid").to_numpy().astype(float)
    s = table.column("y_pred_proba").to_numpy()
    period = np.array(table.column("period").to_pylist())
    estimator = Estimator(y[period == "reference"], s[period == "reference"], folds=folds)
    later = np.flatnonzero(period == "analysis")
    for (realised, estimated, alert), rows in zip(CAR_LOANS, np.split(later, 10), strict=True):
        found = {e.name: e for e in estimator.estimate(s[rows])}["auc"]
        assert found.value == pytest.approx(estimated, abs=within)
        assert (found.value < 0.9633) == alert
        measured = {m.name: m for m in measure_arrays(y[rows], s[rows])}["auc"]
        assert measured.value == pytest.approx(realised, abs=5.1e-5)
        assert found.low < found.value < found.high


def drawn(n: int, seed: int, *, shift: float = 0.0):
    rng = np.random.default_rng(seed)
    score = np.clip(rng.beta(2, 5, n) + shift, 0.001, 0.999)
    return (rng.random(n) < score**1.3).astype(float), score


@pytest.mark.parametrize("weighted", [False, True])
def test_expected_numbers_are_those_of_doubled_rows(weighted):
    rng = np.random.default_rng(8)
    s, c = np.round(rng.random(700), 2), rng.random(700)
    w = rng.random(700) + 0.1 if weighted else np.ones(700)
    e = Expectations(s, w, (0.4,))
    found = dict(zip(e.names, e.of(c), strict=True))
    y, ss = np.r_[np.ones(700), np.zeros(700)], np.r_[s, s]
    ww = np.r_[w * c, w * (1 - c)]
    called = (ss >= 0.4).astype(float)
    fpr, tpr, _ = metrics.roc_curve(y, ss, sample_weight=ww, drop_intermediate=False)
    wanted = {
        "auc": metrics.roc_auc_score(y, ss, sample_weight=ww),
        "ks": np.abs(tpr - fpr).max(),
        "average_precision": metrics.average_precision_score(y, ss, sample_weight=ww),
        "brier": metrics.brier_score_loss(y, ss, sample_weight=ww),
        "log_loss": metrics.log_loss(y, ss, sample_weight=ww),
        "positive_rate": np.average(c, weights=w),
        "accuracy@0.4": metrics.accuracy_score(y, called, sample_weight=ww),
        "precision@0.4": metrics.precision_score(y, called, sample_weight=ww),
        "recall@0.4": metrics.recall_score(y, called, sample_weight=ww),
        "specificity@0.4": metrics.recall_score(y, called, sample_weight=ww, pos_label=0),
        "f1@0.4": metrics.f1_score(y, called, sample_weight=ww),
    }
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name


def test_intervals_hold_what_comes_true_when_the_assumption_does():
    rounds, held = 60, {}
    for seed in range(rounds):
        estimator = Estimator(*drawn(1500, seed))
        y, s = drawn(600, seed + 1000, shift=0.1)
        realised = {m.name: m.value for m in measure_arrays(y, s)}
        for e in estimator.estimate(s):
            held.setdefault(e.name, []).append(e.low <= realised[e.name] <= e.high)
    # 60 rounds of 0.95: below 0.82 has a chance below 1e-3 for one number that keeps its word.
    assert {name: np.mean(v) for name, v in held.items() if np.mean(v) < 0.82} == {}


def test_an_estimate_says_that_it_is_one_and_what_it_rests_on():
    found = Estimator(*drawn(1000, 1)).estimate(drawn(500, 2)[1])[0].to_dict()
    assert found["kind"] == "ESTIMATE"
    assert "as it was in the reference" in found["assumption"]


@pytest.mark.parametrize(("n", "rate"), [(0, 0.5), (50, 0.5), (1000, 0.0), (1000, 1.0), (1000, 0.005)])
def test_too_little_reference_gives_a_status_and_a_reason(n, rate):
    y = (np.arange(n) < n * rate).astype(float)
    found = Estimator(y, np.linspace(0, 1, n)).estimate(np.array([0.1, 0.9]))
    assert {e.status for e in found} == {"no_reference"}
    assert all(str(n) in e.reason and np.isnan(e.value) for e in found)


def test_odd_rows_never_raise():
    estimator = Estimator(*drawn(1000, 1))
    assert {e.status for e in estimator.estimate(np.zeros(0))} == {"no_rows"}
    for score in ([0.5], [5.0, -5.0], [0.3] * 10):
        for e in estimator.estimate(np.array(score), np.ones(len(score))):
            assert e.status == "ok" or np.isnan(e.value)
    with pytest.raises(UsageError, match="folds"):
        Estimator(*drawn(1000, 1), folds=0)


def test_a_track_record_widens_and_never_narrows():
    estimate = Estimate("auc", 0.7, 0.68, 0.73, 0.01, 0.005, 100, 1000)
    poor = [Reconciled(str(i), "auc", 0.7, 0.68, 0.72, 0.7 - 0.01 * i) for i in range(6)]
    wide = widen(estimate, poor)
    # The largest of six errors is 0.05, of a half width of 0.02.
    assert wide.widened == pytest.approx(2.5)
    assert (wide.low, wide.high) == pytest.approx((0.65, 0.775))
    assert widen(estimate, poor[:3]) == estimate
    assert widen(estimate, [Reconciled("x", "auc", 0.7, 0.6, 0.8, 0.701)] * 9) == estimate
    assert widen(estimate, [Reconciled("x", "ks", 0.7, 0.6, 0.8, 0.1)] * 9) == estimate


def test_reconciling_pairs_by_name():
    y, s = drawn(500, 3)
    pairs = reconcile("2024-01", Estimator(*drawn(1000, 1)).estimate(s), measure_arrays(y, s))
    assert {"auc", "brier", "positive_rate"} <= {p.name for p in pairs}
    assert all(p.error == p.estimated - p.realised for p in pairs)
