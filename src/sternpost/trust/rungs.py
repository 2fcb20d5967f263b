"""Rungs: how far a model is trusted in a use case, and what a caller gets there.

    off      the fallback's answer
    shadow   the answer of whoever decided before; the model's is only kept
    advise   a recommendation that binds nobody; a blind share of the cases without the score
    decide   a binding decision inside the certified bands and the share of the traffic; the rest to a person
    halt     the fallback's answer, until a named person releases the model

The four kinds of answer are four types. Only `Binding` has an `action` that came from a model, and only a live
certificate makes one (`sternpost.trust.certificate`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from sternpost.errors import UsageError
from sternpost.trust.certificate import Binding, Certificate

FORMAT = 1


class Rung(StrEnum):
    """See the head of this file. HALT stands beside the ladder, not on it."""

    OFF = "off"
    SHADOW = "shadow"
    ADVISE = "advise"
    DECIDE = "decide"
    HALT = "halt"

    @property
    def height(self) -> int:
        """0 for OFF and HALT, 3 for DECIDE."""
        return {Rung.SHADOW: 1, Rung.ADVISE: 2, Rung.DECIDE: 3}.get(self, 0)


#: The rung below, and the one above.
BELOW = {Rung.SHADOW: Rung.OFF, Rung.ADVISE: Rung.SHADOW, Rung.DECIDE: Rung.ADVISE}
ABOVE = {Rung.OFF: Rung.SHADOW, Rung.SHADOW: Rung.ADVISE, Rung.ADVISE: Rung.DECIDE}


@dataclass(frozen=True)
class Standing:
    """What a use case may do now: the content of its rung file.

    `champion`, `challengers`: digests of bundles; `since`: when the rung or the champion last changed; `counted_from`:
    evidence from before it does not count; `author`: who brought the champion; `terms`: their digest; `blind`: the
    share of cases without a score; `serial`, `record`: the ledger's record that made it so; `previous`: the champion
    before.
    """

    use_case: str
    rung: Rung = Rung.OFF
    champion: str | None = None
    challengers: tuple[str, ...] = ()
    certificate: Certificate | None = None
    since: dt.datetime | None = None
    counted_from: dt.datetime | None = None
    author: str | None = None
    terms: str | None = None
    blind: float = 0.0
    previous: str | None = None
    serial: int = 0
    record: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON, and back with `from_dict`."""
        plain: dict[str, Any] = {**vars(self), "format": FORMAT, "rung": self.rung.value}
        plain["challengers"] = list(self.challengers)
        plain["certificate"] = None if self.certificate is None else self.certificate.to_dict()
        for name in ("since", "counted_from"):
            plain[name] = None if plain[name] is None else plain[name].isoformat()
        return plain

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Standing:
        """Raises `UsageError` for what no standing says, or for another format."""
        said = dict(given) if isinstance(given, Mapping) else {}
        if (found := said.pop("format", None)) != FORMAT:
            raise UsageError(f"a standing of format {found!r}; this version reads {FORMAT}")
        try:
            said["rung"] = Rung(said["rung"])
            said["challengers"] = tuple(said["challengers"])
            if said["certificate"] is not None:
                said["certificate"] = Certificate.from_dict(said["certificate"])
            for name in ("since", "counted_from"):
                said[name] = None if said[name] is None else dt.datetime.fromisoformat(said[name])
            return cls(**said)
        except (KeyError, TypeError, ValueError) as e:
            raise UsageError(f"this is no standing: {e}") from None


class Scored(Protocol):
    """What is needed of a model's decision; `sternpost.Decision` has it. `bundle`: the digest."""

    @property
    def score(self) -> float | None: ...
    @property
    def action(self) -> str | None: ...
    @property
    def bundle(self) -> str: ...
    @property
    def prediction_id(self) -> str | None: ...
    @property
    def reasons(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Instead:
    """The model does not answer; `action` is that of the fallback, or of whoever decided before. `reason`: the rung."""

    action: str | None
    reason: str
    binding = False


@dataclass(frozen=True)
class Advice:
    """What the model recommends. It is no action: a person commits one."""

    recommendation: str
    score: float
    bundle: str
    binding = False


@dataclass(frozen=True)
class Review:
    """A person decides, and sees no score before. `reason`: BLIND, NO_SCORE, OTHER_BUNDLE, NO_CERTIFICATE, EXPIRED,
    OUT_OF_BAND, SHARE, or the engine's own reason for a row without a score."""

    reason: str
    binding = False


Answer = Binding | Advice | Review | Instead


def answer(
    standing: Standing, decision: Scored, *, instead: str | None, at: dt.datetime, segment: str | None = None
) -> Answer:
    """What a caller gets for a model's decision. `instead`: the action of the fallback, or of who decided before."""
    if standing.rung.height < Rung.ADVISE.height:
        return Instead(instead, standing.rung.name)
    if decision.bundle != standing.champion:
        return Review("OTHER_BUNDLE")
    if decision.score is None or decision.action is None:
        return Review(next(iter(decision.reasons), "NO_SCORE"))
    name = decision.prediction_id or ""
    if standing.rung is Rung.ADVISE:
        if place("blind", standing.use_case, name) < standing.blind:
            return Review("BLIND")
        return Advice(decision.action, decision.score, decision.bundle)
    certificate = standing.certificate
    if certificate is None:
        return Review("NO_CERTIFICATE")
    if not certificate.live(at):
        return Review("EXPIRED")
    if not name or place("share", standing.use_case, name) >= certificate.share:
        return Review("SHARE")
    bound = certificate.bind(
        bundle=decision.bundle,
        prediction_id=name,
        action=decision.action,
        score=decision.score,
        at=at,
        segment=segment,
    )
    return Review("OUT_OF_BAND") if bound is None else bound


def place(arm: str, use_case: str, prediction_id: str) -> float:
    """Where a case stands in [0, 1): the same for the same id, as good as chance over ids, another one per arm."""
    drawn = hashlib.sha256(f"{arm}\0{use_case}\0{prediction_id}".encode()).digest()
    return int.from_bytes(drawn[:7]) / 2**56
