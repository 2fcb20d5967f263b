"""What an event says, and one value per decision out of what its sources say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sternpost.outcomes import events
from sternpost.outcomes.label import LabelDefinition

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Settled:
    """Per decision [n]: value (NaN for none), when it happened, when it was recorded, whether sources contradict."""

    value: Floats
    happened: Ints
    recorded: Ints
    contradicting: Flags


def values(told: pa.Table, definition: LabelDefinition) -> tuple[Floats, Flags, Flags]:
    """Per event: its value as the definition reads it (NaN if it cannot), whether it can, whether it tells nothing."""
    raw, label = events.floats(told.column("value")), told.column("label")
    no_label = events.bools(pc.is_null(label))
    silent = np.isnan(raw) & no_label
    if definition.kind == "binary" and definition.positive:
        hit = events.bools(pc.is_in(label, value_set=pa.array(definition.positive, label.type)))
        value = np.where(no_label, np.nan, hit.astype(np.float64))
    elif definition.kind == "binary":
        value = np.where((raw == 0) | (raw == 1), raw, np.nan)
    else:
        value = np.where(np.isfinite(raw), raw, np.nan)
    return value, ~np.isnan(value), silent


def settle(
    told: pa.Table, place: Ints, value: Floats, *, counted: Flags, n: int, definition: LabelDefinition
) -> Settled:
    """One value per decision out of what its sources say of it."""
    rows, happened = np.flatnonzero(counted), events.ints(told.column("happened_at"))
    names = told.column("source")
    wanted = pa.array(definition.sources, pa.string())
    rank = np.asarray(pc.fill_null(pc.index_in(names, value_set=wanted).cast(pa.int64()), len(wanted)).to_numpy())
    source, recorded = events.text_ranks(names), events.ints(told.column("recorded_at"))
    # One source may tell several events of an entity. That it happened at all counts, so 1 goes before 0; then the
    # earliest does.
    size = -value if definition.kind == "binary" else np.zeros(len(value))
    order = rows[np.lexsort((recorded[rows], happened[rows], size[rows], source[rows], rank[rows], place[rows]))]
    is_head = np.ones(len(order), dtype=np.bool_)
    is_head[1:] = (np.diff(place[order]) != 0) | (np.diff(source[order]) != 0)
    heads = order[is_head]
    # Heads are in order of decision and rank: the first per decision has the word, unless one of its rank contradicts.
    opens = np.ones(len(heads), dtype=np.bool_)
    opens[1:] = np.diff(place[heads]) != 0
    group = np.cumsum(opens) - 1
    chosen = heads[opens]
    rivals = rank[heads] == rank[chosen[group]]
    agree = value[heads] == value[chosen[group]]
    differs = np.zeros(len(chosen), dtype=np.bool_)
    np.logical_or.at(differs, group, rivals & ~agree)
    result = Settled(np.full(n, np.nan), np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.bool_))
    where = place[chosen]
    earliest = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(earliest, place[heads[agree]], recorded[heads[agree]])
    result.value[where], result.happened[where] = value[chosen], happened[chosen]
    result.recorded[where] = earliest[where]
    result.contradicting[where] = differs
    return result
