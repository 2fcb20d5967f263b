"""The gates: a pure function from a rung, the evidence and the terms to a rung and the reason.

    judge(rung, evidence, terms) -> Verdict(rung, reason, ...)

It knows no clock, no file and no ledger. Up one rung only if every gate of that move is passed; down and to HALT by
itself. A number that is missing or NaN, and a threshold that is missing, NaN or asks for nothing, each fail their gate
with a reason of their own: nothing is passed because nobody looked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from sternpost.errors import ApprovalPending, GateMissed, Inconclusive, SternpostError
from sternpost.trust.certificate import error_bound
from sternpost.trust.evidence import CHAMPION, INCUMBENT, Evidence
from sternpost.trust.rungs import ABOVE, BELOW, Rung
from sternpost.trust.terms import Candidate, Terms

#: The money of a bet at which a model is called worse: at most one false demotion in twenty models.
WORSE = math.log(20)
APPROVERS = 2


class Reason(StrEnum):
    """Why a verdict is what it is."""

    EARNED = "EARNED"
    NOT_YET = "NOT_YET"
    MISSED = "MISSED"
    INCONCLUSIVE = "INCONCLUSIVE"
    APPROVALS = "APPROVALS"
    WORSE = "WORSE"
    BREACH = "BREACH"
    MISMATCH = "MISMATCH"
    UNAVAILABLE = "UNAVAILABLE"
    LATCHED = "LATCHED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True)
class Gate:
    """One gate: passed, or why not. `why`: OK, BELOW, ABOVE, MISSING, NAN, EMPTY, NO_THRESHOLD, VACUOUS, or a word of
    the gate's own; `told` says it to a person. `waits`: more evidence may still pass it."""

    name: str
    why: str
    told: str
    waits: bool = False

    @property
    def passed(self) -> bool:
        """Whether it was."""
        return self.why == "OK"

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {**vars(self), "passed": self.passed}


class Verdict(NamedTuple):
    """The rung that the evidence supports, why, every gate that was asked, and the bands that are certified."""

    rung: Rung
    reason: Reason
    gates: tuple[Gate, ...] = ()
    bands: tuple[Candidate, ...] = ()


def judge(rung: Rung, evidence: Evidence, terms: Terms) -> Verdict:
    """What the evidence says about a model on this rung; see the head of this file.

    DECIDE may be earned again, for a larger share of the traffic or a new certificate: EARNED at DECIDE.
    """
    if rung is Rung.HALT:
        return Verdict(Rung.HALT, Reason.LATCHED)
    if (falls := _falls(rung, evidence, terms)) is not None:
        return falls
    bands: tuple[Candidate, ...] = ()
    gates = [_same_terms(evidence, terms), *([_golden(evidence)] if rung is Rung.OFF else _guards(evidence, terms))]
    if rung in (Rung.ADVISE, Rung.DECIDE):
        bands = certified(evidence, terms)
        gates += [*_no_worse(evidence, terms, INCUMBENT), _band(evidence, terms, bands)]
    if (missed := _missed(gates)) is not None:
        return Verdict(rung, missed, tuple(gates))
    if rung in (Rung.ADVISE, Rung.DECIDE):
        gates.append(_approved(evidence))
        if not gates[-1].passed:
            return Verdict(rung, Reason.APPROVALS, tuple(gates))
    return Verdict(ABOVE.get(rung, Rung.DECIDE), Reason.EARNED, tuple(gates), bands)


def judge_challenger(rung: Rung, evidence: Evidence, terms: Terms) -> Verdict:
    """Whether a challenger has earned the champion's place: every guard, and no worse than the champion.

    EARNED gives the rung on which it begins: the champion's, but not DECIDE, whose certificate was the champion's.
    """
    if rung is Rung.HALT:
        return Verdict(rung, Reason.LATCHED)
    gates = [_same_terms(evidence, terms), *_guards(evidence, terms), *_no_worse(evidence, terms, CHAMPION)]
    if (missed := _missed(gates)) is not None:
        return Verdict(rung, missed, tuple(gates))
    return Verdict(min(rung, Rung.ADVISE, key=lambda r: r.height), Reason.EARNED, tuple(gates))


def refusal(use_case: str, verdict: Verdict) -> SternpostError:
    """The error that tells a verdict which is not EARNED, with every gate that was not passed."""
    told = "; ".join(f"{g.name} {g.why}: {g.told}" for g in verdict.gates if not g.passed)
    if verdict.reason is Reason.APPROVALS:
        return ApprovalPending(f"{use_case}: {told}; approve it: sternpost trust approve {use_case}")
    if verdict.reason in (Reason.NOT_YET, Reason.INCONCLUSIVE):
        return Inconclusive(f"{use_case} stays at {verdict.rung.name}, {verdict.reason}: {told}", verdict.gates)
    return GateMissed(f"{use_case} is at {verdict.rung.name}, {verdict.reason}: {told}", verdict.gates)


