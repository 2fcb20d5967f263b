"""The contract and its 30 features, written as a user of Sternpost writes them. The model sees 46 inputs."""

from __future__ import annotations

import math

import sternpost as sp
from benchmarks.workload import AGE_EDGES, INCOME_EDGES, LABELS, SAVINGS_EDGES


class Application(sp.Contract):
    """One application for a loan, amounts in euros."""

    income: float | None = sp.column(unit="EUR/month", ge=0)
    requested: float = sp.column(unit="EUR", ge=0)
    debt: float | None = sp.column(unit="EUR", ge=0)
    credit_limit: float = sp.column(unit="EUR", ge=0)
    credit_used: float = sp.column(unit="EUR", ge=0)
    rate: float = sp.column(unit="percent", ge=0, le=100)
    payment: float = sp.column(unit="EUR/month", ge=0)
    deposit: float | None = sp.column(unit="EUR", ge=0)
    savings: float | None = sp.column(unit="EUR", ge=0)
    balance_mean: float = sp.column(unit="EUR")
    balance_low: float = sp.column(unit="EUR")
    years_employed: float = sp.column(unit="year", ge=0, le=80)
    age: int | None = sp.column(unit="year", ge=18, le=120)
    dependants: int = sp.column(ge=0)
    accounts: int = sp.column(ge=0)
    inquiries: int = sp.column(ge=0)
    home: sp.Category = sp.column(categories=LABELS["home"])
    purpose: sp.Category = sp.column(categories=LABELS["purpose"])
    sector: sp.Category | None = sp.column(categories=LABELS["sector"])
    region: sp.Category = sp.column(categories=LABELS["region"])


@sp.feature
def payment_to_income(payment: float, income: float) -> float:
    return payment / (income + 1.0)


@sp.feature
def debt_to_income(debt: float, income: float) -> float:
    return debt / (12.0 * income + 1.0)


@sp.feature
def requested_to_limit(requested: float, credit_limit: float) -> float:
    return requested / (credit_limit + 1.0)


@sp.feature
def used_share(credit_used: float, credit_limit: float) -> float:
    return credit_used / (credit_limit + 1.0)


@sp.feature
def accounts_per_year(accounts: int, age: int) -> float:
    return accounts / age


@sp.feature
def swing_share(balance_low: float, balance_mean: float) -> float:
    return balance_low / (abs(balance_mean) + 1.0)


@sp.feature
def log_income(income: float) -> float:
    return math.log1p(income)


@sp.feature
def log_requested(requested: float) -> float:
    return math.log1p(requested)


@sp.feature
def log_debt(debt: float) -> float:
    return math.log1p(debt)


@sp.feature
def log_savings(savings: float) -> float:
    return math.log1p(savings)


@sp.feature
def log_accounts(accounts: int) -> float:
    return math.log1p(accounts)


@sp.feature
def balance_swing(balance_mean: float, balance_low: float) -> float:
    return balance_mean - balance_low


@sp.feature
def credit_left(credit_limit: float, credit_used: float) -> float:
    return credit_limit - credit_used


@sp.feature
def net_savings(savings: float, debt: float) -> float:
    return savings - debt


@sp.feature
def beyond_deposit(requested: float, deposit: float) -> float:
    return requested - 5.0 * deposit


@sp.feature
def accounts_less_inquiries(accounts: int, inquiries: int) -> int:
    return accounts - inquiries


@sp.feature
def income_band(income: float | None) -> int:
    if sp.is_null(income):
        return -1
    band = 0
    for edge in INCOME_EDGES:
        band += income >= edge
    return band


@sp.feature
def age_band(age: int | None) -> int:
    if sp.is_null(age):
        return -1
    band = 0
    for edge in AGE_EDGES:
        band += age >= edge
    return band


@sp.feature
def savings_band(savings: float | None) -> int:
    if sp.is_null(savings):
        return -1
    band = 0
    for edge in SAVINGS_EDGES:
        band += savings >= edge
    return band


@sp.feature
def rate_step(rate: float) -> int:
    return math.floor(rate * 2.0)


@sp.feature
def income_missing(income: float | None) -> bool:
    return sp.is_null(income)


@sp.feature
def debt_missing(debt: float | None) -> bool:
    return sp.is_null(debt)


@sp.feature
def deposit_missing(deposit: float | None) -> bool:
    return sp.is_null(deposit)


@sp.feature
def savings_missing(savings: float | None) -> bool:
    return sp.is_null(savings)


@sp.feature
def age_missing(age: int | None) -> bool:
    return sp.is_null(age)


@sp.feature
def sector_missing(sector: sp.Category | None) -> bool:
    return sp.is_null(sector)


FEATURES = sp.FeatureSet(
    Application,
    [
        "income", "requested", "debt", "credit_limit", "credit_used", "rate",
        "payment", "deposit", "savings", "balance_mean", "balance_low", "years_employed",
        "age", "dependants", "accounts", "inquiries",
        payment_to_income, debt_to_income, requested_to_limit, used_share, accounts_per_year, swing_share,
        log_income, log_requested, log_debt, log_savings, log_accounts,
        balance_swing, credit_left, net_savings, beyond_deposit, accounts_less_inquiries,
        income_band, age_band, savings_band, rate_step,
        "home", "purpose", "sector", "region",
        income_missing, debt_missing, deposit_missing, savings_missing, age_missing, sector_missing,
    ],
)  # fmt: skip
