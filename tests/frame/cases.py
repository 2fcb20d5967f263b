"""Small tables to audit: rows with a time, a number that tells something, and an outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

import sternpost as sp
from sternpost.contract import ContractSpec, draft
from sternpost.frame.audit import AuditCase

HOUR_US = 3_600_000_000
START_US = 1_704_067_200_000_000  # 2024-01-01T00:00:00Z


def case(
    columns: dict[str, Any],
    outcome: np.ndarray,
    *,
    known_at: str | None = "decision",
    contract: ContractSpec | None = None,
    features: Sequence[Any] | None = None,
    holdout: np.ndarray | None = None,
    **given: Any,
) -> AuditCase:
    """Rows an hour apart, the last quarter held out, every column passed on under a drafted contract, unless told
    otherwise."""
    n = len(outcome)
    moments = START_US + np.arange(n, dtype=np.int64) * HOUR_US
    table = pa.table(columns)
    if contract is None:
        contract = ContractSpec("Row", tuple(replace(c, known_at=known_at) for c in draft(table, "Row").columns))
    held = np.arange(n * 3 // 4, n) if holdout is None else holdout
    passed_on = [c.name for c in contract.columns if c.type != "timestamp"]
    settings: dict[str, Any] = {
        "name": "rows",
        "contract": contract,
        "features": sp.FeatureSet(contract, passed_on if features is None else features),
        "table": table,
        "target": "y",
        "outcome": np.asarray(outcome, dtype=np.int64),
        "training": np.setdiff1d(np.arange(n), held),
        "holdout": held,
        "split": "from",
        "moments": moments,
        "horizon_us": 0,
    }
    return AuditCase(**{**settings, **given})
