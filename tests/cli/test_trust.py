"""The verbs about trust: what they print, what they end with, and that the ledger says the same."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import sternpost as sp
from sternpost.outcomes.events import OUTCOME_SCHEMA

SEALED = Path(__file__).parents[1] / "formats" / "data"

TERMS = """
[outcome]
horizon = "0s"
absence = "negative_at_maturity"
silence = "3650d"
[trust]
positive_actions = ["look", "decline"]
incumbent = "constant:look"
margin = 0.02
budget_pairs = 5000
min_days = 0.00000001
min_decisions = 100
min_replayed = 100
min_pairs = 100
min_coverage = 0.9
max_p99_ms = 5
max_error_rate = 0.001
max_ece = 1
candidates = [{action = "accept", low = 0.0, high = 0.25}]
max_band_error = 0.9
looks = [100]
certificate_days = 30
"""
BY = ("--who", "bob", "--why", "the evidence")


@pytest.fixture
def entered(tmp_path, run, monkeypatch):
    """A use case in SHADOW, and a journal of 400 decisions since."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STERNPOST_REGISTRY", str(tmp_path / "registry"))
    shutil.copy(SEALED / "format-2.sbundle", "b.sbundle")
    (tmp_path / "terms.toml").write_text(TERMS)
    new = ("--bundle", "b.sbundle", "--terms", "terms.toml", "--who", "ann", "--why", "new", "--json")
    done = run("trust", "promote", "loans", *new)
    assert done.code == 0, done.err
    write_journal(tmp_path / "journal", dt.datetime.fromisoformat(done.json["standing"]["counted_from"]))
    return tmp_path


@cache
def scored_rows():
    """400 rows with a score: the golden rows of the bundle, again and again."""
    bundle = sp.open_bundle(SEALED / "format-2.sbundle")
    rows = pa.table(bundle.golden.rows)
    rows = rows.filter(pc.is_valid(bundle.score(rows)["score"]))
    rows = rows.take(np.arange(400) % len(rows))
    return bundle.digest, rows, bundle.score(rows)


def write_journal(folder, since, flip=False):
    folder.mkdir(exist_ok=True)
    digest, rows, scored = scored_rows()
    n = len(rows)
    accepted = np.array(scored["action"].to_pylist()) == "accept"
    at = [since + dt.timedelta(microseconds=10 * i) for i in range(n)]
    score = np.array(scored["score"].to_pylist(), dtype=float)
    table = {
        "prediction_id": [f"p{i}" for i in range(n)],
        "at": at,
        "bundle": ["boosting"] * n,
        "digest": [digest] * n,
        "source": ["model"] * n,
        "score": np.nextafter(score, 1) if flip else score,
        "action": scored["action"],
        "latency_ns": [1_000_000] * n,
        "inputs": rows.to_struct_array().combine_chunks(),
    }
    pq.write_table(pa.table(table), folder / "decisions.parquet")
    bad = [i for i in range(n) if not accepted[i]]
    when = [at[i] for i in bad]
    events = {
        "prediction_id": [f"p{i}" for i in bad],
        "entity": pa.nulls(len(bad), pa.string()),
        **dict.fromkeys(("happened_at", "observed_at", "recorded_at"), when),
        "value": [1.0] * len(bad),
        "label": pa.nulls(len(bad), pa.string()),
        "source": ["core"] * len(bad),
        "revision": [0] * len(bad),
    }
    pq.write_table(pa.table(events, schema=OUTCOME_SCHEMA), folder / "outcomes.parquet")


def test_from_shadow_to_decide_and_back_by_verbs(entered, run):
    up = ("trust", "promote", "loans", "--journal", "journal", *BY)
    done = run(*up)
    assert done.code == 0, done.err
    assert "loans: ADVISE" in done.out
    pending = run(*up)
    assert pending.code == 60
    assert "approve it" in pending.err
    # Evidence of the first rung counts for the second: the comparison began in shadow.
    assert run("trust", "approve", "loans", "--who", "Ann", "--why", "mine").code == 2
    for who in ("bob", "cem"):
        assert run("trust", "approve", "loans", "--who", who, "--why", "read it", "--json").json["approvers"][-1] == who
    decides = run(*up, "--json")
    assert decides.code == 0, decides.err
    assert decides.json["standing"]["certificate"]["share"] == 0.05
    assert "decides 5% in 1 bands" in run("trust", "show", "loans").out
    halted = run("trust", "halt", "loans", "--who", "eve", "--why", "complaints")
    assert (halted.code, "HALT" in halted.out) == (0, True)
    assert run(*up).code == 2
    assert run("trust", "release", "loans", "--who", "eve", "--why", "found it", "--to", "advise").code == 0
    assert run("trust", "demote", "loans", "--who", "eve", "--why", "to be sure").code == 0
    told = run("trust", "history", "loans").out.splitlines()
    assert [line.split()[3] for line in told] == [
        "enter", "promote", "approve", "approve", "promote", "halt", "release", "demote",
    ]  # fmt: skip
    assert run("trust", "show", "--json").json["standings"][0]["rung"] == "shadow"