def certified(evidence: Evidence, terms: Terms) -> tuple[Candidate, ...]:
    """The candidate bands whose bound on errors is within what the terms allow; see `certificate`."""
    most = terms.max_band_error
    if most is None or not 0 < most < 1 or not terms.looks or not terms.candidates:
        return ()
    level = terms.alpha / (len(terms.candidates) * len(terms.looks))
    asked = set(terms.candidates)
    return tuple(b.band for b in evidence.bands if b.band in asked and error_bound(b.errors, b.n, level) <= most)


def _missed(gates: Iterable[Gate]) -> Reason | None:
    """Why gates are not all passed; None when they are."""
    failed = [gate for gate in gates if not gate.passed]
    if not failed:
        return None
    if all(gate.waits for gate in failed):
        return Reason.NOT_YET
    spent = all(gate.waits or gate.why == "INCONCLUSIVE" for gate in failed)
    return Reason.INCONCLUSIVE if spent else Reason.MISSED


def _falls(rung: Rung, evidence: Evidence, terms: Terms) -> Verdict | None:
    """What takes a model down without asking anybody."""
    rows, other, lost = evidence.replayed or 0, evidence.mismatches or 0, evidence.error_rate
    if rung is Rung.OFF:
        return None
    if other > 0 and not other <= terms.halt_mismatch_rate * rows:
        return Verdict(Rung.HALT, Reason.MISMATCH, (_mismatch(evidence),))
    if lost is not None and lost > terms.halt_error_rate:
        told = f"{lost:.3%} of the decisions were made without the model"
        return Verdict(Rung.HALT, Reason.UNAVAILABLE, (Gate("error_rate", "ABOVE", told),))
    if other > 0:
        return Verdict(BELOW[rung], Reason.MISMATCH, (_mismatch(evidence),))
    money = evidence.log_worse
    if money is not None and money >= WORSE and rung.height > Rung.SHADOW.height:
        told = f"the bet that it is worse than the incumbent by more than the margin has won {_times(money)}"
        return Verdict(BELOW[rung], Reason.WORSE, (Gate("worse", "ABOVE", told),))
    weeks = evidence.breaches[-terms.breach_windows :] if terms.breach_windows else ()
    always = set.intersection(*map(set, weeks)) if len(weeks) >= max(1, terms.breach_windows) else set()
    if always and rung.height > Rung.SHADOW.height:
        told = f"above its ceiling in {len(weeks)} weeks in a row"
        return Verdict(BELOW[rung], Reason.BREACH, tuple(Gate(name, "ABOVE", told) for name in sorted(always)))
    return None


def _guards(evidence: Evidence, terms: Terms) -> Iterable[Gate]:
    """What every rung from SHADOW on asks for."""
    yield _at_least("days", evidence.days, terms.min_days)
    yield _at_least("decisions", evidence.decisions, terms.min_decisions)
    yield _at_least("replayed", evidence.replayed, terms.min_replayed)
    yield _mismatch(evidence)
    yield _at_most("p99_ms", evidence.p99_ms, terms.max_p99_ms)
    yield _at_most("error_rate", evidence.error_rate, terms.max_error_rate)
    yield _at_most("ece", evidence.ece, terms.max_ece)
    yield _at_least("coverage", evidence.coverage, terms.min_coverage)
    if evidence.feed_stopped is not False:
        why = "MISSING" if evidence.feed_stopped is None else "STOPPED"
        yield Gate("feed", why, "nobody tells outcomes; see to the feed")
    if terms.segment is not None:
        yield from _segments(evidence, terms)


def _segments(evidence: Evidence, terms: Terms) -> Iterable[Gate]:
    if not evidence.segments:
        why = "MISSING" if evidence.segments is None else "EMPTY"
        yield Gate("segments", why, f"no decisions by {terms.segment}")
        return
    for name, rows in sorted(evidence.segments.items()):
        yield _at_least(f"segment {name}", rows, terms.min_segment_rows)


def _no_worse(evidence: Evidence, terms: Terms, against: str) -> Iterable[Gate]:
    yield _at_least("pairs", evidence.pairs, terms.min_pairs)
    if evidence.against != against:
        yield Gate("no_worse", "OTHER", f"it was compared with the {evidence.against}, not with the {against}")
        return
    if terms.incumbent is None or terms.margin is None or not terms.positive_actions:
        yield Gate("no_worse", "NO_THRESHOLD", "the terms name no incumbent, margin or positive action")
        return
    budget, money = terms.budget_pairs, evidence.log_no_worse
    if budget is None or budget < 1:
        yield Gate("no_worse", "NO_THRESHOLD", "the terms have no budget_pairs, so the comparison would never end")
    elif money is None or evidence.pairs is None:
        yield Gate("no_worse", "MISSING", "no mature pair with the incumbent", waits=True)
    elif not math.isfinite(money):
        yield Gate("no_worse", "NAN", "the comparison with the incumbent is not a number")
    elif money >= -math.log(terms.alpha):
        yield Gate("no_worse", "OK", f"the bet that it is no worse has won {_times(money)} in {evidence.pairs:,} pairs")
    elif evidence.pairs >= budget:
        told = f"the budget of {budget:,} pairs is spent and the bet that it is no worse stands at {_times(money)}"
        yield Gate("no_worse", "INCONCLUSIVE", f"{told}; begin again with other terms, or another model")
    else:
        told = f"the bet that it is no worse stands at {_times(money)} after {evidence.pairs:,} pairs"
        yield Gate("no_worse", "BELOW", f"{told}; {1 / terms.alpha:g} times is asked for", waits=True)


