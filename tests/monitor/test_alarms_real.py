"""The detector on real rows: season and crisis are seen, what did not change is quiet, and shuffled rows are silent."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sternpost.monitor.alarms import Budget
from sternpost.monitor.replay import History, replay
from tests.monitor.shared_data import shared

SEED = 20_130_101
BUDGET = Budget(windows_per_alarm=1000)


def in_order(table: pa.Table, names: list[str], reference: int, windows: int) -> History:
    """The first rows are the reference, the others so many windows, as the table has them."""
    kept = table.select(names)
    parts = np.array_split(np.arange(len(kept) - reference), windows)
    number = np.concatenate([np.full(len(part), place) for place, part in enumerate(parts)])
    now = kept.slice(reference).append_column("window", pa.array([f"{n:04}" for n in number]))
    return replay(kept.slice(0, reference), now, by="window", budget=BUDGET)


def shuffled(table: pa.Table, names: list[str], reference: int, windows: int) -> History:
    return in_order(table.take(np.random.default_rng(SEED).permutation(len(table))), names, reference, windows)


WEATHER = ["temp_f", "dewp_f", "humid_pct", "wind_speed_mph", "visib_mi"]
FLEET = ["carrier", "origin", "plane_engines"]


def test_flights_the_season_is_seen_and_carriers_are_quiet():
    flights = shared("flights_2013")
    winter = pc.less_equal(pc.month(flights["sched_dep_utc"]), 3)
    before, after = flights.filter(winter), flights.filter(pc.invert(winter))

    def by_month(names: list[str], budget: Budget = BUDGET) -> History:
        return replay(before, after, by="sched_dep_utc", period="month", columns=names, budget=budget)

    season = by_month(WEATHER)
    assert {alarm.columns[0] for alarm in season.alarms} & {"temp_f", "dewp_f"}
    assert season.alarms[0].period == "2013-04"
    # By month: the fleet's tolerance is a change of 2 pt, which timetables stay inside of.
    wide = Budget(windows_per_alarm=1000, tolerance=0.02, rare_tolerance=0.02)
    assert by_month(FLEET, wide).alarms == ()
    together = by_month([*FLEET, "temp_f"], wide)
    assert {alarm.columns[0] for alarm in together.alarms} == {"temp_f"}


def test_flights_in_random_order_are_silent():
    flights = shared("flights_2013")
    assert shuffled(flights, [*WEATHER, *FLEET, "distance_mi"], 59_021, 275).alarms == ()


BANK = ["age", "job", "contact_type", "campaign_contacts", "euribor3m", "nr_employed", "cons_price_idx", "housing_loan"]


def test_bank_marketing_is_loud_and_silent_in_random_order():
    calls = shared("bank_marketing")
    loud = in_order(calls, BANK, 20_740, 41)
    assert len(loud.alarms) >= 37
    assert {alarm.columns[0] for alarm in loud.alarms} <= {"euribor3m", "nr_employed", "cons_price_idx"}
    assert shuffled(calls, BANK, 20_740, 41).alarms == ()


LOANS = ["n_employees", "gross_approved_usd", "sba_guaranteed_usd", "urban_rural", "new_business", "low_doc", "state"]


def test_loans_the_coding_change_and_the_crisis_are_seen():
    approved = shared("sba_loans_sample")
    year = pc.year(approved["approval_date"])

    def between(first: int, last: int) -> pa.Table:
        return approved.filter(pc.and_(pc.greater_equal(year, first), pc.less_equal(year, last)))

    def by_year(before: pa.Table, after: pa.Table, names: list[str]) -> History:
        return replay(before, after, by="approval_date", period="year", columns=names, budget=BUDGET)

    coding = by_year(between(1990, 1997), between(1998, 2011), ["urban_rural", "state"]).alarms[0]
    assert (coding.period, coding.columns[0]) in {("1998", "urban_rural"), ("1999", "urban_rural")}
    # The crisis, against the years before it.
    crisis = by_year(between(2002, 2004), between(2005, 2008), ["charged_off", "state"])
    assert crisis.alarms
    assert crisis.alarms[0].columns[0] == "charged_off"
    assert shuffled(between(1990, 2011), LOANS, 15_000, 20).alarms == ()
