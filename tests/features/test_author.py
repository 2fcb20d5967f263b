"""A feature is an ordinary Python function that a unit test can call, with the kernel's rules about nulls."""

from __future__ import annotations

import datetime as dt
import math
import pickle

from sternpost.contract.types import microseconds

from . import flights_like as f


def test_called_as_python():
    assert f.log_distance(0.0) == 0.0
    assert f.wind_or_calm(None) == 0.0
    assert f.wind_or_calm(3.5) == 3.5
    assert f.major("AA")
    assert not f.major("B6")


def test_a_null_that_the_function_does_not_take_makes_the_value_null():
    assert f.log_distance(None) is None
    assert f.log_distance(math.nan) is None
    assert f.ratio(1.0, None) is None


def test_a_moment_may_be_given_as_datetime():
    moment = dt.datetime(2013, 7, 1, 16, 30, tzinfo=dt.UTC)
    assert f.local_hour(moment) == f.local_hour(microseconds(moment)) == 12


def test_words_of_the_author_are_kept():
    assert f.log_distance.unit == "h"
    assert f.log_distance.description == "Natural logarithm of one plus the distance."
    assert f.log_distance.__doc__ == f.log_distance.function.__doc__


def test_pickles_by_name():
    assert pickle.loads(pickle.dumps(f.ratio)) is f.ratio
