"""A whole journal as of a moment: the naive rates appear nowhere, the past can be asked again, groups add up."""

from __future__ import annotations

import json
import re

import numpy as np
import pyarrow as pa
import pytest
from statsmodels.stats.proportion import proportions_ztest

from sternpost.errors import UsageError
from sternpost.outcomes import LabelDefinition
from sternpost.outcomes.measuring import measure
from sternpost.outcomes.pages import page_of
from tests.outcomes.ledgers import day, many_decisions, many_outcomes

YEAR = LabelDefinition(horizon="365d", grace="30d", absence="negative_at_maturity")


def two_cohorts(seed: int = 3):
    """1,000 decisions of the first days that are due, 100 of which defaulted within the year, 25 of them within the
    first 90 days; and 1,000 that are 90 days old, with 25 defaults so far. Truth in both: 10 %."""
    rng = np.random.default_rng(seed)
    score = np.round(rng.uniform(0.02, 0.18, 2000), 3)
    days = np.concatenate([np.linspace(0, 0.9, 1000), np.linspace(400, 400.9, 1000)])
    made = many_decisions(days, score)
    # The likelier ones default, so that scores order them.
    chosen = [
        np.sort(rng.choice(1000, 100, replace=False, p=score[:1000] / score[:1000].sum())),
        1000 + np.sort(rng.choice(1000, 25, replace=False, p=score[1000:] / score[1000:].sum())),
    ]
    ages = [np.concatenate([np.linspace(5, 88, 25), np.linspace(95, 360, 75)]), np.linspace(5, 88, 25)]
    told = [
        many_outcomes([f"p{i}" for i in rows], days[rows] + age, np.ones(len(rows)))
        for rows, age in zip(chosen, ages, strict=True)
    ]
    return made, pa.concat_tables(told), day(491)


def numbers(value, path=""):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from numbers(inner, f"{path}[{place}]")
    elif isinstance(value, float):
        yield path, value


@pytest.mark.parametrize("compare_ages", [False, True])
def test_two_cohorts_and_the_naive_rates_appear_nowhere(compare_ages, run_verb):
    made, told, as_of = two_cohorts()
    report = measure(
        made, told, YEAR, as_of=as_of, by="vintage", period="month", thresholds=(0.1,), compare_ages=compare_ages
    )
    rate = report.whole.number("positive_rate")
    assert rate.value == pytest.approx(0.1)
    assert [g.cohort.name for g in report.groups] == ["2024-01"]
    assert [(w.name, w.rows) for w in report.waiting] == [("2025-02", 1000)]
    body = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    # Labels so far: 25 of 25 positive. No label read as good: 25 of 1,000.
    assert [(path, v) for path, v in numbers(body) if abs(v - 1.0) < 1e-9 or abs(v - 0.025) < 1e-9] == []
    page = page_of(report).html()
    text = run_verb(made, told, as_of, "--threshold", "0.1", *(["--compare-ages"] if compare_ages else []))
    words = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    for shown in (words, text):
        assert not re.search(r"(?<![\d.])(100 ?%|2\.5 ?%|0\.025(?!\d))", shown)
    if compare_ages:
        equal = report.waiting[0].at_equal_age
        assert equal.status == "ok"
        assert equal.told == pytest.approx(equal.expected, rel=0.9)
        assert equal.low < 1 < equal.high
    else:
        assert report.waiting[0].at_equal_age is None


def test_equal_age_is_katz_and_the_pooled_z():
    made, told, as_of = two_cohorts()
    report = measure(made, told, YEAR, as_of=as_of, period="month", compare_ages=True)
    e = report.waiting[0].at_equal_age
    reference = round(e.expected / e.rows * e.reference_rows)
    _, p = proportions_ztest([e.told, reference], [e.rows, e.reference_rows])
    assert e.p == pytest.approx(p, abs=1e-9)
    spread = np.sqrt(1 / e.told - 1 / e.rows + 1 / reference - 1 / e.reference_rows)
    assert (e.low, e.high) == pytest.approx((e.ratio / np.exp(1.959964 * spread), e.ratio * np.exp(1.959964 * spread)))


def test_the_immature_cohort_is_estimated_and_marked():
    made, told, as_of = two_cohorts()
    report = measure(made, told, YEAR, as_of=as_of, period="month")
    expected = report.waiting[0].number("positive_rate")
    assert expected.status == "ok"
    assert expected.low < 0.1 < expected.high
    assert expected.to_dict()["kind"] == "ESTIMATE"


def lively(n: int = 3000, seed: int = 2):
    rng = np.random.default_rng(seed)
    days = np.sort(rng.uniform(0, 300, n))
    score = rng.beta(2, 5, n)
    hit = np.flatnonzero(rng.random(n) < score)
    made = many_decisions(days, score)
    made = made.append_column(
        "inputs",
        pa.StructArray.from_arrays(
            [pa.array(rng.choice(["north", "south"], n)), pa.array(rng.integers(1, 4, n)), pa.array(score)],
            ["region", "w", "x"],
        ),
    )
    made = made.set_column(3, "digest", pa.array(np.where(days < 150, "a" * 64, "b" * 64)))
    return made, many_outcomes(
        [f"p{i}" for i in hit], days[hit] + rng.uniform(0, 29, len(hit)), np.ones(len(hit)), lag=1
    )


