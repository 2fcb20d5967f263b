"""What a journal should hold of rows that were answered, in a form that compares bits."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sternpost.outcomes.journal import Journal


def exact(value: Any) -> Any:
    """A value that is equal only to itself: floats by their bits, every NaN the same."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    return value


def inputs_of(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: exact(value) for name, value in row.items()}


def decisions(folder: Path) -> dict[str, dict[str, Any]]:
    """By prediction id; none may be there twice."""
    rows = Journal(folder).decisions().to_pylist()
    found = {row["prediction_id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def names(folder: Path) -> set[str]:
    return set(Journal(folder).decisions(columns=["prediction_id"]).column("prediction_id").to_pylist())


def sent(name: str, count: int) -> Iterable[str]:
    return (f"{name}-{number}" for number in range(count))
