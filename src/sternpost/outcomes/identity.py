"""Which of the events told about one thing is the event.

An event is about a prediction, or about an entity and a moment; with its source and revision that is its identity.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sternpost.outcomes import events

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
#: What each event is about, as two numbers.
Subject = tuple[Ints, Ints]


def subject(told: pa.Table) -> Subject:
    """What an event is about, as two numbers: the prediction, or the entity and when it happened to it."""
    prediction = events.codes(told.column("prediction_id"))
    entity = events.codes(told.column("entity"))
    by_entity = prediction < 0
    who = np.where(by_entity, -2 - entity, prediction)
    return who, np.where(by_entity, events.ints(told.column("happened_at")), 0)


def first_of_identity(told: pa.Table, about: Subject) -> tuple[Flags, Flags, Flags]:
    """Per event: is it the first recorded of its identity, a duplicate of it, or in conflict with it."""
    who, when = about
    source, revision = events.codes(told.column("source")), events.ints(told.column("revision"))
    value = np.nan_to_num(events.floats(told.column("value")), nan=np.inf)
    label, happened = events.text_ranks(told.column("label")), events.ints(told.column("happened_at"))
    recorded = events.ints(told.column("recorded_at"))
    observed = events.ints(told.column("observed_at"))
    # Content after the moment of recording: what is told twice at one moment has one winner in any order.
    order = np.lexsort((observed, label, value, happened, recorded, revision, source, when, who))
    same = np.zeros(len(order), dtype=np.bool_)
    same[1:] = True
    for key in (who, when, source, revision):
        same[1:] &= np.diff(key[order]) == 0
    head = np.maximum.accumulate(np.where(~same, np.arange(len(order)), 0))
    original = order[head]
    differs = np.zeros(len(order), dtype=np.bool_)
    for content in (value, label, happened):
        differs |= content[order] != content[original]
    first, again, conflicting = (np.zeros(len(order), dtype=np.bool_) for _ in range(3))
    first[order], again[order], conflicting[order] = ~same, same & ~differs, same & differs
    return first, again, conflicting


def highest_revision(told: pa.Table, about: Subject, place: Ints, first: Flags) -> tuple[Flags, Flags]:
    """Per event: is it the highest revision of its subject by its source; was it replaced by one."""
    who, when = about
    source, revision = events.codes(told.column("source")), events.ints(told.column("revision"))
    order = np.lexsort((revision, source, when, who, ~first))
    kept = order[: int(first.sum())]
    last = np.ones(len(kept), dtype=np.bool_)
    last[:-1] = False
    for key in (who, when, source):
        last[:-1] |= np.diff(key[kept]) != 0
    top, revised = np.zeros(len(first), dtype=np.bool_), np.zeros(len(first), dtype=np.bool_)
    top[kept], revised[kept] = last, ~last
    return top, revised & (place >= 0)
