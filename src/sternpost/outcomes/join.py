"""Decisions with what was known of their outcomes at a moment T.

Only events count that were observed and recorded by T, and only decisions made by T, so the same T gives the same
answer later, in whatever order events were added. Of events with one identity the first recorded is the event, the
others are duplicates; of one source's revisions the highest counts, and a revision without value and label withdraws
what was told; sources that contradict each other are settled by `LabelDefinition.sources` or leave the decision
unused. Nothing is dropped without being counted: `Joined.findings` holds the events and decisions of every kind.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sternpost.outcomes import events
from sternpost.outcomes.entity_time import link_entities
from sternpost.outcomes.exclusion import excluded
from sternpost.outcomes.identity import first_of_identity, highest_revision, subject
from sternpost.outcomes.label import LabelDefinition
from sternpost.outcomes.settling import settle, values

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

#: So many recordings say how often the feed is heard; what it was like long before does not matter.
RHYTHM = 200
#: What a finding is about, and what it means.
FINDINGS: dict[str, str] = {
    "duplicate": "events told again: same identity, same content",
    "conflicting": "events told again with other content: same identity; the first recorded counts",
    "revised": "events replaced by a higher revision of their source",
    "withdrawn": "events whose last revision has neither value nor label",
    "orphan": "events that belong to no decision",
    "ambiguous": "events of an entity with several decisions within the horizon",
    "before_decision": "events that happened before their decision was made",
    "beyond_horizon": "events that happened later than the horizon",
    "unreadable": "events whose value or label the label definition cannot read",
    "late": "events recorded after their decision had become mature",
    "contradicting": "decisions whose sources contradict each other",
    "doubted": "decisions that an ambiguous event may have been about",
    "repeated": "decisions journalled more than once; the first counts",
    "excluded": "decisions that the label definition excludes",
}
_OF_DECISIONS = ("contradicting", "doubted", "repeated", "excluded")


@dataclass(frozen=True)
class Joined:
    """n decisions as of `as_of`, and what is known of each. `decisions` has their columns, in order of time.

    `value` [n]: 0 or 1, or the quantity; NaN when no outcome is known (absence is not judged here).
    `happened_us`, `recorded_us` [n]: of the event that counts, 0 without one. `unsettled` [n]: contradicted or doubted.
    `excluded` [n]. `heard_us`: when the last event of any kind was recorded, None if none was; `quiet_us`: the longest
    time between two of the last RHYTHM recordings.
    """

    as_of: dt.datetime
    definition: LabelDefinition
    decisions: pa.Table
    at_us: Ints
    value: Floats
    happened_us: Ints
    recorded_us: Ints
    unsettled: Flags
    excluded: Flags
    heard_us: int | None
    quiet_us: int
    findings: Mapping[str, pa.Table]

    def counts(self) -> dict[str, int]:
        """How many of every kind of finding."""
        return {kind: len(table) for kind, table in self.findings.items()}


def join(
    decisions: pa.Table,
    outcomes: pa.Table,
    definition: LabelDefinition,
    *,
    as_of: dt.datetime,
) -> Joined:
    """Join the two tables of a journal as of a moment.

    `decisions`, `outcomes`: as `sternpost.outcomes.events` says. Raises `ContractError` when one is not such a table,
    `UsageError` for a moment without a time zone or an exclusion that cannot be evaluated.
    """
    until = events.moment_us(as_of)
    decisions, repeated = _once(_until(events.decisions_table(decisions), until, "at"))
    told = _until(_until(events.outcomes_table(outcomes), until, "recorded_at"), until, "observed_at")
    recorded = np.sort(events.ints(told.column("recorded_at")))
    recorded = recorded[np.append(True, np.diff(recorded) > 0)] if len(recorded) else recorded
    at = events.ints(decisions.column("at"))
    left_out = excluded(decisions, definition)

    about = subject(told)
    first, again, conflicting = first_of_identity(told, about)
    place, ambiguous, doubted = _places(decisions, at, told, definition.horizon_us)
    top, revised = highest_revision(told, about, place, first)
    found = {
        "duplicate": again,
        "conflicting": conflicting,
        "revised": revised,
        "orphan": first & (place < 0) & ~ambiguous,
        "ambiguous": first & ambiguous,
    }
    value, readable, silent = values(told, definition)
    happened = events.ints(told.column("happened_at"))
    linked = top & (place >= 0)
    age = np.where(linked, happened - at[place] if len(at) else 0, 0)
    found["withdrawn"] = linked & silent
    found["before_decision"] = linked & ~silent & (age < 0)
    found["beyond_horizon"] = linked & ~silent & (age > definition.horizon_us)
    inside = linked & ~silent & (age >= 0) & (age <= definition.horizon_us)
    found["unreadable"] = inside & ~readable
    counted = inside & readable
    if len(at):
        lag = events.ints(told.column("recorded_at")) - at[place]
        found["late"] = counted & (lag > definition.due_us)
    else:
        found["late"] = counted

    settled = settle(told, place, value, counted=counted, n=len(at), definition=definition)
    of_decisions = {
        "contradicting": settled.contradicting,
        "doubted": doubted,
        "excluded": left_out,
    }
    findings = {
        kind: repeated
        if kind == "repeated"
        else decisions.filter(pa.array(of_decisions[kind]))
        if kind in _OF_DECISIONS
        else told.filter(pa.array(found[kind]))
        for kind in FINDINGS
    }
    return Joined(
        as_of=as_of,
        definition=definition,
        decisions=decisions,
        at_us=at,
        value=settled.value,
        happened_us=settled.happened,
        recorded_us=settled.recorded,
        unsettled=settled.contradicting | doubted,
        excluded=left_out,
        heard_us=int(recorded[-1]) if len(recorded) else None,
        quiet_us=int(np.diff(recorded[-RHYTHM:]).max()) if len(recorded) > 1 else 0,
        findings=findings,
    )


def _until(table: pa.Table, until: int, column: str) -> pa.Table:
    return table.filter(pc.less_equal(table.column(column), pa.scalar(until, events.MOMENT)))


def _once(decisions: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Each prediction once, the first by time, in order of time; and the others."""
    ids = events.codes(decisions.column("prediction_id"))
    score = events.floats(decisions.column("score"))
    order = np.lexsort((score, events.ints(decisions.column("at")), ids))
    again = np.zeros(len(ids), dtype=np.bool_)
    again[order[1:]] = np.diff(ids[order]) == 0
    kept = decisions.filter(pa.array(~again))
    # Ties in time are broken by id, so that the order does not depend on how the journal was read.
    by_time = pc.sort_indices(kept, sort_keys=[("at", "ascending"), ("prediction_id", "ascending")])
    return kept.take(by_time), decisions.filter(pa.array(again))


def _places(decisions: pa.Table, at: Ints, told: pa.Table, horizon_us: int) -> tuple[Ints, Flags, Flags]:
    """Per event the row of its decision or -1, and whether it is ambiguous; per decision whether it is doubted."""
    by_id = pc.index_in(told.column("prediction_id"), value_set=decisions.column("prediction_id"), skip_nulls=True)
    place = np.asarray(pc.fill_null(by_id.cast(pa.int64()), -1).to_numpy(), dtype=np.int64)
    no_id = events.bools(pc.is_null(told.column("prediction_id")))
    known = pc.unique(decisions.column("entity")).drop_null()
    if not no_id.any() or not len(known):
        return place, np.zeros(len(place), dtype=np.bool_), np.zeros(len(at), dtype=np.bool_)
    entity_of = [
        np.asarray(pc.fill_null(pc.index_in(t.column("entity"), value_set=known, skip_nulls=True), -1).to_numpy())
        for t in (decisions, told)
    ]
    links = link_entities(
        entity_of[0].astype(np.int64),
        at,
        np.where(no_id, entity_of[1], -1).astype(np.int64),
        events.ints(told.column("happened_at")),
        horizon_us,
    )
    return np.where(no_id, links.place, place), links.ambiguous, links.doubted
