"""Real loans in time order: what was known each year, what was estimated, what was later true."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from sternpost.outcomes.measuring import measure
from tests.outcomes.sba_replay import THREE_YEARS, VINTAGES, as_of_the_end_of, replay, rows

DOCUMENT = Path(__file__).parents[2] / "docs" / "outcomes.md"


def test_what_came_true_is_the_weighted_share_of_the_whole_file():
    final = {g.cohort.name: g.number("positive_rate") for g in as_of_the_end_of(2013).vintages}
    loans = replay().loans
    weight = loans.column("sampling_weight").to_numpy()
    approved, charged = (np.array(loans.column(n).to_pylist()) for n in ("approval_date", "charge_off_date"))
    bad = np.array([c is not None and (c - a).days <= 1096 for a, c in zip(approved, charged, strict=True)])
    years = np.array([a.year for a in approved])
    for year in VINTAGES:
        share = np.average(bad[years == year], weights=weight[years == year])
        # The replay thins by a draw instead of weighting; its interval holds the weighted share.
        assert final[str(year)].low < share < final[str(year)].high, year


def test_nothing_is_measured_before_it_is_due():
    for year in VINTAGES:
        report = as_of_the_end_of(year)
        due = replay().decisions.column("at").to_numpy() + np.timedelta64(1096 + 60, "D")
        assert report.whole.cohort.rows == (due <= np.datetime64(f"{year}-12-31T23:59")).sum()
        assert {w.name for w in report.waiting} >= {str(y) for y in range(max(2002, year - 2), year + 1)}


def test_the_year_looks_the_same_when_it_is_over():
    r = replay()
    then = dt.datetime(2007, 12, 31, 23, 59, tzinfo=dt.UTC)
    recorded = np.array([m <= then for m in r.outcomes.column("recorded_at").to_pylist()])
    made = np.array([m <= then for m in r.decisions.column("at").to_pylist()])
    only_then = measure(
        r.decisions.filter(made), r.outcomes.filter(recorded), THREE_YEARS, as_of=then, period="year", compare_ages=True
    )
    assert only_then.to_dict() == as_of_the_end_of(2007).to_dict()


def test_estimates_of_order_hold_and_estimates_of_the_rate_do_not_see_the_crisis():
    final = {g.cohort.name: g for g in as_of_the_end_of(2013).vintages}
    for year in range(2005, 2009):
        waiting = next(w for w in as_of_the_end_of(year).waiting if w.name == str(year))
        auc, rate = waiting.number("auc"), waiting.number("positive_rate")
        assert auc.low < final[str(year)].number("auc").value < auc.high
        # The assumption does not hold: what came true lies far above.
        assert final[str(year)].number("positive_rate").low > rate.high
        later = next(w for w in as_of_the_end_of(year + 1).waiting if w.name == str(year)).at_equal_age
        assert later.low > 2
        assert later.p < 0.001


def test_a_reference_without_enough_events_is_no_reference():
    waiting = next(w for w in as_of_the_end_of(2003).waiting if w.name == "2003")
    assert {e.status for e in waiting.estimates} == {"no_reference"}


def test_the_table_of_the_document_is_this_one():
    text = DOCUMENT.read_text()
    for row in rows():
        assert f"| {' | '.join(row)} |" in text, row


@pytest.fixture(autouse=True)
def _data():
    replay()
