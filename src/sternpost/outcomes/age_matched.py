"""The one comparison that immature decisions allow: with mature vintages, at the age that all of them have reached.

The older half of the cohort is compared, at the age that all of it has reached: events recorded by that age are counted
in it and in the reference, whose later events are left aside. What is told is how many there are against how many the
reference leads one to expect, never a rate: neither number is the rate that will come true.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sternpost.errors import UsageError
from sternpost.outcomes.cohort import Book, Immature
from sternpost.outcomes.events import moment_us
from sternpost.outcomes.measures.measure import Z, finite

Flags = npt.NDArray[np.bool_]
_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class AgeMatched:
    """Events of an immature cohort against those of reference vintages at the same age.

    `rows`: the older half of the cohort; `told`: events recorded by `age_days` among them; `expected`: the reference's
    share applied to `rows`; `ratio` of the two with an interval at 95 % (log scale, Katz 1978); `p`: two-sided, pooled
    two-proportion z. `status`: `ok`, `no_labels` (the feed was not heard), `no_reference`, `undefined`.
    """

    name: str
    age_days: float
    rows: int
    told: int
    expected: float
    reference: tuple[str, ...]
    reference_rows: int
    ratio: float
    low: float
    high: float
    p: float
    status: str = "ok"
    reason: str = ""

    def to_dict(self) -> dict[str, object]:
        """For JSON: NaN as None."""
        return {
            "name": self.name,
            "age_days": finite(self.age_days),
            "rows": self.rows,
            "told": self.told,
            "expected": finite(self.expected),
            "reference": list(self.reference),
            "reference_rows": self.reference_rows,
            "ratio": finite(self.ratio),
            "low": finite(self.low),
            "high": finite(self.high),
            "p": finite(self.p),
            "status": self.status,
            "reason": self.reason,
        }


def age_matched(book: Book, cohort: Immature, references: Sequence[tuple[str, Flags]]) -> AgeMatched:
    """Compare an immature cohort with reference vintages at equal age.

    `references`: names and members [n]; only their mature decisions are used. Raises `UsageError` for outcomes that are
    quantities. Unweighted.
    """
    joined = book.joined
    if joined.definition.kind != "binary":
        raise UsageError("a quantity has no events to count by age; wait until the cohort is mature")
    usable = ~joined.excluded & ~joined.unsettled
    members = cohort.members & usable
    ages = moment_us(joined.as_of) - joined.at_us
    age = int(np.median(ages[members])) if members.any() else 0
    members &= ages >= age
    names = tuple(name for name, _ in references)
    mature = np.zeros(len(members), dtype=np.bool_)
    for _, flags in references:
        mature |= flags & book.mature & book.heard & usable
    hit = (joined.value == 1) & (joined.recorded_us - joined.at_us <= age)
    n, m = int(members.sum()), int(mature.sum())
    told, before = int((hit & members).sum()), int((hit & mature).sum())

    def without(status: str, reason: str) -> AgeMatched:
        nan = math.nan
        return AgeMatched(cohort.name, age / _DAY_US, n, 0, nan, names, m, nan, nan, nan, nan, status, reason)

    if book.stopped:
        heard = "never" if book.heard_at is None else f"last on {book.heard_at:%Y-%m-%d}"
        return without(
            "no_labels", f"the feed of outcomes was heard {heard}; its silence says nothing about the cohort"
        )
    if not m:
        return without("no_reference", "no mature decision to compare with")
    if not n or not before:
        return without("undefined", f"no event by the age of {age / _DAY_US:.1f} days in the reference")
    expected = n * before / m
    pooled = (told + before) / (n + m)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    z = (told / n - before / m) / spread if spread else 0.0
    low, high = 0.0, math.nan
    if told:
        step = math.exp(Z * math.sqrt(1 / told - 1 / n + 1 / before - 1 / m))
        low, high = told / expected / step, told / expected * step
    p = math.erfc(abs(z) / math.sqrt(2))
    return AgeMatched(cohort.name, age / _DAY_US, n, told, expected, names, m, told / expected, low, high, p)
