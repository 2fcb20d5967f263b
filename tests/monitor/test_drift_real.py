"""Real data: the season is seen, the carriers are quiet, a coding change is loud, and random order is silence."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import sternpost as sp
from tests.monitor.shared_data import shared

SEED = 11


def halves(table: pa.Table, seed: int) -> tuple[pa.Table, pa.Table]:
    order = np.random.default_rng(seed).permutation(len(table))
    return table.take(order[: len(table) // 2]), table.take(order[len(table) // 2 :])


def test_flights_of_the_year_against_its_winter():
    flights = shared("flights_2013")
    month = pc.month(flights["sched_dep_utc"])
    winter = flights.filter(pc.less_equal(month, 3))
    report = sp.drift(winter, flights.filter(pc.greater(month, 3)), by="sched_dep_utc", period="month")
    assert [p.name for p in report.periods] == [f"2013-{m:02}" for m in range(4, 13)]
    assert {"temp_f", "dewp_f"} <= set(report.drifted[:3])
    quiet = {c.name for c in report.columns if c.psi_debiased is not None and c.psi_debiased < 0.03}
    assert {"carrier", "origin", "day_of_week", "plane_engine"} <= quiet
    temperature = {p.name: p.psi_debiased["temp_f"] for p in report.periods}
    assert max(temperature, key=temperature.get) in ("2013-06", "2013-07", "2013-08")
    assert temperature["2013-12"] < 1 < temperature["2013-05"]
    assert all(p.psi_debiased["carrier"] < 0.03 for p in report.periods)
    assert 'class="plot"' in report.html()


def test_bank_marketing_after_2008_is_loud():
    calls = shared("bank_marketing")
    early = pc.equal(pc.year(calls["call_month"]), 2008)
    report = sp.drift(calls.filter(early), calls.filter(pc.invert(early)))
    indicators = {"emp_var_rate", "cons_price_idx", "cons_conf_idx", "euribor3m", "nr_employed"}
    assert indicators <= set(report.drifted)
    assert min(report[name].psi_debiased for name in indicators) > 3
    # The same five move without overlap: nothing in common is a distance of nearly 1.
    assert min(report[name].js for name in ("emp_var_rate", "nr_employed")) > 0.9


def test_loans_show_the_codes_that_only_began_to_be_recorded():
    approved = shared("sba_loans_sample")
    year = pc.year(approved["approval_date"])
    before = approved.filter(pc.and_(pc.greater_equal(year, 1990), pc.less_equal(year, 1998)))
    after = approved.filter(pc.and_(pc.greater_equal(year, 2002), pc.less_equal(year, 2006)))
    report = sp.drift(before, after)
    assert "naics" in report.drifted
    assert report["naics"].missing_reference > 0.3
    assert report["naics"].missing < 0.02
    assert any(reason.startswith("missing") for reason in report["naics"].reasons)
    assert "urban_rural" in report.drifted


def test_the_same_rows_in_random_order_are_silence():
    for name in ("flights_2013", "bank_marketing", "sba_loans_sample"):
        table = shared(name)
        report = sp.drift(*halves(table, SEED))
        loud = [c.name for c in report.columns if c.status == "drift"]
        assert loud == [], f"{name}, seed {SEED}: {loud}"
        # The most frequent of thousands of zip codes look a little more frequent where they were chosen.
        shifted = {c.name for c in report.columns if c.status == "shift"} - {"zip"}
        assert len(shifted) <= 1, f"{name}, seed {SEED}: {shifted}"
        # Order alone changes nothing at all.
        order = np.random.default_rng(SEED).permutation(len(table))
        again = sp.drift(table, table.take(order))
        assert json.dumps(again.to_dict()) == json.dumps(sp.drift(table, table).to_dict())
        assert {c.psi for c in again.columns if c.psi is not None} == {0.0}
