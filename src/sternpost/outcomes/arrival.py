"""How old decisions are when their outcome is told, vintage by vintage: a feed that slows down or stops is seen here
before it is seen in any measure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sternpost.outcomes.cohort import Book

_BUCKETS = 12
_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Arrival:
    """Outcomes of one vintage by the age of their decision when they were recorded.

    `counts` [k]: outcomes per bucket; bucket i goes from `edges_days[i]` to `edges_days[i + 1]`, the last one is open:
    what came after maturity. `decisions`: how many there are. `reached` [k]: how many buckets' ends lie behind the
    vintage's youngest decision; counts in the others are not complete.
    """

    name: str
    decisions: int
    edges_days: tuple[float, ...]
    counts: tuple[int, ...]
    reached: int

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "name": self.name,
            "decisions": self.decisions,
            "edges_days": list(self.edges_days),
            "counts": list(self.counts),
            "reached": self.reached,
        }


def arrival(book: Book, members: npt.NDArray[np.bool_], name: str) -> Arrival:
    """The arrival of outcomes of `members` [n], in equal buckets up to maturity and one beyond."""
    joined = book.joined
    due = max(joined.definition.due_us, 1)
    edges = np.linspace(0, due, _BUCKETS + 1)
    told = members & ~joined.excluded & ~np.isnan(joined.value)
    lag = (joined.recorded_us - joined.at_us)[told]
    place = np.minimum(np.searchsorted(edges, lag, "left") - 1, _BUCKETS)
    counts = np.bincount(np.maximum(place, 0), minlength=_BUCKETS + 1)
    at = joined.at_us[members]
    as_of = int(joined.as_of.timestamp() * 1_000_000)
    age = as_of - int(at.max()) if len(at) else 0
    return Arrival(
        name=name,
        decisions=int(members.sum()),
        edges_days=tuple(float(e) / _DAY_US for e in edges),
        counts=tuple(int(c) for c in counts),
        reached=int(np.searchsorted(edges[1:], age, "right")),
    )
