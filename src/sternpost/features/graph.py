"""Which features a set needs, in which order, and whether their types fit.

This is the part of compiling that knows no compiler.

A parameter names a column of the contract or another feature. A feature that is only needed by others is found in the
module of the function that names it; it is computed, and is not an output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from sternpost.contract import ContractSpec
from sternpost.contract.types import ANNOTATION, ColumnType
from sternpost.errors import FeatureError
from sternpost.features.author import Feature, Parameter

#: What a parameter of the first type may be fed with, besides the same type. An int is exact as a float to 2^53.
_WIDENS: Mapping[ColumnType, tuple[ColumnType, ...]] = {
    "float": ("int", "money"),
    "int": ("timestamp", "money"),
    "timestamp": ("int",),
    "money": ("int",),
}


@dataclass(frozen=True)
class Plan:
    """Outputs in the order asked for (features, and columns passed on), and every feature in execution order."""

    outputs: tuple[Feature[..., Any] | str, ...]
    steps: tuple[Feature[..., Any], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return tuple(o if isinstance(o, str) else o.name for o in self.outputs)

    @property
    def reads(self) -> dict[str, frozenset[str]]:
        """For each output the columns that go into it, directly or through other features."""
        through: dict[str, frozenset[str]] = {}
        for step in self.steps:
            each = (through.get(p.name, frozenset((p.name,))) for p in step.parameters)
            through[step.name] = frozenset().union(*each)
        return {name: through.get(name, frozenset((name,))) for name in self.names}


def plan(contract: ContractSpec, features: Sequence[Feature[..., Any] | str]) -> Plan:
    """Resolve names, find cycles, check types. Raises FeatureError with function, line, cause and replacement."""
    if not features:
        raise FeatureError("a feature set needs at least one feature or column name")
    named: dict[str, Feature[..., Any]] = {}
    for item in features:
        if isinstance(item, str):
            _column(contract, item)
        elif isinstance(item, Feature):
            if item.name in contract.by_name:
                raise FeatureError(
                    f"feature {item.name} ({item.place}) has the name of a column of {contract.name}; rename it"
                )
            if named.setdefault(item.name, item) is not item:
                raise FeatureError(
                    f"two features are called {item.name}: {named[item.name].place} and {item.place}; rename one"
                )
        else:
            raise FeatureError(f"{item!r} is neither a feature nor a column name; decorate it with @sp.feature")
    outputs = tuple(features)
    names = [o if isinstance(o, str) else o.name for o in outputs]
    if len(set(names)) != len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise FeatureError(f"{twice} is listed twice; list each feature once")
    steps: dict[str, Feature[..., Any]] = {}
    for item in outputs:
        if isinstance(item, Feature):
            _visit(item, contract, named, steps, ())
    return Plan(outputs, tuple(steps.values()))


def _visit(
    feature: Feature[..., Any],
    contract: ContractSpec,
    named: dict[str, Feature[..., Any]],
    steps: dict[str, Feature[..., Any]],
    path: tuple[str, ...],
) -> None:
    if feature.name in path:
        ring = " -> ".join((*path[path.index(feature.name) :], feature.name))
        raise FeatureError(f"feature {feature.name} ({feature.place}) needs itself: {ring}; break the ring")
    if feature.name in steps:
        return
    for parameter in feature.parameters:
        if parameter.name in contract.by_name:
            column = contract.by_name[parameter.name]
            _check(feature, parameter, column.type, f"column {column.name}")
            continue
        needed = named.get(parameter.name) or feature.function.__globals__.get(parameter.name)
        if not isinstance(needed, Feature):
            raise _unknown(feature, parameter, contract, named)
        named.setdefault(needed.name, needed)
        _visit(needed, contract, named, steps, (*path, feature.name))
        _check(feature, parameter, needed.returns, f"feature {needed.name}")
    steps[feature.name] = feature


def _check(feature: Feature[..., Any], parameter: Parameter, found: ColumnType, source: str) -> None:
    if found == parameter.type or found in _WIDENS.get(parameter.type, ()):
        return
    raise FeatureError(
        f"feature {feature.name} ({feature.place}): parameter {parameter.name} is annotated "
        f"{ANNOTATION[parameter.type]}, but {source} is {ANNOTATION[found]}; annotate it `{ANNOTATION[found]}`"
    )


def _unknown(
    feature: Feature[..., Any],
    parameter: Parameter,
    contract: ContractSpec,
    named: Mapping[str, Feature[..., Any]],
) -> FeatureError:
    near = get_close_matches(parameter.name, [*contract.names, *named], n=1)
    hint = f"did you mean {near[0]}?" if near else f"columns are {', '.join(contract.names[:12])}"
    return FeatureError(
        f"feature {feature.name} ({feature.place}): parameter {parameter.name} is neither a column of "
        f"{contract.name} nor a feature; {hint}"
    )


def _column(contract: ContractSpec, name: str) -> None:
    if name not in contract.by_name:
        near = get_close_matches(name, contract.names, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; columns are {', '.join(contract.names[:12])}"
        raise FeatureError(f"{name!r} is not a column of contract {contract.name}{hint}")
    if contract.by_name[name].type == "timestamp":
        raise FeatureError(f"column {name} is a timestamp, which a model cannot take; write a feature of it")
