"""What only the compiler notices is told in the author's words; a case for every pattern it knows."""

from __future__ import annotations

import math

import pytest

import sternpost as sp
from sternpost.errors import FeatureError
from sternpost.features import explain

from .test_refusals import Row


@sp.feature
def module_by_another_name(x: float) -> float:
    m = math
    return m.factorial(x)


@sp.feature
def method_of_a_column(x: float) -> float:
    return x.clip(0.0)


@sp.feature
def method_of_text(carrier: sp.Category) -> float:
    return carrier.lower()


@sp.feature
def member_of_a_number(x: float) -> float:
    return math.pi.hex + x


@sp.feature
def unknown_name(x: float) -> float:
    return x + nowhere  # noqa: F821


@sp.feature
def indexed_number(x: float) -> float:
    return x[0]


@sp.feature
def two_types_of_a_name(x: float) -> float:
    y = "none"
    if x > 0:
        y = 1.0
    return y


@sp.feature
def two_types_returned(x: float) -> float:
    if x > 0:
        return 1.0
    return "none"


@sp.feature
def number_and_label(x: float, carrier: sp.Category) -> float:
    return x + carrier


CASES = [
    (module_by_another_name, "math.factorial is not available in a feature"),
    (method_of_a_column, "a feature sees one float, not a column, so it has no .clip"),
    (method_of_text, "a category has no .lower; compare it with its labels"),
    (member_of_a_number, "a float has no .hex"),
    (unknown_name, "nowhere is not defined"),
    (indexed_number, "this value cannot be indexed"),
    (two_types_of_a_name, "on one path and float on another"),
    (two_types_returned, "the return values have different types"),
    (number_and_label, "add does not take (float, category('AA', 'UA'))"),
]


@pytest.mark.parametrize(("feature", "words"), CASES, ids=lambda case: getattr(case, "name", ""))
def test_in_the_authors_words(feature, words):
    with pytest.raises(FeatureError) as refused:
        assert sp.FeatureSet(Row, [feature]).kernel
    assert words in str(refused.value)
    assert f"feature {feature.name} (test_explain.py, line " in str(refused.value)


def test_no_pattern_is_without_a_case():
    assert len(explain._KNOWN) == len(CASES)
