"""Certificates: for which scores a model may decide, until when; and the decision that only a live one can make.

A band is certified when the exact binomial bound (Clopper and Pearson, Biometrika 26, 1934) says that its share of
errors is at most what was allowed, at the level alpha divided by the number of bands and looks, so that all certified
bands hold together however the candidates were chosen.

A `Binding` cannot be constructed, copied, pickled, changed or subclassed: `Certificate.bind` makes it, from a
certificate that is alive at that moment. Code that asks for a `Binding` therefore cannot be handed a score.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, final

from sternpost.errors import UsageError
from sternpost.trust.chain import content_digest
from sternpost.trust.terms import Candidate


def error_bound(errors: int, n: int, alpha: float) -> float:
    """The largest share of errors that `errors` among `n` do not refute at level `alpha`, one-sided; 1 for n = 0."""
    if not 0 <= errors <= n or errors == n:
        return 1.0
    from scipy.stats import beta

    return float(beta.ppf(1 - alpha, errors + 1, n - errors))


@dataclass(frozen=True)
class Certificate:
    """What a model, by its bundle's digest, may decide in a use case. Moments have a time zone.

    `share`: of the traffic; `evidence`, `terms`: digests of what it rests on; `approvers`: who approved it.
    """

    use_case: str
    bundle: str
    bands: tuple[Candidate, ...]
    share: float
    issued_at: dt.datetime
    expires_at: dt.datetime
    evidence: str
    terms: str
    approvers: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Its name in what it makes."""
        return content_digest(self.to_dict())

    def live(self, at: dt.datetime) -> bool:
        """Whether it may be used at a moment: from `issued_at` on, until the instant before `expires_at`."""
        return self.issued_at <= at < self.expires_at

    def covers(self, action: str | None, score: float | None, segment: str | None = None) -> bool:
        """Whether a decision lies in a certified band."""
        return score is not None and any(band.holds(action, score, segment) for band in self.bands)

    def bind(
        self,
        *,
        bundle: str,
        prediction_id: str,
        action: str | None,
        score: float | None,
        at: dt.datetime,
        segment: str | None = None,
    ) -> Binding | None:
        """The binding decision, if the certificate is alive, of this bundle, and covers it; else None.

        Whether the case is in the share of the traffic is not asked here: see `sternpost.trust.rungs.answer`.
        """
        if bundle != self.bundle or not self.live(at) or not self.covers(action, score, segment):
            return None
        made = object.__new__(Binding)
        facts = (prediction_id, action, score, self.bundle, self.digest, at)
        for name, value in zip(Binding.__slots__, facts, strict=True):
            object.__setattr__(made, name, value)
        return made

    def to_dict(self) -> dict[str, Any]:
        """For JSON, and back with `from_dict`."""
        return {
            "use_case": self.use_case,
            "bundle": self.bundle,
            "bands": [vars(b) for b in self.bands],
            "share": self.share,
            "issued_at": self.issued_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
            "evidence": self.evidence,
            "terms": self.terms,
            "approvers": list(self.approvers),
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Certificate:
        """Raises `UsageError` for what no certificate says."""
        try:
            said = dict(given)
            said["bands"] = tuple(Candidate(**b) for b in said["bands"])
            said["approvers"] = tuple(said["approvers"])
            for name in ("issued_at", "expires_at"):
                said[name] = dt.datetime.fromisoformat(said[name])
            return cls(**said)
        except (KeyError, TypeError, ValueError) as e:
            raise UsageError(f"this is no certificate: {e}") from None


@final
class Binding:
    """A decision that binds: `action` is what happens. Only `Certificate.bind` makes one; see the head of this file."""

    __slots__ = ("prediction_id", "action", "score", "bundle", "certificate", "at")  # noqa: RUF023 - as they are set

    prediction_id: str
    action: str
    score: float
    bundle: str
    certificate: str
    at: dt.datetime
    binding = True

    def __new__(cls, *_given: object, **_named: object) -> Binding:
        """Always raises `TypeError`."""
        raise TypeError("a binding decision is made by a live certificate: Certificate.bind(...)")

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("Binding has no subclasses: one would not need a certificate")

    def __setattr__(self, name: str, _value: object) -> NoReturn:
        raise AttributeError(f"{name} of a binding decision does not change")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{name} of a binding decision does not change")

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a binding decision is not copied or pickled; make it again where it is needed")

    def __repr__(self) -> str:
        return f"<binding {self.action} for {self.prediction_id}, certificate {self.certificate[:12]}>"
