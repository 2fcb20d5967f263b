"""What is said before watching begins: same seed, same numbers; small references are warned of or refused; the verb."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sternpost.cli import main
from sternpost.errors import UsageError
from sternpost.monitor.alarms import Budget, Watched
from sternpost.monitor.simulation import outlook, promise
from sternpost.monitor.watched import watched_columns
from tests.project.loans_project import sealed_loans


def columns(rows=60_000):
    draw = np.random.default_rng(8)
    return {
        "amount": Watched("numeric", draw.multinomial(rows, [0.049] * 20 + [0, 0, 0, 0, 0.02]).tolist()),
        "carrier": Watched("category", draw.multinomial(rows, [0.5, 0.3, 0.2, 0, 0, 0, 0, 0]).tolist()),
    }


def quick(columns, **settings):
    return outlook(columns, rows_per_window=2_000, runs=8, windows_to_see=10, **settings)


def test_the_outlook_is_the_same_for_the_same_seed_and_orders_changes_by_size():
    heard = []
    found = quick(columns(), seed=3, progress=lambda done, total: heard.append((done, total)))
    assert found == quick(columns(), seed=3)
    assert heard[-1][0] <= heard[-1][1]
    delays = {delay.change: delay for delay in found.delays}
    assert delays["one value stuck"].median == 1
    assert delays["values 0.3 sd higher"].median <= delays["values 0.2 sd higher"].median
    assert delays["values 0.3 sd higher"].columns == ("amount",)
    assert delays["a new label in 0.5 % of rows"].columns == ("carrier",)
    smallest = {column.column: column for column in found.smallest}
    assert 0 < smallest["amount"].location_sd < 0.3
    assert smallest["carrier"].location_sd is None
    for told in found.false_alarms:
        assert told.low <= told.windows / max(told.alarms, 1)
    assert found.warnings == ()


def test_a_change_inside_of_the_band_is_never_seen_and_that_is_said():
    found = quick(columns(), budget=Budget(tolerance=0.05, rare_tolerance=0.05))
    delays = {delay.change: delay for delay in found.delays}
    assert delays["values 0.05 sd higher"].unseen == ("amount",)
    assert delays["values 0.05 sd higher"].runs == 0
    assert delays["missing +1 pt"].median is None


def test_small_references_are_warned_of_and_tiny_ones_refused():
    found = quick(columns(2_000))
    assert "its own error of 3.6 pt is more than the tolerance of 1 pt" in found.warnings[0]
    with pytest.raises(UsageError, match="a reference of 200 rows cannot support this contract"):
        quick(columns(200))


def test_the_promise_in_one_sentence():
    told = promise(Budget(windows_per_alarm=17_520))
    assert told.startswith("At most one false alarm per 17,520 windows, over all columns together, if ")
    assert "with probability 0.95 over the reference" in told
    assert "over the reference" not in promise(Budget(confidence=None))


def test_columns_of_a_reference_are_told_apart_by_role():
    class Column:
        def __init__(self, role, name):
            self.role, self.name, self.kind, self.counts = role, name, "flag", [1, 1, 0, 0, 0, 0, 0]

    found = watched_columns([Column("input", "age"), Column("feature", "age"), Column("output", "score")])
    assert list(found) == ["input age", "feature age", "score"]


def test_the_verb(tmp_path, capsys):
    file = tmp_path / "reference.json"
    described = {name: {"kind": c.kind, "counts": list(c.counts)} for name, c in columns().items()}
    file.write_text(json.dumps(described))
    arguments = [
        "simulate",
        str(file),
        "--rows-per-window",
        "2000",
        "--runs",
        "4",
        "--window",
        "1h",
        "--budget",
        "17520",
    ]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["promise"] == promise(Budget(windows_per_alarm=17_520))
    assert found["window_seconds"] == 3600
    assert len(found["run_lengths"]) == 2
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "At most one false alarm per 17,520 windows" in text
    assert "With windows of 1h: 2 years." in text
    assert "one value stuck" in text
    for wrong, said in (
        (["simulate", str(file), "--window", "soon"], "no length of time"),
        (["simulate", str(tmp_path / "no.json")], "no.json"),
    ):
        assert main(wrong) in {2, 50}
        assert said in capsys.readouterr().err
    file.write_text('{"a": {"kind": "flag"}}')
    assert main(["simulate", str(file)]) == 2
    assert "every column needs" in capsys.readouterr().err


def test_the_verb_takes_a_bundle(tmp_path, capsys):
    sealed_loans().save(tmp_path / "b.sbundle")
    assert main(["simulate", str(tmp_path / "b.sbundle"), "--runs", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"input amount", "feature amount", "score"} <= {column["column"] for column in found["smallest"]}
    assert "rows; its own error of" in found["warnings"][0]
