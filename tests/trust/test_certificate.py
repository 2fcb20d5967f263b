"""Only a live certificate makes a binding decision, and only for what it covers."""

from __future__ import annotations

import copy
import datetime as dt
import math
import pickle
from dataclasses import dataclass, replace

import pytest
from scipy.stats import binomtest

from sternpost.trust.certificate import Binding, Certificate, error_bound
from sternpost.trust.rungs import Advice, Instead, Review, Rung, Standing, answer, place
from sternpost.trust.terms import Candidate
from tests.trust.paused import START, USE

DIGEST = "ab" * 32
CERTIFICATE = Certificate(
    use_case=USE,
    bundle=DIGEST,
    bands=(Candidate("grant", 0.0, 0.2), Candidate("look", 0.8, 1.1, "car")),
    share=1.0,
    issued_at=START,
    expires_at=START + dt.timedelta(days=30),
    evidence="e",
    terms="t",
    approvers=("bob", "cem"),
)
STANDING = Standing(USE, Rung.DECIDE, DIGEST, certificate=CERTIFICATE, since=START)
SECOND = dt.timedelta(seconds=1)


@dataclass
class Scored:
    score: float | None = 0.1
    action: str | None = "grant"
    bundle: str = DIGEST
    prediction_id: str | None = "p1"
    reasons: tuple[str, ...] = ()


def given(standing=STANDING, at=START, segment=None, **decision):
    return answer(standing, Scored(**decision), instead="look", at=at, segment=segment)


def test_what_a_caller_gets_on_each_rung():
    for rung in (Rung.OFF, Rung.SHADOW, Rung.HALT):
        assert given(replace(STANDING, rung=rung)) == Instead("look", rung.name)
    assert given(replace(STANDING, rung=Rung.ADVISE)) == Advice("grant", 0.1, DIGEST)
    bound = given()
    assert isinstance(bound, Binding)
    assert (bound.action, bound.score, bound.prediction_id, bound.certificate) == (
        "grant",
        0.1,
        "p1",
        CERTIFICATE.digest,
    )
    assert [a.binding for a in (given(replace(STANDING, rung=Rung.SHADOW)), bound)] == [False, True]


@pytest.mark.parametrize(
    ("reason", "decision"),
    [
        ("OUT_OF_BAND", {"score": 0.2}),
        ("OUT_OF_BAND", {"score": math.nan}),
        ("OUT_OF_BAND", {"action": "look"}),
        ("OUT_OF_BAND", {"score": 0.9, "action": "look"}),
        ("OUT_OF_BAND", {"score": 0.9, "action": "look", "segment": "house"}),
        ("NO_SCORE", {"score": None}),
        ("null:income", {"score": None, "reasons": ("null:income",)}),
        ("OTHER_BUNDLE", {"bundle": "cd" * 32}),
        ("SHARE", {"prediction_id": None}),
        ("SHARE", {"standing": replace(STANDING, certificate=replace(CERTIFICATE, share=0.0))}),
        ("NO_CERTIFICATE", {"standing": replace(STANDING, certificate=None)}),
        ("OUT_OF_BAND", {"standing": replace(STANDING, certificate=replace(CERTIFICATE, bundle="cd" * 32))}),
        ("BLIND", {"standing": replace(STANDING, rung=Rung.ADVISE, blind=1.0)}),
    ],
)
def test_everything_else_goes_to_a_person_with_its_reason_and_without_a_score(reason, decision):
    assert given(**decision) == Review(reason)
    assert "0.1" not in repr(given(**decision))


def test_a_band_of_one_segment_binds_in_that_segment():
    assert isinstance(given(score=0.9, action="look", segment="car"), Binding)


def test_an_expired_certificate_stops_binding_in_that_second():
    end = CERTIFICATE.expires_at
    assert isinstance(given(at=end - SECOND), Binding)
    assert isinstance(given(at=end - dt.timedelta(microseconds=1)), Binding)
    assert given(at=end) == Review("EXPIRED")
    assert given(at=START - SECOND) == Review("EXPIRED")


def test_the_share_of_the_traffic_is_kept_and_a_case_stays_on_its_side():
    names = [f"case-{n}" for n in range(20_000)]
    for share in (0.05, 0.25):
        standing = replace(STANDING, certificate=replace(CERTIFICATE, share=share))
        bound = {n for n in names if isinstance(given(standing, prediction_id=n), Binding)}
        assert binomtest(len(bound), len(names), share).pvalue > 1e-4
        assert bound <= {n for n in names if place("share", USE, n) < 0.25}
    blind = {n for n in names if place("blind", USE, n) < 0.25}
    assert binomtest(len(blind & bound), len(bound), 0.25).pvalue > 1e-4, "the two arms are drawn apart"


def test_nothing_but_a_certificate_makes_a_binding_decision():
    bound = CERTIFICATE.bind(bundle=DIGEST, prediction_id="p", action="grant", score=0.1, at=START)
    for attempt in (
        lambda: Binding(),
        lambda: Binding("p", "grant", 0.1, DIGEST, "c", START),
        lambda: copy.copy(bound),
        lambda: copy.deepcopy(bound),
        lambda: pickle.dumps(bound),
        lambda: type("Mine", (Binding,), {}),
        lambda: replace(bound, action="look"),
    ):
        with pytest.raises(TypeError):
            attempt()
    for change in (lambda: setattr(bound, "action", "look"), lambda: delattr(bound, "action")):
        with pytest.raises(AttributeError):
            change()
    for other in ({"bundle": "cd" * 32}, {"score": None}, {"action": None}, {"at": CERTIFICATE.expires_at}):
        asked = {"bundle": DIGEST, "prediction_id": "p", "action": "grant", "score": 0.1, "at": START, **other}
        assert CERTIFICATE.bind(**asked) is None


def test_what_is_written_of_a_standing_reads_back_the_same():
    assert Standing.from_dict(STANDING.to_dict()) == STANDING
    assert Certificate.from_dict(CERTIFICATE.to_dict()).digest == CERTIFICATE.digest


def test_the_bound_on_errors_is_the_exact_binomial_one():
    # By hand for no errors: (1 - p)^n = alpha. Else scipy's binomtest, by another way.
    for n in (1, 20, 150):
        assert error_bound(0, n, 0.05) == pytest.approx(1 - 0.05 ** (1 / n), rel=1e-12)
    for errors, n in ((1, 300), (4, 500), (12, 1_000), (83, 5_000), (7, 9)):
        exact = binomtest(errors, n, alternative="less").proportion_ci(0.99, method="exact").high
        assert error_bound(errors, n, 0.01) == pytest.approx(exact, rel=1e-9)
    assert error_bound(3, 3, 0.05) == error_bound(0, 0, 0.05) == error_bound(5, 3, 0.05) == 1.0
