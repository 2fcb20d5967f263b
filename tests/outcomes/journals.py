"""Decisions and outcomes for tests of journals."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
MOMENT = pa.timestamp("us", tz="UTC")


def decisions(first: int, count: int, bundle: str = "rides", digest: str = "ab" * 32, inputs: bool = True) -> pa.Table:
    ids = range(first, first + count)
    columns = {
        "prediction_id": pa.array([f"p{i}" for i in ids]),
        "at": pa.array([START + dt.timedelta(minutes=i) for i in ids], MOMENT),
        "bundle": pa.array([bundle] * count, pa.string()),
        "digest": pa.array([digest] * count, pa.string()),
        "score": pa.array([i / 1000 if i % 5 else None for i in ids], pa.float64()),
        "reasons": pa.array([["null:x"] if i % 5 == 0 else [] for i in ids], pa.list_(pa.string())),
        "action": pa.array(["late" if i % 2 else "on time" for i in ids]),
    }
    if inputs:
        rows = [{"x": float(i), "c": "red" if i % 3 else None} for i in ids]
        columns["inputs"] = pa.array(rows, pa.struct({"x": pa.float64(), "c": pa.string()}))
    return pa.table(columns)


def outcomes(first: int, count: int) -> pa.Table:
    ids = range(first, first + count)
    moments = pa.array([START + dt.timedelta(days=i) for i in ids], MOMENT)
    return pa.table(
        {
            "prediction_id": pa.array([f"p{i}" for i in ids]),
            "entity": pa.nulls(count, pa.string()),
            "happened_at": moments,
            "observed_at": moments,
            "recorded_at": moments,
            "value": pa.array([float(i % 2) for i in ids]),
            "label": pa.nulls(count, pa.string()),
            "source": pa.array(["crm"] * count),
            "revision": pa.array([0] * count, pa.int64()),
        }
    )


def names(table: pa.Table) -> list[str]:
    return table.column("prediction_id").to_pylist()
