"""Sealing and opening: the same inputs give the same digest; what does not fit is refused with a reason."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline

import sternpost as sp
from sternpost.bundle.archive import read_archive, write_archive
from sternpost.errors import BundleCorrupt, ContractError, ContractViolation, ForkError, GoldenMismatch, UsageError
from tests.routes import loans
from tests.routes.conftest import POLICY, built, features

SEED = 5
ROWS = loans.real_rows(400, SEED)
TRAIN = loans.table(ROWS)
Y = loans.target(ROWS, "binary", SEED)
MODEL = HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(features().matrix(TRAIN), Y)


def seal(**changes) -> sp.Bundle:
    given = {"features": features(), "model": MODEL, "reference": TRAIN, "name": "loans", "owner": "tests"}
    return sp.build(**(given | changes))


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> tuple[sp.Bundle, str]:
    bundle = seal(policy=POLICY, description="may this loan be approved")
    path = str(tmp_path_factory.mktemp("sealed") / "loans.sbundle")
    assert bundle.save(path) == bundle.digest
    return bundle, path


def test_the_same_inputs_give_the_same_digest(saved):
    assert seal(policy=POLICY, description="may this loan be approved").digest == saved[0].digest
    assert seal(policy=POLICY, description="something else").digest != saved[0].digest


def test_another_process_gives_the_same_digest(saved):
    code = (
        "from tests.sealing.test_build import seal, POLICY\n"
        "print(seal(policy=POLICY, description='may this loan be approved').digest)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == saved[0].digest


def test_opening_needs_neither_the_compiler_nor_the_library_of_the_model(saved):
    code = (
        "import sys\n"
        "for name in ('numba', 'sklearn', 'onnx', 'skl2onnx', 'onnxmltools', 'lightgbm', 'xgboost'):\n"
        "    sys.modules[name] = None\n"
        "import sternpost as sp\n"
        f"bundle = sp.open_bundle({saved[1]!r})\n"
        f"print(bundle.score({ROWS[0]!r}).score.hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", "import datetime\n" + code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == saved[0].score(ROWS[0]).score.hex()


def test_it_tells_everything(saved):
    bundle = sp.open_bundle(saved[1])
    told = json.loads(json.dumps(bundle.describe()))
    assert told["name"] == "loans"
    assert told["golden_rows"] >= 256
    assert [f["name"] for f in told["features"]] == list(features().names)
    assert told["parity"]["report"]["rows"]["on_threshold"] > 0
    assert told["profile"]["rows"] == 400
    assert told["provenance"]["libraries"]["scikit-learn"]
    assert told["policy"]["refused"] == "review"
    assert told["description"] == "may this loan be approved"
    assert told["seal"]["created"]


def test_golden_rows_sit_where_a_difference_would_show(saved):
    golden = saved[0].golden.rows
    for name in ("region", "rate", "jobs", "new_business"):
        assert golden[name].null_count > 0, name
    assert "a label that nobody has seen" in golden["sector"].to_pylist()
    assert {0.0, 1.0} <= set(golden["rate"].to_pylist())
    assert {1, 600, 0, 601} <= set(golden["term_months"].to_pylist())


def test_one_other_bit_in_the_golden_rows_refuses_the_bundle(saved, tmp_path):
    parts = dict(read_archive(saved[1]).parts)
    for part, words in (("golden.features", "row 3, burden"), ("golden.scores", "row 3, score 1")):
        bits = bytearray(parts[part])
        width = len(bits) // 8 // saved[0].golden.rows.num_rows
        place = features().names.index("burden") if part == "golden.features" else 1
        bits[(3 * width + place) * 8] ^= 1
        path = tmp_path / "other.sbundle"
        write_archive(path, {**parts, part: bytes(bits)})
        with pytest.raises(GoldenMismatch, match=words):
            sp.open_bundle(path)


def test_missing_unknown_and_unreadable_parts(saved, tmp_path):
    parts = dict(read_archive(saved[1]).parts)
    path = tmp_path / "other.sbundle"
    for name in parts.keys() - {"reference.arrow"}:  # without that it is a bundle of format 1
        write_archive(path, {k: v for k, v in parts.items() if k != name})
        with pytest.raises(BundleCorrupt, match=name.replace(".", r"\.")):
            sp.open_bundle(path)
        if name.endswith(".json") and name not in ("parity.json", "profile.json"):  # evidence, read by people
            write_archive(path, {**parts, name: b"{}\n"})
            with pytest.raises(sp.SternpostError):
                sp.open_bundle(path)
    write_archive(path, {**parts, "extra.bin": b"x"})
    with pytest.raises(BundleCorrupt, match=r"extra\.bin"):
        sp.open_bundle(path)


def test_a_pipeline_that_begins_with_the_transformer_is_sealed_whole():
    class Row(sp.Contract):
        sector: sp.Category
        rate: float | None

    pipeline = make_pipeline(
        sp.FeatureSet(Row, ["sector", "rate"]).transformer(), HistGradientBoostingClassifier(max_iter=5, random_state=0)
    )
    with pytest.raises(UsageError, match="not fitted"):
        seal(features=pipeline.steps[0][1].features, model=pipeline, contract=Row)
    pipeline.fit(TRAIN.select(["sector", "rate"]).to_pandas(), Y)
    bundle = seal(features=pipeline.steps[0][1].features, model=pipeline, contract=Row)
    assert set(bundle.contract.by_name["sector"].categories) == set(loans.LABELS)
    expected = pipeline.predict_proba(TRAIN.select(["sector", "rate"]).to_pandas())[:, 1]
    assert np.allclose(bundle.score(TRAIN)["score"].to_numpy(), expected, atol=1e-6)


def test_what_does_not_fit_is_refused_with_a_reason():
    broken = TRAIN.set_column(2, "amount", pa.array([-5] + [1] * 399))
    with pytest.raises(ContractViolation, match=r"(?s)reference breaks the contract.*amount"):
        seal(reference=broken)
    with pytest.raises(ContractError, match="no rows"):
        seal(reference=TRAIN.slice(0, 0))
    with pytest.raises(ContractError, match="rate"):
        seal(reference=TRAIN.drop_columns(["rate"]))
    with pytest.raises(UsageError, match="needs a name"):
        seal(name=" ")
    with pytest.raises(UsageError, match="FeatureSet"):
        seal(features=["rate"])
    with pytest.raises(UsageError, match="bands must ascend"):
        seal(policy={"bands": [{"below": 0.5, "action": "a"}, {"below": 0.4, "action": "b"}, {"action": "c"}]})
    with pytest.raises(UsageError, match="unknown key 'band'"):
        seal(policy={"band": []})


def test_a_bundle_can_be_sent_to_another_process(saved):
    again = pickle.loads(pickle.dumps(saved[0]))
    assert again.digest == saved[0].digest
    assert again.score(ROWS[0]).score == saved[0].score(ROWS[0]).score


def _child(bundle: sp.Bundle, answers) -> None:
    try:
        bundle.score(ROWS[0])
        answers.put("scored")
    except ForkError as e:
        answers.put(str(e))


def test_a_fork_is_noticed_and_explained():
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=_child, args=(built("boosting"), answers))
    child.start()
    told = answers.get(timeout=60)
    child.join(60)
    assert "after the fork" in told
    assert os.getpid() != child.pid


def test_open_categories_are_learned_before_sealing():
    class Open(sp.Contract):
        carrier: sp.Category

    with pytest.raises(ContractError, match=r"column carrier has no categories yet; call features\.learn"):
        seal(features=sp.FeatureSet(Open, ["carrier"]), reference=pa.table({"carrier": ["UA"]}))


def test_the_reference_says_what_the_rows_were():
    bundle = seal()
    reference = bundle.require_reference()
    assert (reference.rows, reference.nan_is_null) == (400, True)
    by_role = {role: [c.name for c in reference.columns if c.role == role] for role in ("input", "feature", "output")}
    assert by_role == {"input": list(bundle.contract.names), "feature": list(bundle.kernel.names), "output": ["score"]}
    matrix, scores = bundle.matrix(TRAIN), bundle.score(TRAIN).column("score").to_numpy()
    for place, name in enumerate(bundle.kernel.names):
        column = reference.column(name, "feature")
        assert column.counts[-1] == np.isnan(matrix[:, place]).sum() or column.kind == "category", name
    expected = np.bincount(np.searchsorted([k / 100 for k in range(1, 100)], scores, side="left"), minlength=100)
    assert reference.column("score", "output").counts[:100] == expected.tolist()
    for column in bundle.contract.columns:
        nulls = TRAIN.column(column.name).null_count
        assert reference.column(column.name, "input").counts[-1] == nulls, column.name
