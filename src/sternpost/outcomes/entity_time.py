"""Which decision an outcome event belongs to when it names an entity and a time instead of a prediction.

It is the entity's last decision at or before the event, no more than the horizon earlier. Where several decisions of
the entity lie in that span the event is ambiguous: it is given to the last one, and the earlier ones can no longer be
said to have had no event. Two decisions of one entity at the same moment cannot be told apart: then none gets it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class EntityLinks:
    """For m events: `place` [m] of the decision, -1 for none; `ambiguous` [m]. For n decisions: `doubted` [n], those
    that an ambiguous event may have been about and that did not get it."""

    place: Ints
    ambiguous: Flags
    doubted: Flags


def link_entities(decision_entity: Ints, at: Ints, event_entity: Ints, happened: Ints, horizon_us: int) -> EntityLinks:
    """Links by entity and time. `*_entity` are codes shared by both tables, -1 for none; moments in microseconds."""
    order = np.lexsort((at, decision_entity))
    upto = _count_upto(decision_entity[order], at[order], event_entity, happened)
    before = _count_upto(decision_entity[order], at[order], event_entity, happened - horizon_us - 1)
    candidates = np.where(event_entity >= 0, upto - before, 0)
    last = np.where(candidates > 0, order[np.maximum(upto - 1, 0)] if len(order) else -1, -1)
    ambiguous = candidates > 1
    doubted = np.zeros(len(at), dtype=np.bool_)
    for event in np.flatnonzero(ambiguous):
        # Few by nature: an entity's decisions within one horizon of one of its events.
        rivals = order[before[event] : upto[event]]
        tied = at[rivals] == at[last[event]]
        if tied.sum() > 1:
            doubted[rivals] = True
            last[event] = -1
        else:
            doubted[rivals[~tied]] = True
    return EntityLinks(last.astype(np.int64), ambiguous, doubted)


def _count_upto(sorted_entity: Ints, sorted_at: Ints, entity: Ints, moment: Ints) -> Ints:
    """For each (entity, moment): how many of the sorted (entity, at) lie at or before it, counting earlier entities."""
    n, m = len(sorted_entity), len(entity)
    every_entity = np.concatenate([sorted_entity, entity])
    every_moment = np.concatenate([sorted_at, moment])
    is_question = np.concatenate([np.zeros(n, dtype=np.int8), np.ones(m, dtype=np.int8)])
    order = np.lexsort((is_question, every_moment, every_entity))
    seen = np.cumsum(is_question[order] == 0)
    counts = np.empty(n + m, dtype=np.int64)
    counts[order] = seen
    # A question before the entity's first decision must not reach into the entity before it: the caller takes the
    # difference of two such counts, in which earlier entities cancel.
    return counts[n:]
