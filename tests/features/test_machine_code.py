"""Object code: what it may link, loading it without the compiler, emitting it again for another CPU."""

from __future__ import annotations

import subprocess
import sys

import llvmlite.binding as llvm
import numpy as np
import pyarrow as pa
import pytest

import sternpost as sp
from sternpost.errors import KernelError
from sternpost.features import machine_code
from sternpost.features.kernel import Kernel, matrix_of

from .flights_like import FEATURES, Flight, rows


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return sp.FeatureSet(Flight, FEATURES).kernel


def bits(kernel: Kernel, table: pa.Table) -> np.ndarray:
    return matrix_of(kernel.engine(), table, len(kernel.outputs), None).view(np.uint32)


def test_compiling_again_gives_the_same_code(kernel):
    again = sp.FeatureSet(Flight, FEATURES).kernel
    assert again.intermediate == kernel.intermediate
    assert again.object_code == kernel.object_code
    assert again.sources == kernel.sources


def test_another_process_compiles_the_same_code(kernel):
    code = (
        "import hashlib, sternpost as sp\n"
        "from tests.features.flights_like import FEATURES, Flight\n"
        "k = sp.FeatureSet(Flight, FEATURES).kernel\n"
        "print(hashlib.sha256(k.intermediate.encode() + k.object_code).hexdigest())"
    )
    import hashlib

    found = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert found == {hashlib.sha256(kernel.intermediate.encode() + kernel.object_code).hexdigest()}


def test_it_links_our_mathematics_and_nothing_else(kernel):
    names = machine_code.undefined_names(kernel.object_code)
    assert {"sp_pow", "sp_fmod"} <= names
    assert all(n.startswith("sp_") or n in ("memcpy", "memset", "memmove") for n in names)


def test_no_path_of_this_machine_is_inside(kernel):
    text = kernel.intermediate + kernel.to_json()
    assert "/" not in "".join(s for s in kernel.sources), "names of functions hold no folders"
    for inside in (text.encode(), kernel.object_code):
        assert b"site-packages" not in inside
        assert str(sys.prefix).encode() not in inside


@pytest.mark.parametrize("cpu", ["x86-64", "x86-64-v2", "x86-64-v3", llvm.get_host_cpu_name()])
def test_every_cpu_level_gives_the_same_bits(kernel, cpu, monkeypatch):
    table = rows(2_000, 7)
    expected = bits(kernel, table)
    code = machine_code.emit_object(kernel.intermediate, cpu)
    monkeypatch.setattr(machine_code, "_loaded", {})
    other = Kernel(kernel.contract, kernel.outputs, kernel.order, kernel.intermediate, code, kernel.sources)
    assert np.array_equal(bits(other, table), expected)


def test_where_the_object_does_not_fit_the_intermediate_code_is_emitted(kernel, monkeypatch):
    table = rows(500, 8)
    expected = bits(kernel, table)
    monkeypatch.setattr(machine_code, "_loaded", {})
    monkeypatch.setattr(machine_code, "object_fits_here", lambda: False)
    elsewhere = Kernel(kernel.contract, kernel.outputs, kernel.order, kernel.intermediate, b"another CPU", {})
    assert elsewhere.loaded.origin == "emitted"
    assert np.array_equal(bits(elsewhere, table), expected)


def declaring(name: str, signature: str = "double @{}(double)") -> str:
    return (
        f"declare {signature.format(name)}\n"
        "define i32 @sternpost_kernel(ptr %a, ptr %b, i64 %n, ptr %f, ptr %i, ptr %c, ptr %l, ptr %o) {\n"
        "  %v = load double, ptr %f\n"
        f"  %x = call double @{name}(double %v)\n"
        "  store double %x, ptr %o\n  ret i32 0\n}\n"
    )


@pytest.mark.parametrize("name", ["NRT_Allocate", "log", "numba_rnd_random", "PyErr_Format", "llvm.exp.f64", "system"])
def test_a_name_outside_of_the_allow_list_is_refused_before_it_is_linked(name):
    with pytest.raises(KernelError, match=name):
        machine_code.emit_object(declaring(name))


def test_an_object_file_is_looked_into_before_it_is_loaded():
    module = llvm.parse_assembly(declaring("system"))
    machine = llvm.Target.from_triple("x86_64-unknown-linux-gnu").create_target_machine(reloc="pic")
    code = machine.emit_object(module)
    assert machine_code.undefined_names(code) >= {"system"}
    with pytest.raises(KernelError, match="would call system"):
        machine_code._load(code, "object")


def test_damaged_code_is_an_error_not_a_crash(kernel, monkeypatch):
    monkeypatch.setattr(machine_code, "_loaded", {})
    for code in (b"", b"\x7fELF", kernel.object_code[:200], kernel.object_code[: len(kernel.object_code) // 2]):
        with pytest.raises(KernelError):
            machine_code.load_kernel(code, kernel.intermediate)
    with pytest.raises(KernelError, match="intermediate code"):
        machine_code.emit_object("this is not code")
    no_entry = machine_code.emit_object("define i32 @other() {\n ret i32 0\n}\n")
    with pytest.raises(KernelError, match="defines no sternpost_kernel"):
        machine_code.load_kernel(no_entry, "")
