"""Whole days are held out; without a time, a seeded share."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from sternpost.errors import ContractError, UsageError
from sternpost.project.settings import SplitSection
from sternpost.project.split import split_rows


def moments(*days: str) -> pa.Table:
    stamps = [dt.datetime.fromisoformat(d).replace(tzinfo=dt.UTC) for d in days]
    return pa.table({"at": pa.array(stamps, pa.timestamp("us", tz="UTC"))})


def known(table: pa.Table) -> np.ndarray:
    return np.ones(table.num_rows, dtype=bool)


def test_every_nth_day_that_occurs_is_held_out_whole():
    table = moments("2024-01-01T23:59", "2024-01-02", "2024-01-02T12:00", "2024-01-09", "2024-01-09", "2024-02-01")
    split = split_rows(table, known(table), SplitSection(time="at", holdout_every_days=2))
    assert split.training.tolist() == [0, 3, 4]
    assert split.holdout.tolist() == [1, 2, 5]


def test_rows_at_or_after_train_before_and_rows_without_an_outcome_are_in_neither():
    table = moments("2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05")
    settings = SplitSection(time="at", holdout_every_days=2, train_before=dt.datetime(2024, 1, 5, tzinfo=dt.UTC))
    split = split_rows(table, np.array([True, True, False, True, True]), settings)
    assert split.training.tolist() == [0, 3]
    assert split.holdout.tolist() == [1]


def test_the_order_of_rows_does_not_matter():
    days = [f"2024-01-{d:02d}" for d in range(1, 13)]
    shuffled = np.random.default_rng(0).permutation(12)
    settings = SplitSection(time="at")
    held = {days[i] for i in split_rows(moments(*days), np.ones(12, bool), settings).holdout}
    table = moments(*(days[i] for i in shuffled))
    assert {days[shuffled[i]] for i in split_rows(table, np.ones(12, bool), settings).holdout} == held


def test_dates_are_days():
    table = pa.table({"at": pa.array([dt.date(2024, 1, d) for d in (1, 2, 3, 4)])})
    assert split_rows(table, known(table), SplitSection(time="at")).holdout.tolist() == [3]


def test_without_a_time_a_seeded_share_is_held_out():
    table = pa.table({"x": list(range(100))})
    first, again, other = (
        split_rows(table, known(table), SplitSection(holdout_share=0.3, seed=seed)) for seed in (1, 1, 2)
    )
    assert len(first.holdout) == 30
    assert sorted([*first.training, *first.holdout]) == list(range(100))
    assert first.holdout.tolist() == again.holdout.tolist() != other.holdout.tolist()


@pytest.mark.parametrize(
    ("column", "error", "fragment"),
    [
        (pa.array([None] * 3, pa.timestamp("us", tz="UTC")), ContractError, "null in 3 rows"),
        (pa.array([1, 2, 3], pa.timestamp("us")), ContractError, "no time zone"),
        (pa.array([1, 2, 3]), ContractError, "int64, not a time"),
        (pa.array([1, 2, 3], pa.timestamp("us", tz="UTC")), UsageError, "1 distinct days"),
    ],
)
def test_a_time_that_cannot_split_is_refused(column, error, fragment):
    table = pa.table({"at": column})
    with pytest.raises(error, match=fragment):
        split_rows(table, known(table), SplitSection(time="at"))


def test_a_train_before_that_leaves_nothing_is_refused():
    table = moments("2024-01-01", "2024-01-02")
    with pytest.raises(UsageError, match="none of the 2 rows"):
        split_rows(table, known(table), SplitSection(time="at", train_before=dt.datetime(2020, 1, 1, tzinfo=dt.UTC)))


def test_too_few_rows_for_a_share_are_refused():
    table = pa.table({"x": [1]})
    with pytest.raises(UsageError, match="load more rows"):
        split_rows(table, known(table), SplitSection())
