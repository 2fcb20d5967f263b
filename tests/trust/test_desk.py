"""A change of the rung file is in force at the desk in time; what cannot be known is not trusted."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

import pytest

import sternpost as sp
from sternpost.errors import Unreachable
from sternpost.trust.certificate import Binding
from sternpost.trust.desk import Desk
from sternpost.trust.registry import Registry
from sternpost.trust.rungs import Advice, Instead, Review, Rung
from tests.trust.conftest import SEALED
from tests.trust.paused import START, USE
from tests.trust.test_certificate import CERTIFICATE, STANDING, Scored


@dataclass
class Watches:
    """Both clocks stand until they are moved."""

    passed: float = 0.0

    def seconds(self) -> float:
        return self.passed

    def clock(self) -> dt.datetime:
        return START + dt.timedelta(seconds=self.passed)


class Asked:
    """A model that counts its rows and can be broken."""

    def __init__(self) -> None:
        self.rows, self.trouble, self.decision = [], None, Scored()

    def __call__(self, row, name):
        self.rows.append((row, name))
        if self.trouble is not None:
            raise self.trouble
        return self.decision


@pytest.fixture
def at_work(tmp_path):
    registry, watches, model = Registry(tmp_path), Watches(), Asked()
    desk = Desk(model, registry, USE, clock=watches.clock, seconds=watches.seconds)

    def decide(**more):
        return desk.decide({"x": 1.0}, prediction_id="p1", instead="look", **more)

    return registry, watches, model, decide


def test_a_change_is_in_force_half_a_second_later_and_binds_or_stops_binding(at_work):
    registry, watches, _, decide = at_work
    steps = [
        (0.0, replace(STANDING, rung=Rung.SHADOW), Instead("look", "SHADOW")),
        (0.5, replace(STANDING, rung=Rung.ADVISE), Advice("grant", 0.1, STANDING.champion)),
        (1.0, STANDING, Binding),
        (1.5, replace(STANDING, rung=Rung.HALT), Instead("look", "HALT")),
        (2.0, replace(STANDING, certificate=None), Review("NO_CERTIFICATE")),
    ]
    before = None
    for when, standing, expected in steps:
        registry.set(standing)
        if before is not None:
            watches.passed = when - 0.01
            assert type(decide()) is (before if isinstance(before, type) else type(before))
        watches.passed = when
        said = decide()
        assert isinstance(said, Binding) if expected is Binding else said == expected
        before = expected


def test_a_certificate_ends_in_its_second_although_the_rung_file_says_decide(at_work):
    registry, watches, _, decide = at_work
    registry.set(STANDING)
    life = (CERTIFICATE.expires_at - START).total_seconds()
    watches.passed = life - 1
    assert isinstance(decide(), Binding)
    watches.passed = life
    assert decide() == Review("EXPIRED")


def test_the_model_is_not_asked_at_off_and_halt_and_is_asked_but_not_heard_in_shadow(at_work):
    registry, watches, model, decide = at_work
    assert decide() == Instead("look", "OFF")
    for rung in (Rung.HALT, Rung.SHADOW):
        registry.set(replace(STANDING, rung=rung))
        watches.passed += 1
        assert decide() == Instead("look", rung.name)
        assert model.rows == ([({"x": 1.0}, "p1")] if rung is Rung.SHADOW else [])


def test_a_rung_file_that_cannot_be_read_holds_for_a_while_and_then_counts_as_halt(at_work, tmp_path):
    registry, watches, _, decide = at_work
    registry.set(STANDING)
    assert isinstance(decide(), Binding)
    (tmp_path / "rungs" / f"{USE}.json").write_text("{")
    watches.passed = 9.9
    assert isinstance(decide(), Binding)
    watches.passed = 10.0
    assert decide() == Instead("look", "HALT")
    registry.set(STANDING)
    watches.passed = 10.5
    assert isinstance(decide(), Binding)


def test_a_desk_that_never_read_a_rung_file_trusts_nobody(at_work, tmp_path):
    registry, _, _, decide = at_work
    registry.set(STANDING)
    (tmp_path / "rungs" / f"{USE}.json").write_text("[]")
    assert decide() == Instead("look", "HALT")


def test_a_model_that_fails_or_is_stood_in_for_leaves_the_case_to_what_is_done_instead(at_work):
    registry, _, model, decide = at_work
    registry.set(STANDING)

    @dataclass
    class ByRule(Scored):
        source: str = "rule"

    model.decision = ByRule()
    assert decide() == Instead("look", "UNAVAILABLE")
    model.decision = ByRule(source="fallback")
    assert isinstance(decide(), Binding)
    model.trouble = Unreachable("nobody there")
    assert decide() == Instead("look", "UNAVAILABLE")
    model.trouble = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        decide()


def test_a_bundle_at_the_desk_binds_with_its_own_score(tmp_path):
    bundle, registry = sp.open_bundle(SEALED / "format-2.sbundle"), Registry(tmp_path)
    rows = [r for r in bundle.golden.rows.to_pylist() if bundle.score(r).score is not None]
    row = next(r for r in rows if bundle.score(r).action == "accept")
    band = replace(CERTIFICATE.bands[0], action="accept", high=0.25)
    certificate = replace(CERTIFICATE, bundle=bundle.digest, bands=(band,))
    registry.set(replace(STANDING, champion=bundle.digest, certificate=certificate))
    desk = Desk(lambda row, _: bundle.score(row), registry, USE, clock=lambda: START)
    bound = desk.decide(row, prediction_id="p1", instead="look")
    assert isinstance(bound, Binding)
    assert (bound.action, bound.score, bound.prediction_id) == ("accept", bundle.score(row).score, "p1")
