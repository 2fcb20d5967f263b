"""Features to one kernel: functions are compiled, called from one function over a block of rows, and linked.

What is compiled, for features `a(x)` and `b(a, y)`:

    def kernel(n, f64, i64, i32, i8, out):
        for r in range(n):
            x = f64[0][r]
            a = null if is_null(x) else feature_a(x)
            out[0][r] = a
            y = f64[1][r]
            b = null if is_null(a) or is_null(y) else feature_b(a, y)
            out[1][r] = b

The compiler's inner function is taken, which returns a status and never touches the interpreter; a function pointer
made the usual way would print an exception and lose the rest of the rows. The calling convention is written in
`docs/bundle-format.md`. Compiling uses internals of numba (`compile_extra`, code libraries): this module and `fuse`
alone know them, and numba's version is pinned.
"""

from __future__ import annotations

import ast
import math
import types as python_types
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import numba
import numpy as np
from numba.core import config
from numba.core import types as numba_types
from numba.core.errors import NumbaError

from sternpost.contract import ContractSpec
from sternpost.contract.types import NULL_INT, ColumnType
from sternpost.errors import FeatureError, KernelError
from sternpost.features import clock, machine_code, portable
from sternpost.features.author import Feature, place_of
from sternpost.features.category import CategoryType
from sternpost.features.explain import explain
from sternpost.features.extension import NJIT_OPTIONS
from sternpost.features.fuse import fuse
from sternpost.features.graph import Plan
from sternpost.features.rewrite import IS_NULL_NAME, NULL_NAME, POWER_NAME, rewrite

# numba is typed in places only.
types: Any = numba_types

_ALLOWED_BUILTINS = frozenset({"abs", "min", "max", "float", "bool", "range", "len", "int", "round", "divmod"})


@dataclass(frozen=True)
class CompiledKernel:
    """One kernel: intermediate code, and the normalised source of every function in it, by name."""

    intermediate: str
    sources: dict[str, str]

    @cached_property
    def object_code(self) -> bytes:
        """Relocatable object for x86-64-v3."""
        return machine_code.emit_object(self.intermediate)


def compile_kernel(contract: ContractSpec, plan: Plan) -> CompiledKernel:
    """Compile every feature of the plan and fuse them.

    Raises FeatureError, naming function, line, cause and replacement, for anything a kernel cannot hold.
    """
    if getattr(config, "USING_SVML", False):
        raise KernelError(
            "numba uses SVML here, whose last bits differ; set NUMBA_DISABLE_INTEL_SVML=1 and start again"
        )
    functions = _Functions()
    compiled = {f.name: functions.feature(f, contract) for f in plan.steps}
    return CompiledKernel(fuse(contract, plan, compiled), dict(sorted(functions.sources.items())))


