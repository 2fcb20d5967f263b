"""Calendar arithmetic against the standard library's."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sternpost as sp
from sternpost.contract.types import microseconds
from sternpost.features import clock

MOMENTS = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30), timezones=st.just(dt.UTC))
ZONES = ["America/New_York", "Europe/Paris", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]


@settings(max_examples=500, deadline=None, print_blob=True)
@given(MOMENTS)
def test_calendar_fields(moment):
    at = microseconds(moment)
    found = (
        sp.year(at),
        sp.month(at),
        sp.day(at),
        sp.hour(at),
        sp.minute_of_day(at),
        sp.weekday(at),
        sp.day_of_year(at),
    )
    assert found == (
        moment.year,
        moment.month,
        moment.day,
        moment.hour,
        moment.hour * 60 + moment.minute,
        moment.weekday(),
        moment.timetuple().tm_yday,
    )


@settings(max_examples=300, deadline=None, print_blob=True)
@given(
    moment=st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2099, 12, 30), timezones=st.just(dt.UTC)),
    zone=st.sampled_from(ZONES),
)
def test_local_time(moment, zone):
    wall = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=dt.UTC)
    assert sp.local(microseconds(moment), zone) == microseconds(wall)


@pytest.mark.parametrize("zone", ZONES)
def test_local_time_around_every_transition(zone):
    starts, _offsets = clock.transitions(zone)
    for start in starts[1:].tolist():
        for at in (start - 1, start, start + 1):
            moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=at)
            wall = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=dt.UTC)
            assert sp.local(at, zone) == microseconds(wall)


def test_an_unknown_zone_is_named():
    with pytest.raises(KeyError, match="Mars/Olympus"):
        sp.local(0, "Mars/Olympus")
