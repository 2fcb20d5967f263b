"""The two sides of a split: their order in time, outcomes that reach from one into the other, entities on both.

A holdout stands for the time when the model decides. Then the outcomes of recent rows are not known yet, so training
must not have them either: that gap is the embargo, as long as the horizon of the outcome.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sternpost.frame.audit.case import AuditCase
from sternpost.frame.audit.finding import Finding

_DAY_US = 86_400_000_000


def separation(case: AuditCase) -> list[Finding]:
    """Findings about time and entities, none about single columns but the entity's."""
    return [*_time_order(case), *_embargo(case), *_entities(case)]


def _time_order(case: AuditCase) -> list[Finding]:
    times = [c.name for c in case.contract.columns if c.type == "timestamp"]
    if case.moments is None:
        if not times:
            return []
        told = f"rows are held out at random although they have a time ({', '.join(times[:3])})"
        remedy = f'write [split] time = "{times[0]}", so that rows of one day do not stand on both sides'
        return [Finding("time_order", "WARN", (), told, remedy)]
    if case.split != "from" or not len(case.training) or not len(case.holdout):
        return []
    first = case.moments[case.holdout].min()
    late = float(np.mean(case.moments[case.training] >= first))
    if not late:
        return []
    told = f"{late:.1%} of the training rows are no earlier than the first held-out row"
    return [Finding("time_order", "BLOCK", (), told, "train on rows before the holdout only", late, 0.0)]


def _embargo(case: AuditCase) -> list[Finding]:
    if case.moments is None:
        return []
    if case.horizon_us is None:
        told = "how long an outcome takes to be known is not declared, so nothing keeps early outcomes out of training"
        return [Finding("embargo", "INFO", (), told, 'write [outcome] horizon = "..." (a span of time such as 90d)')]
    held = np.sort(case.moments[case.holdout])
    trained = case.moments[case.training]
    following = np.searchsorted(held, trained, side="left")
    has_next = following < len(held)
    gap = held[np.minimum(following, len(held) - 1)] - trained
    share = float(np.mean(has_next & (gap < case.horizon_us))) if len(trained) and len(held) else 0.0
    if not share:
        return []
    told = (
        f"the outcomes of {share:.1%} of the training rows can be later than held-out rows that follow them within the "
        f"horizon of {_span(case.horizon_us)}"
    )
    if case.split == "from":
        return [Finding("embargo", "BLOCK", (), told, "leave a gap of one horizon before the holdout", share, 0.0)]
    remedy = "hold out the end instead of days in between: [split] holdout_from = ... leaves the gap by itself"
    return [Finding("embargo", "WARN", (), told, remedy, share, 0.0)]


def _entities(case: AuditCase) -> list[Finding]:
    if case.entity is None:
        told = "whom a row is about is not declared, so rows of one entity may stand on both sides of the split"
        return [Finding("entity_overlap", "INFO", (), told, 'write [audit] entity = "..." (a column of load())')]
    values = case.table.column(case.entity)
    if pa.types.is_dictionary(values.type):  # pyarrow looks up in sets of plain values only
        values = values.cast(values.type.value_type)
    held = values.take(case.holdout).drop_null()
    both = pc.sum(pc.is_in(held, value_set=pc.unique(values.take(case.training)))).as_py() or 0
    share = both / len(held) if len(held) else 0.0
    if not share:
        return []
    told = f"{share:.1%} of the held-out rows are about a {case.entity} that training has seen"
    if case.entities_recur:
        told += "; the project says that the same will be met again"
        return [Finding("entity_overlap", "INFO", (case.entity,), told, "nothing to do", share, 0.0)]
    remedy = (
        "hold out whole entities, or, when the model will decide about entities that it was trained on, write [audit] "
        "entities_recur = true"
    )
    return [Finding("entity_overlap", "BLOCK", (case.entity,), told, remedy, share, 0.0)]


def _span(us: int) -> str:
    return f"{us / _DAY_US:g} d" if us >= _DAY_US else f"{us / 3_600_000_000:g} h"
