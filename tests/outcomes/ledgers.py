"""Small journals to test with: decisions and outcome events as tables, written by hand or drawn from a seed."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa

from sternpost.outcomes.events import MOMENT, OUTCOME_SCHEMA

DAY = dt.timedelta(days=1)
START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


def day(n: float) -> dt.datetime:
    return START + n * DAY


def decisions(rows: list[dict]) -> pa.Table:
    base = {"bundle": "loans", "digest": "d1", "score": 0.5, "entity": None, "source": "model"}
    rows = [{**base, **row} for row in rows]
    types = {"prediction_id": pa.string(), "at": MOMENT, "bundle": pa.string(), "digest": pa.string()}
    types |= {"score": pa.float64(), "entity": pa.string(), "source": pa.string()}
    return pa.table({name: pa.array([r[name] for r in rows], type_) for name, type_ in types.items()})


def outcomes(rows: list[dict]) -> pa.Table:
    whole = []
    for row in rows:
        row = {
            "prediction_id": None,
            "entity": None,
            "label": None,
            "value": None,
            "source": "core",
            "revision": 0,
            **row,
        }
        row.setdefault("observed_at", row["happened_at"])
        row.setdefault("recorded_at", row["observed_at"])
        whole.append(row)
    return pa.Table.from_pylist(whole, schema=OUTCOME_SCHEMA)


def moments(days: np.ndarray) -> pa.Array:
    base = int(START.timestamp()) * 1_000_000
    return pa.array(base + np.asarray(days * 86_400_000_000, dtype=np.int64), MOMENT)


def many_decisions(days: np.ndarray, score: np.ndarray, *, prefix: str = "p", digest: str = "d1") -> pa.Table:
    n = len(days)
    return pa.table(
        {
            "prediction_id": pa.array([f"{prefix}{i}" for i in range(n)], pa.string()),
            "at": moments(days),
            "bundle": pa.array(["loans"] * n, pa.string()),
            "digest": pa.array([digest] * n, pa.string()),
            "score": pa.array(score, pa.float64()),
        }
    )


def many_outcomes(ids: list[str], days: np.ndarray, value: np.ndarray, *, lag: float = 0.0) -> pa.Table:
    n = len(ids)
    happened, told = moments(days), moments(days + lag)
    return pa.table(
        {
            "prediction_id": pa.array(ids, pa.string()),
            "entity": pa.nulls(n, pa.string()),
            "happened_at": happened,
            "observed_at": told,
            "recorded_at": told,
            "value": pa.array(value, pa.float64()),
            "label": pa.nulls(n, pa.string()),
            "source": pa.array(["core"] * n, pa.string()),
            "revision": pa.array([0] * n, pa.int64()),
        }
    )
