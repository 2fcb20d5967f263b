"""A table in polars: one list of expressions, for a frame in memory or a lazy scan of a file."""

from __future__ import annotations

import functools
import operator
from typing import Any

import polars as pl
from polars import col

from benchmarks.workload import AGE_EDGES, FLOATS, INCOME_EDGES, INTS, LABELS, NULLABLE, SAVINGS_EDGES


def inputs(frame: pl.LazyFrame) -> Any:
    """float32 [n, 46], row-major."""
    return frame.select(EXPRESSIONS).collect().to_numpy(order="c")


def _expressions() -> list[pl.Expr]:
    numbers = [
        *(col(name) for name in FLOATS + INTS),
        (col("payment") / (col("income") + 1.0)).alias("payment_to_income"),
        (col("debt") / (12.0 * col("income") + 1.0)).alias("debt_to_income"),
        (col("requested") / (col("credit_limit") + 1.0)).alias("requested_to_limit"),
        (col("credit_used") / (col("credit_limit") + 1.0)).alias("used_share"),
        (col("accounts") / col("age")).alias("accounts_per_year"),
        (col("balance_low") / (col("balance_mean").abs() + 1.0)).alias("swing_share"),
        *(col(name).log1p().alias(f"log_{name}") for name in ("income", "requested", "debt", "savings")),
        col("accounts").cast(pl.Float64).log1p().alias("log_accounts"),
        (col("balance_mean") - col("balance_low")).alias("balance_swing"),
        (col("credit_limit") - col("credit_used")).alias("credit_left"),
        (col("savings") - col("debt")).alias("net_savings"),
        (col("requested") - 5.0 * col("deposit")).alias("beyond_deposit"),
        (col("accounts") - col("inquiries")).alias("accounts_less_inquiries"),
        _band("income", INCOME_EDGES),
        _band("age", AGE_EDGES),
        _band("savings", SAVINGS_EDGES),
        (col("rate") * 2.0).floor().alias("rate_step"),
        *(_code(name, labels) for name, labels in LABELS.items()),
        *(col(name).is_null().alias(f"{name}_missing") for name in NULLABLE),
    ]
    return [number.cast(pl.Float32).fill_null(float("nan")) for number in numbers]


def _band(name: str, edges: tuple[float, ...]) -> pl.Expr:
    """How many edges a value reaches. On these seven edges this is quicker than `cut` and than `search_sorted`."""
    reached = functools.reduce(operator.add, ((col(name) >= edge).cast(pl.UInt8) for edge in edges))
    return reached.cast(pl.Float32).fill_null(-1).alias(f"{name}_band")


def _code(name: str, labels: tuple[str, ...]) -> pl.Expr:
    """A label's place in the list. Through an Enum this is quicker than `replace_strict`."""
    code = col(name).cast(pl.Enum(labels), strict=False).to_physical()
    return code.cast(pl.Float32).fill_null(-1)


EXPRESSIONS = _expressions()
