"""Outcomes: what really happened, told late, joined with what was decided.

    label        what counts as an outcome: horizon, grace, what silence means, exclusions
    events       the two tables that everything here reads: decisions and outcome events
    journal      both tables as a journal on disk holds them
    ledger       a journal, or a folder of Parquet files for those who keep both otherwise
    adding       outcome events from a file or table into a journal
    join         decisions with what was known of them at a moment; what did not fit, listed
                 (identity, entity_time, settling, exclusion: its steps)
    cohort       decisions that are due (`Mature`) and those that are not (`Immature`), as types
    measures     numbers of a mature cohort, each with an interval or the reason why there is none
    age_matched  the one comparison that immature decisions allow
    arrival      how old decisions are when their outcome is told, and whether the feed has stopped
    estimate     performance before outcomes are known: CBPE, marked as an estimate
    track_record earlier estimates against what was later true
    measuring    all of it for one journal, as of one moment (grouping, foresight: its steps)
    report       what a measurement says; pages: the same with plots

Owed to callers: the same events give the same numbers as of the same moment, in whatever order they were added and
however often; decisions whose time has not come are never measured.
"""

from sternpost.outcomes.label import LabelDefinition

__all__ = ["LabelDefinition"]
