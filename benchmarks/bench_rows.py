"""Single rows, in this process: every call gets another row."""

from __future__ import annotations

import itertools

import pytest

from benchmarks.all_parts import PARTS, cases
from benchmarks.material import QUICK

SINGLE = [(c, f) for part in PARTS for c in cases(part, QUICK) if c.rows == 1 for f in c.forms]


@pytest.mark.parametrize(("case", "form"), SINGLE, ids=lambda x: x if isinstance(x, str) else f"{x.part}-{x.name}")
def test_row(benchmark, material, case, form):
    benchmark.group = f"{case.part}, {case.name}"
    function, inputs = PARTS[case.part].form(case, form, material)
    turn = itertools.cycle(inputs)
    benchmark.pedantic(function, setup=lambda: ((next(turn),), {}), rounds=2_000, warmup_rounds=200)
