"""The demo as a user runs it, all days of the year."""

from __future__ import annotations

import pytest

from sternpost.demo import run_demo


@pytest.mark.nightly
def test_the_whole_year(tmp_path):
    told = run_demo(tmp_path / "demo", json=True)
    assert told["same_bits"]
    assert 0.69 < told["metrics"]["auc"] < 0.74
    assert len(told["months"]) == 9
    assert all(0.66 < month["auc"] < 0.78 for month in told["months"])
    assert told["seconds_total"] < 180
