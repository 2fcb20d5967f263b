"""The example's contract and features, held against computations that share no code with them."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from sternpost.contract import check
from sternpost.demo import example_folder
from sternpost.project.settings import read_settings

#: Known only after the departure or the landing.
LEAKS = {
    "dep_time_hhmm", "dep_delay_min", "arr_time_hhmm", "air_time_min", "arr_delay_min", "arr_delay_gt30", "status",
    "outcome_known_utc",
}  # fmt: skip


@pytest.fixture(scope="module")
def frame(project, flights):
    features = project.features.learn(flights)
    return features.frame(flights)


def column(table: pa.Table, name: str) -> np.ndarray:
    """float64 [n], null as NaN."""
    return table[name].cast(pa.float64()).to_numpy()


def test_the_contract_holds_on_every_row(project, flights):
    assert check(project.contract, flights) == []


def test_no_column_comes_from_after_the_departure(project):
    assert not LEAKS & set(project.contract.names)
    assert not LEAKS & set(project.features.names)
    assert not [n for n in project.features.names if "month" in n]


def test_about_twenty_five_features_that_explain_themselves(project, frame):
    assert 20 <= len(project.features.names) <= 30
    assert frame.column_names == list(project.features.names)
    assert all(getattr(f, "description", "column") for f in project.features.features)


def test_the_split_ends_at_midnight_in_new_york():
    split = read_settings(example_folder("flights")).split
    assert split.train_before == dt.datetime(2013, 4, 1, tzinfo=ZoneInfo("America/New_York"))


def test_calendar_features(flights, frame):
    rows = range(0, flights.num_rows, 997)
    zone = ZoneInfo("America/New_York")
    clocks = [t.astimezone(zone) for t in flights["sched_dep_utc"].take(list(rows)).to_pylist()]
    found = frame.take(list(rows))
    assert found["local_hour"].to_pylist() == [c.hour for c in clocks]
    assert found["departure_minute"].to_pylist() == [c.hour * 60 + c.minute for c in clocks]
    assert found["departure_weekday"].to_pylist() == [c.weekday() for c in clocks]
    assert found["is_weekend"].to_pylist() == [c.weekday() >= 5 for c in clocks]
    built = flights["plane_year"].take(list(rows)).to_pylist()
    ages = [None if y is None else c.year - y for c, y in zip(clocks, built, strict=True)]
    assert found["plane_age_years"].to_pylist() == ages


def test_schedule_features(flights, frame):
    block = column(flights, "sched_elapsed_min")
    assert np.array_equal(column(frame, "block_min"), block)
    assert np.allclose(column(frame, "block_speed_mph"), column(flights, "distance_mi") * 60 / block, rtol=1e-15)
    assert column(frame, "block_speed_mph").max() < 700
    overnight = column(flights, "sched_arr_minute") < column(flights, "sched_dep_minute")
    assert np.array_equal(frame["lands_next_day"].to_numpy(zero_copy_only=False), overnight)


def test_weather_features(flights, frame):
    temp, wind = column(flights, "temp_f"), column(flights, "wind_speed_mph")
    with np.errstate(invalid="ignore"):
        power = wind**0.16
        chill = 35.74 + 0.6215 * temp - 35.75 * power + 0.4275 * temp * power
        expected = np.where((temp > 50) | (wind < 3), temp, chill)
        expected[np.isnan(temp) | np.isnan(wind)] = np.nan
    assert np.allclose(column(frame, "wind_chill_f"), expected, rtol=1e-12, equal_nan=True)
    toward = np.where(flights["origin"].to_numpy(zero_copy_only=False) == "JFK", 310.0, 40.0)
    across = np.abs(wind * np.sin(np.deg2rad(column(flights, "wind_dir_deg") - toward)))
    assert np.allclose(column(frame, "crosswind_mph"), across, rtol=1e-9, atol=1e-12, equal_nan=True)
    gust = column(flights, "wind_gust_mph")
    excess = np.where(np.isnan(gust), 0.0, gust - wind)
    excess[np.isnan(wind)] = np.nan
    assert np.array_equal(column(frame, "gust_excess_mph"), excess, equal_nan=True)
    spread = temp - column(flights, "dewp_f")
    assert np.array_equal(column(frame, "dewpoint_spread_f"), spread, equal_nan=True)


def test_null_indicators(flights, frame):
    for feature, source in (("weather_missing", "temp_f"), ("plane_unknown", "plane_seats")):
        assert frame[feature].null_count == 0
        assert np.array_equal(column(frame, feature) == 1, np.isnan(column(flights, source)))


def test_a_feature_is_a_function(project):
    module = project.module.module
    assert module.crosswind_mph("JFK", 40.0, 10.0) == pytest.approx(10.0)
    assert module.crosswind_mph("EWR", 40.0, 10.0) == 0.0
    assert module.gust_excess_mph(10.0, None) == 0.0
    assert module.plane_age_years(1_364_774_400_000_000, None) is None
    assert module.wind_chill_f(0.0, 15.0) == pytest.approx(-19.4, abs=0.1)
