"""The parts of the benchmark by name, in the order in which they run."""

from __future__ import annotations

from types import ModuleType

from benchmarks import batch, features, one_row, parts

PARTS: dict[str, ModuleType] = {"one_row": one_row, "batch": batch, "features": features, "parts": parts}
