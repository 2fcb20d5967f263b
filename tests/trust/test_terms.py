"""Terms are complete or refused, and their digest is what was written."""

from __future__ import annotations

import pytest

from sternpost.errors import DataError, UsageError
from sternpost.trust.terms import Terms, read_terms
from tests.trust.paused import terms

TOML = """
[project]
name = "loans"
[outcome]
horizon = "30d"
[trust]
positive_actions = ["look"]
incumbent = "constant:look"
margin = 0.02
looks = [1000, 4000]
candidates = [{action = "grant", low = 0, high = 0.2}, {action = "look", low = 0.6, high = 1.1, segment = "car"}]
"""


def test_terms_of_a_file_read_back_from_their_own_dictionary(tmp_path):
    (tmp_path / "t.toml").write_text(TOML)
    read = read_terms(tmp_path / "t.toml")
    assert (read.margin, read.candidates[1].segment, read.definition.horizon.days) == (0.02, "car", 30)
    assert Terms.from_dict(read.to_dict()).digest == read.digest


def test_any_other_number_has_another_digest():
    digests = {terms(**changed).digest for changed in ({}, {"margin": 0.011}, {"min_days": 15}, {"looks": (1_000,)})}
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("margin = 0.02", "margin = 0", "margin = 0 must lie between 0 and 1"),
        ("margin = 0.02", "margin = nan", "asks for nothing"),
        ("margin = 0.02", 'margin = "wide"', "of the wrong type"),
        ("margin = 0.02", "margim = 0.02", "did you mean margin"),
        ("margin = 0.02", "alpha = 1.5", "alpha = 1.5"),
        ("margin = 0.02", "cost_false_positive = 0\ncost_false_negative = 0", "costs of"),
        ("margin = 0.02", "shares = [0.5, 0.2]", "shares = "),
        ("margin = 0.02", "min_decisions = true", "of the wrong type"),
        ("[1000, 4000]", "[4000, 1000]", "looks = "),
        ("constant:look", "somebody", "incumbent = 'somebody'"),
        ("low = 0, ", "", "a candidate has action, low, high"),
        ("[trust]", "[other]", r"has no \[trust\]"),
        ("[outcome]", "[other]", r"has no \[outcome\]"),
        ('horizon = "30d"', 'horizon = "soon"', "is no length of time"),
        ("[project]", "[project", "not TOML"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path, old, new, told):
    file = tmp_path / "t.toml"
    file.write_text(TOML.replace(old, new))
    with pytest.raises(UsageError, match=told) as caught:
        read_terms(file)
    assert str(file) in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DataError, match="cannot read"):
        read_terms(tmp_path / "none.toml")
