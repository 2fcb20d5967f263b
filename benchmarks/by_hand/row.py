"""One row in plain Python: a dict in, float32 [1, 46] out."""

from __future__ import annotations

import math
from bisect import bisect_right
from math import log1p
from typing import Any

import numpy as np

from benchmarks.workload import AGE_EDGES, INCOME_EDGES, LABELS, SAVINGS_EDGES

_NAN = math.nan
_HOME, _PURPOSE, _SECTOR, _REGION = ({label: i for i, label in enumerate(labels)} for labels in LABELS.values())


def inputs(row: dict[str, Any]) -> Any:
    """float32 [1, 46]; the caller's None is null."""
    income = row["income"]
    requested = row["requested"]
    debt = row["debt"]
    limit = row["credit_limit"]
    used = row["credit_used"]
    rate = row["rate"]
    payment = row["payment"]
    deposit = row["deposit"]
    savings = row["savings"]
    mean = row["balance_mean"]
    low = row["balance_low"]
    age = row["age"]
    accounts = row["accounts"]
    inquiries = row["inquiries"]
    sector = row["sector"]
    no_income = income is None
    no_debt = debt is None
    no_deposit = deposit is None
    no_savings = savings is None
    no_age = age is None
    if no_income:
        income = _NAN
    if no_debt:
        debt = _NAN
    if no_deposit:
        deposit = _NAN
    if no_savings:
        savings = _NAN
    if no_age:
        age = _NAN
    return np.array(
        [
            (
                income, requested, debt, limit, used, rate,
                payment, deposit, savings, mean, low, row["years_employed"],
                age, row["dependants"], accounts, inquiries,
                payment / (income + 1.0), debt / (12.0 * income + 1.0), requested / (limit + 1.0),
                used / (limit + 1.0), accounts / age, low / (abs(mean) + 1.0),
                log1p(income), log1p(requested), log1p(debt), log1p(savings), log1p(accounts),
                mean - low, limit - used, savings - debt, requested - 5.0 * deposit, accounts - inquiries,
                -1 if no_income else bisect_right(INCOME_EDGES, income),
                -1 if no_age else bisect_right(AGE_EDGES, age),
                -1 if no_savings else bisect_right(SAVINGS_EDGES, savings),
                math.floor(rate * 2.0),
                _HOME.get(row["home"], -1), _PURPOSE.get(row["purpose"], -1),
                _SECTOR.get(sector, -1), _REGION.get(row["region"], -1),
                no_income, no_debt, no_deposit, no_savings, no_age, sector is None,
            )
        ],
        np.float32,
    )  # fmt: skip
