"""The benchmarks run, and compare what is the same: structure and agreement in tiny sizes, never speed."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("polars")
pytest.importorskip("pandas")
pytest.importorskip("lightgbm")

from benchmarks import agreement, report, results, run, workload
from benchmarks.all_parts import PARTS, cases
from benchmarks.by_hand import in_numpy
from benchmarks.case import OURS
from benchmarks.loans import FEATURES
from benchmarks.material import MODELS, Material, Sizes

TINY = Sizes(train_rows=2_000, trees=5, table_rows=2_048, single_rows=40, rounds=2, calls=10)
TABLE_FORMS = [(c, f) for part in PARTS for c in cases(part, TINY) for f in c.forms]


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    made = Material(tmp_path_factory.mktemp("material"), TINY)
    made.prepare()
    return made


def test_the_workload_has_the_shape_it_states():
    table = workload.rows(20_000)
    assert [str(t) for t in table.schema.types] == ["double"] * 12 + ["int64"] * 4 + ["string"] * 4
    assert len(FEATURES.names) == 46
    shares = {name: table[name].null_count / table.num_rows for name in table.column_names}
    assert {name for name, share in shares.items() if share} == set(workload.NULLABLE)
    assert all(0.02 < shares[name] < 0.04 for name in workload.NULLABLE)
    assert {name: len(labels) for name, labels in workload.LABELS.items()} == {
        "home": 5, "purpose": 12, "sector": 20, "region": 40,
    }  # fmt: skip
    assert table.equals(workload.rows(20_000))
    assert not table.equals(workload.rows(20_000, workload.SEED + 1))


def test_all_forms_agree_bit_for_bit_on_the_features(material):
    found = agreement.check(material)
    features = [r for r in found if r["what"] == "features"]
    assert {r["form"] for r in features} == {"sternpost, polars frame", "polars", "pandas", "numpy", "python"}
    assert all(r["values_that_differ"] == 0 for r in features)
    assert {r["form"].split(":")[0] for r in found if r["what"] == "scores"} == set(MODELS)


def test_a_form_that_differs_stops_the_run():
    ours = np.array([[1.0, np.nan]], np.float32)
    assert agreement.compared("features", "x", ours, ours.copy())["largest_ulp"] == 0
    with pytest.raises(agreement.Disagreement, match=r"x: row 0, input income is .*2\.0.* where ours is .*1\.0"):
        agreement.compared("features", "x", ours, np.array([[2.0, np.nan]], np.float32))
    with pytest.raises(agreement.Disagreement, match="input requested"):
        agreement.compared("features", "x", ours, np.array([[1.0, 0.0]], np.float32))


@pytest.mark.parametrize(
    ("case", "form"), TABLE_FORMS, ids=lambda x: x if isinstance(x, str) else f"{x.part}-{x.name}-{x.threads}"
)
def test_every_form_runs(material, case, form):
    function, inputs = PARTS[case.part].form(case, form, material)
    assert len(inputs) >= 1
    assert case.rows == 1 or case.part == "parts" or len(inputs) == 2, "inputs change from call to call"
    made = function(inputs[0])
    if case.part == "features":
        assert np.array_equal(np.asarray(made), in_numpy.inputs(material.table(0)), equal_nan=True)
    if case.part == "batch":
        kind = "ours" if form == OURS else "by_hand"
        written = material.folder / f"scores-{case.name}-{case.threads}-{kind}.arrow"
        assert pa.ipc.open_file(pa.memory_map(str(written))).read_all().num_rows == TINY.table_rows


def test_a_run_keeps_every_sample_and_renders_them(material, tmp_path):
    record = run.run(TINY, parts=("one_row",), quick=True, data=material.folder)
    page = run.keep(record, tmp_path)
    kept = results.read(tmp_path / "quick.json")
    assert kept == json.loads(json.dumps(record))
    assert [c["case"] for c in kept["cases"]] == list(MODELS)
    for case in kept["cases"]:
        for form in case["forms"].values():
            assert [len(calls) for calls in form["ns"]] == [TINY.calls] * TINY.rounds
            assert len(form["cpu_ns"]) == TINY.rounds
            assert form["peak_mib"] > 0
    text = page.read_text()
    assert "| tree | python + onnxruntime |" in text
    assert "<= 0.7:" in text
    for own in (os.uname().nodename, str(Path.home()), str(tmp_path), str(Path(__file__).parents[2])):
        if len(own) > 3:
            assert own not in text + json.dumps(kept), "a result names no machine and no folder"


def test_the_page_is_made_of_the_record_alone():
    samples = {"peak_mib": 10, "cpu_ns": [2_000, 4_000], "ns": [[1_000, 1_000], [2_000, 2_000]]}
    slower = {"peak_mib": 20, "cpu_ns": [8_000, 8_000], "ns": [[4_000, 4_000], [4_000, 4_000]]}
    case = {"case": "c", "rows": 10, "threads": 1, "at_most": {"peer": 0.3}, "forms": {OURS: samples, "peer": slower}}
    assert report.ratios(case, "peer") == (0.375, 0.25, 0.5)
    assert report.median_ns(samples) == 1_500
    rows = list(report._table([case]))
    assert re.search(r"0\.38 \[0\.25, 0\.50\] \| <= 0\.3: missed \| 0\.38 \|$", rows[-1])
