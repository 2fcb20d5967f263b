"""Everything known of a bundle's decisions as of a moment: `measure`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sternpost.errors import UsageError
from sternpost.outcomes.age_matched import age_matched
from sternpost.outcomes.arrival import arrival
from sternpost.outcomes.cohort import Book, Mature, immature, mature, open_book
from sternpost.outcomes.events import bools, decisions_table, outcomes_table
from sternpost.outcomes.foresight import Foresight, past_estimates
from sternpost.outcomes.grouping import Groups, Period, by_segment, by_version, by_vintage, weights
from sternpost.outcomes.join import join
from sternpost.outcomes.label import LabelDefinition
from sternpost.outcomes.measures import measure_cohort
from sternpost.outcomes.measures.bins import equal_mass
from sternpost.outcomes.measures.measure import weights_of
from sternpost.outcomes.report import Feed, Group, Report, Waiting
from sternpost.outcomes.track_record import widen

By = Literal["segment", "vintage", "version"]
Flags = npt.NDArray[np.bool_]


def measure(
    decisions: pa.Table,
    outcomes: pa.Table,
    definition: LabelDefinition,
    *,
    as_of: dt.datetime,
    bundle: str | None = None,
    by: By | None = None,
    segment: str | None = None,
    period: Period | None = None,
    thresholds: Sequence[float] = (0.5,),
    weight: str | None = None,
    estimates: bool = True,
    compare_ages: bool = False,
    seed: int = 0,
) -> Report:
    """Measure what is due, estimate what is not, as of a moment.

    `decisions`, `outcomes`: a journal's tables (`sternpost.outcomes.events`). `bundle`: the name, needed when there are
    several. `by`: also in groups; `segment` names a column of the decisions or of their inputs. `weight`: a column that
    says how many decisions each one stands for. `estimates`: CBPE for what is not due, and its track record; binary
    only. `compare_ages`: compare what is not due with mature vintages at equal age; this has to be asked for.

    Raises `ContractError` for tables that are none, `UsageError` for arguments that do not fit them. What the rows are
    never raises: each number has a status.
    """
    name, decisions, outcomes = _of_bundle(decisions_table(decisions), outcomes_table(outcomes), bundle)
    joined = join(decisions, outcomes, definition, as_of=as_of)
    book = open_book(joined, weight=None if weight is None else weights(joined.decisions, weight))
    vintages = by_vintage(joined.decisions, period)
    groups = _groups(book, by, segment, vintages)

    def group(cohort: Mature) -> Group:
        numbers = measure_cohort(cohort, definition.kind, thresholds=thresholds, seed=seed)
        return Group(cohort, numbers, _curve(cohort) if definition.kind == "binary" else ())

    of_vintages = [group(mature(book, members, named)) for named, members in vintages]
    ahead = estimates and definition.kind == "binary"
    record = (
        past_estimates(
            decisions, outcomes, book, vintages, of_vintages, weight=weight, thresholds=thresholds, seed=seed
        )
        if ahead
        else []
    )
    foresight = Foresight(book, thresholds, seed)
    due = [(named, members) for named, members in vintages if not (members & ~book.mature).any()]
    waiting = []
    for named, members in vintages:
        young = immature(book, members, named)
        if young is None:
            continue
        compared = age_matched(book, young, due) if compare_ages else None
        expected = [widen(e, record) for e in foresight.estimate(young.members)] if ahead else []
        waiting.append(
            Waiting(
                named,
                young.rows,
                young.first_at,
                young.last_at,
                young.due_from,
                young.due_until,
                tuple(expected),
                compared,
            )
        )
    return Report(
        as_of=as_of,
        bundle=name,
        decisions=len(joined.decisions),
        definition=definition,
        by=by if segment is None else f"segment {segment}",
        thresholds=tuple(thresholds),
        findings=joined.counts(),
        feed=Feed(book.heard_at, book.silence_us / 1e6, book.stopped),
        whole=group(mature(book)),
        groups=tuple(g for g in of_vintages if g.cohort.rows)
        if by == "vintage"
        else tuple(group(mature(book, members, named)) for named, members in groups),
        vintages=tuple(of_vintages),
        waiting=tuple(waiting),
        record=tuple(record),
        arrivals=tuple(arrival(book, members, named) for named, members in vintages),
        listed=joined.findings,
    )


def _of_bundle(decisions: pa.Table, outcomes: pa.Table, bundle: str | None) -> tuple[str, pa.Table, pa.Table]:
    """The bundle's name, its decisions, and the outcome events that name no decision of another bundle."""
    names = sorted(n for n in pc.unique(decisions.column("bundle")).to_pylist() if n is not None)
    if bundle is None and len(names) > 1:
        raise UsageError(f"there are decisions of {len(names)} bundles: {', '.join(names[:20])}; name one: --bundle")
    if bundle is not None and names and bundle not in names:
        raise UsageError(f"there are no decisions of bundle {bundle!r}; there are of {', '.join(names[:20])}")
    chosen = bundle if bundle is not None else names[0] if names else ""
    mine = bools(pc.equal(decisions.column("bundle"), chosen)) if names else np.ones(len(decisions), dtype=np.bool_)
    others = decisions.filter(pa.array(~mine)).column("prediction_id")
    if len(others):
        elsewhere = bools(pc.is_in(outcomes.column("prediction_id"), value_set=others, skip_nulls=True))
        outcomes = outcomes.filter(pa.array(~elsewhere))
    return chosen, decisions.filter(pa.array(mine)), outcomes


def _groups(book: Book, by: By | None, segment: str | None, vintages: Groups) -> Groups:
    decisions = book.joined.decisions
    if by == "segment" and segment is None:
        raise UsageError("by segment needs the column to go by; name it: --segment COLUMN")
    if segment is not None:
        if by not in (None, "segment"):
            raise UsageError(f"a segment and by {by} exclude each other; choose one")
        return by_segment(decisions, segment)
    if by == "version":
        return by_version(decisions)
    if by is not None and by != "vintage":
        raise UsageError(f"by {by!r} is not one of segment, vintage, version")
    return vintages if by == "vintage" else []


def _curve(cohort: Mature) -> tuple[tuple[float, float, int], ...]:
    """Mean score, mean outcome and rows in each of ten bins of equal mass."""
    if not len(cohort.y):
        return ()
    cell = equal_mass(cohort.score, 10).astype(np.int64)
    w = weights_of(len(cohort.y), cohort.weight)
    mass, rows = np.bincount(cell, weights=w), np.bincount(cell)
    score, outcome = np.bincount(cell, weights=w * cohort.score), np.bincount(cell, weights=w * cohort.y)
    some = np.flatnonzero(mass > 0)
    return tuple((float(score[k] / mass[k]), float(outcome[k] / mass[k]), int(rows[k])) for k in some)
