"""Gates as a table: the evidence, changed in one place, and what becomes of the model. Nothing passes unlooked at."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest

from sternpost.trust.evidence import BandCount, Evidence
from sternpost.trust.gates import Reason, certified, judge, judge_challenger
from sternpost.trust.rungs import Rung
from sternpost.trust.terms import Candidate, Terms
from tests.trust.paused import LOW, START, evidence, terms

OFF, SHADOW, ADVISE, DECIDE, HALT = Rung.OFF, Rung.SHADOW, Rung.ADVISE, Rung.DECIDE, Rung.HALT
TERMS = terms()
GOOD = evidence(TERMS, "ab" * 32, START, START)
NUMBERS = ("days", "decisions", "replayed", "p99_ms", "error_rate", "ece", "coverage", "pairs", "log_no_worse")


def judged(rung, asked=TERMS, **changes):
    found = replace(GOOD, **{"terms": asked.digest, **changes})
    verdict = judge(rung, found, asked)
    return verdict.rung, verdict.reason, {g.name: g.why for g in verdict.gates if not g.passed}


def test_good_evidence_goes_up_one_rung_at_a_time():
    assert judged(OFF, golden=True) == (SHADOW, Reason.EARNED, {})
    assert judged(SHADOW) == (ADVISE, Reason.EARNED, {})
    assert judged(ADVISE) == (DECIDE, Reason.EARNED, {})
    assert judged(DECIDE) == (DECIDE, Reason.EARNED, {})
    assert judged(HALT) == (HALT, Reason.LATCHED, {})
    assert judge(ADVISE, GOOD, TERMS).bands == (LOW,)


@pytest.mark.parametrize(
    ("rung", "changes", "becomes", "reason", "failed"),
    [
        (OFF, {"golden": None}, OFF, "MISSED", {"golden": "MISSING"}),
        (OFF, {"golden": False}, OFF, "MISSED", {"golden": "FAILED"}),
        (SHADOW, {"days": 13.9}, SHADOW, "NOT_YET", {"days": "BELOW"}),
        (SHADOW, {"decisions": 999}, SHADOW, "NOT_YET", {"decisions": "BELOW"}),
        (SHADOW, {"p99_ms": 5.01}, SHADOW, "MISSED", {"p99_ms": "ABOVE"}),
        (SHADOW, {"error_rate": 0.002}, SHADOW, "MISSED", {"error_rate": "ABOVE"}),
        (SHADOW, {"ece": 0.04}, SHADOW, "MISSED", {"ece": "ABOVE"}),
        (SHADOW, {"ece": -0.1}, SHADOW, "MISSED", {"ece": "IMPOSSIBLE"}),
        (SHADOW, {"coverage": 0.5}, SHADOW, "NOT_YET", {"coverage": "BELOW"}),
        (SHADOW, {"feed_stopped": True}, SHADOW, "MISSED", {"feed": "STOPPED"}),
        (SHADOW, {"replayed": 0}, SHADOW, "NOT_YET", {"replayed": "BELOW", "mismatches": "MISSING"}),
        (SHADOW, {"terms": "other"}, SHADOW, "MISSED", {"terms": "OTHER"}),
        (SHADOW, {"mismatches": 1}, OFF, "MISMATCH", {"mismatches": "ABOVE"}),
        (ADVISE, {"mismatches": 5}, SHADOW, "MISMATCH", {"mismatches": "ABOVE"}),
        (ADVISE, {"mismatches": 6}, HALT, "MISMATCH", {"mismatches": "ABOVE"}),
        (ADVISE, {"mismatches": 1, "replayed": 0}, HALT, "MISMATCH", {"mismatches": "MISSING"}),
        (ADVISE, {"log_no_worse": math.log(19)}, ADVISE, "NOT_YET", {"no_worse": "BELOW"}),
        (ADVISE, {"log_no_worse": math.log(19), "pairs": 20_000}, ADVISE, "INCONCLUSIVE", {"no_worse": "INCONCLUSIVE"}),
        (ADVISE, {"pairs": 900}, ADVISE, "NOT_YET", {"pairs": "BELOW"}),
        (ADVISE, {"bands": ()}, ADVISE, "NOT_YET", {"band": "EMPTY"}),
        (ADVISE, {"bands": (BandCount(LOW, 1_000, 12),)}, ADVISE, "NOT_YET", {"band": "ABOVE"}),
        (ADVISE, {"bands": (BandCount(Candidate("grant", 0, 1), 9_999, 0),)}, ADVISE, "NOT_YET", {"band": "ABOVE"}),
        (ADVISE, {"approvers": ()}, ADVISE, "APPROVALS", {"approvals": "BELOW"}),
        (ADVISE, {"approvers": ("bob",)}, ADVISE, "APPROVALS", {"approvals": "BELOW"}),
        (ADVISE, {"approvers": ("bob", " BOB ")}, ADVISE, "APPROVALS", {"approvals": "BELOW"}),
        (ADVISE, {"approvers": ("bob", "Ann")}, ADVISE, "APPROVALS", {"approvals": "BELOW"}),
        (ADVISE, {"author": None}, ADVISE, "APPROVALS", {"approvals": "MISSING"}),
        (DECIDE, {"log_worse": math.log(19.9)}, DECIDE, "EARNED", {}),
        (DECIDE, {"log_worse": math.log(20.1)}, ADVISE, "WORSE", {"worse": "ABOVE"}),
        (ADVISE, {"log_worse": math.log(20.1)}, SHADOW, "WORSE", {"worse": "ABOVE"}),
        (DECIDE, {"breaches": (("p99_ms",), ("p99_ms", "error_rate"))}, ADVISE, "BREACH", {"p99_ms": "ABOVE"}),
        (DECIDE, {"breaches": (("p99_ms",), ("error_rate",))}, DECIDE, "EARNED", {}),
        (DECIDE, {"breaches": (("p99_ms",),)}, DECIDE, "EARNED", {}),
        (DECIDE, {"error_rate": 0.51}, HALT, "UNAVAILABLE", {"error_rate": "ABOVE"}),
    ],
)
def test_one_thing_amiss(rung, changes, becomes, reason, failed):
    assert judged(rung, **changes) == (becomes, Reason(reason), failed)


def test_a_challenger_takes_the_place_but_not_the_certificate_of_the_champion():
    against = replace(GOOD, against="champion", approvers=(), bands=())
    for rung, becomes in ((SHADOW, SHADOW), (ADVISE, ADVISE), (DECIDE, ADVISE)):
        assert judge_challenger(rung, against, TERMS)[:2] == (becomes, Reason.EARNED)
    assert judge_challenger(HALT, against, TERMS)[:2] == (HALT, Reason.LATCHED)
    for changes, reason in (
        ({"log_no_worse": 1.0}, Reason.NOT_YET),
        ({"log_no_worse": 1.0, "pairs": 20_000}, Reason.INCONCLUSIVE),
        ({"log_no_worse": math.nan}, Reason.MISSED),
        ({"mismatches": 1}, Reason.MISSED),
        ({"ece": 0.5}, Reason.MISSED),
        ({"against": "incumbent"}, Reason.MISSED),
    ):
        assert judge_challenger(DECIDE, replace(against, **changes), TERMS)[:2] == (DECIDE, reason), changes
    assert judge(ADVISE, replace(GOOD, against="champion"), TERMS).reason is Reason.MISSED


@pytest.mark.parametrize("rung", [SHADOW, ADVISE, DECIDE])
@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(("value", "why"), [(None, "MISSING"), (math.nan, "NAN"), (math.inf, "NAN")])
def test_a_number_that_is_missing_or_none_never_promotes(rung, name, value, why):
    if rung is SHADOW and name in ("pairs", "log_no_worse"):
        pytest.skip("asked for from ADVISE on")
    becomes, reason, failed = judged(rung, **{name: value})
    if name == "error_rate" and value == math.inf:
        assert (becomes, reason) == (HALT, Reason.UNAVAILABLE)
        return
    gate = "no_worse" if name == "log_no_worse" else name
    assert becomes is rung
    assert reason is not Reason.EARNED
    assert failed[gate] == why


@pytest.mark.parametrize("rung", [SHADOW, ADVISE, DECIDE])
def test_empty_evidence_never_promotes(rung):
    for asked in (TERMS, terms(segment="purpose", min_segment_rows=100)):
        empty = Evidence(use_case="loans", bundle="ab" * 32, terms=asked.digest)
        verdict = judge(rung, empty, asked)
        assert verdict.rung is rung
        assert verdict.reason is not Reason.EARNED
        assert {g.why for g in verdict.gates} <= {"OK", "MISSING", "EMPTY"}


ASKED = [f.name for f in fields(Terms) if f.name.startswith(("min_", "max_"))]


@pytest.mark.parametrize("name", [*ASKED, "margin", "budget_pairs", "certificate_days", "incumbent"])
def test_terms_without_a_threshold_never_promote(name):
    rung = ADVISE
    asked = terms(**{"segment": "purpose", "min_segment_rows": 10, name: None})
    becomes, reason, failed = judged(rung, asked, segments={"car": 50})
    assert (becomes, reason) == (ADVISE, Reason.MISSED)
    assert "NO_THRESHOLD" in failed.values()


def test_terms_that_ask_for_nothing_at_all_never_promote():
    nothing = Terms(outcome={"horizon": "1d"})
    for rung in (SHADOW, ADVISE, DECIDE):
        assert judged(rung, nothing)[:2] == (rung, Reason.MISSED)
    for name in (n for n in ASKED if n.startswith("min_")):
        for zero in (0, 0.0, -1.0, math.nan):
            asked = terms(**{"segment": "purpose", "min_segment_rows": 10, name: zero})
            becomes, reason, failed = judged(ADVISE, asked, segments={"car": 50})
            assert (becomes, reason) == (ADVISE, Reason.MISSED), name
            assert "VACUOUS" in failed.values(), name
    for lifetime in (None, 0, -1):
        assert judged(ADVISE, terms(certificate_days=lifetime))[0] is ADVISE
    for share in (0, 1.0, 2.0, math.nan):
        assert judged(ADVISE, terms(max_band_error=share))[0] is ADVISE


def test_every_segment_has_to_be_seen_often_enough():
    asked = terms(segment="purpose", min_segment_rows=100)
    assert judged(SHADOW, asked, segments={"car": 100, "house": 100})[0] is ADVISE
    assert judged(SHADOW, asked, segments={"car": 100, "house": 99}) == (
        SHADOW, Reason.NOT_YET, {"segment house": "BELOW"},
    )  # fmt: skip
    assert judged(SHADOW, asked, segments={})[2] == {"segments": "EMPTY"}


@pytest.mark.parametrize(
    ("errors", "n", "holds"),
    [
        (0, 148, False),
        (0, 150, True),
        (1, 300, True),
        (2, 300, False),
        (12, 1_000, True),
        (13, 1_000, False),
        (83, 5_000, True),
    ],
)
def test_a_band_is_certified_by_the_published_counts_at_2_percent(errors, n, holds):
    asked = terms(candidates=(LOW,), looks=(100,))
    assert bool(certified(replace(GOOD, bands=(BandCount(LOW, n, errors),)), asked)) is holds


def test_more_bands_and_more_looks_ask_for_more():
    tight = replace(GOOD, bands=(BandCount(LOW, 1_000, 12),))
    assert certified(tight, terms(candidates=(LOW,), looks=(100,)))
    assert not certified(tight, terms(candidates=(LOW,), looks=(100, 1_000)))
    assert not certified(tight, terms(candidates=(LOW, Candidate("grant", 0.0, 0.4)), looks=(100,)))


def test_the_same_evidence_gives_the_same_verdict_and_people_change_its_digest_not():
    assert judge(ADVISE, GOOD, TERMS) == judge(ADVISE, replace(GOOD), TERMS)
    assert replace(GOOD, approvers=()).digest == GOOD.digest != replace(GOOD, ece=0.0101).digest
    assert replace(GOOD, ece=math.nan).digest == replace(GOOD, ece=math.nan).digest
