"""The model spec and the parity report as text, and the float32 grid."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sternpost.export
from sternpost.errors import ExportError
from sternpost.export import ModelSpec
from sternpost.export.float32 import above, below, floor32, from_ordinal, to_ordinal
from tests.export.estimators import exported

BINARY = ModelSpec("binary", ("0", "1"), "X", "probabilities", 46, 2, 1)
SPECS = [
    BINARY,
    ModelSpec("binary", None, "in", "out", 3, 1, 0),
    ModelSpec("multiclass", ("a", "é", 'q"'), "X", "probabilities", 5, 3, None, 2, 32),
    ModelSpec("regression", None, "X", "prediction", 1, 1, None),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_spec_survives_its_text(spec):
    text = spec.to_json()
    assert ModelSpec.from_json(text) == spec
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))


def test_spec_text_is_what_the_engine_reads():
    assert BINARY.to_json() == (
        '{"chunk_rows":64,"classes":["0","1"],"features":46,"input":"X","kind":"binary","min_rows":1,'
        '"output":"probabilities","outputs":2,"positive":1}'
    )


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "ranking"},
        {"features": 0},
        {"outputs": 3},
        {"positive": 0},
        {"positive": None},
        {"classes": ["a"]},
        {"kind": "regression"},
        {"kind": "multiclass", "positive": None, "classes": None},
        {"min_rows": 0},
        {"min_rows": 65},
        {"surprise": 1},
    ],
    ids=str,
)
def test_contradictory_spec_is_refused(change):
    with pytest.raises(ExportError, match="model spec"):
        ModelSpec.from_json(json.dumps({**json.loads(BINARY.to_json()), **change}))


@pytest.mark.parametrize("text", ["", "[]", "3", "{}", '{"kind":'])
def test_unreadable_spec_is_refused(text):
    with pytest.raises(ExportError, match="model spec"):
        ModelSpec.from_json(text)


def test_report_is_plain_json():
    report = json.loads(exported("XGBRegressor").parity.to_json())
    assert set(report) == {
        "rows", "refused_by_estimator", "max_abs", "max_rel", "allowed", "worst", "one_row",
    }  # fmt: skip
    assert report["allowed"]["tolerance"] == 2e-5
    assert "spread" in report["allowed"]["form"]
    text = exported("HistGradientBoostingClassifier-missing").parity.to_json()
    assert "NaN" not in text
    assert "Infinity" not in text


doubles = st.floats(allow_nan=False, width=64)


@settings(max_examples=500)
@given(doubles)
def test_floor32_is_the_largest_below(value):
    found = floor32(value)
    assert np.float64(found) <= value
    if np.isfinite(found) and found < np.finfo(np.float32).max:
        assert np.float64(above(found)) > value


@settings(max_examples=300)
@given(st.floats(allow_nan=False, width=32), doubles)
def test_comparing_with_floor32_is_comparing_with_the_threshold(x, threshold):
    assert (np.float64(x) <= threshold) == (np.float32(x) <= floor32(threshold))


@settings(max_examples=300)
@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_ordinals_count_neighbours(value):
    values = np.array([value], dtype=np.float32)
    assert from_ordinal(to_ordinal(values)) == values
    for neighbour, step in ((above(values), 1), (below(values), -1)):
        assert to_ordinal(neighbour) - to_ordinal(values) == step


def test_importing_the_room_imports_no_heavy_library():
    root = Path(sternpost.export.__file__).parents[1]
    program = (
        "import sys, types\n"
        "package = types.ModuleType('sternpost')\n"
        "package.__path__ = [sys.argv[1]]\n"
        "sys.modules['sternpost'] = package\n"
        "import sternpost.export\n"
        "heavy = {'onnx', 'skl2onnx', 'onnxmltools', 'onnxruntime', 'sklearn', 'lightgbm', 'xgboost', 'pandas'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(root)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
