"""Due or not is age; what is not due cannot be measured; silence of the feed is not an answer."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from sternpost.errors import ContractError, UsageError
from sternpost.outcomes import LabelDefinition
from sternpost.outcomes.cohort import Immature, immature, mature, open_book
from sternpost.outcomes.join import join
from sternpost.outcomes.measures import measure_cohort
from tests.outcomes.ledgers import DAY, day, decisions, many_decisions, many_outcomes, outcomes


def book(made, told, definition, as_of, **more):
    return open_book(join(made, told, definition, as_of=as_of), **more)


@pytest.mark.parametrize(
    ("absence", "told"), [("explicit", True), ("explicit", False), ("censored", True), ("negative_at_maturity", False)]
)
def test_maturity_is_age_and_not_whether_a_label_came(absence, told):
    made = decisions([{"prediction_id": "a", "at": day(0)}])
    happened = outcomes([{"prediction_id": "a", "happened_at": day(1), "value": 1.0}] if told else [])
    definition = LabelDefinition(horizon="30d", grace="5d", absence=absence)
    assert not book(made, happened, definition, day(35) - dt.timedelta(microseconds=1)).mature[0]
    assert book(made, happened, definition, day(35)).mature[0]


def test_an_immature_cohort_has_no_outcomes_and_is_refused():
    made = decisions([{"prediction_id": "a", "at": day(0)}])
    happened = outcomes([{"prediction_id": "a", "happened_at": day(1), "value": 1.0}])
    opened = book(made, happened, LabelDefinition(horizon="30d"), day(9))
    young = immature(opened)
    assert isinstance(young, Immature)
    assert not {"y", "score", "value"} & set(vars(young))
    with pytest.raises(UsageError, match=r"immature.*2024-01-31.*age_matched"):
        measure_cohort(young)
    assert mature(opened).status == "no_rows"
    assert {m.status for m in measure_cohort(mature(opened))} == {"no_rows"}


def test_absence_is_what_the_definition_says():
    made = decisions([{"prediction_id": name, "at": day(0)} for name in "abcd"])
    happened = outcomes([{"prediction_id": n, "happened_at": day(20), "value": v} for n, v in (("a", 1.0), ("b", 0.0))])
    as_of = day(30)
    for absence, status, y in (
        ("explicit", "incomplete", []),
        ("censored", "ok", [1.0, 0.0]),
        ("negative_at_maturity", "ok", [1.0, 0.0, 0.0, 0.0]),
    ):
        definition = LabelDefinition(horizon="30d", absence=absence, silence="12d")
        found = mature(book(made, happened, definition, as_of))
        assert (found.status, found.y.tolist()) == (status, y), absence
        assert found.rows == 4
    half = LabelDefinition(horizon="30d", coverage_min=0.5)
    assert mature(book(made, happened, half, as_of)).y.tolist() == [1.0, 0.0]


def test_a_feed_that_stopped_shows_no_labels_and_never_that_all_is_well():
    days = np.arange(100, dtype=float)
    score = np.linspace(0.1, 0.9, 100)
    made = many_decisions(days, score)
    hit = np.flatnonzero(np.arange(100) % 4 == 0)
    told = many_outcomes([f"p{i}" for i in hit], days[hit] + 10, np.ones(len(hit)))
    rule = LabelDefinition(horizon="30d", grace="5d", absence="negative_at_maturity")
    whole = mature(book(made, told, rule, day(200)))
    # Events of decisions up to day 96 were told until day 106; the longest quiet was four days, so eight are allowed.
    assert (whole.status, whole.rows, len(whole.y)) == ("ok", 100, 106 + 8 - 35 + 1)
    # After day 38 nobody tells anything: what became due afterwards is not known, early events included.
    stopped = told.filter(np.array(told.column("recorded_at").to_pylist()) <= day(40))
    cut = mature(book(made, stopped, rule, day(200)))
    assert len(cut.y) == 38 + 8 - 35 + 1
    assert cut.y.mean() == pytest.approx(whole.y[: len(cut.y)].mean())
    assert cut.left_out == {"unheard": 100 - len(cut.y)}
    late = np.asarray(days >= 40)
    opened = book(made, stopped, rule, day(200))
    assert opened.stopped
    quiet = mature(opened, late, "late ones")
    assert quiet.status == "no_labels"
    assert "2024-02-08" in quiet.reason
    measured = measure_cohort(quiet)
    assert {m.status for m in measured} == {"no_labels"}
    assert np.isnan([m.value for m in measured]).all()


def test_a_group_without_a_single_event_is_no_labels_even_when_others_are_heard():
    made = many_decisions(np.zeros(50), np.full(50, 0.5))
    told = many_outcomes(["p0"], np.array([29.0]), np.ones(1))
    opened = book(made, told, LabelDefinition(horizon="30d", absence="negative_at_maturity"), day(31))
    assert mature(opened).status == "ok"
    assert mature(opened, np.arange(50) >= 25).status == "no_labels"


def test_what_is_left_out_is_counted_by_reason():
    made = decisions([{"prediction_id": n, "at": day(0), "score": None if n == "d" else 0.5} for n in "abcd"])
    told = outcomes(
        [
            {"prediction_id": "a", "happened_at": day(3), "value": 1.0},
            {"prediction_id": "b", "happened_at": day(3), "value": 1.0},
            {"prediction_id": "b", "happened_at": day(3), "value": 0.0, "source": "manual"},
        ]
    )
    opened = book(made, told, LabelDefinition(horizon="5d", coverage_min=0.5), day(60))
    assert mature(opened).left_out == {"unscored": 1, "unsettled": 1, "without_outcome": 1}


def test_weights_are_checked():
    made = decisions([{"prediction_id": "a", "at": day(0)}])
    for weight in (np.array([-1.0]), np.array([np.nan]), np.ones(2)):
        with pytest.raises(ContractError, match="weight"):
            book(made, outcomes([]), LabelDefinition(horizon="5d"), day(9), weight=weight)


@pytest.mark.parametrize(
    ("section", "match"),
    [
        ({}, "horizon is missing"),
        ({"horizon": "ten days"}, "ten days"),
        ({"horizon": 5}, "length of time"),
        ({"horizon": "1d", "graze": "1d"}, "did you mean grace"),
        ({"horizon": "1d", "absence": "good"}, "negative_at_maturity"),
        ({"horizon": "999999999d"}, "200 years"),
        ({"horizon": "1d", "kind": "quantity", "absence": "negative_at_maturity"}, "no such value"),
        ({"horizon": "1d", "kind": "quantity", "positive": ["x"]}, "positive"),
        ({"horizon": "1d", "positive": "bad"}, "list of texts"),
        ({"horizon": "1d", "coverage_min": 2}, "between 0 and 1"),
    ],
)
def test_a_definition_that_is_none_is_refused_with_its_value(section, match):
    with pytest.raises(UsageError, match=match):
        LabelDefinition.from_settings(section)


def test_spans_of_time_are_read():
    rule = LabelDefinition.from_settings({"horizon": "1.5d", "grace": "90min", "silence": "2w"})
    assert (rule.horizon, rule.grace, rule.silence) == (1.5 * DAY, dt.timedelta(minutes=90), 14 * DAY)