MONTH = LabelDefinition(horizon="30d", grace="2d", absence="negative_at_maturity")


def test_the_past_can_be_asked_again():
    made, told = lively()
    then = told.filter(pa.compute.less_equal(told.column("recorded_at"), pa.scalar(day(200))))
    rng = np.random.default_rng(1)
    shuffled = pa.concat_tables([told, told]).take(rng.permutation(2 * len(told)))
    known_then = measure(made, then, MONTH, as_of=day(200), by="version").to_dict()
    asked_later = measure(
        made.take(rng.permutation(len(made))), shuffled, MONTH, as_of=day(200), by="version"
    ).to_dict()
    asked_later["findings"] = known_then["findings"]
    assert asked_later == known_then


def test_groups_hold_every_mature_decision_once():
    made, told = lively()
    for by, more in (("version", {}), ("vintage", {"period": "week"}), ("segment", {"segment": "region"})):
        report = measure(made, told, MONTH, as_of=day(310), by=by, estimates=False, **more)
        assert sum(g.cohort.rows for g in report.groups) == report.whole.cohort.rows
        assert sum(w.rows for w in report.waiting) + report.whole.cohort.rows == report.decisions
    weighted = measure(made, told, MONTH, as_of=day(310), weight="w", estimates=False)
    assert weighted.whole.number("auc").value != report.whole.number("auc").value


def test_estimates_of_the_past_are_reconciled_and_most_hold():
    made, told = lively()
    report = measure(made, told, MONTH, as_of=day(300), period="month")
    held = [r.held for r in report.record]
    assert len({r.vintage for r in report.record}) >= 5
    assert np.mean(held) > 0.8


def test_a_stopped_feed_shows_no_labels():
    made, told = lively()
    stopped = told.filter(pa.compute.less_equal(told.column("recorded_at"), pa.scalar(day(120))))
    report = measure(made, stopped, MONTH, as_of=day(320), by="vintage", period="month", compare_ages=True)
    assert report.feed.stopped
    late = [g for g in report.groups if g.cohort.name >= "2024-05"]
    assert {g.cohort.status for g in late} == {"no_labels"}
    assert all(m.status == "no_labels" for g in late for m in g.measures)
    page = page_of(report).html()
    assert "STOPPED" in page
    assert "no_labels" in page


def test_arrivals_count_every_outcome_by_age():
    made, told = lively()
    report = measure(made, told, MONTH, as_of=day(400), period="month", estimates=False)
    assert sum(sum(a.counts) for a in report.arrivals) == len(told)
    assert all(a.reached == 12 and a.counts[-1] == 0 for a in report.arrivals)


def test_outcomes_of_another_bundle_are_not_orphans():
    made, told = lively()
    other = made.slice(0, 10).set_column(0, "prediction_id", pa.array([f"q{i}" for i in range(10)]))
    other = other.set_column(2, "bundle", pa.array(["other"] * 10))
    both = pa.concat_tables([made, other])
    extra = pa.concat_tables([told, many_outcomes([f"q{i}" for i in range(10)], np.full(10, 20.0), np.ones(10))])
    with pytest.raises(UsageError, match="loans, other"):
        measure(both, extra, MONTH, as_of=day(300))
    report = measure(both, extra, MONTH, as_of=day(300), bundle="loans", estimates=False)
    assert report.findings["orphan"] == 0
    assert report.decisions == len(made)


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"by": "segment"}, "--segment"),
        ({"segment": "nosuch"}, "region, w"),
        ({"segment": "x"}, "is double"),
        ({"by": "version", "segment": "region"}, "exclude each other"),
        ({"weight": "region"}, "numbers"),
        ({"bundle": "nosuch"}, "there are of loans"),
        ({"period": "fortnight"}, "fortnight"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(more, match):
    made, told = lively(100)
    with pytest.raises(UsageError, match=match):
        measure(made, told, MONTH, as_of=day(310), **more)


def test_nothing_at_all_is_a_report_too():
    made, told = lively(50)
    for m, t in ((made.slice(0, 0), told), (made, told.slice(0, 0)), (made.slice(0, 0), told.slice(0, 0))):
        report = measure(m, t, MONTH, as_of=day(310), by="vintage")
        assert {x.status for x in report.whole.measures} <= {"no_rows", "no_labels"}
        json.dumps(report.to_dict(), allow_nan=False)
        assert "</html>" in page_of(report).html()


def test_quantities_are_measured_in_their_unit():
    made, told = lively(500)
    amounts = told.set_column(5, "value", pa.array(np.linspace(-3, 9, len(told))))
    rule = LabelDefinition(horizon="30d", kind="quantity", absence="censored", unit="eur")
    report = measure(made, amounts, rule, as_of=day(310), by="vintage")
    assert report.whole.number("rmse").status == "ok"
    assert not report.waiting or not report.waiting[0].estimates
    assert "RMSE" in page_of(report).html()
