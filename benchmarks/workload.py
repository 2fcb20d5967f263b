"""The rows: loan applications with 12 floats, 4 ints and 4 categories; seeded, nulls in six columns.

Everything here is a function of the number of rows and the seed. Distributions are those of amounts, shares and
counts (skewed, some heavy-tailed), categories are uneven, and each of the six nullable columns is null in 3 % of rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

SEED = 3
NULL_SHARE = 0.03

FLOATS = (
    "income", "requested", "debt", "credit_limit", "credit_used", "rate",
    "payment", "deposit", "savings", "balance_mean", "balance_low", "years_employed",
)  # fmt: skip
INTS = ("age", "dependants", "accounts", "inquiries")
LABELS = {
    "home": tuple(f"home_{i}" for i in range(5)),
    "purpose": tuple(f"purpose_{i:02d}" for i in range(12)),
    "sector": tuple(f"sector_{i:02d}" for i in range(20)),
    "region": tuple(f"region_{i:02d}" for i in range(40)),
}
# A value's band is the number of edges that it reaches.
INCOME_EDGES = (800.0, 1500.0, 2500.0, 4000.0, 6500.0, 10000.0, 20000.0)
AGE_EDGES = (25, 32, 40, 50, 60, 70)
SAVINGS_EDGES = (100.0, 500.0, 2000.0, 8000.0, 30000.0, 100000.0)
NULLABLE = ("income", "debt", "deposit", "savings", "age", "sector")


def rows(n: int, seed: int = SEED) -> pa.Table:
    """`n` applications: float64, int64 and string columns, in the order of the constants above."""
    r = np.random.default_rng(seed)
    limit = r.lognormal(8.5, 0.8, n)
    mean = r.normal(1500.0, 900.0, n)
    values: dict[str, Any] = {
        "income": r.lognormal(8.0, 0.5, n),
        "requested": r.lognormal(9.0, 0.9, n),
        "debt": r.gamma(1.5, 4000.0, n),
        "credit_limit": limit,
        "credit_used": limit * r.beta(2.0, 3.0, n),
        "rate": r.uniform(1.0, 25.0, n),
        "payment": r.lognormal(5.5, 0.7, n),
        "deposit": r.exponential(3000.0, n),
        "savings": r.lognormal(7.5, 1.4, n),
        "balance_mean": mean,
        "balance_low": mean - r.exponential(800.0, n),
        "years_employed": np.minimum(r.exponential(6.0, n), 60.0),
        "age": r.integers(18, 86, n),
        "dependants": r.poisson(0.9, n),
        "accounts": r.poisson(5.0, n),
        "inquiries": r.geometric(0.35, n) - 1,
    }
    columns: dict[str, pa.Array] = {}
    for name, column in values.items():
        columns[name] = pa.array(column, mask=_nulls(r, name, n))
    for name, labels in LABELS.items():
        weight = 1.0 / np.arange(2, len(labels) + 2)
        codes = r.choice(len(labels), n, p=weight / weight.sum()).astype(np.int32)
        coded = pa.DictionaryArray.from_arrays(pa.array(codes, mask=_nulls(r, name, n)), pa.array(labels))
        columns[name] = coded.cast(pa.string())
    return pa.table(columns)


def target(matrix: Any, names: tuple[str, ...], seed: int = SEED) -> Any:
    """0 or 1 per row: a default whose odds bend with several inputs and with two pairs of them.

    `matrix` is float32 [n, inputs] in the order of `names`.
    """
    x = {name: np.nan_to_num(matrix[:, i].astype(np.float64)) for i, name in enumerate(names)}
    odds = (
        -2.0
        + 1.8 * x["used_share"]
        + 2.5 * np.minimum(x["debt_to_income"], 3.0) / 3.0
        + 0.06 * x["rate"]
        - 0.25 * x["log_savings"]
        + 0.35 * x["inquiries"] * (x["age_band"] <= 1)
        + 0.4 * (x["purpose"] % 3 == 1) * (x["requested_to_limit"] > 1.5)
        + 0.2 * np.sin(x["balance_swing"] / 400.0)
        + 0.6 * x["income_missing"]
    )
    chance = 1.0 / (1.0 + np.exp(-odds))
    return (np.random.default_rng(seed + 1).random(len(chance)) < chance).astype(np.int64)


def _nulls(r: np.random.Generator, name: str, n: int) -> Any:
    return r.random(n) < NULL_SHARE if name in NULLABLE else None
