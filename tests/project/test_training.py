"""A project trains into a bundle: the same one twice, and none when data, code or gates say no."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import sternpost as sp
from sternpost.errors import ContractError, ContractViolation, GateMissed, UsageError
from sternpost.project import load_project, train
from sternpost.project.training import STEPS
from tests.project.loans_project import MODULE, ROWS, TOML, loans, replaced, write_project

NO_GATES = TOML.replace("min_auc = 0.6", "")
IMPORTS = """
import math

from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
"""
LOG_AMOUNT = """
@sp.feature
def log_amount(amount: float) -> float:
    return math.log(amount)


contract = Loan
"""


def trained(folder, **changes):
    return train(load_project(write_project(folder, **changes)))


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    steps = []
    project = load_project(write_project(tmp_path_factory.mktemp("project")))
    found = train(project, progress=steps.append)
    assert tuple(steps) == STEPS == tuple(found.seconds)
    return found


def test_what_is_known_about_a_training(result):
    assert result.rows_loaded == ROWS
    assert result.rows_training + result.rows_holdout == ROWS
    assert 0.15 < result.rows_holdout / ROWS < 0.35
    assert result.rows_refused == result.rows_unknown == 0
    assert result.metrics.keys() == {"auc", "brier", "log_loss"}
    assert [g.name for g in result.gates] == ["min_auc"]


def test_the_bundle_carries_what_the_settings_say(result):
    bundle = result.bundle
    assert (bundle.name, bundle.owner) == ("loans", "credit@example.com")
    assert bundle.description.startswith("A loan that will")
    assert bundle.policy["bands"][0] == {"action": "grant", "below": 0.5}
    assert bundle.kernel.names == ("burden", "applied_hour", "amount", "income", "term", "purpose")
    assert bundle.provenance.data_rows == result.rows_training


def test_the_metrics_are_those_of_the_sealed_scores(result):
    from sklearn.metrics import roc_auc_score

    table = loans()
    days = np.array([t.toordinal() for t in table["applied_at"].to_pylist()])
    held = np.unique(days, return_inverse=True)[1] % 4 == 3
    scores = result.bundle.score(table.filter(pa.array(held)))["score"].to_numpy()
    assert result.metrics["auc"] == pytest.approx(roc_auc_score(table["unpaid"].to_numpy()[held], scores), rel=1e-12)


def test_the_same_project_gives_the_same_digest_wherever_it_lies(tmp_path, result):
    assert trained(tmp_path / "elsewhere").bundle.digest == result.bundle.digest


def test_rows_without_an_outcome_neither_train_nor_measure(tmp_path):
    found = trained(tmp_path, table=replaced(loans(), "unpaid", {0: None, 700: None}))
    assert found.rows_unknown == 2
    assert found.rows_training + found.rows_holdout == ROWS - 2


def test_a_missed_gate_leaves_no_bundle(tmp_path):
    with pytest.raises(GateMissed, match=r"min_auc = 0\.99, found"):
        trained(tmp_path, toml=TOML.replace("0.6", "0.99"))


def test_rows_that_break_the_contract_are_named_by_their_number(tmp_path):
    with pytest.raises(ContractViolation, match=r"row 300, column amount: -1.*breaks gt") as told:
        trained(tmp_path, table=replaced(loans(), "amount", {300: -1.0}))
    assert told.value.violations[0].column == "amount"


def test_refused_rows_of_the_holdout_are_counted(tmp_path):
    module = MODULE.replace("purpose: sp.Category", 'purpose: sp.Category = sp.column(on_unseen="refuse")')
    days = loans()["applied_at"].to_pylist()
    held = next(i for i, t in enumerate(days) if len({d.date() for d in days[: i + 1]}) == 4)
    found = trained(tmp_path, module=module, table=replaced(loans(), "purpose", {held: "boat"}))
    assert found.rows_refused == 1


@pytest.mark.parametrize(
    ("target", "fit", "kind", "metrics"),
    [
        ("kind", "DecisionTreeClassifier(max_depth=3, random_state=0)", "multiclass", {"accuracy", "log_loss"}),
        ("cost", "DecisionTreeRegressor(max_depth=3, random_state=0)", "regression", {"mae", "rmse"}),
        ("paid", "DecisionTreeClassifier(max_depth=3, random_state=0)", "binary", {"auc", "brier", "log_loss"}),
        ("word", "LogisticRegression()", "binary", {"auc", "brier", "log_loss"}),
    ],
)
def test_every_kind_of_target(tmp_path, target, fit, kind, metrics):
    table = loans()
    unpaid = table["unpaid"].to_numpy().astype(bool)
    table = (
        table.append_column("kind", pa.array(np.where(unpaid, "bad", table["purpose"].to_numpy(zero_copy_only=False))))
        .append_column("cost", pa.array(table["amount"].to_numpy() * 0.1))
        .append_column("paid", pa.array(~unpaid))
        .append_column("word", pa.array(np.where(unpaid, "unpaid", "paid")).dictionary_encode())
    )
    # Not every estimator takes NaN or unscaled columns.
    module = (
        MODULE.replace('target = "unpaid"', f'target = "{target}"')
        .replace("HistGradientBoostingClassifier(max_iter=20, random_state=0)", fit)
        .replace("from sklearn.ensemble import HistGradientBoostingClassifier", IMPORTS)
        .replace(
            '[burden, applied_hour, "amount", "income", "term", "purpose"]', '[applied_hour, log_amount, "purpose"]'
        )
        .replace("contract = Loan\n", LOG_AMOUNT)
    )
    found = trained(tmp_path, table=table, module=module, toml=NO_GATES.split("[policy]")[0])
    assert found.bundle.model.kind == kind
    assert found.metrics.keys() == metrics


def test_a_huge_training_table_gives_a_sample_as_the_reference(tmp_path, monkeypatch):
    monkeypatch.setattr("sternpost.project.training.REFERENCE_ROWS_MAX", 400)
    assert trained(tmp_path).bundle.provenance.data_rows == 400


@pytest.mark.parametrize(
    ("module", "error", "fragments"),
    [
        (
            MODULE.replace('"loans.parquet"', '"lost.parquet"'),
            UsageError,
            ["load() failed", "FileNotFoundError", "loans.py, line"],
        ),
        (MODULE.replace("return pq.read_table", "return 7 or pq.read_table"), ContractError, ["load()", "int"]),
        (
            MODULE.replace('"loans.parquet")', '"loans.parquet").drop_columns(["term", "income"])'),
            ContractError,
            ["column income", "not at all", "load() gave"],
        ),
        (
            MODULE.replace('"loans.parquet")', '"loans.parquet").drop_columns(["unpaid"])'),
            ContractError,
            ["column unpaid (the target)"],
        ),
        (MODULE.replace('"loans.parquet")', '"loans.parquet").slice(0, 0)'), ContractError, ["0 rows"]),
        (
            MODULE.replace("return HistGradient", "raise RuntimeError('no luck')\n    HistGradient"),
            UsageError,
            ["fit() failed", "RuntimeError: no luck", "loans.py, line"],
        ),
        (MODULE.replace("return HistGradient", "HistGradient"), UsageError, ["fit() in loans.py returned None"]),
    ],
)
def test_a_mistake_in_load_or_fit_is_named(tmp_path, module, error, fragments):
    with pytest.raises(error) as told:
        trained(tmp_path, module=module)
    for fragment in fragments:
        assert fragment in str(told.value)


def test_a_saved_bundle_opens_again(tmp_path, result):
    result.bundle.save(tmp_path / "loans.sbundle")
    opened = sp.open_bundle(tmp_path / "loans.sbundle")
    assert opened.digest == result.bundle.digest
