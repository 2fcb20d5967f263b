"""One application in, P(default) out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.by_hand.row import inputs
from benchmarks.peer import session


def scorer(onnx: str) -> Callable[[dict[str, Any]], float]:
    """Features by hand, then ONNX Runtime on one thread."""
    run = session(Path(onnx), threads=1).run

    def score(row: dict[str, Any]) -> float:
        return float(run(["probabilities"], {"input": inputs(row)})[0][0, 1])

    return score


def row_of(m: Any) -> dict[str, Any]:
    """`loans.Application` as a dict; absent is None."""
    has = m.HasField
    return {
        "income": m.income if has("income") else None,
        "requested": m.requested,
        "debt": m.debt if has("debt") else None,
        "credit_limit": m.credit_limit,
        "credit_used": m.credit_used,
        "rate": m.rate,
        "payment": m.payment,
        "deposit": m.deposit if has("deposit") else None,
        "savings": m.savings if has("savings") else None,
        "balance_mean": m.balance_mean,
        "balance_low": m.balance_low,
        "years_employed": m.years_employed,
        "age": m.age if has("age") else None,
        "dependants": m.dependants,
        "accounts": m.accounts,
        "inquiries": m.inquiries,
        "home": m.home,
        "purpose": m.purpose,
        "sector": m.sector if has("sector") else None,
        "region": m.region,
    }


def tell(address: str) -> None:
    print(json.dumps({"listen": [address]}), flush=True)


def told(asked: str, port: int) -> str:
    """The address with the port that the system chose."""
    return asked if asked.startswith("unix:") else f"{asked.rsplit(':', 1)[0]}:{port}"
