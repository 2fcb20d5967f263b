"""What can never be part of a kernel is refused with function, line, cause and what to write instead."""

from __future__ import annotations

import datetime
import math
import random
import time
from pathlib import Path

import pytest

import sternpost as sp
from sternpost.errors import ContractError, FeatureError


class Row(sp.Contract):
    carrier: sp.Category = sp.column(categories=["AA", "UA"])
    x: float
    k: int
    flag: bool | None


TABLE = [1.0, 2.0]
TUPLE = (1.0, 2.0)


@sp.feature
def draws(x: float) -> float:
    return x + random.random()


@sp.feature
def reads_the_clock(x: float) -> float:
    return x + time.time()


@sp.feature
def builds_a_date(x: float) -> float:
    return x + datetime.datetime(2020, 1, 1).hour


@sp.feature
def prints(x: float) -> float:
    print(x)
    return x


@sp.feature
def allocates(x: float) -> float:
    return sum([x, x])


@sp.feature
def comprehends(x: float) -> float:
    return max(x + i for i in range(3))


@sp.feature
def formats(x: float) -> float:
    return float(len(f"{x}"))


@sp.feature
def reads_a_list(k: int) -> float:
    return TABLE[k]


@sp.feature
def recurses(x: float) -> float:
    return 0.0 if x < 1 else recurses(x - 1)


def _back(x):
    return _forth(x) if x > 0 else 0.0


def _forth(x):
    return _back(x - 1)


@sp.feature
def recurses_through_helpers(x: float) -> float:
    return _back(x)


@sp.feature
def fills_nulls_like_a_column(x: float) -> float:
    return x.fillna(0.0)


@sp.feature
def upper(carrier: sp.Category) -> bool:
    return carrier.upper() == "AA"


@sp.feature
def misspelt(carrier: sp.Category) -> bool:
    return carrier == "UAA"


@sp.feature  # noqa: RET503 - the mistake that is tested
def forgets_a_path(x: float) -> float:
    if x > 0:
        return x


@sp.feature
def returns_text(x: float) -> float:
    return "high" if x > 0 else "low"


@sp.feature
def returns_a_float_as_int(x: float) -> int:
    return x * 2


@sp.feature
def unknown_name(x: float) -> float:
    return x * scale  # noqa: F821


@sp.feature
def unknown_parameter(xx: float) -> float:
    return xx


@sp.feature
def wrong_type(carrier: float) -> float:
    return carrier


@sp.feature
def missing_function(x: float) -> float:
    return math.factorial(x)


@sp.feature
def variable_power(k: int) -> int:
    return k**k


@sp.feature
def variable_shift(k: int) -> int:
    return 1 << k


@sp.feature
def unknown_zone(k: int) -> int:
    return sp.hour(sp.local(k, "Mars/Olympus"))


@sp.feature
def calls_a_feature(x: float) -> float:
    return wrong_type(x)


@sp.feature
def imports(x: float) -> float:
    import os

    return x + len(os.sep)


@sp.feature
def catches(x: float) -> float:
    try:
        return 1 / x
    except ZeroDivisionError:
        return 0.0


@sp.feature
def rounds_to_digits(x: float) -> float:
    return round(x, 2)


@sp.feature
def ping(pong: float) -> float:
    return pong


@sp.feature
def pong(ping: float) -> float:
    return ping


REFUSED = [
    (draws, "pass the random number as a column"),
    (reads_the_clock, "pass the decision time as a column"),
    (builds_a_date, "whole microseconds"),
    (prints, "cannot print"),
    (allocates, "allocates"),
    (comprehends, "write a loop"),
    (formats, "formatted string"),
    (reads_a_list, "use a tuple"),
    (recurses, "calls itself"),
    (recurses_through_helpers, "calls itself"),
    (fills_nulls_like_a_column, "one float, not a column"),
    (upper, "compare it with its labels"),
    (misspelt, "did you mean 'UA'"),
    (forgets_a_path, "return a value on every path"),
    (returns_text, "str"),
    (returns_a_float_as_int, "declared to return int, and returns float"),
    (unknown_name, "scale is not defined"),
    (unknown_parameter, "did you mean x?"),
    (wrong_type, "annotate it `sp.Category`"),
    (missing_function, "math.factorial is not available"),
    (variable_power, "float(base) ** exponent"),
    (variable_shift, "constant from 0 to 63"),
    (unknown_zone, "no time zone is called"),
    (calls_a_feature, "take it as a parameter"),
    (imports, "import at the top"),
    (catches, "test the value"),
    (rounds_to_digits, "math.floor"),
    (ping, "ping -> pong -> ping"),
]


@pytest.mark.parametrize(("feature", "words"), REFUSED, ids=lambda v: getattr(v, "name", None))
def test_refused_with_function_line_and_replacement(feature, words):
    with pytest.raises(FeatureError) as refusal:
        sp.FeatureSet(Row, [feature]).kernel  # noqa: B018
    message = str(refusal.value)
    assert words in message
    assert feature.name in message
    assert "line" in message
    assert str(Path(__file__).parent) not in message, "a message names no folders"


def test_the_line_named_is_the_line_that_is_wrong():
    with pytest.raises(FeatureError) as refusal:
        sp.FeatureSet(Row, [misspelt]).kernel  # noqa: B018
    assert f"line {misspelt.function.__code__.co_firstlineno + 2}" in str(refusal.value)


def test_declarations_are_checked_where_they_stand():
    with pytest.raises(FeatureError, match="parameter x has no type"):

        @sp.feature
        def untyped(x) -> float:
            return x

    with pytest.raises(FeatureError, match="returns float, int or bool"):

        @sp.feature
        def unreturned(x: float):
            return x

    with pytest.raises(FeatureError, match="no parameters"):

        @sp.feature
        def constant() -> float:
            return 1.0

    with pytest.raises(FeatureError, match="bool in a kernel has no null"):

        @sp.feature
        def flagged(flag: bool | None) -> float:
            return 1.0

    with pytest.raises(FeatureError, match="without default"):

        @sp.feature
        def defaulted(x: float = 1.0) -> float:
            return x


def test_names_are_checked_when_the_set_is_made():
    with pytest.raises(FeatureError, match="is not a column of contract Row; did you mean carrier"):
        sp.FeatureSet(Row, ["carier"])
    with pytest.raises(FeatureError, match="listed twice"):
        sp.FeatureSet(Row, ["x", "x"])
    with pytest.raises(FeatureError, match="at least one"):
        sp.FeatureSet(Row, [])


def test_open_categories_must_be_learned_first():
    class Open(sp.Contract):
        carrier: sp.Category

    with pytest.raises(ContractError, match=r"features\.learn\(train\)"):
        sp.FeatureSet(Open, ["carrier"]).kernel  # noqa: B018
