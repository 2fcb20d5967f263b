"""Compiled features to one module of intermediate code: sections, their order, and names that chance gave.

Each section of the kernel (see `kernel_source`) is compiled as a function of its own; a function of ours calls them
in order and stops at the first status that is not 0. The text that results is the same in every process: what the
compiler numbered by chance is renamed, and remainders are taken from our own mathematics.

Like `compile`, this module knows numba's internals.
"""

from __future__ import annotations

import math
import re
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba.core import compiler as numba_compiler
from numba.core import types as numba_types
from numba.core.errors import NumbaError
from numba.core.registry import cpu_target

from sternpost.contract import ContractSpec
from sternpost.contract.types import NULL_INT
from sternpost.errors import KernelError
from sternpost.features import machine_code
from sternpost.features.category import category_of
from sternpost.features.explain import explain
from sternpost.features.graph import Plan
from sternpost.features.kernel_source import Section, kernel_sections

# numba is typed in places only.
types: Any = numba_types
compiler: Any = numba_compiler


def fuse(contract: ContractSpec, plan: Plan, compiled: dict[str, Any]) -> str:
    """The kernel's intermediate code. `compiled` has every feature's dispatcher by name. Raises KernelError."""
    shared: dict[str, Any] = {"NULL_INT": NULL_INT, "NAN": math.nan}
    shared.update({f"feature_{name}": function for name, function in compiled.items()})
    for i, column in enumerate(contract.columns):
        if column.type == "category":
            shared[f"category_{i}"] = category_of(column.categories or ())
    sections = [_compile_section(s, shared) for s in kernel_sections(contract, plan)]
    return _link([library for library, _ in sections], [entry for _, entry in sections])


def _compile_section(section: Section, shared: dict[str, Any]) -> tuple[Any, str]:
    """One section's code library and the name of its function in it."""
    namespace = dict(shared)
    for name, numbers in section.arrays.items():
        namespace[name] = np.array(numbers, np.int64)
        namespace[name].setflags(write=False)
    exec(compile(section.source, "kernel", "exec"), namespace)
    flags = compiler.Flags()
    flags.no_compile = True
    flags.no_cpython_wrapper = True
    flags.no_cfunc_wrapper = True
    flags.nrt = False
    flags.error_model = "numpy"
    table = lambda t: types.CPointer(types.CPointer(t))  # noqa: E731
    signature = (
        types.int64,
        *(table(t) for t in (types.float64, types.int64, types.int32, types.int8, types.float64)),
    )
    try:
        result = compiler.compile_extra(
            cpu_target.typing_context, cpu_target.target_context, namespace["kernel"], signature, types.int64, flags, {}
        )
    except NumbaError as e:
        raise KernelError(f"the features compile one by one, yet not together: {explain(e, 'kernel', 0)[1]}") from None
    return result.library, result.fndesc.llvm_func_name


def _in_order(entries: list[str]) -> str:
    """A function that calls the sections one after the other and stops at the first status that is not 0."""
    kinds = "ptr, ptr, i64, ptr, ptr, ptr, ptr, ptr"
    given = "ptr %ret, ptr %exc, i64 %n, ptr %f64, ptr %i64, ptr %i32, ptr %i8, ptr %out"
    lines = [f'declare i32 @"{entry}"({kinds})' for entry in entries]
    lines += [f"define i32 @{machine_code.ENTRY}({given}) {{"]
    for i, entry in enumerate(entries):
        lines += [
            f'  %s{i} = call i32 @"{entry}"({given})',
            f"  %c{i} = icmp eq i32 %s{i}, 0",
            f"  br i1 %c{i}, label %next{i}, label %stop{i}",
            f"stop{i}:",
            f"  ret i32 %s{i}",
            f"next{i}:",
        ]
    return "\n".join([*lines, "  ret i32 0", "}"]) + "\n"


def _link(libraries: list[Any], entries: list[str]) -> str:
    """One module out of the sections and everything they call, as text that is the same in every process."""
    module = llvm.parse_assembly(_in_order(entries))
    seen: set[int] = set()
    pending = []
    for library in libraries:
        module.link_in(llvm.parse_assembly(str(library._final_module)))
        pending.extend(library._linking_libraries)
    while pending:
        other = pending.pop(0)
        if id(other) not in seen:
            seen.add(id(other))
            module.link_in(llvm.parse_assembly(str(other._get_module_for_linking())))
            pending.extend(other._linking_libraries)
    for function in module.functions:
        if not function.is_declaration and function.name != machine_code.ENTRY:
            function.linkage = "internal"
            if function.name not in entries:
                function.add_function_attribute("alwaysinline")
    for variable in module.global_variables:
        if not variable.is_declaration:
            variable.linkage = "internal"
    module.name = "kernel"
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, llvm.create_pass_builder(_any_machine(), llvm.create_pipeline_tuning_options()))
    text = _settle_names(str(module))
    machine_code.check_declared(llvm.parse_assembly(text))
    return text


def _any_machine() -> Any:
    llvm.initialize_native_target()
    return llvm.Target.from_default_triple().create_target_machine()


_NAME = re.compile(r'@("[^"]*"|[\w.$]+)')
_MANGLED = re.compile(r"\b_ZN\w+")
_REMAINDER = re.compile(r"= frem double ([^,\n]+), ([^\n]+)")


def _settle_names(text: str) -> str:
    """Rename what the compiler numbered by chance, and take remainders from our own mathematics."""
    if "= frem double" in text:
        text = _REMAINDER.sub(r"= call double @sp_fmod(double \1, double \2)", text)
        if not re.search(r"^declare double @sp_fmod\(", text, re.MULTILINE):
            text += "\ndeclare double @sp_fmod(double, double)\n"
    names: dict[str, str] = {}

    def settled(found: re.Match[str]) -> str:
        name = found.group(1).strip('"')
        if name == machine_code.ENTRY or name.startswith(("llvm.", "sp_")):
            return found.group(0)
        if name not in names:
            names[name] = f"k{len(names)}"
        return f"@{names[name]}"

    defined = {m.strip('"') for m in re.findall(r'^(?:define [^@\n]*|)@("[^"]*"|[\w.$]+)(?= =|\()', text, re.MULTILINE)}
    text = _NAME.sub(lambda m: settled(m) if m.group(1).strip('"') in defined else m.group(0), text)
    # Metadata repeats the compiler's names, with their running numbers, inside strings.
    text = _MANGLED.sub(lambda m: names.setdefault(m.group(0), f"m{len(names)}"), text)
    text = re.sub(r"^source_filename = .*$", 'source_filename = "kernel"', text, flags=re.MULTILINE)
    return re.sub(r"^; ModuleID = .*$", "; ModuleID = 'kernel'", text, flags=re.MULTILINE)