def test_changed_bits_stop_the_model(entered, run):
    write_journal(entered / "journal", at_of(entered), flip=True)
    done = run("trust", "look", "loans", "--journal", "journal", "--json")
    assert done.code == 30
    assert json.loads(done.out)["reason"] == "MISMATCH"
    assert run("trust", "show", "loans", "--json").json["standings"][0]["rung"] == "halt"


def at_of(work):
    return pq.read_table(work / "journal" / "decisions.parquet")["at"].to_pylist()[0]


def test_too_little_is_31_and_says_what_is_missing(entered, run):
    pq.write_table(pq.read_table("journal/decisions.parquet").slice(0, 50), "journal/decisions.parquet")
    done = run("trust", "promote", "loans", "--journal", "journal", *BY)
    assert done.code == 31
    assert "decisions BELOW: 50, at least 100" in done.err


def test_what_stood_at_a_moment(entered, run):
    assert run("trust", "at", "loans", "2020-01-01", "--json").json["standing"]["rung"] == "off"
    assert run("trust", "at", "loans", "2999-01-01", "--json").json["standing"]["rung"] == "shadow"
    assert run("trust", "at", "loans", "soon").code == 2


def test_verify_prints_a_head_and_finds_what_was_cut(entered, run):
    assert run("trust", "halt", "loans", "--who", "eve", "--why", "x").code == 0
    sound = run("verify", "--json")
    assert (sound.code, sound.json["records"], sound.json["sound"]) == (0, 2, True)
    with closing(sqlite3.connect("registry/ledger.sqlite")) as connection, connection:
        connection.execute("delete from sternpost_ledger where serial = 2")
    cut = run("verify", "--json")
    assert (cut.code, cut.json["error"]["kind"]) == (70, "LedgerBroken")
    assert "record 2 is missing" in cut.err
    assert run("verify", "--head", sound.json["head"]).code == 70
    assert run("verify", "--head", "2").code == 2


def test_mistakes_end_with_2_and_a_next_step(entered, run):
    for arguments, told in (
        (("trust", "promote", "loans", *BY), "give --bundle FILE"),
        (("trust", "promote", "other", "--bundle", "b.sbundle", *BY), "give --terms FILE"),
        (("trust", "promote", "loans", "--bundle", "b.sbundle", "--terms", "terms.toml", *BY), "begin again from OFF"),
        (("trust", "promote", "loans", "--bundle", "b.sbundle", *BY), "is there already"),
        (("trust", "approve", "other", *BY), "is OFF"),
        (("trust", "demote", "loans", "--to", "up", *BY), "is no rung"),
        (("trust", "demote", "loans", "--to", "advise", *BY), "is not below it"),
        (("trust", "demote", "loans", "--rollback", *BY), "had no champion before"),
        (("trust", "release", "loans", *BY), "nothing to release"),
        (("trust", "halt", "loans", "--who", "", "--why", "x"), "needs a person"),
        (("trust", "show", "--registry", "s3://bucket/x"), "say where the ledger is"),
        (("trust", "show", "--ledger", "nothing://x"), "names no database"),
        (("trust", "show", "--registry", "elsewhere"), "elsewhere has no ledger"),
        (("verify", "--registry", "elsewhere"), "elsewhere has no ledger"),
        (("verify", "--ledger", "sqlite:///other.sqlite"), "has no ledger"),
    ):
        done = run(*arguments)
        assert (done.code, told in done.err) == (2, True), (arguments, done.err)
    assert run("trust", "history", "loans", "--json").json["records"][0]["kind"] == "enter"


def test_a_decision_is_made_again_to_the_same_bits(entered, run):
    same = run("replay", "p7", "--journal", "journal", "--json")
    assert (same.code, same.json["same"]) == (0, True)
    assert same.json["then"]["score"] == same.json["now"]["score"]
    assert "the same bits" in run("replay", "p7", "--journal", "journal", "--bundle", "b.sbundle").out
    write_journal(entered / "journal", at_of(entered), flip=True)
    other = run("replay", "p7", "--journal", "journal", "--json")
    assert (other.code, other.json["same"]) == (40, False)
    missing = run("replay", "p400", "--journal", "journal")
    assert (missing.code, "has no decision 'p400'" in missing.err) == (2, True)
