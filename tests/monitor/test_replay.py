"""A replay is the detector over windows counted from rows: by period, per quarter, with a sentence; and the verb."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sternpost import _core
from sternpost.cli import main
from sternpost.errors import UsageError
from sternpost.monitor.alarms import Budget, null_replay
from sternpost.monitor.replay import replay
from sternpost.monitor.watched import watched_columns
from tests.project.loans_project import loans, sealed_loans

SEED = 77
START = np.datetime64("2024-01-01")


def history(days: int, per_day: int, *, from_day: int = 10**9, by: float = 1.0, seed: int = SEED) -> pa.Table:
    """Normal values and two labels; from `from_day` on the values are `by` deviations higher."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), per_day)
    return pa.table(
        {
            "x": rng.normal(size=len(day)) + by * (day >= from_day),
            "c": rng.choice(["a", "b"], len(day)),
            "at": pa.array((START + day.astype("m8[D]")).astype("M8[us]"), pa.timestamp("us", "UTC")),
        }
    )


def test_a_replay_is_the_detector_over_the_windows_that_rows_make():
    before, now = history(1, 20_000), history(120, 300, from_day=91, seed=SEED + 1)
    budget = Budget(windows_per_alarm=1_000)
    found = replay(before, now, by="at", period="day", budget=budget)
    reference = _core.Reference.of_table(before)
    counts = []
    for day in range(120):
        window, odd = _core.tally(reference, now.slice(300 * day, 300))
        assert odd == {}
        counts.append({c.name: window.counts(c.name) for c in reference.columns})
    expected = null_replay(watched_columns(reference.columns), counts, budget)
    days = [str(START + day) for day in range(120)]
    assert [raised.period for raised in found.alarms] == [days[v.window] for v in expected.alarms]
    assert found.alarms, f"seed {SEED}"
    assert found.alarms[0].period == days[91]
    assert found.alarms[0].since == days[91]
    assert {raised.columns[0] for raised in found.alarms} == {"x"}
    many = len(found.alarms)
    # 2024: 31 + 29 + 31 days, then 29 of the next quarter.
    assert found.quarters == {"2024-Q1": (91, 0), "2024-Q2": (29, many)}
    assert found.sentence == (
        f"120 windows of 36,000 rows (by at, 2024-01-01 to 2024-04-29): {many} alarms, {many / 2:.3g} per quarter; had "
        f"nothing changed, at most 0.12 would be expected. The first in {found.alarms[0].period}. Led by x ({many})."
    )
    assert json.loads(json.dumps(found.to_dict()))["quarters"]["2024-Q1"] == {"windows": 91, "alarms": 0}


def test_a_slow_alarm_says_since_when():
    before, now = history(1, 20_000), history(60, 300, from_day=30, by=0.35, seed=SEED + 3)
    first = replay(before, now, by="at", period="day").alarms[0]
    assert first.since in {"2024-01-30", "2024-01-31", "2024-02-01"}, f"seed {SEED + 3}"
    assert first.period > first.since


def test_without_a_change_there_is_no_alarm_and_other_windows_have_no_quarters():
    before, now = history(1, 20_000), history(60, 300, seed=SEED + 2)
    quiet = replay(before, now, by="at", period="day")
    assert quiet.alarms == ()
    assert ": no alarm; had nothing changed, at most 0.006 would be expected." in quiet.sentence
    by_label = replay(before, now, by="c", columns=["x"])
    assert (by_label.windows, by_label.quarters, by_label.alarms) == (2, {}, ())


def test_rows_without_a_moment_are_in_no_window():
    now = history(3, 100)
    at = pa.array([None] * 50 + now["at"].to_pylist()[50:], now.schema.field("at").type)
    found = replay(history(1, 20_000), now.set_column(2, "at", at), by="at", period="day")
    assert (found.windows, found.rows) == (3, 250)


def test_what_cannot_be_replayed_is_told():
    before = history(1, 20_000)
    with pytest.raises(UsageError, match="no rows with a value there"):
        replay(before, before.slice(0, 0), by="at")
    with pytest.raises(UsageError, match="has no 'lost'"):
        replay(before, before, by="at", columns=["lost"])


def test_the_verb_replays_files(tmp_path, capsys):
    bundle = tmp_path / "b.sbundle"
    sealed_loans().save(bundle)
    for k in range(2):
        pq.write_table(loans(800, seed=k + 1), tmp_path / f"{k}.parquet")
    files = [f"--replay={tmp_path / name}.parquet" for name in "01"]
    assert main(["simulate", str(bundle), *files, "--by", "applied_at:week", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == 1_600
    assert told["promise"].startswith("At most one false alarm per 10,000 windows")
    assert sum(quarter["windows"] for quarter in told["quarters"].values()) == told["windows"]
    assert main(["simulate", str(bundle), *files, "--by", "applied_at:week"]) == 0
    assert " windows of 1,600 rows (by applied_at:week, " in capsys.readouterr().out
    for wrong in (["--by", "applied_at"], files[:1]):
        assert main(["simulate", str(bundle), *wrong]) == 2
        assert "needs both --replay FILE and --by" in capsys.readouterr().err
    assert main(["simulate", str(bundle), *files, "--by", "lost"]) != 0
    assert "lost" in capsys.readouterr().err
