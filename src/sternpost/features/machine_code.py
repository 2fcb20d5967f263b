"""A kernel as object code: optimise and emit it, check what it would link, load it. Needs llvmlite, never numba.

What a bundle carries is the intermediate code (any CPU) and the object made from it for the common CPU level
x86-64-v3. On a machine of that level the object is loaded as it is; elsewhere the intermediate code is emitted again.
Either way the golden rows decide whether the result may be used.

Loading is the one moment when an unknown external name would end the process, so names are read from the object file
and compared with the allow-list first.
"""

from __future__ import annotations

import hashlib
import platform
import re
import struct
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm

from sternpost import _core
from sternpost.errors import KernelError

ENTRY = "sternpost_kernel"
CPU_LEVEL = "x86-64-v3"
_LEVEL_FEATURES = ("avx2", "bmi", "bmi2", "fma", "f16c", "lzcnt", "movbe")
#: Memory moves that the code generator may call by itself; they are exact everywhere.
_MEMORY = frozenset({"memcpy", "memset", "memmove"})
#: Intrinsics that compute exactly, so that their bits depend on nothing.
_EXACT_INTRINSICS = re.compile(
    r"llvm\.(fabs|floor|ceil|trunc|rint|nearbyint|round|roundeven|copysign|sqrt|minnum|maxnum|minimum|maximum"
    r"|abs|smax|smin|umax|umin|ctpop|ctlz|cttz|fshl|fshr|bswap|is\.fpclass"
    r"|[su](add|sub|mul)\.(with\.overflow|sat)|memcpy|memset|memmove|masked\.(load|store)|expect"
    r"|lifetime\.(start|end)|experimental\.noalias\.scope\.decl|vector\.reduce\.(and|or|xor|add|smax|smin|umax|umin)|assume)(\.|$)"
)


@dataclass(frozen=True)
class LoadedKernel:
    """A kernel ready to be called: its address, how it was made ready, and what keeps it in memory."""

    address: int
    origin: str  # "object" or "emitted"
    guard: Any


_SHT_SYMTAB, _SHT_NOBITS = 2, 8

_loaded: dict[str, LoadedKernel] = {}


def emit_object(intermediate: str, cpu: str = CPU_LEVEL, triple: str | None = None) -> bytes:
    """Optimise the intermediate code and emit a relocatable object for `cpu`.

    Raises KernelError when the result would link anything outside the allow-list.
    """
    _initialise()
    module = _parse(intermediate)
    module.triple = triple or "x86_64-unknown-linux-gnu"
    try:
        machine = llvm.Target.from_triple(module.triple).create_target_machine(
            cpu=cpu, features="", opt=3, reloc="pic", codemodel="default"
        )
    except RuntimeError as e:
        raise KernelError(f"no code generator for {module.triple} / {cpu} here: {e}") from None
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization = True
    tuning.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    check_declared(module)
    code: bytes = machine.emit_object(module)
    return code


def check_declared(module: Any) -> None:
    """KernelError when the module declares a function outside the allow-list; names it."""
    for function in module.functions:
        if function.is_declaration:
            refusal = refuse_name(function.name)
            if refusal is not None:
                raise KernelError(refusal)


def refuse_name(name: str) -> str | None:
    """Why a kernel may not link `name`; None when it may."""
    if name in _core.math_symbols() or name in _MEMORY or _EXACT_INTRINSICS.match(name):
        return None
    causes = (
        (r"NRT_|malloc|free|_Znw", "it allocates memory; use scalars and tuples of constants"),
        (r"rnd|random|mt_", "it draws random numbers; pass the number as a column"),
        (
            r"Py|numba_gil|_unicode|strlen|unicode",
            "it needs the interpreter or strings; compare a category with its labels",
        ),
        (
            r"llvm\.(pow|exp|log|sin|cos|tan|fma|fmuladd)",
            "its last bit depends on the machine; use the function in math",
        ),
    )
    why = next((text for pattern, text in causes if re.search(pattern, name)), "it is outside of the allow-list")
    return f"the compiled features would call {name}: {why}"


def load_kernel(code: bytes, intermediate: str) -> LoadedKernel:
    """Load a kernel once per process; the object where it fits this machine, else the intermediate code anew.

    A loaded kernel stays in memory until the process ends: engines hold its address. Raises KernelError.
    """
    key = hashlib.sha256(code + intermediate.encode()).hexdigest()
    if key not in _loaded:
        _initialise()
        if object_fits_here():
            _loaded[key] = _load(code, "object")
        else:
            here = emit_object(intermediate, llvm.get_host_cpu_name(), llvm.get_process_triple())
            _loaded[key] = _load(here, "emitted")
    return _loaded[key]


def object_fits_here() -> bool:
    """Whether object code of the common CPU level runs on this machine."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    features = llvm.get_host_cpu_features()
    return all(features.get(name, False) for name in _LEVEL_FEATURES)


def undefined_names(code: bytes) -> frozenset[str]:
    """Names that an ELF64 little-endian relocatable object leaves to be linked. KernelError when it is no such file.

    ELF: System V Application Binary Interface, chapters 4 (object files) and "Symbol Table".
    """
    try:
        if code[:6] != b"\x7fELF\x02\x01":
            raise ValueError("not a 64-bit little-endian ELF file")
        # The loader trusts what it is given, so a file shorter than it says must not reach it.
        table, entry_size, count = *struct.unpack_from("<Q", code, 0x28), *struct.unpack_from("<HH", code, 0x3A)
        sections = [struct.unpack_from("<IIQQQQIIQQ", code, table + i * entry_size) for i in range(count)]
        if any(s[1] != _SHT_NOBITS and s[4] + s[5] > len(code) for s in sections):
            raise ValueError("a section lies beyond the end of the file")
        names: set[str] = set()
        for section in sections:
            if section[1] != _SHT_SYMTAB:
                continue
            strings = sections[section[6]][4]
            for at in range(section[4] + 24, section[4] + section[5], 24):
                name, _info, _other, index = struct.unpack_from("<IBBH", code, at)
                if index == 0:  # SHN_UNDEF
                    start = strings + name
                    names.add(code[start : code.index(b"\0", start)].decode("ascii"))
        return frozenset(names)
    except (ValueError, struct.error, IndexError) as e:
        raise KernelError(f"the kernel's object code cannot be read: {e}; build the bundle again") from None


def _load(code: bytes, origin: str) -> LoadedKernel:
    if origin == "object" or code[:4] == b"\x7fELF":
        for name in sorted(undefined_names(code)):
            refusal = refuse_name(name)
            if refusal is not None and name != "_GLOBAL_OFFSET_TABLE_":
                raise KernelError(refusal)
    triple = llvm.get_process_triple()
    try:
        machine = llvm.Target.from_triple(triple).create_target_machine()
        host = llvm.parse_assembly(f'target triple = "{triple}"\n')
        engine = llvm.create_mcjit_compiler(host, machine)
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        address = engine.get_function_address(ENTRY)
    except RuntimeError as e:
        raise KernelError(f"the kernel's object code cannot be loaded: {e}") from None
    if not address:
        raise KernelError(f"the kernel's object code defines no {ENTRY}; build the bundle again")
    return LoadedKernel(address, origin, engine)


def _parse(intermediate: str) -> Any:
    try:
        module = llvm.parse_assembly(intermediate)
        module.verify()
    except RuntimeError as e:
        raise KernelError(f"the kernel's intermediate code cannot be read: {str(e).splitlines()[0]}") from None
    return module


def _initialise() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for name, address in _core.math_symbols().items():
        llvm.add_symbol(name, address)
