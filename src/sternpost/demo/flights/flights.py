"""Will this flight arrive more than 30 minutes late? Asked for departures from New York, at their scheduled time.

A row holds what an airline knows then: the schedule, the plane that is assigned, and the weather at the origin in
the hour of the scheduled departure. What becomes of the flight is known hours later and is no part of the contract.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from flights_data import load_flights

import sternpost as sp

target = "arr_delay_gt30"


def weather(unit: str, low: float, high: float) -> Any:
    """A reading that may be missing. One outside of its bounds is a broken sensor: it counts as missing, too."""
    return sp.column(unit=unit, ge=low, le=high, on_violation="null")


class Flight(sp.Contract, known_at="decision"):
    """One scheduled departure, as it is known when it should leave."""

    sched_dep_utc: sp.Timestamp
    sched_arr_utc: sp.Timestamp
    sched_arr_minute: int = sp.column(unit="min", ge=0, lt=1440, description="minute of the destination's local day")
    carrier: sp.Category
    origin: sp.Category = sp.column(categories=["EWR", "JFK", "LGA"], on_unseen="refuse")
    dest: sp.Category
    distance_mi: float = sp.column(unit="mile", gt=0, le=12_000)
    temp_f: float | None = weather("degF", -60, 140)
    dewp_f: float | None = weather("degF", -80, 100)
    humid_pct: float | None = weather("%", 0, 100)
    wind_dir_deg: float | None = weather("deg", 0, 360)
    wind_speed_mph: float | None = weather("mph", 0, 150)
    wind_gust_mph: float | None = weather("mph", 0, 200)
    precip_in: float | None = weather("in/h", 0, 15)
    pressure_hpa: float | None = weather("hPa", 850, 1100)
    visib_mi: float | None = weather("mile", 0, 100)
    plane_year: int | None = sp.column(unit="year", ge=1920, le=2100, description="year of manufacture")
    plane_seats: int | None = sp.column(ge=1, le=900)
    plane_manufacturer: sp.Category | None


contract = Flight


# --- the schedule -------------------------------------------------------------------------------------------------


@sp.feature
def local_departure(sched_dep_utc: sp.Timestamp) -> int:
    """The scheduled departure on the clock of New York; other features read the calendar from it."""
    return sp.local(sched_dep_utc, "America/New_York")


@sp.feature(unit="h")
def local_hour(local_departure: int) -> int:
    """Hour of the scheduled departure: delays pile up over the day."""
    return sp.hour(local_departure)


@sp.feature(unit="min")
def departure_minute(local_departure: int) -> int:
    """Minute of the local day of the scheduled departure."""
    return sp.minute_of_day(local_departure)


@sp.feature
def departure_weekday(local_departure: int) -> int:
    """Monday 0 .. Sunday 6, in New York."""
    return sp.weekday(local_departure)


@sp.feature
def is_weekend(departure_weekday: int) -> bool:
    """Saturday or Sunday."""
    return departure_weekday >= 5


@sp.feature(unit="min")
def block_min(sched_dep_utc: sp.Timestamp, sched_arr_utc: sp.Timestamp) -> float:
    """Scheduled time from gate to gate."""
    return (sched_arr_utc - sched_dep_utc) / 60_000_000


@sp.feature(unit="mph")
def block_speed_mph(distance_mi: float, block_min: float) -> float:
    """Speed the schedule asks for: a slow one has slack in it, a fast one has none."""
    return distance_mi / (block_min / 60)


@sp.feature
def lands_next_day(departure_minute: int, sched_arr_minute: int) -> bool:
    """The clock at the destination shows an earlier time of day than the clock here did: an overnight flight."""
    return sched_arr_minute < departure_minute


# --- the plane ----------------------------------------------------------------------------------------------------


@sp.feature(unit="year")
def plane_age_years(local_departure: int, plane_year: int) -> int:
    """Years since the plane was built."""
    return sp.year(local_departure) - plane_year


@sp.feature
def plane_unknown(plane_seats: int | None) -> bool:
    """The registry does not know the tail number, or none is assigned yet."""
    return sp.is_null(plane_seats)


# --- the weather --------------------------------------------------------------------------------------------------


@sp.feature
def weather_missing(temp_f: float | None) -> bool:
    """There is no observation for this hour."""
    return sp.is_null(temp_f)


@sp.feature(unit="degF")
def dewpoint_spread_f(temp_f: float, dewp_f: float) -> float:
    """How far the air is from fog."""
    return temp_f - dewp_f


@sp.feature(unit="degF")
def wind_chill_f(temp_f: float, wind_speed_mph: float) -> float:
    """Wind chill by the formula of the US weather service; above 50 degF or below 3 mph the temperature itself."""
    if temp_f > 50.0 or wind_speed_mph < 3.0:
        return temp_f
    wind = math.pow(wind_speed_mph, 0.16)
    return 35.74 + 0.6215 * temp_f - 35.75 * wind + 0.4275 * temp_f * wind


@sp.feature(unit="mph")
def gust_excess_mph(wind_speed_mph: float, wind_gust_mph: float | None) -> float:
    """By how much gusts exceed the wind; stations report gusts only when there are some."""
    if sp.is_null(wind_gust_mph):
        return 0.0
    return wind_gust_mph - wind_speed_mph


@sp.feature(unit="mph")
def crosswind_mph(origin: sp.Category, wind_dir_deg: float, wind_speed_mph: float) -> float:
    """Wind across the longest runway: 13/31 at JFK, 4/22 at the other two. Null while the wind has no direction."""
    runway_deg = 310.0 if origin == "JFK" else 40.0
    return abs(wind_speed_mph * math.sin(math.radians(wind_dir_deg - runway_deg)))


@sp.feature
def low_visibility(visib_mi: float) -> bool:
    """Below three miles pilots fly by instruments, and fewer planes may land per hour."""
    return visib_mi < 3.0


@sp.feature
def icing(temp_f: float, precip_in: float) -> bool:
    """Something falls, and it freezes: planes queue to be de-iced."""
    return precip_in > 0.0 and temp_f <= 34.0


# --- the model ----------------------------------------------------------------------------------------------------

features = sp.FeatureSet(
    Flight,
    [
        local_hour,
        departure_minute,
        departure_weekday,
        is_weekend,
        "sched_arr_minute",
        block_min,
        block_speed_mph,
        lands_next_day,
        "distance_mi",
        "carrier",
        "origin",
        "dest",
        plane_age_years,
        plane_unknown,
        "plane_seats",
        "plane_manufacturer",
        weather_missing,
        "temp_f",
        dewpoint_spread_f,
        "humid_pct",
        wind_chill_f,
        "wind_speed_mph",
        gust_excess_mph,
        crosswind_mph,
        "precip_in",
        icing,
        "visib_mi",
        low_visibility,
        "pressure_hpa",
    ],
)

#: More of it may only raise (+1) or only lower (-1) the chance of a late arrival, whatever a few odd days say.
MONOTONIC = {"visib_mi": -1, "precip_in": +1, "gust_excess_mph": +1}


def load() -> pa.Table:
    """All departures of 2013 with the columns of the contract and what became of each flight."""
    return load_flights()


def fit(X: npt.NDArray[np.float32], y: npt.NDArray[Any], names: Sequence[str]) -> Any:
    """Gradient boosting, kept coarse: one winter is little to learn a year's weather from.

    `X` is the features' matrix, its columns called `names`; `y` is the target. Returns the fitted estimator.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingClassifier(
        max_iter=200,
        learning_rate=0.05,
        max_leaf_nodes=15,
        min_samples_leaf=200,
        l2_regularization=1.0,
        monotonic_cst=[MONOTONIC.get(name, 0) for name in names],
        categorical_features=None,  # categories are codes, and codes split well enough in trees
        early_stopping=False,
        random_state=0,
    )
    # Sums that several threads share depend on how many they are; one thread gives the same model on every machine.
    with threadpool_limits(1, user_api="openmp"):
        return model.fit(X, y)
