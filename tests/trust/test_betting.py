"""The comparison keeps its level however often one looks, and takes about as many pairs as computed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sternpost.trust.betting import BETS, LEAST, MOST, log_no_worse, log_worse, pairs_needed
from sternpost.trust.gates import judge
from sternpost.trust.rungs import Rung
from tests.trust.paused import START, evidence, terms

MARGIN, ALPHA = 0.02, 0.05
VALUES = (-1.0, 0.0, 1.0)
BAR = -math.log(ALPHA)


def differences(rng, n, better, worse):
    """d of n pairs: -1 where only the incumbent errs, 1 where only the model does."""
    return rng.choice(VALUES, n, p=[better, 1 - better - worse, worse])


def test_the_money_is_that_of_a_gambler_who_bets_by_hand():
    d = np.array([-1.0, 0.0, 0.5, 0.0, 1.0])
    bets = [LEAST * (MOST / LEAST) ** (k / (BETS - 1)) / (1 - MARGIN) for k in range(BETS)]
    money = [math.prod(1 + bet * (MARGIN - x) for x in d) for bet in bets]
    assert log_no_worse(d, MARGIN) == pytest.approx(math.log(sum(money) / BETS), rel=1e-12)
    assert log_no_worse(d[::-1], MARGIN) == pytest.approx(log_no_worse(d, MARGIN), abs=1e-12)


def test_the_money_of_all_days_is_shared_as_stated():
    days = [np.array([0.0, 1.0]), np.array([]), np.array([1.0])]
    bets = [LEAST * (MOST / LEAST) ** (k / (BETS - 1)) / (1 + MARGIN) for k in range(BETS)]

    def won(pairs):
        return sum(math.prod(1 + bet * (x - MARGIN) for x in pairs) for bet in bets) / BETS

    by_hand = won([0, 1, 1]) / 2 + won([1]) / 6 + won([1]) / 12 + 1 / 4
    assert log_worse(days, MARGIN) == pytest.approx(math.log(by_hand), rel=1e-12)


def test_200_shadow_runs_exactly_at_the_margin_with_daily_looks_promote_at_most_1_in_20():
    seed, runs, days, per_day = 20240101, 200, 50, 100
    rng = np.random.default_rng(seed)
    asked = terms(margin=MARGIN, alpha=ALPHA, min_pairs=100)
    promoted = naive = 0
    for _ in range(runs):
        d = differences(rng, days * per_day, better=0.03, worse=0.03 + MARGIN)
        looks = range(per_day, days * per_day + 1, per_day)
        # All else is as it should be, so that the best day for the model is the one that may promote it.
        money, pairs = max((log_no_worse(d[:n], MARGIN), n) for n in looks)
        best = evidence(asked, "ab" * 32, START, START, pairs=pairs, log_no_worse=money)
        promoted += judge(Rung.ADVISE, best, asked).rung is Rung.DECIDE
        naive += any(1.645 * d[:n].std() / math.sqrt(n) + d[:n].mean() < MARGIN for n in looks)
    print(f"seed {seed}: promoted {promoted} of {runs}; a fixed-n z-test looked at daily: {naive}")
    assert promoted <= 0.05 * runs
    assert naive > 0.15 * runs, "the runs would not tell a test that does not survive looking"


@pytest.mark.parametrize(("better", "worse"), [(0.06, 0.02), (0.04, 0.02)])
def test_a_clear_winner_is_promoted_at_about_the_computed_number(better, worse):
    computed = pairs_needed(VALUES, (better, 1 - better - worse, worse), MARGIN, alpha=ALPHA)
    rng, taken = np.random.default_rng(7), []
    for _ in range(40):
        d = differences(rng, int(6 * computed), better, worse)
        looks = np.arange(50, len(d), 50)
        taken.append(next((n for n in looks if log_no_worse(d[:n], MARGIN) >= BAR), math.inf))
    print(f"seed 7: computed {computed:.0f}, median {np.median(taken):.0f}, slowest {max(taken)}")
    assert 0.4 * computed <= np.median(taken) <= 1.1 * computed


def test_a_model_gone_bad_is_found_within_the_computed_delay_after_months_of_good_work():
    good_days, per_day = 60, 200
    chances = (0.02, 0.86, 0.12)
    computed = pairs_needed(VALUES, chances, MARGIN, worse_after=good_days)
    rng, delays = np.random.default_rng(11), []
    for _ in range(25):
        days = [differences(rng, per_day, 0.05, 0.03) for _ in range(good_days)]
        assert log_worse(days, MARGIN) < BAR
        while log_worse(days, MARGIN) < BAR:
            days.append(rng.choice(VALUES, per_day, p=chances))
        delays.append((len(days) - good_days) * per_day)
    print(f"seed 11: computed {computed:.0f} pairs, median {np.median(delays):.0f}, slowest {max(delays)}")
    assert np.median(delays) <= computed + per_day
    assert max(delays) <= 3 * computed + per_day


def test_a_model_at_the_margin_is_rarely_called_worse_in_all_its_days():
    rng, called = np.random.default_rng(13), 0
    for _ in range(100):
        days = [differences(rng, 150, 0.03, 0.03 + MARGIN) for _ in range(20)]
        called += any(log_worse(days[:n], MARGIN) >= BAR for n in range(1, 21))
    print(f"seed 13: called worse {called} of 100")
    assert called <= 5


@pytest.mark.parametrize("d", [[], [math.nan, 0.0], [0.0, 1.5], [math.inf]])
def test_what_cannot_be_judged_is_not_a_number(d):
    assert math.isnan(log_no_worse(np.array(d, dtype=float), MARGIN))
    assert math.isnan(log_worse([np.array(d, dtype=float)], MARGIN))


@pytest.mark.parametrize("margin", [0.0, -0.1, 1.0, math.nan])
def test_a_margin_that_asks_for_nothing_gives_no_number(margin):
    assert math.isnan(log_no_worse(np.zeros(10), margin))


def test_a_model_that_is_no_better_than_the_margin_is_never_expected_to_win():
    assert pairs_needed(VALUES, (0.03, 0.92, 0.05), MARGIN) == math.inf