def _band(evidence: Evidence, terms: Terms, bands: tuple[Candidate, ...]) -> Gate:
    if not terms.candidates or terms.max_band_error is None or not terms.looks or terms.certificate_days is None:
        return Gate("band", "NO_THRESHOLD", "the terms lack candidates, max_band_error, looks or certificate_days")
    if not 0 < terms.max_band_error < 1 or not terms.certificate_days > 0:
        return Gate("band", "VACUOUS", f"max_band_error = {terms.max_band_error} asks for nothing that can be shown")
    if bands:
        return Gate("band", "OK", f"{len(bands)} of {len(terms.candidates)} bands certified")
    if not evidence.bands:
        told = f"fewer mature decisions than the first look, {terms.looks[0]:,}, asks for"
        return Gate("band", "EMPTY", told, waits=True)
    best = min(
        error_bound(b.errors, b.n, terms.alpha / (len(terms.candidates) * len(terms.looks))) for b in evidence.bands
    )
    told = f"no band is shown to err in at most {terms.max_band_error:.3%}; the best bound is {best:.3%}"
    return Gate("band", "ABOVE", told, waits=True)


def _approved(evidence: Evidence) -> Gate:
    author = person(evidence.author)
    people = {person(name) for name in evidence.approvers} - {author, ""}
    if not author:
        return Gate("approvals", "MISSING", "the author of the model is not known, so nobody is known not to be")
    if len(people) < APPROVERS:
        told = f"{len(people)} of {APPROVERS} people who are not the author ({evidence.author}) approved"
        return Gate("approvals", "BELOW", told)
    return Gate("approvals", "OK", f"approved by {', '.join(sorted(people))}")


def person(name: str | None) -> str:
    """A name as it is compared: without case and further spaces."""
    return " ".join((name or "").split()).casefold()


def _same_terms(evidence: Evidence, terms: Terms) -> Gate:
    if evidence.terms != terms.digest:
        return Gate("terms", "OTHER", "the evidence was gathered under other terms than those registered")
    return Gate("terms", "OK", f"registered as {terms.digest[:12]}")


def _golden(evidence: Evidence) -> Gate:
    if evidence.golden is None:
        return Gate("golden", "MISSING", "nobody opened the bundle")
    return Gate("golden", "OK" if evidence.golden else "FAILED", "golden rows replayed to the same bits")


def _mismatch(evidence: Evidence) -> Gate:
    if evidence.mismatches is None or not evidence.replayed:
        return Gate("mismatches", "MISSING", "no journalled decision was made again", waits=True)
    told = f"{evidence.mismatches:,} of {evidence.replayed:,} decisions made again had other bits"
    return Gate("mismatches", "ABOVE" if evidence.mismatches else "OK", told)


def _at_least(name: str, value: float | None, floor: float | None) -> Gate:
    if floor is None:
        return Gate(name, "NO_THRESHOLD", f"the terms ask for no {name}")
    if not (math.isfinite(floor) and floor > 0):
        return Gate(name, "VACUOUS", f"at least {floor} asks for nothing")
    if value is None or not math.isfinite(value):
        return _unknown(name, value)
    return Gate(name, "OK" if value >= floor else "BELOW", f"{value:,g}, at least {floor:,g}", waits=value < floor)


def _at_most(name: str, value: float | None, ceiling: float | None) -> Gate:
    if ceiling is None:
        return Gate(name, "NO_THRESHOLD", f"the terms ask for no {name}")
    if not (math.isfinite(ceiling) and ceiling >= 0):
        return Gate(name, "VACUOUS", f"at most {ceiling} asks for nothing")
    if value is None or not math.isfinite(value):
        return _unknown(name, value)
    if value < 0:
        return Gate(name, "IMPOSSIBLE", f"{value:,g} is no value that it can have")
    return Gate(name, "OK" if value <= ceiling else "ABOVE", f"{value:,g}, at most {ceiling:,g}")


def _unknown(name: str, value: float | None) -> Gate:
    if value is None:
        return Gate(name, "MISSING", f"{name} is not known", waits=True)
    return Gate(name, "NAN", f"{name} is not a number; see how it was measured")


def _times(money: float) -> str:
    return f"{math.exp(min(money, 50)):,.3g} times its stake"
