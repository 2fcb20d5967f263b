"""Tables and files, each form in a pinned process of its own: a round is one pass over one of two tables."""

from __future__ import annotations

import itertools

import pytest

from benchmarks.all_parts import PARTS, cases
from benchmarks.material import QUICK
from benchmarks.sampling import processors_for
from benchmarks.worker import Worker

TABLES = [(c, f) for part in PARTS for c in cases(part, QUICK) if c.rows > 1 for f in c.forms]


@pytest.mark.parametrize(
    ("case", "form"),
    TABLES,
    ids=lambda x: x if isinstance(x, str) else f"{x.part}-{x.name}-{x.threads}",
)
def test_table(benchmark, material, case, form):
    benchmark.group = f"{case.part}, {case.name}, {case.threads} thread(s)"
    worker = Worker(case, form, material.folder, QUICK.to_dict(), processors_for(case.threads))
    try:
        worker.ready()
        number = itertools.count()
        benchmark.pedantic(lambda: worker.round(next(number)), rounds=5)
    finally:
        worker.kill()