class _Functions:
    """Compiled functions of one kernel: each author's function once, with what its names mean there."""

    def __init__(self) -> None:
        self.sources: dict[str, str] = {}
        self._compiled: dict[int, Any] = {}
        self._underway: list[Callable[..., Any]] = []

    def feature(self, feature: Feature[..., Any], contract: ContractSpec) -> Any:
        """The feature's compiled function, for its declared types."""
        dispatcher = self._function(feature.function, f"feature {feature.name}", feature.returns)
        signature = tuple(_argument_type(p.name, p.type, contract) for p in feature.parameters)
        code = feature.function.__code__
        filename = place_of(feature.function).split(",")[0]
        try:
            dispatcher.compile(signature)
        except (NumbaError, AssertionError, NotImplementedError, AttributeError, KeyError, ValueError) as e:
            line, why = explain(e, filename, code.co_firstlineno)
            raise FeatureError(f"feature {feature.name} ({filename}, line {line}): {why}") from None
        returned = dispatcher.overloads[signature].signature.return_type
        self._check_return(feature, returned)
        return dispatcher

    def _check_return(self, feature: Feature[..., Any], returned: Any) -> None:
        fits = {
            "float": isinstance(returned, (types.Float, types.Integer)),
            "int": isinstance(returned, types.Integer),
            "bool": isinstance(returned, types.Boolean),
        }[feature.returns]
        if fits:
            return
        nothing = isinstance(returned, (types.NoneType, types.Optional))
        found = "nothing on some path" if nothing else _known_type(returned)
        hint = "return a value on every path" if nothing else "change the annotation or the value"
        raise FeatureError(
            f"feature {feature.name} ({feature.place}): it is declared to return {feature.returns}, "
            f"and returns {found}; {hint}"
        )

    def _function(self, function: Callable[..., Any], what: str, returns: ColumnType | None) -> Any:
        if id(function) in self._compiled:
            return self._compiled[id(function)]
        if function in self._underway:
            raise FeatureError(
                f"{what} ({place_of(function)}): it calls itself; write a loop with a fixed number of steps"
            )
        self._underway.append(function)
        rewritten = rewrite(function, what)
        filename = place_of(function).split(",")[0]
        namespace: dict[str, Any] = {
            IS_NULL_NAME: portable.IS_NULL,
            POWER_NAME: portable.POWER,
            NULL_NAME: math.nan if returns in ("float", None) else NULL_INT,
            **portable.BUILTINS,
        }
        for name, value in rewritten.reads.items():
            where = f"{what} ({filename}, line {_line_of(rewritten.tree, name)})"
            namespace[name] = self._meaning(name, value, what, where)
        _check_members(rewritten.tree, namespace, what, filename)
        exec(compile(rewritten.tree, filename, "exec"), namespace)
        made = numba.njit(**NJIT_OPTIONS)(namespace[function.__name__])
        self._underway.pop()
        self._compiled[id(function)] = made
        self.sources[f"{function.__module__.rsplit('.', 1)[-1]}.{function.__qualname__}"] = _source_of(
            rewritten, namespace
        )
        return made

    def _meaning(self, name: str, value: Any, what: str, where: str) -> Any:
        """What a global name of an author's function stands for in a kernel."""
        if id(value) in portable.BY_IDENTITY:
            return portable.BY_IDENTITY[id(value)]
        if isinstance(value, python_types.ModuleType):
            if value.__name__ in ("sternpost", clock.__name__):
                return self._sternpost(what)
            raise FeatureError(
                f"{where}: module {name} has no place in a kernel; use math, numpy's scalar functions or sp"
            )
        if isinstance(value, (bool, int, float, str, np.number)):
            return value
        if isinstance(value, tuple) and all(isinstance(v, (bool, int, float)) for v in value):
            return value
        if isinstance(value, np.ndarray) and value.dtype.kind in "fib":
            frozen = np.array(value, np.float64 if value.dtype.kind == "f" else np.int64)
            frozen.setflags(write=False)
            return frozen
        if isinstance(value, Feature):
            raise FeatureError(f"{where}: it calls the feature {name}; take it as a parameter named {name} instead")
        plain = getattr(value, "py_func", value)
        if isinstance(plain, python_types.FunctionType):
            return self._function(plain, f"{what}, function {name}", None)
        if getattr(value, "__module__", None) == "builtins" and name in _ALLOWED_BUILTINS:
            return value
        raise FeatureError(
            f"{where}: {name} is a {type(value).__name__}, which has no place in a kernel; "
            f"use numbers, tuples of numbers or functions"
        )

    def _sternpost(self, what: str) -> python_types.ModuleType:
        members = dict(vars(portable.STERNPOST))
        for name in ("hour", "minute_of_day", "weekday", "day", "month", "year", "day_of_year"):
            members[name] = self._function(getattr(clock, name), f"{what}, sp.{name}", "int")
        made = python_types.ModuleType("sternpost")
        vars(made).update(members)
        return made


def _line_of(tree: ast.Module, name: str) -> int:
    """The first line that reads a name."""
    return min((n.lineno for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == name), default=0)


def _check_members(tree: ast.Module, namespace: dict[str, Any], what: str, filename: str) -> None:
    """Refuse `math.x` for an x that has no portable meaning, before the compiler meets it."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
            continue
        module = namespace.get(node.value.id)
        if isinstance(module, python_types.ModuleType) and not hasattr(module, node.attr):
            near = get_close_matches(node.attr, [n for n in vars(module) if not n.startswith("_")], n=1)
            hint = f"did you mean {node.value.id}.{near[0]}?" if near else "use plain operators and math's functions"
            raise FeatureError(
                f"{what} ({filename}, line {node.lineno}): "
                f"{node.value.id}.{node.attr} is not available in a feature; {hint}"
            )


def _known_type(found: Any) -> str:
    """The name that an author knows a compiler's type by."""
    kinds = ((types.Float, "float"), (types.Boolean, "bool"), (types.Integer, "int"), (types.UnicodeType, "str"))
    return next((name for kind, name in kinds if isinstance(found, kind)), str(found))


def _source_of(rewritten: Any, namespace: dict[str, Any]) -> str:
    """Normalised source with the constants it reads, so that a changed constant changes the code's digest."""
    constants = {
        k: (v.tolist() if isinstance(v, np.ndarray) else v)
        for k, v in sorted(namespace.items())
        if k in rewritten.reads and isinstance(v, (bool, int, float, str, tuple, np.ndarray))
    }
    head = "".join(f"# {k} = {v!r}\n" for k, v in constants.items())
    return head + ast.unparse(rewritten.tree)


def _argument_type(name: str, kind: ColumnType, contract: ContractSpec) -> Any:
    if kind == "category":
        return CategoryType(contract.by_name[name].categories or ())
    return {"float": types.float64, "bool": types.boolean}.get(kind, types.int64)
