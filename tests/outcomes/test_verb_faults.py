"""The two verbs on broken input: message, exit code, no traceback, nothing half done."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sternpost.cli import main
from tests.outcomes.ledgers import day, decisions, many_decisions, many_outcomes


@pytest.fixture
def work(tmp_path, monkeypatch):
    folder = tmp_path / "ledger"
    folder.mkdir()
    rng = np.random.default_rng(1)
    days, score = np.linspace(0, 200, 600), rng.beta(2, 5, 600)
    hit = np.flatnonzero(rng.random(600) < score)
    pq.write_table(many_decisions(days, score), folder / "decisions.parquet")
    pq.write_table(many_outcomes([f"p{i}" for i in hit], days[hit] + 9, np.ones(len(hit))), folder / "outcomes.parquet")
    (tmp_path / "new.csv").write_text("loan,bad\np1,1\np2,0\nzz,1\n,1\n")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "sternpost.toml").write_text(
        '[project]\nname = "loans"\nowner = "x"\ndecision = "y"\nmodule = "m"\n'
        '[policy]\nbands = [{below = 0.25, action = "pay"}, {action = "look"}]\n'
        '[outcome]\nhorizon = "30d"\ngrace = "2d"\nabsence = "negative_at_maturity"\n'
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(work, capfd):
    def run(*arguments: str):
        capfd.readouterr()
        code = main(list(arguments))
        return code, *capfd.readouterr()

    return run


MEASURE = ("measure", "ledger", "--as-of", "2024-09-01")
ADD = ("outcomes", "add", "ledger", "new.csv", "--column", "prediction_id=loan", "--column", "value=bad")


def test_measure_by_project_takes_its_outcome_and_its_policy(run):
    code, out, err = run(*MEASURE, "--project", "project", "--by", "vintage", "--json", "--html", "page.html")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["thresholds"] == [0.25]
    assert told["definition"]["horizon_s"] == 30 * 86400
    # What became due after the feed was last heard is not known.
    assert told["mature"]["known"] + told["mature"]["left_out"]["unheard"] == 600
    assert {m["name"] for m in told["mature"]["measures"]} >= {"auc", "recall@0.25"}


def test_add_tells_what_became_of_every_row_and_twice_is_once(run, work):
    code, out, _ = run(*ADD)
    assert code == 0
    assert "3 of 4 rows added" in out
    assert "1 orphans" in out
    assert "no prediction_id and no entity: 1" in out
    assert pq.read_table(work / "new.csv.bad.parquet").column("why").to_pylist() == ["no prediction_id and no entity"]
    code, out, _ = run(*ADD, "--json", "--bad-rows", "aside.csv")
    told = json.loads(out)
    assert (told["added"], told["duplicates"], told["bad"], told["bad_rows"]) == (0, 3, 1, "aside.csv")
    assert "no prediction_id" in (work / "aside.csv").read_text()


def test_what_did_not_fit_is_listed(run, work):
    run(*ADD)
    code, out, _ = run("measure", "ledger", "--horizon", "30d", "--absence", "censored", "--findings", "odd")
    assert code == 0
    assert "orphan 1" in out
    assert pq.read_table(work / "odd" / "orphan.parquet").column("prediction_id").to_pylist() == ["zz"]


FAULTS = {
    "no such journal": (("measure", "nowhere", "--horizon", "30d"), 2, "nowhere does not exist"),
    "an empty folder is no journal": (("measure", "project", "--horizon", "30d"), 2, "nothing to read"),
    "a file is no journal": (("measure", "new.csv", "--horizon", "30d"), 2, "new.csv is a file"),
    "no definition": (MEASURE, 2, "--horizon 90d"),
    "a horizon that is none": ((*MEASURE, "--horizon", "soon"), 2, "'soon' is no length of time"),
    "a meaning that is none": ((*MEASURE, "--horizon", "9d", "--absence", "good"), 2, "negative_at_maturity"),
    "grace alone": ((*MEASURE, "--grace", "9d"), 2, "without --horizon"),
    "a moment that is none": (
        ("measure", "ledger", "--horizon", "9d", "--as-of", "yesterday"), 2, "--as-of 'yesterday'"),
    "a moment without a zone": (
        ("measure", "ledger", "--horizon", "9d", "--as-of", "2024-09-01T10:00"), 2, "no time zone"),
    "by nothing known": ((*MEASURE, "--horizon", "9d", "--by", "weather"), 2, "segment, vintage, version"),
    "a segment that is not there": ((*MEASURE, "--horizon", "9d", "--segment", "region"), 2, "no column region"),
    "another bundle": ((*MEASURE, "--horizon", "9d", "--bundle", "x"), 2, "there are of loans"),
    "a page into nowhere": ((*MEASURE, "--horizon", "9d", "--html", "no/page.html"), 50, "no/page.html"),
    "findings into nowhere": ((*MEASURE, "--horizon", "9d", "--findings", "no/odd"), 50, "--findings no/odd"),
    "a project without a section": ((*MEASURE, "--project", "ledger"), 2, "sternpost.toml"),
    "a file that is not there": (("outcomes", "add", "ledger", "none.csv"), 50, "none.csv"),
    "a file that is none": (("outcomes", "add", "ledger", "project"), 2, "is a folder"),
    "columns that nobody named": (("outcomes", "add", "ledger", "new.csv"), 2, "--column prediction_id=id"),
    "a pair that is none": (("outcomes", "add", "ledger", "new.csv", "--column", "loan"), 2, "OURS=THEIRS"),
    "a value that is text": (
        ("outcomes", "add", "ledger", "new.csv", "--column", "value=loan"), 2, "prediction_id"),
    "bad rows into a strange file": ((*ADD, "--bad-rows", "bad.txt"), 2, ".parquet or .csv"),
    "nothing to add to": (("outcomes",), 2, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_has_its_message_and_its_exit_code(run, work, name):
    arguments, wanted, words = FAULTS[name]
    before = sorted((work / "ledger").iterdir())
    code, out, err = run(*arguments)
    assert code == wanted, err
    assert words in err
    assert "Traceback" not in err + out
    assert sorted((work / "ledger").iterdir()) == before


NAMELESS = pa.table(
    {"prediction_id": pa.array([None], pa.string()), "at": [day(1)], "bundle": ["b"], "digest": ["d"], "score": [0.1]}
)


@pytest.mark.parametrize(
    ("damage", "wanted", "words"),
    [
        (lambda f: f.write_bytes(f.read_bytes()[:500]), 50, "damaged"),
        (lambda f: f.write_bytes(b""), 50, "damaged"),
        (lambda f: pq.write_table(decisions([]).drop_columns(["score"]), f), 20, "no column score"),
        (lambda f: pq.write_table(NAMELESS, f), 20, "prediction_id is null"),
    ],
)
def test_damaged_tables_are_named(run, work, damage, wanted, words):
    damage(work / "ledger" / "decisions.parquet")
    code, out, err = run(*MEASURE, "--horizon", "9d", "--json")
    assert code == wanted, err
    assert words in err
    assert json.loads(out)["error"]["exit_code"] == wanted
    assert "Traceback" not in err
