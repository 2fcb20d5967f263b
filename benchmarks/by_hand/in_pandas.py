"""A table in pandas: a data frame in, float32 [n, 46] out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.workload import AGE_EDGES, FLOATS, INCOME_EDGES, INTS, LABELS, NULLABLE, SAVINGS_EDGES


def inputs(frame: pd.DataFrame) -> Any:
    """float32 [n, 46], row-major."""
    f = frame
    features = {
        "payment_to_income": f["payment"] / (f["income"] + 1.0),
        "debt_to_income": f["debt"] / (12.0 * f["income"] + 1.0),
        "requested_to_limit": f["requested"] / (f["credit_limit"] + 1.0),
        "used_share": f["credit_used"] / (f["credit_limit"] + 1.0),
        "accounts_per_year": f["accounts"] / f["age"],
        "swing_share": f["balance_low"] / (f["balance_mean"].abs() + 1.0),
        **{f"log_{name}": np.log1p(f[name]) for name in ("income", "requested", "debt", "savings", "accounts")},
        "balance_swing": f["balance_mean"] - f["balance_low"],
        "credit_left": f["credit_limit"] - f["credit_used"],
        "net_savings": f["savings"] - f["debt"],
        "beyond_deposit": f["requested"] - 5.0 * f["deposit"],
        "accounts_less_inquiries": f["accounts"] - f["inquiries"],
        "income_band": _band(f["income"], INCOME_EDGES),
        "age_band": _band(f["age"], AGE_EDGES),
        "savings_band": _band(f["savings"], SAVINGS_EDGES),
        "rate_step": np.floor(f["rate"] * 2.0),
        **{name: pd.Categorical(f[name], categories=labels).codes for name, labels in LABELS.items()},
        **{f"{name}_missing": f[name].isna() for name in NULLABLE},
    }
    raw = {name: f[name] for name in FLOATS + INTS}
    return np.ascontiguousarray(pd.DataFrame(raw | features).to_numpy(np.float32))


def _band(column: pd.Series, edges: tuple[float, ...]) -> Any:
    return np.where(column.isna(), -1, np.searchsorted(edges, column, side="right"))
