"""Real data sets beside the checkout, read where they are; tests that need them are skipped without."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


def shared_table(name: str) -> pa.Table:
    beside = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("STERNPOST_SHARED_DATA", beside))
    file = folder / name
    if not file.exists():
        pytest.skip(f"no {name}: set STERNPOST_SHARED_DATA to the folder that holds it")
    return pq.read_table(file)
