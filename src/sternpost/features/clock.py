"""Calendar arithmetic on timestamps (whole microseconds UTC), for use inside features and in plain Python.

Plain integer functions, compiled into the kernel as they stand; the same numbers in Python. Time zones: `local`
shifts a moment to the wall clock of a named zone, by a table of that zone's transitions which is frozen into the
kernel when it is compiled, so a bundle does not depend on the time zone data of the machine that serves it.

Civil-from-days: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
"""

from __future__ import annotations

import datetime as dt
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

MICROSECONDS_PER_SECOND = 1_000_000
MICROSECONDS_PER_MINUTE = 60_000_000
MICROSECONDS_PER_HOUR = 3_600_000_000
MICROSECONDS_PER_DAY = 86_400_000_000

_FIRST_YEAR, _LAST_YEAR = 1970, 2100


def hour(moment: int) -> int:
    """Hour of the day, 0..23."""
    return moment // MICROSECONDS_PER_HOUR % 24


def minute_of_day(moment: int) -> int:
    """Minutes since midnight, 0..1439."""
    return moment // MICROSECONDS_PER_MINUTE % 1440


def weekday(moment: int) -> int:
    """Day of the week, Monday 0 .. Sunday 6."""
    return (moment // MICROSECONDS_PER_DAY + 3) % 7


def _civil_year_of_march(moment: int) -> int:
    days = moment // MICROSECONDS_PER_DAY + 719_468
    era = days // 146_097
    day_of_era = days - era * 146_097
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    return year_of_era + era * 400


def _day_of_march_year(moment: int) -> int:
    days = moment // MICROSECONDS_PER_DAY + 719_468
    year = _civil_year_of_march(moment)
    return days - (365 * year + year // 4 - year // 100 + year // 400)


def month(moment: int) -> int:
    """Month, 1..12."""
    shifted = (5 * _day_of_march_year(moment) + 2) // 153
    return shifted + 3 if shifted < 10 else shifted - 9


def day(moment: int) -> int:
    """Day of the month, 1..31."""
    of_year = _day_of_march_year(moment)
    return of_year - (153 * ((5 * of_year + 2) // 153) + 2) // 5 + 1


def year(moment: int) -> int:
    """Year of the proleptic Gregorian calendar."""
    return _civil_year_of_march(moment) + (1 if month(moment) <= 2 else 0)


def day_of_year(moment: int) -> int:
    """Day of the year, 1..366."""
    of_march = _day_of_march_year(moment)
    y = year(moment)
    if of_march >= 306:
        return of_march - 305
    leap = 1 if (y % 4 == 0 and y % 100 != 0) or y % 400 == 0 else 0
    return of_march + 60 + leap


def local(moment: int, zone: str) -> int:
    """The wall clock of `zone` (an IANA name, a literal) as if it were UTC: `sp.hour(sp.local(t, "Europe/Paris"))`.

    Exact for 1970 to 2100; outside, the offset of the nearest end holds.
    """
    starts, offsets = transitions(zone)
    return moment + int(offsets[max(int(np.searchsorted(starts, moment, side="right")) - 1, 0)])


@cache
def transitions(zone: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(starts, offsets) of a zone, int64 [k], microseconds: from `starts[i]` on, local time is UTC + `offsets[i]`.

    Raises KeyError when the machine knows no such zone.
    """
    try:
        info = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise KeyError(f"no time zone is called {zone!r}; use an IANA name such as 'America/New_York'") from None

    def offset(seconds: int) -> int:
        shift = dt.datetime.fromtimestamp(seconds, info).utcoffset()
        return 0 if shift is None else shift // dt.timedelta(microseconds=1)

    def at(year: int) -> int:
        return int(dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp())

    starts, offsets = [at(_FIRST_YEAR)], [offset(at(_FIRST_YEAR))]
    day_s = 86_400
    for midnight in range(at(_FIRST_YEAR), at(_LAST_YEAR), day_s):
        if offset(midnight + day_s) == offsets[-1]:
            continue
        before, after = midnight, midnight + day_s
        while after - before > 1:
            middle = (before + after) // 2
            before, after = (middle, after) if offset(middle) == offsets[-1] else (before, middle)
        starts.append(after)
        offsets.append(offset(after))
    return np.array(starts, np.int64) * MICROSECONDS_PER_SECOND, np.array(offsets, np.int64)
