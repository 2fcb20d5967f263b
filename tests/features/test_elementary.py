"""The kernel's own logarithms and exponential: against decimals, at their edges, alone and among others, and packed."""

from __future__ import annotations

import math
import re
import sys
from decimal import Decimal, localcontext

import llvmlite.binding as llvm
import numpy as np
import pyarrow as pa
import pytest

import sternpost as sp
from sternpost.features import machine_code

SEED = 20260301


class Number(sp.Contract):
    x: float | None
    whole: int
    flag: bool


@sp.feature
def log_x(x: float) -> float:
    return math.log(x)


@sp.feature
def log1p_x(x: float) -> float:
    return math.log1p(x)


@sp.feature
def exp_x(x: float) -> float:
    return math.exp(x)


@sp.feature
def numpy_log_x(x: float) -> float:
    return np.log(x)


@sp.feature
def log_beyond(x: float) -> float:
    return math.log(x * math.inf)


@sp.feature
def log1p_beyond(x: float) -> float:
    return math.log1p(x * math.inf)


@sp.feature
def exp_beyond(x: float) -> float:
    return math.exp(x * math.inf)


@sp.feature
def signs_of_nan(x: float | None) -> float:
    logs = math.copysign(1.0, math.log(x)) + 2.0 * math.copysign(1.0, math.log1p(x))
    return logs + 4.0 * math.copysign(1.0, math.exp(x * math.nan))


@sp.feature
def log_whole(whole: int) -> float:
    return math.log(whole) + math.log1p(whole)


@sp.feature
def log_flag(flag: bool) -> float:
    return math.log1p(flag)


FEATURES = (log_x, log1p_x, exp_x, numpy_log_x, log_beyond, log1p_beyond, exp_beyond, signs_of_nan, log_whole, log_flag)


@pytest.fixture(scope="module")
def features() -> sp.FeatureSet:
    return sp.FeatureSet(Number, FEATURES)


def table(x) -> pa.Table:
    n = len(x)
    whole = (np.arange(n) * 7919) % 100_003 + 1
    return pa.table({"x": pa.array(x, pa.float64()), "whole": whole, "flag": pa.array(np.arange(n) % 2 == 0)})


def columns(features: sp.FeatureSet, x) -> dict[str, np.ndarray]:
    frame = features.frame(table(x))
    return {name: frame[name].fill_null(math.nan).to_numpy() for name in frame.column_names}


def samples() -> dict[str, np.ndarray]:
    r = np.random.default_rng(SEED)
    n = 1_500
    any_bits = r.integers(0, 0x7FF0 << 48, n).view(np.float64)
    sign = r.choice([-1.0, 1.0], n)
    return {
        "amounts": r.uniform(0.0, 1e5, n),
        "any positive": any_bits,
        "subnormal": r.integers(1, 1 << 52, n).view(np.float64),
        "near 0": np.exp(r.uniform(-60, -0.1, n)) * sign,
        "near -1": -1.0 + np.exp(r.uniform(-36, 0, n)),
        "near 1": 1.0 + np.exp(r.uniform(-36, -1, n)) * sign,
        # Where the exponent changes hands, for log and for log1p.
        "near 1.414": 1.4140625 + r.uniform(-1e-6, 1e-6, n),
        "near 0.414": 0.4140625 + r.uniform(-1e-6, 1e-6, n),
        "near -0.293": -0.29296875 + r.uniform(-1e-6, 1e-6, n),
        "exponents": r.uniform(-708.0, 709.7, n),
        # Where a power of two changes hands, for exp, and where its result is nearly one.
        "near halves": (r.integers(-1000, 1000, n) + 0.5) * math.log(2.0) + r.uniform(-1e-9, 1e-9, n),
        "near wholes": r.integers(-1000, 1000, n) * math.log(2.0) + r.uniform(-1e-9, 1e-9, n),
    }


def exact_log1p(d: Decimal) -> Decimal:
    # 1 + x would need more digits than the context has; the series' next term is beyond 1e-75 of the first.
    return d - d * d / 2 + d * d * d / 3 - d**4 / 4 if abs(d) < Decimal("1e-18") else (1 + d).ln()


@pytest.mark.parametrize("where", samples())
def test_within_seven_tenths_of_a_unit_of_decimal_arithmetic(features, where):
    x = samples()[where]
    found = columns(features, x)
    assert np.array_equal(found["log_x"], found["numpy_log_x"], equal_nan=True)
    with localcontext() as context:
        context.prec = 60
        for name, exact, low, high in (
            ("log_x", Decimal.ln, 0.0, math.inf),
            ("log1p_x", exact_log1p, -1.0, math.inf),
            ("exp_x", Decimal.exp, -708.0, 709.7),
        ):
            within = (x > low) & (x < high)
            for value, result in zip(x[within].tolist(), found[name][within].tolist(), strict=True):
                wanted = exact(Decimal(value))
                # The unit where the exact value lies, which is the smaller one if that is below a power of two.
                below = result if abs(Decimal(result)) <= abs(wanted) else math.nextafter(result, 0.0)
                error = abs(Decimal(result) - wanted) / Decimal(math.ulp(below))
                assert error <= Decimal("0.7"), f"{name}({value!r}) = {result!r}"


