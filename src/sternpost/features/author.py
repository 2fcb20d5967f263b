"""What an author writes: one feature is one plain scalar function.

    @sp.feature(unit="h")
    def hours_to_midnight(sched_dep_utc: sp.Timestamp) -> float:
        return 24 - sp.hour(sched_dep_utc)

Parameter names are columns of the contract or other features; annotations are types. A parameter annotated `T`
never sees a null: when it would, the feature's value is null and the function is not called. A parameter annotated
`T | None` may, and the function asks with `sp.is_null(x)`. The decorated object can be called with ordinary Python
values, so that a unit test needs nothing else; it keeps the same rules about nulls.
"""

from __future__ import annotations

import datetime as dt
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar, get_type_hints, overload

from typing_extensions import TypeIs

from sternpost.contract.types import ColumnType, microseconds, read_annotation
from sternpost.errors import FeatureError

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Parameter:
    """One parameter of a feature: a column or another feature by `name`, with the type the function expects."""

    name: str
    type: ColumnType
    optional: bool


class Feature(Generic[P, R]):
    """One scalar function with its types, its unit and its words. Made by `sp.feature`."""

    def __init__(self, function: Callable[P, R], *, unit: str | None, description: str | None) -> None:
        self.function = function
        self.name = function.__name__
        self.unit = unit
        self.description = description or _first_line(inspect.getdoc(function))
        self.parameters, self.returns, self.may_return_null = _signature(function)
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R | None:
        bound = inspect.signature(self.function).bind(*args, **kwargs)
        for parameter in self.parameters:
            value = bound.arguments[parameter.name]
            if isinstance(value, dt.datetime):
                value = bound.arguments[parameter.name] = microseconds(value)
            if not parameter.optional and is_null(value):
                return None
        return self.function(*bound.args, **bound.kwargs)

    def __repr__(self) -> str:
        return f"<feature {self.name}({', '.join(p.name for p in self.parameters)}) at {self.place}>"

    def __reduce__(self) -> tuple[Any, ...]:
        # The module's name now means this object, not the bare function, so pickling goes by name.
        return _by_name, (self.function.__module__, self.function.__qualname__)

    @property
    def place(self) -> str:
        """`file.py, line 12`, for messages: the file's name without its folders."""
        return place_of(self.function)


@overload
def feature(function: Callable[P, R]) -> Feature[P, R]: ...
@overload
def feature(
    function: None = None, *, unit: str | None = None, description: str | None = None
) -> Callable[[Callable[P, R]], Feature[P, R]]: ...
def feature(
    function: Callable[P, R] | None = None, *, unit: str | None = None, description: str | None = None
) -> Feature[P, R] | Callable[[Callable[P, R]], Feature[P, R]]:
    """Declare a feature. `unit` and `description` go into the bundle; the docstring's first line is the default.

    Raises FeatureError, with function and line, when an annotation is missing or is none of float, int, bool,
    sp.Category, sp.Timestamp, sp.Money (each `| None`); a feature returns float, int or bool.
    """

    def declare(f: Callable[P, R]) -> Feature[P, R]:
        return Feature(f, unit=unit, description=description)

    return declare if function is None else declare(function)


def is_null(value: object) -> TypeIs[None]:
    """Whether a value is null: None or NaN in Python; inside a kernel the null of the value's type."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def is_unseen(label: str | None, labels: tuple[str, ...] | None = None) -> bool:
    """Whether a label is one that the contract does not list; in plain Python `labels` says what it lists."""
    return label is not None and labels is not None and label not in labels


def place_of(function: Callable[..., Any]) -> str:
    """`file.py, line 12` of a function, without folders, so that messages and bundles hold no paths."""
    code = function.__code__
    return f"{code.co_filename.replace(chr(92), '/').rsplit('/', 1)[-1]}, line {code.co_firstlineno}"


def _signature(function: Callable[..., Any]) -> tuple[tuple[Parameter, ...], ColumnType, bool]:
    where = f"feature {function.__name__} ({place_of(function)})"
    try:
        hints = get_type_hints(function)
    except NameError as e:
        raise FeatureError(f"{where}: {e} in an annotation; import the type") from None
    parameters = []
    for name, p in inspect.signature(function).parameters.items():
        if p.kind is not p.POSITIONAL_OR_KEYWORD or p.default is not p.empty:
            raise FeatureError(f"{where}: parameter {name} must be plain, without default or star")
        if name not in hints:
            raise FeatureError(f"{where}: parameter {name} has no type; annotate it, e.g. `{name}: float`")
        found = read_annotation(hints[name])
        if found == ("bool", True):
            raise FeatureError(
                f"{where}: parameter {name} is `bool | None`, and a bool in a kernel has no null; annotate `bool` (a "
                f"null then makes the feature null), or declare the column as `int | None` with 0 and 1"
            )
        if found is None:
            raise FeatureError(
                f"{where}: parameter {name} has the type {hints[name]!r}; use float, int, bool, sp.Category, "
                f"sp.Timestamp or sp.Money, each `| None` where the function handles nulls itself"
            )
        parameters.append(Parameter(name, *found))
    if not parameters:
        raise FeatureError(f"{where}: it has no parameters; a feature is computed from columns or other features")
    returned = read_annotation(hints["return"]) if "return" in hints else None
    if returned is None or returned[0] == "category":
        raise FeatureError(
            f"{where}: a feature returns float, int or bool, written as `-> float`; "
            f"to pass a category on, put the column's name into the list of features"
        )
    kind, nullable = returned
    if kind == "bool" and nullable:
        raise FeatureError(f"{where}: a bool has no room for null in a return; return float (1.0, 0.0 or None) instead")
    return tuple(parameters), "int" if kind in ("timestamp", "money") else kind, nullable


def _first_line(text: str | None) -> str | None:
    return text.strip().splitlines()[0] if text and text.strip() else None


def _by_name(module: str, qualname: str) -> Any:
    import importlib

    found: Any = importlib.import_module(module)
    for part in qualname.split("."):
        found = getattr(found, part)
    return found
