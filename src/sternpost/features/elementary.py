"""Logarithms and the exponential in the language of kernels: the compiler puts them into the loop and packs them.

Nothing is called and nothing branches: every step is an addition, a multiplication, a division or a move of bits, each
of which IEEE 754 fixes, and none may be fused or reordered. So a row alone and a row among others, on any CPU, get the
same bits, which the core's own function gives too slowly: it is called for every value.

Logarithms: `x = 2**k * (1 + r)` with `1 + r` from 0.707 to 1.414, and `log(1 + r) = 2 atanh(t / 2)` with
`t = r / (1 + r / 2)`, an odd series in t whose first term is nearly everything. That term is carried in two parts:
a quotient of 26 bits, whose product with a divisor of 26 bits is exact, and what the exact remainder adds. What
follows it is a polynomial in t squared. The exponential: `x = n log 2 + r`, and `exp(r) = 1 + r + r**2 q(r)`, whose
first sum is carried in two parts. Results are within 0.7 units in the last place, subnormal ones within 1.

Kernels built before this module call `sp_log`, `sp_log1p` and `sp_exp` in the core, and keep their bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit

from sternpost.features.extension import NJIT_OPTIONS, intrinsic, types

_ONE = np.uint64(0x3FF0_0000_0000_0000)
#: Added to a number's bits, it carries into the exponent where the fraction is beyond 1.414.
_CARRY = np.uint64(0x0009_6000_0000_0000)
_FRACTION_BITS = np.uint64(52)
#: Exponents as the fraction of 2**52, from which they are read as floats by a subtraction.
_INTEGER = np.uint64(0x4330_0000_0000_0000)
_INTEGER_BIASED = 2.0**52 + 1023.0
#: 1 - exponent, of a power of two; twice the reciprocal, so that the largest exponent gives 0 and nothing overflows.
_TWICE_RECIPROCAL = np.uint64(2047)
_UPPER_HALF = np.uint64(0xFFFF_FFFF_F800_0000)

#: log 2 in two parts; the first ends in 11 zeros, so that its product with an exponent is exact.
_LOG2_HIGH = float.fromhex("0x1.62e42fefa3800p-1")
_LOG2_LOW = 5.497923018708371e-14
# (2 atanh(t / 2) / t - 1) / t**2 as a polynomial in t**2 up to 0.118, interpolated at Chebyshev's points with 80
# digits; its error is below 2**-60 of the result.
_P0, _P1, _P2, _P3 = 0.08333333333333333, 0.012500000000000278, 0.002232142857093393, 0.00043402778112434785
_P4, _P5, _P6, _P7 = 8.877829805845695e-05, 1.878204400383324e-05, 4.049220483598153e-06, 9.98659451345415e-07

# (exp(r) - 1 - r) / r**2 as a polynomial in r up to 0.3468 on either side, made in the same way.
_Q0, _Q1, _Q2, _Q3 = 0.5, 0.1666666666666667, 0.04166666666666667, 0.008333333333326103
_Q4, _Q5, _Q6, _Q7 = 0.0013888888888883726, 0.00019841269874932202, 2.4801587325627418e-05, 2.755725525875986e-06
_Q8, _Q9, _Q10 = 2.7557273542102106e-07, 2.5105275841936966e-08, 2.0914728984148772e-09
_LOG2_RECIPROCAL = 1.4426950408889634
#: Added to a float below 2**51, it leaves the nearest whole number in the last bits.
_NEAREST = 1.5 * 2.0**52
#: Takes the bits of `_NEAREST` away again, and makes every exponent positive, so that it can be halved by a shift.
_EXPONENT_FROM = np.uint64((2048 - 0x4338_0000_0000_0000) % 2**64)
_UNIT = np.uint64(1)
#: Beyond these the exponential is 0 or infinite.
_LEAST, _MOST = -746.0, 710.0

_SMALLEST_NORMAL = 2.0**-1022
_NAN = math.nan


def _moved(given: Any, made: Any, llvm_type: Any) -> Any:
    @intrinsic
    def move(_context: Any, _x: Any) -> Any:
        return made(given), lambda _ctx, builder, _sig, args: builder.bitcast(args[0], llvm_type)

    return move


_bits: Callable[[float], np.uint64] = _moved(types.float64, types.uint64, ir.IntType(64))
_float: Callable[[np.uint64], float] = _moved(types.uint64, types.float64, ir.DoubleType())


@njit(**NJIT_OPTIONS)
def _sum_of(k: float, r: float, rest: float) -> float:
    """k log 2 + log(1 + r + rest), where `rest` is beyond the last place of r, and 0 where k is."""
    half = 0.5 * r
    divisor = 1.0 + half
    reciprocal = 1.0 / divisor
    t = r * reciprocal
    t_high = _float(_bits(t) & _UPPER_HALF)
    divisor_high = _float(_bits(divisor) & _UPPER_HALF)
    divisor_low = (1.0 - divisor_high) + half
    remainder = ((r - t_high * divisor_high) - t_high * divisor_low) + rest
    t_low = remainder * reciprocal
    z = t * t
    z2 = z * z
    polynomial = ((_P0 + z * _P1) + z2 * (_P2 + z * _P3)) + (z2 * z2) * ((_P4 + z * _P5) + z2 * (_P6 + z * _P7))
    whole = k * _LOG2_HIGH
    total = whole + t_high
    lost = t_high - (total - whole)
    return total + (((k * _LOG2_LOW + t_low) + lost) + (t * z) * polynomial)


@njit("float64(float64)", **NJIT_OPTIONS)
def log1p(x: float) -> float:
    """The natural logarithm of 1 + x; -inf at -1, NaN below."""
    total = 1.0 + x
    back = total - 1.0
    lost = (1.0 - (total - back)) + (x - back)
    bits = _bits(total)
    exponent = (bits + _CARRY) >> _FRACTION_BITS
    r = _float(bits + (_ONE - (exponent << _FRACTION_BITS))) - 1.0
    k = _float(exponent | _INTEGER) - _INTEGER_BIASED
    lost = (lost * _float((_TWICE_RECIPROCAL - exponent) << _FRACTION_BITS)) * 0.5
    sum_ = r + lost
    value = _sum_of(k, sum_, lost - (sum_ - r))
    # Zeros keep their sign.
    value = value if 0.0 < abs(x) < math.inf else x
    return value if x > -1.0 else (-math.inf if x == -1.0 else _NAN)


@njit("float64(float64)", **NJIT_OPTIONS)
def log(x: float) -> float:
    """The natural logarithm of x; -inf at 0, NaN below."""
    subnormal = x < _SMALLEST_NORMAL
    scaled = x * 2.0**54 if subnormal else x
    bits = _bits(scaled)
    exponent = (bits + _CARRY) >> _FRACTION_BITS
    r = _float(bits + (_ONE - (exponent << _FRACTION_BITS))) - 1.0
    k = _float(exponent | _INTEGER) - (_INTEGER_BIASED + 54.0 if subnormal else _INTEGER_BIASED)
    value = _sum_of(k, r, 0.0)
    value = value if x != math.inf else x
    return value if x > 0.0 else (-math.inf if x == 0.0 else _NAN)


@njit("float64(float64)", **NJIT_OPTIONS)
def exp(x: float) -> float:
    """e to the power of x."""
    near = _LEAST if x < _LEAST else (_MOST if x > _MOST else x)
    shifted = near * _LOG2_RECIPROCAL + _NEAREST
    n = shifted - _NEAREST
    r_high = near - n * _LOG2_HIGH
    r_low = n * _LOG2_LOW
    r = r_high - r_low
    rest = (r_high - r) - r_low
    z = r * r
    z2 = z * z
    upper = ((_Q4 + r * _Q5) + z * (_Q6 + r * _Q7)) + z2 * ((_Q8 + r * _Q9) + z * _Q10)
    polynomial = ((_Q0 + r * _Q1) + z * (_Q2 + r * _Q3)) + z2 * upper
    total = 1.0 + r
    lost = r - (total - 1.0)
    value = total + ((rest + lost) + z * polynomial)
    # 2**n in two factors: alone it may be too large or too small for a float where the product is not.
    exponent = _bits(shifted) + _EXPONENT_FROM
    half = exponent >> _UNIT
    scaled = value * _float((half - _UNIT) << _FRACTION_BITS) * _float((exponent - half - _UNIT) << _FRACTION_BITS)
    return scaled if x == x else _NAN  # noqa: PLR0124 - false for NaN alone
