"""A small contract with every column type, features over it, and rows to run them on."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa

import sternpost as sp

MAJORS = ("AA", "UA")
STEPS = (0.0, 10.0, 25.0)


class Flight(sp.Contract):
    carrier: sp.Category = sp.column(categories=["AA", "B6", "UA"])
    distance_mi: float = sp.column(unit="mile", ge=0)
    wind_mph: float | None
    sched_dep_utc: sp.Timestamp
    seats: int | None
    fare: sp.Money | None
    holiday: bool | None


def _above(x: float, edge: float) -> float:
    return x - edge if x > edge else 0.0


@sp.feature(unit="h")
def log_distance(distance_mi: float) -> float:
    """Natural logarithm of one plus the distance."""
    return math.log1p(distance_mi)


@sp.feature
def wind_or_calm(wind_mph: float | None) -> float:
    return 0.0 if sp.is_null(wind_mph) else wind_mph


@sp.feature
def ratio(distance_mi: float, wind_mph: float) -> float:
    return distance_mi / wind_mph


@sp.feature
def ratio_known(ratio: float | None) -> bool:
    return ratio is not None


@sp.feature
def major(carrier: sp.Category) -> bool:
    return carrier in MAJORS


@sp.feature
def unlisted(carrier: sp.Category) -> bool:
    return sp.is_unseen(carrier)


@sp.feature
def local_hour(sched_dep_utc: sp.Timestamp) -> int:
    return sp.hour(sp.local(sched_dep_utc, "America/New_York"))


@sp.feature
def seats_left(seats: int, major: bool) -> int:
    return seats - 10 if major else seats


@sp.feature
def fare_per_mile(fare: sp.Money, distance_mi: float) -> float:
    return fare / 100 / (distance_mi + 1.0)


@sp.feature
def holiday_number(holiday: bool) -> float:
    return 1.0 if holiday else 0.0


@sp.feature
def capped_seats(seats: int | None) -> int | None:
    if seats is None:
        return None
    return min(seats, 150)


@sp.feature
def stepped(distance_mi: float) -> float:
    total = 0.0
    for i in range(len(STEPS)):
        total += _above(distance_mi, STEPS[i])
    return total


@sp.feature
def curved(distance_mi: float, wind_or_calm: float) -> float:
    return math.sqrt(distance_mi) * 2 + wind_or_calm**2 - (distance_mi + 0.5) ** 0.3 + distance_mi % 7.5


FEATURES = [
    log_distance,
    wind_or_calm,
    ratio,
    ratio_known,
    major,
    unlisted,
    local_hour,
    seats_left,
    fare_per_mile,
    holiday_number,
    capped_seats,
    stepped,
    curved,
    "carrier",
    "wind_mph",
    "holiday",
    "seats",
]


def rows(n: int, seed: int) -> pa.Table:
    """n rows with nulls, unseen labels and a wide range of values."""
    r = np.random.default_rng(seed)

    def holes(share: float = 0.1) -> np.ndarray:
        return r.random(n) < share

    return pa.table(
        {
            "carrier": pa.array(r.choice(["AA", "B6", "UA", "ZZ"], n)),
            "distance_mi": np.where(holes(), 0.0, r.lognormal(5, 2, n)),
            "wind_mph": pa.array(np.where(holes(), 0.0, r.normal(5, 8, n)), mask=holes()),
            "sched_dep_utc": pa.array(r.integers(0, 2**41, n) * 1000, pa.timestamp("us", tz="UTC")),
            "seats": pa.array(r.integers(-50, 400, n), mask=holes()),
            "fare": pa.array(r.integers(0, 10**7, n), mask=holes()),
            "holiday": pa.array(holes(0.5), mask=holes()),
        }
    )
