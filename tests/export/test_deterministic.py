"""Same estimator, same bytes: in one process, in two, and without a trace in the estimator."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys

import numpy as np
import onnx
import pytest

from sternpost.export import export_model
from tests.export.estimators import CASES, exported, fitted

PORTABLE = [
    "LogisticRegression-names",
    "RandomForestClassifier-missing",
    "HistGradientBoostingRegressor-categorical",
    "LGBMClassifier-forest",
    "XGBClassifier-missing",
    "OneHot-Logistic",
    "Calibrated-LightGBM",
]

PROGRAM = """
import hashlib, pickle, sys
from sternpost.export import export_model
for estimator, rows in pickle.load(sys.stdin.buffer):
    print(hashlib.sha256(export_model(estimator, rows).onnx).hexdigest())
"""


def test_another_process_gives_the_same_bytes():
    wanted = [hashlib.sha256(exported(name).onnx).hexdigest() for name in PORTABLE]
    for hash_seed in ("1", "2"):  # sets of strings iterate in another order
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", PROGRAM],
            input=pickle.dumps([fitted(name) for name in PORTABLE]),
            env={
                **os.environ,
                "PYTHONHASHSEED": hash_seed,
                "OMP_NUM_THREADS": "1",
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        assert dict(zip(PORTABLE, done.stdout.decode().split(), strict=True)) == dict(
            zip(PORTABLE, wanted, strict=True)
        )


@pytest.mark.parametrize("name", CASES)
def test_bytes_carry_nothing_of_the_occasion(name):
    model = onnx.load_from_string(exported(name).onnx)
    onnx.checker.check_model(model, full_check=True)
    assert (model.producer_name, model.producer_version, model.doc_string) == ("sternpost", "", "")
    assert (model.graph.name, len(model.metadata_props), len(model.graph.value_info)) == ("model", 0, 0)
    assert "ZipMap" not in {node.op_type for node in model.graph.node}
    domains = [item.domain for item in model.opset_import]
    assert domains == sorted(set(domains))
    assert all(item.version <= (17 if item.domain == "" else 3) for item in model.opset_import)


@pytest.mark.parametrize(
    "name", ["HistGradientBoostingClassifier-categorical", "LGBMRegressor-sqrt", "XGBRegressor-far"]
)
def test_exporting_again_gives_the_same_bytes(name):
    assert export_model(*fitted(name)).onnx == exported(name).onnx


def state(estimator):
    if hasattr(estimator, "booster_"):
        return estimator.booster_.model_to_string() + repr(estimator.get_params())
    if hasattr(estimator, "get_booster"):
        return bytes(estimator.get_booster().save_raw("json")), estimator.get_booster().feature_names
    return pickle.dumps(estimator)


@pytest.mark.parametrize(
    "name",
    [
        "HistGradientBoostingClassifier-categorical",
        "HistGradientBoostingRegressor-poisson",
        "LGBMClassifier-forest",
        "LGBMRegressor-categorical",
        "XGBRegressor-one-hot-codes",
        "RandomForestRegressor-missing",
        "OneHot-Logistic",
        "Calibrated-HistGradient",
        "Stacking",
    ],
)
def test_estimator_and_reference_are_not_touched(name):
    case = CASES[name]
    estimator, reference = fitted(name)
    estimator = case.make().fit(reference, _target(case, reference), **dict(case.fit))
    before, rows = state(estimator), reference.copy()
    reference.flags.writeable = False
    try:
        export_model(estimator, reference)
    finally:
        reference.flags.writeable = True
    assert state(estimator) == before
    np.testing.assert_array_equal(reference, rows)


def _target(case, rows):
    from tests.export.estimators import make_target

    return make_target(rows, case.task)


def test_the_converters_registry_is_left_as_it_was():
    from skl2onnx._supported_operators import sklearn_operator_name_map

    before = dict(sklearn_operator_name_map)
    export_model(*fitted("DecisionTreeRegressor"))
    assert sklearn_operator_name_map == before
