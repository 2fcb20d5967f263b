"""How good scores were, month by month, once the outcomes are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Month:
    """One month: rows with a score and a known outcome, the share of positive ones, the mean score, the AUC.

    `auc` is None when the month has outcomes of one kind only.
    """

    month: str
    rows: int
    positive_share: float
    mean_score: float
    auc: float | None


def month_names(moments: pa.ChunkedArray, clock: str) -> pa.ChunkedArray:
    """`2013-04` for every timestamp, by the wall clock of the time zone `clock`."""
    return pc.strftime(moments.cast(pa.timestamp("us", tz=clock)), format="%Y-%m")


def by_month(months: pa.ChunkedArray, scores: pa.ChunkedArray, outcomes: pa.ChunkedArray) -> list[Month]:
    """The months in order. `scores` float64 and `outcomes` 0/1, both null where there is none; all of one length."""
    measured = pc.and_(pc.is_valid(scores), pc.is_valid(outcomes))
    named = np.asarray(months.filter(measured).to_numpy(), dtype=np.str_)
    score = np.asarray(scores.filter(measured).to_numpy(), dtype=np.float64)
    positive = np.asarray(outcomes.filter(measured).to_numpy()) == 1
    return [_month(str(name), score[named == name], positive[named == name]) for name in np.unique(named)]


def _month(name: str, score: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]) -> Month:
    from sklearn.metrics import roc_auc_score

    auc = float(roc_auc_score(positive, score)) if 0 < positive.sum() < len(positive) else None
    return Month(name, len(score), float(positive.mean()), float(score.mean()), auc)
