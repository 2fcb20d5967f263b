"""A small use case with every column type, rows of three kinds, and models of every kind, for the route tests."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import pyarrow as pa

import sternpost as sp

LABELS = ["retail", "farm", "trade", "füel", ""]
MOMENT = dt.datetime(2013, 7, 1, tzinfo=dt.UTC)


class Loan(sp.Contract):
    sector: sp.Category = sp.column(categories=LABELS)
    region: sp.Category | None = sp.column(categories=["north", "south"], on_unseen="null")
    amount: sp.Money = sp.column(ge=0, le=10**12)
    rate: float | None = sp.column(ge=0.0, le=1.0, on_violation="null")
    income: float = sp.column(gt=0.0)
    term_months: int = sp.column(ge=1, le=600)
    jobs: int | None = sp.column(on_violation="count", ge=0)
    new_business: bool | None
    applied: sp.Timestamp


@sp.feature
def amount_per_month(amount: sp.Money, term_months: int) -> float:
    return amount / 100 / term_months


@sp.feature
def log_income(income: float) -> float:
    return math.log(income)


@sp.feature
def burden(amount_per_month: float, income: float) -> float:
    return amount_per_month / income


@sp.feature
def rate_or_mean(rate: float | None) -> float:
    return 0.07 if sp.is_null(rate) else rate


@sp.feature
def is_farm(sector: sp.Category) -> bool:
    return sector == "farm"


@sp.feature
def paris_hour(applied: sp.Timestamp) -> int:
    return sp.hour(sp.local(applied, "Europe/Paris"))


@sp.feature
def jobs_known(jobs: int | None) -> int:
    return 0 if jobs is None else jobs


@sp.feature
def checked(term_months: int) -> float:
    if term_months == 599:
        raise ValueError("no loan runs for 599 months")
    return math.sin(term_months) ** 3


FEATURES = [
    amount_per_month,
    log_income,
    burden,
    rate_or_mean,
    is_farm,
    paris_hour,
    jobs_known,
    checked,
    "sector",
    "region",
    "new_business",
    "rate",
]


def real_rows(n: int, seed: int) -> list[dict[str, Any]]:
    """Rows as they come: mostly clean, with nulls."""
    r = np.random.default_rng(seed)
    return [
        {
            "sector": str(r.choice(LABELS)),
            "region": None if r.random() < 0.1 else str(r.choice(["north", "south"])),
            "amount": int(r.integers(1, 10**9)),
            "rate": None if r.random() < 0.1 else float(r.random()),
            "income": float(r.lognormal(10, 1)),
            "term_months": int(r.integers(1, 598)),
            "jobs": None if r.random() < 0.2 else int(r.integers(0, 500)),
            "new_business": None if r.random() < 0.1 else bool(r.random() < 0.5),
            "applied": MOMENT + dt.timedelta(microseconds=int(r.integers(-(10**15), 10**15))),
        }
        for _ in range(n)
    ]


def nasty_rows(base: dict[str, Any]) -> list[dict[str, Any]]:
    """One row for each way of being odd that a table of these types can hold."""
    oddities: dict[str, list[Any]] = {
        "sector": ["never seen", "fuel", "x" * 200, "\U0001f69c", None],
        "region": ["east", "North", None],
        "amount": [0, 10**12, 10**12 + 1, -1, None],
        "rate": [0.0, -0.0, 1.0, math.nextafter(1.0, 2.0), -1e-300, math.inf, -math.inf, math.nan, 5e-324, None],
        "income": [0.0, 5e-324, 1e308, math.inf, math.nan, -1.0, None],
        "term_months": [1, 0, 600, 601, 599, None],
        "jobs": [-1, 2**53, 2**63 - 1, None],
        "new_business": [True, False, None],
        "applied": [
            dt.datetime(1, 1, 1, tzinfo=dt.UTC),
            dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC),
            dt.datetime(2013, 3, 31, 1, 0, tzinfo=dt.UTC),
            None,
        ],
    }
    return [{**base, name: value} for name, values in oddities.items() for value in values]


SCHEMA = pa.schema(
    [
        ("sector", pa.utf8()),
        ("region", pa.utf8()),
        ("amount", pa.int64()),
        ("rate", pa.float64()),
        ("income", pa.float64()),
        ("term_months", pa.int64()),
        ("jobs", pa.int64()),
        ("new_business", pa.bool_()),
        ("applied", pa.timestamp("us", tz="UTC")),
    ]
)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def target(rows: list[dict[str, Any]], kind: str, seed: int) -> np.ndarray:
    r = np.random.default_rng(seed)
    z = np.array([(q["rate"] or 0.1) * 3 + math.log(q["income"]) / 10 + (q["sector"] == "farm") for q in rows])
    z = z + r.normal(0, 0.3, len(rows))
    if kind == "regression":
        return z * 1000
    if kind == "multiclass":
        return np.digitize(z, np.quantile(z, [0.3, 0.7]))
    return (z > np.median(z)).astype(np.int64)
