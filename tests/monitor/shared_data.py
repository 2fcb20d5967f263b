"""Real data sets that are not part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


def shared(name: str) -> pa.Table:
    """The table, or a skip that says what is missing."""
    folder = Path(os.environ.get("STERNPOST_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not (folder / f"{name}.parquet").exists():
        pytest.skip(f"no {name}.parquet: set STERNPOST_SHARED_DATA to the folder that holds it")
    return pq.read_table(folder / f"{name}.parquet")
