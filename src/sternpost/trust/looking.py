"""The evidence of a use case at its present standing, from the journal of its decisions."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa

from sternpost.errors import UsageError
from sternpost.outcomes.adding import KeepsOutcomes
from sternpost.trust.evidence import Evidence, gather
from sternpost.trust.ladder import Ladder
from sternpost.trust.replay import replay


def evidence_of(
    ladder: Ladder,
    use_case: str,
    journal: KeepsOutcomes,
    *,
    as_of: dt.datetime,
    incumbent: pa.Table | None = None,
) -> Evidence:
    """Gather what the registered terms ask for, of the champion, since its evidence began to count; decisions are made
    again with the bundle of the registry. Raises as `gather` and `Registry.open`; `UsageError` without a champion."""
    now = ladder.standing(use_case)
    if now.champion is None or now.counted_from is None:
        raise UsageError(f"{use_case} has no champion, so there is no evidence about one")
    decisions = journal.decisions()
    return gather(
        decisions,
        journal.outcomes(),
        ladder.terms(use_case),
        use_case=use_case,
        bundle=now.champion,
        since=now.counted_from,
        as_of=as_of,
        incumbent=incumbent,
        replay=replay(ladder.registry.open(now.champion), decisions).counts,
    )
