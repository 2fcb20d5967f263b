"""Lengths of time are written one way, wherever they are read."""

from __future__ import annotations

import datetime as dt

import pytest

from sternpost.contract.duration import duration
from sternpost.errors import UsageError


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("10s", 10),
        ("15m", 900),
        ("15min", 900),
        ("1.5h", 5400),
        ("36 h", 129_600),
        (" 90d ", 7_776_000),
        ("2w", 1_209_600),
        ("0d", 0),
        (dt.timedelta(hours=2), 7200),
    ],
)
def test_a_number_and_a_unit(written, seconds):
    assert duration(written, "horizon") == dt.timedelta(seconds=seconds)


@pytest.mark.parametrize("written", ["", "soon", "15", "m", "-1d", "1y", "1M", "1 mins", "1d1h", "1e3s", "١d", 5, None])
def test_anything_else_is_refused_and_the_place_is_named(written):
    with pytest.raises(UsageError, match=r"--keep: .* is no length of time; write a number and one of s, m"):
        duration(written, "--keep")


@pytest.mark.parametrize("written", ["201000w", "9" * 400 + "d", dt.timedelta(-1)])
def test_lengths_are_bounded(written):
    with pytest.raises(UsageError, match="between 0 and 200 years"):
        duration(written, "horizon")


def test_nothing_is_refused_where_it_makes_no_sense():
    with pytest.raises(UsageError, match="--window: '0s' is no time at all"):
        duration("0s", "--window", above_zero=True)
    assert duration("0.001s", "--window", above_zero=True) == dt.timedelta(milliseconds=1)
