"""Estimates for vintages that are not due, and the record of the estimates that were made before.

Only decisions of the bundles that made a vintage are its reference: another model's scores come true otherwise.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sternpost.outcomes.cohort import Book, mature, open_book
from sternpost.outcomes.estimate import Estimate, Estimator
from sternpost.outcomes.events import codes, from_us
from sternpost.outcomes.grouping import Groups, weights
from sternpost.outcomes.join import join
from sternpost.outcomes.report import Group
from sternpost.outcomes.track_record import Reconciled, reconcile, widen

Flags = npt.NDArray[np.bool_]

#: Vintages whose estimates are made again as they would have been; the latest ones tell most about the next.
RECORD_MAX = 12


class Foresight:
    """Estimates from one book. Calibrators are made once per set of bundle versions."""

    def __init__(self, book: Book, thresholds: Sequence[float], seed: int) -> None:
        self._book, self._thresholds, self._seed = book, tuple(thresholds), seed
        self._version = codes(book.joined.decisions.column("digest"))
        self._made: dict[tuple[int, ...], Estimator] = {}

    def estimate(self, members: Flags) -> tuple[Estimate, ...]:
        """What is expected of the scored decisions among `members` [n]."""
        book = self._book
        rows = members & book.scored & ~book.joined.excluded
        versions = np.unique(self._version[rows])
        key = tuple(versions.tolist())
        if key not in self._made:
            known = mature(book, np.isin(self._version, versions), "reference")
            self._made[key] = Estimator(known.y, known.score, known.weight, seed=self._seed)
        weight = None if book.weight is None else book.weight[rows]
        return self._made[key].estimate(book.score[rows], weight, thresholds=self._thresholds)


def past_estimates(
    decisions: pa.Table,
    outcomes: pa.Table,
    book: Book,
    vintages: Groups,
    realised: Sequence[Group],
    *,
    weight: str | None,
    thresholds: Sequence[float],
    seed: int,
) -> list[Reconciled]:
    """The estimates that would have been made at the end of each mature vintage, beside what came true.

    `decisions`, `outcomes`: those that `book` was joined from; `realised`: a group per vintage, in the same order. An
    estimate takes the factor that the record before it would have given it.
    """
    record: list[Reconciled] = []
    whole = [
        (name, members, group)
        for (name, members), group in zip(vintages, realised, strict=True)
        if group.cohort.status == "ok" and not (members & ~book.mature).any()
    ]
    due = dt.timedelta(microseconds=book.joined.definition.due_us)
    for name, members, group in whole[-RECORD_MAX:]:
        end = from_us(int(book.joined.at_us[members].max()))
        then_known = [r for r in record if _due_by(r, whole, book, end, due)]
        joined = join(decisions, outcomes, book.joined.definition, as_of=end)
        earlier = open_book(joined, weight=None if weight is None else weights(joined.decisions, weight))
        ids = book.joined.decisions.column("prediction_id").filter(pa.array(members & ~book.joined.excluded))
        there = np.asarray(pc.is_in(joined.decisions.column("prediction_id"), value_set=ids))
        estimates = [widen(e, then_known) for e in Foresight(earlier, thresholds, seed).estimate(there)]
        record += reconcile(name, estimates, group.measures)
    return record


def _due_by(
    reconciled: Reconciled,
    whole: Sequence[tuple[str, Flags, Group]],
    book: Book,
    moment: dt.datetime,
    due: dt.timedelta,
) -> bool:
    members = next(members for name, members, _ in whole if name == reconciled.vintage)
    return from_us(int(book.joined.at_us[members].max())) + due <= moment
