"""The verbs on a journal: what was appended is measured, and added outcomes are kept by it."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq

from sternpost.cli import main
from sternpost.outcomes.journal import Journal
from tests.outcomes.ledgers import many_decisions, many_outcomes


def test_a_journal_and_its_export_measure_the_same(tmp_path, capfd):
    rng = np.random.default_rng(0)
    days, score = np.sort(rng.uniform(0, 300, 1500)), rng.beta(2, 5, 1500)
    hit = np.flatnonzero(rng.random(1500) < score)
    journal = Journal(tmp_path / "journal")
    journal.append_decisions(many_decisions(days, score))
    pq.write_table(many_outcomes([f"p{i}" for i in hit], days[hit] + 9, np.ones(len(hit))), tmp_path / "told.parquet")
    add = ["outcomes", "add", str(tmp_path / "journal"), str(tmp_path / "told.parquet"), "--json"]
    told = []
    for _ in range(2):
        assert main(add) == 0
        told.append(json.loads(capfd.readouterr().out))
    assert [t["added"] for t in told] == [len(hit), 0]
    assert told[1]["duplicates"] == len(hit)
    journal.export(tmp_path / "exported")
    found = []
    for folder in ("journal", "exported"):
        rule = ["--horizon", "30d", "--absence", "negative_at_maturity", "--as-of", "2024-12-01", "--json"]
        assert main(["measure", str(tmp_path / folder), *rule]) == 0
        found.append(json.loads(capfd.readouterr().out))
    assert found[0] == found[1]
    assert found[0]["mature"]["known"] > 1000