LARGEST, SMALLEST = sys.float_info.max, 5e-324


@pytest.mark.parametrize(
    ("x", "log", "log1p"),
    [
        (0.0, -math.inf, 0.0),
        (-0.0, -math.inf, -0.0),
        (1.0, 0.0, 0.6931471805599453),
        (-1.0, math.nan, -math.inf),
        (-1.0000000000000002, math.nan, math.nan),
        (-LARGEST, math.nan, math.nan),
        # By mpmath with 60 digits, rounded once.
        (LARGEST, 709.782712893384, 709.782712893384),
        (2.0**1023, 709.0895657128241, 709.0895657128241),
        (SMALLEST, -744.4400719213812, SMALLEST),
        (-SMALLEST, math.nan, -SMALLEST),
        (2.0**-1022, -708.3964185322641, 2.0**-1022),
        (-1.0 + 2.0**-53, math.nan, -36.7368005696771),
        (2.0**-54, -37.42994775023705, 2.0**-54),
    ],
)
def test_the_edges(features, x, log, log1p):
    found = columns(features, [x] * 5)
    for name, expected in (("log_x", log), ("log1p_x", log1p)):
        wanted = np.full(5, expected)
        assert np.array_equal(found[name].view(np.int64), wanted.view(np.int64)), f"{name}({x}) = {found[name]}"


def test_infinities(features):
    found = columns(features, [2.0, -2.0] * 4)
    for name in ("log_beyond", "log1p_beyond"):
        assert np.array_equal(found[name], [math.inf, math.nan] * 4, equal_nan=True)
    assert found["exp_beyond"].tolist() == [math.inf, 0.0] * 4


@pytest.mark.parametrize(
    ("x", "exp"),
    [
        (0.0, 1.0),
        (-0.0, 1.0),
        (SMALLEST, 1.0),
        (709.782712893384, 1.7976931348622732e308),
        (709.7827128933841, math.inf),
        (LARGEST, math.inf),
        (-708.3964185322641, 2.2250738585072626e-308),
        (-745.1332191019411, SMALLEST),
        (-745.1332191019412, 0.0),
        (-746.1, 0.0),
        (-LARGEST, 0.0),
    ],
)
def test_the_edges_of_the_exponential(features, x, exp):
    """By decimal arithmetic with 60 digits, rounded once."""
    assert columns(features, [x] * 5)["exp_x"] == pytest.approx([exp] * 5, rel=3e-16, abs=0.0)


def test_subnormal_exponentials_are_within_a_unit(features):
    x = np.random.default_rng(SEED).uniform(-745.1, -708.4, 1_500)
    with localcontext() as context:
        context.prec = 60
        for value, result in zip(x.tolist(), columns(features, x)["exp_x"].tolist(), strict=True):
            assert abs(Decimal(result) - Decimal(value).exp()) <= Decimal(math.ulp(result)), value


def test_a_nan_has_no_sign_of_its_own(features):
    """On one CPU arithmetic makes positive NaNs, on another negative ones; a feature could look."""
    for x in (math.nan, None, -2.0):
        assert columns(features, [x])["signs_of_nan"].tolist() == [7.0]


def test_a_row_alone_gets_the_bits_it_gets_among_others(features):
    x = np.concatenate([v[:37] for v in samples().values()])
    together = columns(features, x)
    for i in range(len(x)):
        alone = features.frame(table(x).slice(i, 1))
        for name, among in together.items():
            value = np.array([alone[name].fill_null(math.nan)[0].as_py()])
            assert value.view(np.int64)[0] == among.view(np.int64)[i], f"row {i}, {name}({x[i]!r})"


def test_whole_numbers_and_bools_are_taken_as_floats(features):
    found = columns(features, np.ones(40))
    whole = table(np.ones(40))["whole"].to_pylist()
    assert found["log_whole"] == pytest.approx([math.log(w) + math.log1p(w) for w in whole], rel=1e-15)
    assert found["log_flag"].tolist() == [math.log(2.0), 0.0] * 20


def test_four_rows_at_a_time_and_no_call(features):
    """Slower code would be right too; this is why the module exists."""
    kernel = features.kernel
    assert not machine_code.undefined_names(kernel.object_code)
    for feature, packed in ((log_x, "vdivpd"), (log1p_x, "vdivpd"), (exp_x, "vpsllq")):
        assembly = _assembly(sp.FeatureSet(Number, [feature]).kernel.intermediate)
        assert re.search(rf"{packed}.*%ymm", assembly)
        assert "fmadd" not in assembly, "a fused step has other bits where it is not fused"


def _assembly(intermediate: str) -> str:
    machine_code._initialise()
    module = llvm.parse_assembly(intermediate)
    module.triple = "x86_64-unknown-linux-gnu"
    machine = llvm.Target.from_triple(module.triple).create_target_machine(cpu=machine_code.CPU_LEVEL, opt=3)
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization = True
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    return machine.emit_assembly(module)
