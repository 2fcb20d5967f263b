"""The life of a use case as a ledger: day, who, what they do, and what stands then. The clock is paused."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace

import pytest

from sternpost.bundle.atomic import whole_file
from sternpost.errors import (
    ApprovalPending,
    DataError,
    GateMissed,
    Inconclusive,
    LedgerBroken,
    Superseded,
    UsageError,
)
from sternpost.trust import ledger as ledger_module
from sternpost.trust import registry as registry_module
from sternpost.trust.certificate import Binding
from sternpost.trust.evidence import BandCount
from sternpost.trust.gates import Reason
from sternpost.trust.ladder import Ladder
from sternpost.trust.ledger import Ledger
from sternpost.trust.registry import Registry
from sternpost.trust.rungs import Review, Rung, answer
from tests.trust.paused import LOW, START, USE, Clock, evidence, ladder, terms
from tests.trust.test_certificate import Scored

OFF, SHADOW, ADVISE, DECIDE, HALT = Rung.OFF, Rung.SHADOW, Rung.ADVISE, Rung.DECIDE, Rung.HALT
TERMS = terms()


class Story:
    """Acts on a ladder; evidence is good unless changed, and as of the clock."""

    def __init__(self, steps: Ladder, clock: Clock, bundle_file) -> None:
        self.steps, self.clock = steps, clock
        self.digest = steps.registry.put(bundle_file)

    def found(self, **changes):
        now = self.steps.standing(USE)
        return evidence(TERMS, now.champion or self.digest, now.counted_from or START, self.clock(), **changes)

    def enter(self, who):
        return self.steps.enter(USE, self.digest, TERMS, who=who, why="a first model")

    def promote(self, who, **changes):
        return self.steps.promote(USE, self.found(**changes), who=who, why="the evidence")

    def look(self, who, **changes):
        return self.steps.look(USE, self.found(**changes) if changes else None)

    def __getattr__(self, name):
        return lambda who, **more: getattr(self.steps, name)(USE, who=who, why="a reason", **more)


@pytest.fixture
def story(steps, clock, bundle_file) -> Story:
    return Story(steps, clock, bundle_file)


#    day   who    does        with                                    stands    share  told
LIFE = [
    (0, "ann", "promote", {}, OFF, None, UsageError),
    (0, "ann", "enter", {}, SHADOW, None, None),
    (0, "ann", "enter", {}, SHADOW, None, UsageError),
    (13, "bob", "promote", {"days": 13.0}, SHADOW, None, Inconclusive),
    (14, "bob", "promote", {"ece": 0.2}, SHADOW, None, GateMissed),
    (15, "bob", "promote", {}, ADVISE, None, None),
    (15, "bob", "promote", {"log_no_worse": 1.0}, ADVISE, None, Inconclusive),
    (20, "bob", "promote", {}, ADVISE, None, ApprovalPending),
    (20, "ann", "approve", {}, ADVISE, None, UsageError),
    (20, "Ann ", "approve", {}, ADVISE, None, UsageError),
    (20, "bob", "approve", {}, ADVISE, None, None),
    (20, "Bob", "approve", {}, ADVISE, None, None),
    (20, "bob", "promote", {}, ADVISE, None, ApprovalPending),
    (21, "cem", "approve", {}, ADVISE, None, None),
    (21, "bob", "promote", {"ece": math.nan}, ADVISE, None, GateMissed),
    (21, "bob", "promote", {}, DECIDE, 0.05, None),
    (30, "bob", "promote", {}, DECIDE, 0.05, ApprovalPending),
    (40, "bob", "approve", {}, DECIDE, 0.05, None),
    (40, "dia", "approve", {}, DECIDE, 0.05, None),
    (40, "bob", "promote", {}, DECIDE, 0.25, None),
    (41, "sternpost", "look", {"log_worse": 0.0}, DECIDE, 0.25, None),
    (69, "sternpost", "look", {}, DECIDE, 0.25, None),
    (70, "sternpost", "look", {}, ADVISE, None, None),
    (71, "bob", "promote", {}, ADVISE, None, ApprovalPending),
    (72, "eve", "halt", {}, HALT, None, None),
    (72, "bob", "promote", {}, HALT, None, UsageError),
    (72, "sternpost", "look", {"log_worse": 0.0}, HALT, None, None),
    (72, "sternpost", "release", {}, HALT, None, UsageError),
    (72, "eve", "release", {"to": DECIDE}, HALT, None, UsageError),
    (73, "eve", "release", {"to": ADVISE}, ADVISE, None, None),
    (74, "sternpost", "look", {"log_worse": 5.0}, SHADOW, None, None),
    (75, "sternpost", "look", {"error_rate": 0.9}, HALT, None, None),
    (76, "eve", "release", {"to": ADVISE}, HALT, None, UsageError),
    (76, "eve", "release", {}, SHADOW, None, None),
    (77, "eve", "demote", {}, OFF, None, None),
    (78, "ann", "enter", {}, SHADOW, None, None),
]


def test_the_life_of_a_use_case(story, steps, clock, tmp_path):
    for line, (day, who, does, more, rung, share, error) in enumerate(LIFE):
        clock.days = day
        place = f"line {line}: day {day}, {who} {does} {more}"
        if error is None:
            getattr(story, does)(who, **more)
        else:
            with pytest.raises(error) as caught:
                getattr(story, does)(who, **more)
            assert type(caught.value) is error, place
        now = steps.standing(USE)
        assert now.rung is rung, place
        assert (now.certificate.share if now.certificate else None) == share, place
        assert steps.registry.standing(USE) == (now if now.serial else None), place
    told = steps.history(USE)
    assert {r.who for r in told} == {"ann", "bob", "Bob", "cem", "dia", "eve", "sternpost"}
    assert [r.kind for r in told].count("promote") == 3
    for day, rung in ((-1, OFF), (0, SHADOW), (14.9, SHADOW), (20, ADVISE), (21, DECIDE), (70, ADVISE), (72.5, HALT)):
        assert steps.at(USE, Clock(day)()).rung is rung
    again = ladder(tmp_path / "registry", clock)
    assert again.standing(USE) == steps.standing(USE), "it outlives the process"
    assert steps.settle() == []


def up_to_decide(story, clock):
    story.enter("ann")
    clock.days = 15
    story.promote("bob")
    for who in ("bob", "cem"):
        story.approve(who)
    return story.promote("bob")


def test_a_binding_decision_ends_with_its_certificate_without_anybody_looking(story, clock, steps):
    up_to_decide(story, clock)
    standing = steps.registry.standing(USE)
    case = next(f"case {n}" for n in range(999) if isinstance(bound(standing, f"case {n}", clock), Binding))
    clock.days = 45 - 1 / 86_400
    assert isinstance(bound(standing, case, clock), Binding)
    clock.days = 45
    assert bound(standing, case, clock) == Review("EXPIRED")
    assert story.look("sternpost").reason is Reason.EXPIRED


def bound(standing, case, clock):
    return answer(standing, Scored(bundle=standing.champion, prediction_id=case), instead=None, at=clock())


def test_evidence_of_before_of_another_model_or_of_the_future_does_not_count(story, steps, clock):
    story.enter("ann")
    clock.days = 15
    good = story.found()
    for wrong, told in (
        (replace(good, bundle="cd" * 32), "not about this champion"),
        (replace(good, use_case="other"), "not about this champion"),
        (replace(good, since=Clock(-1)()), "only what came after"),
        (replace(good, since=None), "only what came after"),
        (replace(good, as_of=Clock(16)()), "is as of"),
        (replace(good, as_of=None), "is as of"),
    ):
        with pytest.raises(UsageError, match=told):
            steps.promote(USE, wrong, who="bob", why="x")
    changed = terms(margin=0.05)
    with pytest.raises(GateMissed, match="other terms"):
        steps.promote(USE, replace(good, terms=changed.digest), who="bob", why="a wider margin, after the fact")


def test_the_word_of_an_approver_ends_when_the_standing_changes(story, steps, clock):
    up_to_decide(story, clock)
    assert steps.approvers(USE) == ()
    assert steps.standing(USE).certificate.approvers == ("bob", "cem")


def test_only_certified_bands_get_into_the_certificate(story, clock):
    certificate = up_to_decide(story, clock).certificate
    assert certificate.bands == (LOW,)
    assert (certificate.expires_at - certificate.issued_at).days == 30


def test_a_worse_model_is_demoted_by_the_promotion_that_it_asked_for(story, steps, clock):
    up_to_decide(story, clock)
    with pytest.raises(GateMissed, match="ADVISE, WORSE"):
        story.promote("bob", log_worse=4.0)
    assert steps.standing(USE).rung is ADVISE
    assert steps.history(USE)[-1].who == "sternpost"


def test_two_promoters_at_once_one_wins_and_the_other_is_told(story, steps, clock, tmp_path):
    story.enter("ann")
    clock.days = 15
    good, barrier, ended = story.found(), threading.Barrier(2), {}

    class Together(Ladder):
        def terms(self, use_case):
            barrier.wait()  # both have looked, none has written
            return super().terms(use_case)

    def act(who):
        mine = Together(Ledger(tmp_path / "registry"), Registry(tmp_path / "registry"), clock=clock)
        try:
            mine.promote(USE, good, who=who, why="the evidence")
            ended[who] = "won"
        except Superseded as e:
            ended[who] = str(e)

    threads = [threading.Thread(target=act, args=(who,)) for who in ("bob", "cem")]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(ended.values(), key=len)[0] == "won"
    loser = max(ended.values(), key=len)
    winner = next(who for who, how in ended.items() if how == "won")
    assert f"{winner} was first" in loser
    assert steps.standing(USE).rung is ADVISE
    assert [r.kind for r in steps.history(USE)] == ["enter", "promote"]
    assert steps.registry.standing(USE) == steps.standing(USE)


@pytest.mark.parametrize("written", ["ledger.head", "history", "rungs"])
def test_power_cut_after_the_record_leaves_the_old_standing_until_the_ledger_is_read(
    story, steps, clock, monkeypatch, written
):
    up_to_decide(story, clock)
    old = steps.registry.standing(USE)

    def cut(path):
        if written in str(path):
            raise KeyboardInterrupt
        return whole_file(path)

    for module in (ledger_module, registry_module):
        monkeypatch.setattr(module, "whole_file", cut)
    with pytest.raises(KeyboardInterrupt):
        story.demote("eve")
    monkeypatch.undo()
    assert steps.registry.standing(USE) == old
    assert steps.standing(USE).rung is ADVISE
    assert steps.settle() == [USE]
    assert steps.registry.standing(USE) == steps.standing(USE)
    assert steps.settle() == []


def test_a_rung_file_written_by_somebody_else_is_found(story, steps, clock):
    story.enter("ann")
    true = steps.registry.standing(USE)
    for forged in (replace(true, rung=ADVISE), replace(true, serial=99, rung=DECIDE)):
        steps.registry.set(forged)
        with pytest.raises(LedgerBroken, match="halt the use case and see who wrote the file"):
            steps.settle()
        story.demote("eve", to=OFF)
        assert steps.registry.standing(USE) == steps.standing(USE)
        assert steps.registry.standing(USE).rung is OFF
        true = story.enter("ann")
    steps.registry.set(replace(true, use_case="nobody", serial=0))
    with pytest.raises(LedgerBroken, match="nobody"):
        steps.settle()


def test_a_broken_ledger_stops_everything_but_the_stop_button(story, steps, clock, tmp_path):
    import sqlite3
    from contextlib import closing

    up_to_decide(story, clock)
    with closing(sqlite3.connect(steps.ledger.place)) as connection, connection:
        connection.execute("update sternpost_ledger set why = 'because' where serial = 2")
    for act in (story.promote, story.approve, story.demote, story.look, story.release):
        with pytest.raises(LedgerBroken, match="record 2 was altered"):
            act("bob")
    assert steps.registry.standing(USE).rung is DECIDE
    with pytest.raises(LedgerBroken, match="record 2"):
        story.halt("eve")
    assert steps.registry.standing(USE).rung is HALT


def test_rollback_brings_the_champion_before_back_in_less_than_a_second(story, steps, other_bundle_file):
    with pytest.raises(UsageError, match="had no champion before"):
        story.rollback("eve")
    story.enter("ann")
    first = story.digest
    story.digest = steps.registry.put(other_bundle_file)
    assert story.digest != first
    assert story.challenge("bob", bundle=story.digest).challengers == (story.digest,)
    story.demote("eve")
    story.enter("bob")
    assert (steps.standing(USE).champion, steps.standing(USE).previous) == (story.digest, first)
    begun = time.monotonic()
    back = story.rollback("eve")
    assert time.monotonic() - begun < 1
    assert (back.champion, back.previous) == (first, story.digest)
    assert steps.registry.standing(USE) == back


def test_a_challenger_becomes_the_champion_in_one_step(story, steps, clock, other_bundle_file):
    up_to_decide(story, clock)
    old, new = story.digest, steps.registry.put(other_bundle_file)
    clock.days = 20
    story.challenge("dia", bundle=new)
    clock.days = 40
    about = evidence(TERMS, new, START, clock(), against="champion", approvers=())
    with pytest.raises(UsageError, match="only what came after"):
        steps.promote(USE, about, who="bob", why="evidence from before it came")
    about = replace(about, since=Clock(20)())
    with pytest.raises(Inconclusive):
        steps.promote(USE, replace(about, log_no_worse=0.0), who="bob", why="x")
    then = steps.promote(USE, about, who="bob", why="no worse")
    assert (then.champion, then.previous, then.challengers) == (new, old, ())
    assert (then.rung, then.certificate, then.author) == (ADVISE, None, "dia")
    assert steps.registry.standing(USE) == then
    back = story.rollback("eve")
    assert (back.champion, back.author) == (old, "ann")
    with pytest.raises(UsageError, match="is no challenger"):
        steps.challenged(USE, "cd" * 32)


def test_a_rung_file_that_cannot_be_written_is_told_and_the_ledger_has_the_last_word(story, steps, clock, monkeypatch):
    story.enter("ann")
    monkeypatch.setattr(Registry, "set", lambda *_: (_ for _ in ()).throw(DataError("disk full")))
    with pytest.raises(DataError, match="disk full"):
        story.halt("eve")
    monkeypatch.undo()
    assert steps.registry.standing(USE).rung is SHADOW
    assert steps.settle() == [USE]
    assert steps.registry.standing(USE).rung is HALT


def test_certified_bands_need_the_registered_candidates(story, steps, clock):
    story.enter("ann")
    clock.days = 15
    story.promote("bob")
    for who in ("bob", "cem"):
        story.approve(who)
    with pytest.raises(Inconclusive, match="no band is shown"):
        story.promote("bob", bands=(BandCount(LOW, 1_000, 40),))
