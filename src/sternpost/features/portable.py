"""What the names in a feature mean inside a kernel: portable mathematics, roundings, and sp's own functions.

A kernel must give the same bits on every machine. So `math.sin` is not the C library's (its last bit depends on the
version and on the CPU) but the one function in the core, bound by name when the object code is loaded; the functions
that features use most are written out in `elementary`. Conversions that C leaves undefined get a stated value: the
whole-number part of NaN, of an infinity or of anything beyond 64 bits is null.

This module is imported only where features are compiled; it needs numba.
"""

from __future__ import annotations

import math
import types as python_types
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import typing

from sternpost import _core
from sternpost.contract.types import NULL_INT
from sternpost.features import clock, elementary
from sternpost.features.author import is_null, is_unseen
from sternpost.features.extension import NJIT_OPTIONS, Refusal, implements, intrinsic, types

MATH_SYMBOLS = dict(_core.math_symbols())
for _name, _address in MATH_SYMBOLS.items():
    llvm.add_symbol(_name, _address)


def _external(name: str, arity: int) -> Any:
    return types.ExternalFunction(name, typing.signature(types.float64, *[types.float64] * arity))


_TWO_ARGUMENTS = {"sp_pow", "sp_atan2", "sp_hypot", "sp_fmod", "sp_remainder"}
_EXTERNAL = {name: _external(name, 2 if name in _TWO_ARGUMENTS else 1) for name in MATH_SYMBOLS}
_pow = _EXTERNAL["sp_pow"]


def _llvm_float(name: str) -> Any:
    @intrinsic
    def call(_context: Any, x: Any) -> Any:
        def emit(_ctx: Any, builder: Any, _sig: Any, args: Any) -> Any:
            return builder.call(builder.module.declare_intrinsic(f"llvm.{name}", [ir.DoubleType()]), args)

        return types.float64(types.float64), emit

    return call


@intrinsic
def _float_to_int(_context: Any, x: Any) -> Any:
    return types.int64(types.float64), lambda _ctx, builder, _sig, args: builder.fptosi(args[0], ir.IntType(64))


_floor, _ceil, _trunc, _rint, _sqrt = (_llvm_float(n) for n in ("floor", "ceil", "trunc", "rint", "sqrt"))
_TWO_63 = 9223372036854775808.0


@njit(**NJIT_OPTIONS)
def _whole(x: float) -> int:
    """The int64 of a float that is whole; null outside of 64 bits, and for NaN."""
    return _float_to_int(x) if -_TWO_63 < x < _TWO_63 else NULL_INT


def _rounding(name: str, whole: Any) -> Callable[[Any], Any]:
    def python(x: Any) -> Any: ...

    python.__name__ = name

    @implements(python)
    def implement(x: Any) -> Any:
        if isinstance(x, types.Float):
            return lambda x: _whole(whole(x))
        if isinstance(x, (types.Integer, types.Boolean)):
            return lambda x: np.int64(x)
        return None

    return python


def _power(base: Any, exponent: Any) -> Any: ...


@implements(_power)
def _power_of(base: Any, exponent: Any) -> Any:
    if isinstance(base, types.Integer) and isinstance(exponent, types.Integer):
        raise Refusal("int ** int is int or float depending on the values; write float(base) ** exponent")
    return lambda base, exponent: _pow(base, exponent)


def _local(moment: Any, zone: Any) -> Any: ...


@implements(_local)
def _local_of(moment: Any, zone: Any) -> Any:
    if not isinstance(zone, types.StringLiteral):
        raise Refusal('sp.local takes the zone as a literal: sp.local(t, "America/New_York")')
    try:
        starts, offsets = clock.transitions(zone.literal_value)
    except KeyError as e:
        raise Refusal(str(e.args[0])) from None

    def search(moment, zone):  # type: ignore[no-untyped-def]
        low, high = 0, len(starts)
        while high - low > 1:
            middle = (low + high) // 2
            if starts[middle] <= moment:
                low = middle
            else:
                high = middle
        return moment + offsets[low]

    return search


def _module(name: str, **members: Any) -> python_types.ModuleType:
    made = python_types.ModuleType(name)
    vars(made).update(members)
    return made


def _libm(python_name: str) -> Any:
    return _EXTERNAL[f"sp_{python_name}"]


_int = _rounding("int", _trunc)
_SHARED = {
    "log": elementary.log,
    "log1p": elementary.log1p,
    "exp": elementary.exp,
    **{n: _libm(n) for n in "log2 log10 expm1 sin cos tan sinh cosh tanh hypot cbrt exp2".split()},
}
_CONSTANTS = {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan}
_TESTS = {"isnan": math.isnan, "isinf": math.isinf, "isfinite": math.isfinite, "copysign": math.copysign}

MATH = _module(
    "math",
    **_SHARED,
    **_CONSTANTS,
    **_TESTS,
    tau=math.tau,
    **{n: _libm(n) for n in "asin acos atan atan2 asinh acosh atanh erf erfc lgamma fmod remainder pow".split()},
    gamma=_libm("tgamma"),
    sqrt=_sqrt,
    fabs=math.fabs,
    floor=_rounding("floor", _floor),
    ceil=_rounding("ceil", _ceil),
    trunc=_int,
    degrees=math.degrees,
    radians=math.radians,
)


def _where(condition: Any, then: Any, otherwise: Any) -> Any: ...


@implements(_where)
def _where_of(condition: Any, then: Any, otherwise: Any) -> Any:
    return lambda condition, then, otherwise: then if condition else otherwise


def _clip(x: Any, low: Any, high: Any) -> Any: ...


@implements(_clip)
def _clip_of(x: Any, low: Any, high: Any) -> Any:
    return lambda x, low, high: low if x < low else (high if x > high else x)


# numpy's scalar forms, for authors who think in numpy; each means what the same call on one float64 means.
NUMPY = _module(
    "numpy",
    **_SHARED,
    **_CONSTANTS,
    **_TESTS,
    **{f"arc{n}": _libm(f"a{n}") for n in "sin cos tan sinh cosh tanh".split()},
    arctan2=_libm("atan2"),
    power=_power,
    sqrt=_sqrt,
    abs=abs,
    fabs=math.fabs,
    floor=_floor,
    ceil=_ceil,
    trunc=_trunc,
    rint=_rint,
    where=_where,
    clip=_clip,
    float64=float,
    int64=_int,
)

STERNPOST = _module(
    "sternpost",
    is_null=is_null,
    is_unseen=is_unseen,
    local=_local,
)

#: Objects that an author may refer to, by identity, and what stands for each in a kernel.
BY_IDENTITY: dict[int, Any] = {
    **{id(getattr(math, n)): v for n, v in vars(MATH).items() if callable(v) and hasattr(math, n)},
    **{id(getattr(np, n)): v for n, v in vars(NUMPY).items() if callable(v) and hasattr(np, n)},
    id(math): MATH,
    id(np): NUMPY,
    id(clock.local): _local,
    id(is_null): is_null,
    id(is_unseen): is_unseen,
}

BUILTINS: dict[str, Any] = {"int": _int, "round": _rounding("round", _rint)}
POWER = _power
IS_NULL = is_null
