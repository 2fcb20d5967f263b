"""What the names in a feature mean inside a kernel: portable mathematics, nulls and category labels, for numba.

A kernel must give the same bits on every machine. So `math.log` is not the C library's (its last bit depends on the
version and on the CPU) but the one function in the core, bound by name when the object code is loaded. Conversions
that C leaves undefined get a stated value: the whole-number part of NaN, of an infinity or of anything beyond 64
bits is null.

This module is imported only where features are compiled; it needs numba.
"""

from __future__ import annotations

import math
import operator
import types as python_types
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import extending, typing
from numba.core import types as numba_types
from numba.core.errors import TypingError
from numba.core.extending import models, overload, register_model

from sternpost import _core
from sternpost.contract.types import NULL_CODE, NULL_INT, UNSEEN_CODE
from sternpost.features import clock
from sternpost.features.author import is_null, is_unseen

# numba is typed in places only.
types: Any = numba_types
intrinsic: Any = extending.intrinsic

#: How every function of a kernel is compiled. No fast-math: a reordered sum is another number.
NJIT_OPTIONS: dict[str, Any] = {"error_model": "numpy", "boundscheck": True, "fastmath": False}


def implements(symbol: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """numba's `overload`, which insists that typing and implementation agree in their annotations too."""

    def register(typing_function: Callable[..., Any]) -> Callable[..., Any]:
        typing_function.__annotations__ = {}
        overload(symbol)(typing_function)
        return typing_function

    return register


MATH_SYMBOLS = dict(_core.math_symbols())
for _name, _address in MATH_SYMBOLS.items():
    llvm.add_symbol(_name, _address)


def _external(name: str, arity: int) -> Any:
    return types.ExternalFunction(name, typing.signature(types.float64, *[types.float64] * arity))


_TWO_ARGUMENTS = {"sp_pow", "sp_atan2", "sp_hypot", "sp_fmod", "sp_remainder"}
_EXTERNAL = {name: _external(name, 2 if name in _TWO_ARGUMENTS else 1) for name in MATH_SYMBOLS}
_pow = _EXTERNAL["sp_pow"]


class Refusal(TypingError):
    """A refusal of ours inside the compiler; `explain` looks for its name."""


class CategoryType(types.Type):
    """A category's code, int32, that knows the labels it stands for."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.labels = labels
        super().__init__(name=f"category{labels!r}")


@register_model(CategoryType)
class _CategoryModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, ir.IntType(32))


def category_of(labels: tuple[str, ...]) -> Any:
    """An intrinsic that reads an int32 code as a category with these labels."""
    made = CategoryType(labels)

    @intrinsic
    def as_category(_context: Any, _code: Any) -> Any:
        return made(types.int32), lambda _ctx, _builder, _sig, args: args[0]

    return as_category


@intrinsic
def code_of(_context: Any, category: Any) -> Any:
    """The int32 code of a category."""
    if not isinstance(category, CategoryType):
        return None
    return types.int32(category), lambda _ctx, _builder, _sig, args: args[0]


def _label_code(category: CategoryType, literal: Any) -> int:
    label = literal.literal_value
    if label not in category.labels:
        near = get_close_matches(label, category.labels, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it lists {', '.join(category.labels[:12])}"
        raise Refusal(f"label {label!r} is not among the {len(category.labels)} the contract lists; {hint}")
    return category.labels.index(label)


def _compare(symbol: Callable[[Any, Any], Any], equal: bool) -> None:
    @implements(symbol)
    def compare(a: Any, b: Any) -> Any:
        if isinstance(b, CategoryType) and isinstance(a, types.StringLiteral):
            code = _label_code(b, a)
            return (lambda a, b: code_of(b) == code) if equal else (lambda a, b: code_of(b) != code)
        if isinstance(a, CategoryType) and isinstance(b, types.StringLiteral):
            code = _label_code(a, b)
            return (lambda a, b: code_of(a) == code) if equal else (lambda a, b: code_of(a) != code)
        if isinstance(a, CategoryType) and isinstance(b, CategoryType):
            if a.labels != b.labels:
                raise Refusal("two categories with different labels cannot be compared; compare each with a label")
            return (lambda a, b: code_of(a) == code_of(b)) if equal else (lambda a, b: code_of(a) != code_of(b))
        return None


_compare(operator.eq, True)
_compare(operator.ne, False)


@implements(is_null)
def _is_null(value: Any) -> Any:
    if isinstance(value, types.Float):
        return lambda value: value != value  # noqa: PLR0124 - true for NaN alone
    if isinstance(value, CategoryType):
        return lambda value: code_of(value) == NULL_CODE
    if isinstance(value, types.Integer):
        return lambda value: value == NULL_INT
    if isinstance(value, types.Boolean):
        return lambda value: False
    return None


@implements(is_unseen)
def _is_unseen(label: Any) -> Any:
    return (lambda label: code_of(label) == UNSEEN_CODE) if isinstance(label, CategoryType) else None


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
    name: _libm(name) for name in "log log1p log2 log10 exp expm1 sin cos tan sinh cosh tanh hypot cbrt exp2".split()
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
