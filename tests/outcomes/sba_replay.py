"""Real small-business loans, 1990-2008, replayed in time order: what a lender would have known, estimated, and learned.

The outcome is a charge-off within three years of the approval, told 30 days later. The file is balanced by outcome; its
weights restore the population but are functions of the outcome, so nothing that is not due may use them. The replay
thins the charged-off loans to the population's share instead, by a seeded draw.

The model is fitted on approvals up to September 1998 with what was known of them at the end of 2001; every second day
of approvals is held out and is the first reference. It scores approvals from 2002 on.
"""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sternpost.outcomes import LabelDefinition
from sternpost.outcomes.events import MOMENT, OUTCOME_SCHEMA
from sternpost.outcomes.measuring import measure
from sternpost.outcomes.report import Report
from tests.outcomes.shared_data import shared_table

THREE_YEARS = LabelDefinition(horizon="1096d", grace="60d", absence="negative_at_maturity")
VINTAGES = range(2002, 2009)
_FROM, _LIVE, _END = dt.date(1990, 1, 1), dt.date(2002, 1, 1), dt.date(2009, 1, 1)
_FITTED_UPTO = dt.date(1998, 9, 30)
_WORDS = ("state", "revolving_line", "low_doc")
_NUMBERS = (
    "new_business", "jobs_created", "jobs_retained", "n_employees", "franchise_code", "gross_approved_usd",
    "sba_guaranteed_usd",
)  # fmt: skip


@dataclass(frozen=True)
class Replay:
    decisions: pa.Table
    outcomes: pa.Table
    loans: pa.Table  # the whole file, for independent arithmetic


@functools.cache
def replay() -> Replay:
    from sklearn.ensemble import HistGradientBoostingClassifier

    loans = shared_table("sba_loans_sample.parquet")
    weight = loans.column("sampling_weight").to_numpy()
    bad = loans.column("charged_off").to_numpy() == 1
    keep = np.random.default_rng(0).random(len(loans)) < np.where(bad, weight / weight.max(), 1.0)
    approved = np.array(loans.column("approval_date").to_pylist())
    charged = loans.column("charge_off_date").to_pylist()
    y = np.array([c is not None and (c - a).days <= 1096 for a, c in zip(approved, charged, strict=True)])
    X = np.column_stack([_codes(loans.column(n)) for n in _WORDS] + [_floats(loans.column(n)) for n in _NUMBERS])
    held = np.array([a.toordinal() % 2 == 0 for a in approved])
    fit = (approved >= _FROM) & (approved <= _FITTED_UPTO) & ~held
    words = [True] * len(_WORDS) + [False] * len(_NUMBERS)
    model = HistGradientBoostingClassifier(
        max_iter=60, learning_rate=0.06, max_leaf_nodes=15, categorical_features=words, random_state=0
    ).fit(X[fit], y[fit], sample_weight=weight[fit])
    early = (approved >= _FROM) & (approved <= _FITTED_UPTO) & held
    shown = keep & (early | (approved >= _LIVE) & (approved < _END))
    at = pa.array(approved[shown], pa.date32()).cast(MOMENT)
    ids = loans.column("loan_id").cast(pa.string()).filter(pa.array(shown))
    n = int(shown.sum())
    decisions = pa.table(
        {
            "prediction_id": ids,
            "at": at,
            "bundle": pa.array(["sba"] * n),
            "digest": pa.array(["0" * 64] * n),
            "score": pa.array(model.predict_proba(X[shown])[:, 1]),
        }
    )
    dates = loans.column("charge_off_date").filter(pa.array(shown)).combine_chunks()
    told = pc.is_valid(dates)
    happened = dates.filter(told).cast(MOMENT)
    recorded = pc.add(happened, pa.scalar(dt.timedelta(days=30), pa.duration("us")))
    m = len(happened)
    outcomes = pa.table(
        {
            "prediction_id": ids.filter(told),
            "entity": pa.nulls(m, pa.string()),
            "happened_at": happened,
            "observed_at": recorded,
            "recorded_at": recorded,
            "value": pa.array(np.ones(m)),
            "label": pa.nulls(m, pa.string()),
            "source": pa.array(["core"] * m),
            "revision": pa.array([0] * m, pa.int64()),
        },
        schema=OUTCOME_SCHEMA,
    )
    return Replay(decisions, outcomes, loans)


@functools.cache
def as_of_the_end_of(year: int) -> Report:
    """All that was known, and estimated, on 31 December."""
    r = replay()
    moment = dt.datetime(year, 12, 31, 23, 59, tzinfo=dt.UTC)
    return measure(r.decisions, r.outcomes, THREE_YEARS, as_of=moment, period="year", compare_ages=True)


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    texts = pc.unique(column).drop_null().sort()
    return pc.index_in(column, value_set=texts).cast(pa.float64()).to_numpy()


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    return column.cast(pa.float64()).to_numpy()


def rows() -> list[list[str]]:
    """The table of docs/outcomes.md: one row per vintage."""
    true = {g.cohort.name: g for g in as_of_the_end_of(2013).vintages}
    table = []
    for year in VINTAGES:
        then, later = as_of_the_end_of(year), as_of_the_end_of(year + 1)
        waiting = next(w for w in then.waiting if w.name == str(year))
        aged = next(w for w in later.waiting if w.name == str(year)).at_equal_age
        came = true[str(year)]
        told = f"{aged.told} against {aged.expected:.1f}: {aged.ratio:.1f}x ({aged.low:.1f} to {aged.high:.1f})"
        table.append(
            [
                str(year),
                f"{waiting.rows:,}",
                f"{then.whole.cohort.rows:,}",
                _ranged(waiting.number("positive_rate")),
                told if aged.status == "ok" else aged.status,
                _ranged(came.number("positive_rate")),
                _ranged(waiting.number("auc"), 2),
                _ranged(came.number("auc"), 2),
            ]
        )
    return table


def _ranged(found, digits: int = 3) -> str:
    if found.status != "ok":
        return found.status
    return f"{found.value:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"


if __name__ == "__main__":
    for row in rows():
        print("|", " | ".join(row), "|")
