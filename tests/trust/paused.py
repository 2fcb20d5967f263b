"""A clock that stands until it is told, terms and evidence that pass every gate, and a ladder in a folder."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from pathlib import Path

from sternpost.trust.evidence import BandCount, Evidence
from sternpost.trust.ladder import Ladder
from sternpost.trust.ledger import Ledger
from sternpost.trust.registry import Registry
from sternpost.trust.terms import Candidate, Terms

START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
USE = "loans"
LOW = Candidate("grant", 0.0, 0.2)


@dataclass
class Clock:
    """Stands at `days` after START."""

    days: float = 0.0

    def __call__(self) -> dt.datetime:
        return START + dt.timedelta(days=self.days)


def terms(**changes) -> Terms:
    asked = {
        "outcome": {"horizon": "1d", "absence": "negative_at_maturity"},
        "positive_actions": ("look", "review"),
        "incumbent": "constant:look",
        "margin": 0.01,
        "budget_pairs": 20_000,
        "min_days": 14,
        "min_decisions": 1_000,
        "min_replayed": 1_000,
        "min_pairs": 1_000,
        "min_coverage": 0.9,
        "max_p99_ms": 5.0,
        "max_error_rate": 0.001,
        "max_ece": 0.03,
        "candidates": (LOW, Candidate("grant", 0.0, 0.4)),
        "max_band_error": 0.02,
        "looks": (1_000, 4_000),
        "certificate_days": 30,
        **changes,
    }
    return Terms(**asked)


def evidence(asked: Terms, bundle: str, since: dt.datetime, as_of: dt.datetime, **changes) -> Evidence:
    """What passes every gate but the approvals, unless changed."""
    good = {
        "days": 20.0,
        "decisions": 5_000,
        "replayed": 5_000,
        "mismatches": 0,
        "p99_ms": 1.0,
        "error_rate": 0.0,
        "coverage": 1.0,
        "feed_stopped": False,
        "ece": 0.01,
        "pairs": 4_500,
        "log_no_worse": math.log(30),
        "log_worse": -1.0,
        "bands": (BandCount(LOW, 1_000, 2), BandCount(Candidate("grant", 0.0, 0.4), 2_000, 90)),
        "author": "ann",
        "approvers": ("bob", "cem"),
        **changes,
    }
    return Evidence(use_case=USE, bundle=bundle, terms=asked.digest, since=since, as_of=as_of, **good)


def ladder(folder: Path, clock: Clock) -> Ladder:
    return Ladder(Ledger(folder), Registry(folder), clock=clock)
