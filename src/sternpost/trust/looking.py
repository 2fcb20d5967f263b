"""The evidence of a use case at its present standing, from the journal of its decisions."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pyarrow.compute as pc

from sternpost.errors import UsageError
from sternpost.outcomes.adding import KeepsOutcomes
from sternpost.outcomes.events import decisions_table
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
    challenger: str | None = None,
) -> Evidence:
    """Gather what the registered terms ask for, of the champion, since its evidence began to count; decisions are made
    again with the bundle of the registry.

    With a `challenger` (digest): of that one since it came, compared with what the champion answered under the same
    prediction ids. Raises as `gather` and `Registry.open`; `UsageError` without a champion or such a challenger.
    """
    now = ladder.standing(use_case)
    if now.champion is None or now.counted_from is None:
        raise UsageError(f"{use_case} has no champion, so there is no evidence about one")
    bundle, since = now.champion, now.counted_from
    if challenger is not None:
        bundle, since = challenger, ladder.challenged(use_case, challenger).moment
    decisions = decisions_table(journal.decisions())
    at = decisions.column("at")
    decisions = decisions.filter(pc.and_(pc.greater_equal(at, since), pc.less_equal(at, as_of)))
    of = decisions.column("digest")
    return gather(
        decisions.filter(pc.equal(of, bundle)),
        journal.outcomes(),
        ladder.terms(use_case),
        use_case=use_case,
        bundle=bundle,
        since=since,
        as_of=as_of,
        incumbent=incumbent,
        replay=replay(ladder.registry.open(bundle), decisions).counts,
        champion=None if challenger is None else decisions.filter(pc.equal(of, now.champion)),
    )
