"""What the reference looked like, column by column: counts, nulls, range, and how often each label occurred.

Kept inside the bundle, so that a stranger can see what the model was built on without the data.
"""

from __future__ import annotations

import json
import math
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sternpost.contract import Column, ContractSpec

FORMAT = 1


def profile(contract: ContractSpec, reference: pa.Table) -> dict[str, Any]:
    """{"format", "rows", "columns": {name: {"count", "nulls", ...}}} of the contract's columns, JSON-able."""
    columns = {c.name: _column(c, reference.column(c.name)) for c in contract.columns}
    return {"format": FORMAT, "rows": reference.num_rows, "columns": columns}


def profile_json(found: dict[str, Any]) -> bytes:
    """Canonical JSON of a profile."""
    return (
        json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode() + b"\n"
    )


def minor_units(column: Column, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Decimals of a money column as the engine sees them: int64, minor units."""
    return pc.multiply(values, pa.scalar(10 ** (column.minor_digits or 0))).cast(pa.int64(), safe=False)


def _column(column: Column, values: pa.ChunkedArray) -> dict[str, Any]:
    nulls = values.null_count
    if column.type == "float":
        nulls += pc.sum(pc.is_nan(values.cast(pa.float64()))).as_py() or 0
    found: dict[str, Any] = {"count": len(values), "nulls": nulls}
    if column.type == "category":
        texts = values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values
        counts = {c["values"]: c["counts"] for c in pc.value_counts(texts.drop_null()).to_pylist()}
        listed = column.categories or ()
        found["labels"] = {label: counts.get(label, 0) for label in listed}
        found["unseen"] = sum(n for label, n in counts.items() if label not in listed)
    elif column.type == "bool":
        found["true"] = pc.sum(values).as_py() or 0
    else:
        found.update(_range(column, values))
    return found


def _range(column: Column, values: pa.ChunkedArray) -> dict[str, Any]:
    if column.type == "timestamp":
        values = values.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    elif pa.types.is_decimal(values.type):
        values = minor_units(column, values)
    if column.type == "float":
        values = values.cast(pa.float64())
        values = values.filter(pc.is_finite(values))
    ends = pc.min_max(values)
    found = {"min": ends["min"].as_py(), "max": ends["max"].as_py()}
    if column.type != "timestamp":
        mean = pc.mean(values).as_py()
        found["mean"] = mean if mean is not None and math.isfinite(mean) else None
    return found
