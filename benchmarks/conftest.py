"""`pytest benchmarks/ --benchmark-only`: the same cases and forms under pytest-benchmark, in the quick sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import agreement
from benchmarks.material import QUICK, Material


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Files called bench_*.py hold the tests of this folder."""
    if file_path.name.startswith("bench_") and file_path.suffix == ".py":
        return pytest.Module.from_parent(parent, path=file_path)
    return None


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """Rows, models and bundles; the forms agree, or nothing is measured."""
    made = Material(tmp_path_factory.mktemp("material"), QUICK)
    made.prepare()
    agreement.check(made)
    return made
