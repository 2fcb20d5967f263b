"""The parts of the benchmark by name, in the order in which they run."""

from __future__ import annotations

import os
from types import ModuleType

from benchmarks import batch, features, one_row, parts
from benchmarks.case import Case
from benchmarks.material import Sizes

PARTS: dict[str, ModuleType] = {"one_row": one_row, "batch": batch, "features": features, "parts": parts}


def cases(part: str, sizes: Sizes) -> list[Case]:
    """A part's cases on this machine."""
    found: list[Case] = PARTS[part].cases(sizes, len(os.sched_getaffinity(0)))
    return found
