"""How the compiler is taught what a kernel needs: options for functions, a way to extend it, a way to refuse.

Needs numba; imported only where features are compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba.core import extending
from numba.core import types as numba_types
from numba.core.errors import TypingError
from numba.core.extending import overload

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


class Refusal(TypingError):
    """A refusal of ours inside the compiler; `explain` looks for its name."""
