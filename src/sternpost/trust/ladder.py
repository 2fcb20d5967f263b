"""The ladder: what people and evidence change about a use case, each change one record of the ledger.

The ledger is the truth: a standing is what the last record says that changed it. The registry's rung file follows it.
Who is interrupted between the two leaves the old standing in force until the next call, which brings the file up to
the ledger; never a mix. Every call reads the whole chain first and stops at the first broken record.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sternpost.errors import (
    DataError,
    LedgerBroken,
    UsageError,
)
from sternpost.trust.certificate import Certificate
from sternpost.trust.chain import Record, sayable
from sternpost.trust.evidence import Evidence
from sternpost.trust.gates import Reason, Verdict, judge, judge_challenger, person, refusal
from sternpost.trust.ledger import Ledger
from sternpost.trust.registry import Registry
from sternpost.trust.rungs import BELOW, Rung, Standing
from sternpost.trust.terms import Terms

#: Who acts when nobody was asked.
AUTOMATIC = "sternpost"


class Ladder:
    """Use cases of a ledger and a registry. `clock` gives the moment of a record."""

    def __init__(
        self, ledger: Ledger, registry: Registry, *, clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
    ) -> None:
        self.ledger, self.registry, self._clock = ledger, registry, clock

    def standing(self, use_case: str) -> Standing:
        """What the use case may do now; OFF for one that nobody entered. Raises `LedgerBroken`."""
        found = self._changes(use_case)
        return found[-1][1] if found else Standing(use_case)

    def at(self, use_case: str, moment: dt.datetime) -> Standing:
        """What it was at a moment. A certificate may have expired since: see `Certificate.live`."""
        found = [s for r, s in self._changes(use_case) if r.moment <= moment]
        return found[-1] if found else Standing(use_case)

    def history(self, use_case: str) -> list[Record]:
        """Its records, oldest first."""
        return [r for r in self.ledger.verify() if r.use_case == use_case]

    def terms(self, use_case: str) -> Terms:
        """The terms that are registered. Raises `UsageError` when nobody entered."""
        for record in reversed(self.history(use_case)):
            if record.kind == "enter":
                return Terms.from_dict(record.content["terms"])
        raise UsageError(f"{use_case} has no terms: no bundle was entered")

    def settle(self) -> list[str]:
        """Bring every rung file up to the ledger; the use cases whose file was behind.

        Raises `LedgerBroken` for a rung file that the ledger does not account for.
        """
        names = sorted({*self.registry.use_cases(), *(r.use_case for r in self.ledger.verify())})
        return [name for name in names if self._settled(name)]

    def enter(
        self, use_case: str, bundle: str, terms: Terms, *, who: str, why: str, author: str | None = None
    ) -> Standing:
        """OFF to SHADOW: a bundle of the registry (digest) becomes the champion, and the terms are registered.

        `author`: of the model, who cannot approve it; default `who`. From HALT there is no way but `release`. Raises
        `GateMissed` when the bundle's golden rows do not replay, `UsageError` when the use case is not OFF.
        """
        now = self.standing(use_case)
        if now.rung is not Rung.OFF:
            raise UsageError(
                f"{use_case} is at {now.rung.name}; demote it to OFF first, or make the bundle a challenger"
            )
        opened = self.registry.open(bundle)
        evidence = Evidence(use_case=use_case, bundle=opened.digest, terms=terms.digest, golden=True)
        verdict = judge(Rung.OFF, evidence, terms)
        if verdict.reason is not Reason.EARNED:
            raise refusal(use_case, verdict)
        entered = replace(
            now, rung=Rung.SHADOW, champion=bundle, challengers=(), certificate=None, author=(author or who).strip(),
            terms=terms.digest, blind=terms.blind_share,
            previous=now.previous if now.champion in (None, bundle) else now.champion,
        )  # fmt: skip
        told = {"terms": terms.to_dict(), "bundle": {"name": opened.name, "owner": opened.owner}}
        return self._changed("enter", now, entered, who=who, why=why, evidence=evidence.digest, told=told, counted=True)

    def challenge(self, use_case: str, bundle: str, *, who: str, why: str, author: str | None = None) -> Standing:
        """Run a further bundle of the registry (digest) in shadow beside the champion; `author` as in `enter`."""
        now = self._active(use_case)
        if bundle == now.champion or bundle in now.challengers:
            raise UsageError(f"{use_case}: {bundle[:12]} is there already")
        self.registry.open(bundle)
        then = replace(now, challengers=(*now.challengers, bundle))
        told = {"author": (author or who).strip()}
        return self._changed("challenge", now, then, who=who, why=why, told=told, same_since=True)

    def approve(self, use_case: str, *, who: str, why: str) -> Record:
        """One person's word that the champion may decide, at the standing it has now. Not the author's."""
        now = self._active(use_case)
        if person(who) == person(now.author):
            raise UsageError(f"{who} is the author of {use_case}'s model and cannot approve it; two other people can")
        body = {"champion": now.champion, "terms": now.terms, "rung": now.rung.value}
        return self.ledger.append("approve", use_case, body, who=who, why=why, at=self._clock(), seen=now.serial)

    def approvers(self, use_case: str) -> tuple[str, ...]:
        """Who approved since the standing last changed."""
        now = self.standing(use_case)
        return tuple(
            r.who
            for r in self.history(use_case)
            if r.kind == "approve" and r.serial > now.serial and r.content["champion"] == now.champion
        )

    def promote(self, use_case: str, evidence: Evidence, *, who: str, why: str) -> Standing:
        """One rung up, or at DECIDE to the next share of the traffic, if the evidence has earned it. Evidence about a
        challenger makes it the champion, at no more than ADVISE.

        Raises `GateMissed`, `Inconclusive` or `ApprovalPending` with every gate told. When the evidence speaks against
        the present rung, the demotion is made, and `GateMissed` says so.
        """
        now = self._active(use_case)
        terms = self.terms(use_case)
        if evidence.bundle in now.challengers:
            return self._succeeded(now, evidence, terms, who=who, why=why)
        evidence = self._own(now, evidence)
        verdict = judge(now.rung, evidence, terms)
        if verdict.reason is Reason.EARNED:
            certificate = None if verdict.rung is not Rung.DECIDE else self._certificate(now, evidence, terms, verdict)
            risen = replace(now, rung=verdict.rung, certificate=certificate)
            told = {"gates": [g.to_dict() for g in verdict.gates], "evidence": sayable(evidence.to_dict())}
            return self._changed(
                "promote", now, risen, who=who, why=why, evidence=evidence.digest, told=told,
                counted=verdict.rung is Rung.DECIDE,
            )  # fmt: skip
        if verdict.rung is not now.rung:
            self._fallen(now, verdict.rung, verdict, evidence)
        raise refusal(use_case, verdict)

    def look(self, use_case: str, evidence: Evidence | None = None) -> Verdict:
        """What nobody has to ask for: a dead certificate ends DECIDE, and evidence against a model takes it down.

        To be called daily, or whenever there is evidence. Never promotes.
        """
        now = self.standing(use_case)
        if now.rung is Rung.DECIDE and (now.certificate is None or not now.certificate.live(self._clock())):
            verdict = Verdict(Rung.ADVISE, Reason.EXPIRED)
            self._fallen(now, Rung.ADVISE, verdict, evidence)
            return verdict
        if evidence is None or now.champion is None:
            return Verdict(now.rung, Reason.NOT_YET)
        verdict = judge(now.rung, self._own(now, evidence), self.terms(use_case))
        if verdict.rung is Rung.HALT is not now.rung or verdict.rung.height < now.rung.height:
            self._fallen(now, verdict.rung, verdict, evidence)
        return verdict

    def demote(self, use_case: str, *, who: str, why: str, to: Rung | None = None) -> Standing:
        """Down one rung, or to `to` below the present one. Nobody has to be asked."""
        now = self._active(use_case)
        down = BELOW[now.rung] if to is None else to
        if down is Rung.HALT or down.height >= now.rung.height:
            raise UsageError(f"{use_case} is at {now.rung.name}; {down.name} is not below it")
        return self._changed("demote", now, replace(now, rung=down, certificate=None), who=who, why=why, counted=True)

    def halt(self, use_case: str, *, who: str, why: str) -> Standing:
        """Stop the model now, from any rung; it stays stopped until a person releases it."""
        try:
            now = self.standing(use_case)
        except LedgerBroken:
            # Nobody can record anything now; stopping must work all the same.
            if (there := self.registry.standing(use_case)) is not None:
                self.registry.set(replace(there, rung=Rung.HALT, certificate=None))
            raise
        if now.rung is Rung.HALT:
            return now
        return self._changed(
            "halt", now, replace(now, rung=Rung.HALT, certificate=None), who=who, why=why, counted=True
        )

    def release(self, use_case: str, *, who: str, why: str, to: Rung = Rung.SHADOW) -> Standing:
        """Out of HALT by a named person, to `to`: no higher than it was, and not to DECIDE, which is earned."""
        now = self.standing(use_case)
        if now.rung is not Rung.HALT:
            raise UsageError(f"{use_case} is at {now.rung.name}, not at HALT; there is nothing to release")
        if person(who) in ("", AUTOMATIC):
            raise UsageError("a release needs the name of a person")
        before = [s.rung for _, s in self._changes(use_case) if s.rung is not Rung.HALT]
        highest = min(before[-1].height if before else 0, Rung.ADVISE.height)
        if to is Rung.HALT or to.height > highest:
            raise UsageError(
                f"{use_case} was at {before[-1].name if before else 'OFF'}; it cannot be released to {to.name}"
            )
        return self._changed("release", now, replace(now, rung=to), who=who, why=why, counted=True)

    def rollback(self, use_case: str, *, who: str, why: str) -> Standing:
        """The champion before becomes the champion again, at no more than ADVISE; HALT stays HALT."""
        now = self.standing(use_case)
        if now.previous is None:
            raise UsageError(f"{use_case} had no champion before")
        rung = now.rung if now.rung.height < Rung.DECIDE.height else Rung.ADVISE
        author = next(s.author for _, s in reversed(self._changes(use_case)) if s.champion == now.previous)
        back = replace(now, rung=rung, champion=now.previous, previous=now.champion, certificate=None, author=author)
        return self._changed("rollback", now, back, who=who, why=why, counted=True)

    def note(
        self, kind: str, use_case: str, body: Mapping[str, Any], *, who: str, why: str, evidence: str = ""
    ) -> Record:
        """Record what changes no standing: a waiver (`waive`) or a setting (`config`)."""
        if kind not in ("waive", "config"):
            raise UsageError(f"{kind!r} changes a standing; call what is named after it. Notes are waive and config")
        self.ledger.verify()
        return self.ledger.append(kind, use_case, body, who=who, why=why, at=self._clock(), evidence=evidence)

    def _active(self, use_case: str) -> Standing:
        now = self.standing(use_case)
        if now.champion is None or now.rung is Rung.OFF:
            raise UsageError(
                f"{use_case} is OFF; enter a bundle first: sternpost trust promote {use_case} --bundle FILE"
            )
        if now.rung is Rung.HALT:
            raise UsageError(f"{use_case} is at HALT; a person has to release it: sternpost trust release {use_case}")
        return now

    def _changes(self, use_case: str) -> list[tuple[Record, Standing]]:
        """The records that changed the standing, each with the standing that it made."""
        return [
            (
                record,
                Standing.from_dict({**record.content["standing"], "serial": record.serial, "record": record.digest}),
            )
            for record in self.history(use_case)
            if "standing" in record.content
        ]

    def challenged(self, use_case: str, bundle: str) -> Record:
        """The record by which a challenger came; its evidence counts from then on. Raises `UsageError` for no
        challenger."""
        found = [r for r, s in self._changes(use_case) if r.kind == "challenge" and s.challengers[-1] == bundle]
        if bundle not in self.standing(use_case).challengers:
            raise UsageError(f"{bundle[:12]} is no challenger of {use_case}; make it one: promote --bundle FILE")
        return found[-1]

    def _succeeded(self, now: Standing, evidence: Evidence, terms: Terms, *, who: str, why: str) -> Standing:
        came = self.challenged(now.use_case, evidence.bundle)
        self._in_time(evidence, came.moment, now.use_case)
        verdict = judge_challenger(now.rung, evidence, terms)
        if verdict.reason is not Reason.EARNED:
            raise refusal(now.use_case, verdict)
        then = replace(
            now, rung=verdict.rung, champion=evidence.bundle, previous=now.champion, certificate=None,
            challengers=tuple(c for c in now.challengers if c != evidence.bundle), author=str(came.content["author"]),
        )  # fmt: skip
        told = {"gates": [g.to_dict() for g in verdict.gates], "evidence": sayable(evidence.to_dict())}
        return self._changed("promote", now, then, who=who, why=why, evidence=evidence.digest, told=told, counted=True)

    def _own(self, now: Standing, evidence: Evidence) -> Evidence:
        """The evidence with the ledger's word on people. Raises `UsageError` when it is not about this standing."""
        if (evidence.use_case, evidence.bundle) != (now.use_case, now.champion):
            raise UsageError(
                f"the evidence is about {evidence.use_case} {evidence.bundle[:12]}, not about this champion"
            )
        self._in_time(evidence, now.counted_from, now.use_case)
        return replace(evidence, author=now.author, approvers=self.approvers(now.use_case))

    def _in_time(self, evidence: Evidence, start: dt.datetime | None, use_case: str) -> None:
        if evidence.since is None or start is None or evidence.since < start:
            raise UsageError(
                f"{use_case}: the evidence begins at {evidence.since}; only what came after {start} counts"
            )
        if evidence.as_of is None or not evidence.since <= evidence.as_of <= self._clock():
            raise UsageError(f"the evidence is as of {evidence.as_of}, which is not a moment since then and by now")

    def _certificate(self, now: Standing, evidence: Evidence, terms: Terms, verdict: Verdict) -> Certificate:
        share = 0.0 if now.certificate is None else now.certificate.share
        issued = self._clock()
        return Certificate(
            use_case=now.use_case,
            bundle=evidence.bundle,
            bands=verdict.bands,
            share=next((s for s in terms.shares if s > share), terms.shares[-1]),
            issued_at=issued,
            expires_at=issued + dt.timedelta(days=terms.certificate_days or 0),
            evidence=evidence.digest,
            terms=terms.digest,
            approvers=evidence.approvers,
        )

    def _fallen(self, now: Standing, rung: Rung, verdict: Verdict, evidence: Evidence | None) -> None:
        gates = "; ".join(f"{g.name}: {g.told}" for g in verdict.gates if not g.passed)
        told = {"evidence": None if evidence is None else sayable(evidence.to_dict())}
        self._changed(
            "halt" if rung is Rung.HALT else "demote", now, replace(now, rung=rung, certificate=None), who=AUTOMATIC,
            why=f"{verdict.reason}{f' ({gates})' if gates else ''}",
            evidence="" if evidence is None else evidence.digest, told=told, counted=True,
        )  # fmt: skip

    def _changed(
        self, kind: str, now: Standing, then: Standing, *, who: str, why: str, evidence: str = "",
        told: Mapping[str, Any] | None = None, counted: bool = False, same_since: bool = False,
    ) -> Standing:  # fmt: skip
        """Record a change, then bring the rung file up to it. `counted`: evidence counts from now on."""
        at = self._clock()
        then = replace(
            then,
            since=now.since if same_since else at,
            counted_from=at if counted else now.counted_from,
            serial=0,
            record="",
        )
        body = {**(told or {}), "standing": then.to_dict()}
        record = self.ledger.append(
            kind, now.use_case, body, who=who, why=why, at=at, evidence=evidence, seen=now.serial
        )
        made = replace(then, serial=record.serial, record=record.digest)
        self._publish(now.use_case)
        return made

    def _publish(self, use_case: str) -> None:
        """Make the rung file say what the ledger says, also when others change it at the same time."""
        written = None
        while (newest := self.standing(use_case)) != written:
            self.registry.set(newest)
            written = newest

    def _settled(self, use_case: str) -> bool:
        """Whether the rung file was behind the ledger; then it is not any more."""
        try:
            there = self.registry.standing(use_case)  # before the ledger, so that it cannot be ahead by right
        except DataError:
            there = None
        now = self.standing(use_case)
        if there is not None and (there.serial > now.serial or (there.serial == now.serial and there != now)):
            raise LedgerBroken(
                f"{self.registry.place}: the rung file of {use_case} says {there.rung.name} by record {there.serial}, "
                f"the ledger says {now.rung.name} by record {now.serial}; halt the use case and see who wrote the file"
            )
        if there == now or not now.serial:
            return False
        self._publish(use_case)
        return True
