"""A table in numpy (with pyarrow.compute for the labels): an Arrow table in, float32 [n, 46] out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.workload import AGE_EDGES, FLOATS, INCOME_EDGES, INTS, LABELS, NULLABLE, SAVINGS_EDGES


def inputs(table: pa.Table) -> Any:
    """float32 [n, 46], row-major."""
    c = {name: table[name].to_numpy() for name in FLOATS + INTS}  # a null becomes NaN, an int with nulls float64
    codes = {
        name: pc.fill_null(pc.index_in(table[name], value_set=pa.array(labels)), -1).to_numpy()
        for name, labels in LABELS.items()
    }
    missing = {name: np.isnan(c[name]) for name in NULLABLE if name in c}
    income, debt, savings, age = c["income"], c["debt"], c["savings"], c["age"]
    columns = [
        *c.values(),
        c["payment"] / (income + 1.0),
        debt / (12.0 * income + 1.0),
        c["requested"] / (c["credit_limit"] + 1.0),
        c["credit_used"] / (c["credit_limit"] + 1.0),
        c["accounts"] / age,
        c["balance_low"] / (np.abs(c["balance_mean"]) + 1.0),
        *(np.log1p(c[name]) for name in ("income", "requested", "debt", "savings", "accounts")),
        c["balance_mean"] - c["balance_low"],
        c["credit_limit"] - c["credit_used"],
        savings - debt,
        c["requested"] - 5.0 * c["deposit"],
        c["accounts"] - c["inquiries"],
        np.where(missing["income"], -1, np.searchsorted(INCOME_EDGES, income, side="right")),
        np.where(missing["age"], -1, np.searchsorted(AGE_EDGES, age, side="right")),
        np.where(missing["savings"], -1, np.searchsorted(SAVINGS_EDGES, savings, side="right")),
        np.floor(c["rate"] * 2.0),
        *codes.values(),
        *missing.values(),
        codes["sector"] == -1,
    ]
    matrix = np.empty((table.num_rows, len(columns)), np.float32)
    for i, column in enumerate(columns):
        matrix[:, i] = column
    return matrix
