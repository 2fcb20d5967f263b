"""The one loop that a kernel is, written out as Python for the compiler.

Every column is read once, every feature is called once, guarded where a parameter that never sees nulls may be null,
and every output is stored as a float64: bools as 0 and 1, whole numbers exactly to 2^53, categories as codes, nulls
as the one NaN. A NaN that arithmetic made is stored as that same NaN, because its sign and payload differ between
machines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sternpost.contract import Column, ContractSpec
from sternpost.contract.types import ColumnType
from sternpost.features.author import Feature, Parameter
from sternpost.features.graph import Plan

_TABLES: dict[ColumnType, str] = {
    "float": "f64",
    "int": "i64",
    "timestamp": "i64",
    "money": "i64",
    "category": "i32",
    "bool": "i8",
}


@dataclass(frozen=True)
class _Value:
    """A value in the loop: the name it has, its type, and the test for null (None when it cannot be null)."""

    name: str
    type: ColumnType
    null: str | None


def execution_order(plan: Plan) -> tuple[int, ...]:
    """Indices of the outputs in the order in which the kernel stores them for one row."""
    passed = [i for i, o in enumerate(plan.outputs) if isinstance(o, str)]
    position = {o.name: i for i, o in enumerate(plan.outputs) if isinstance(o, Feature)}
    return (*passed, *(position[f.name] for f in plan.steps if f.name in position))


def kernel_source(contract: ContractSpec, plan: Plan) -> str:
    """Source of `kernel(n, f64, i64, i32, i8, out)`; functions are called `feature_<name>`, see `compile`."""
    used = {p.name for f in plan.steps for p in f.parameters} | {o for o in plan.outputs if isinstance(o, str)}
    head = ["def kernel(n, f64, i64, i32, i8, out):"]
    body: list[str] = []
    values: dict[str, _Value] = {}
    counts: dict[str, int] = {}
    for i, column in enumerate(contract.columns):
        table = _TABLES[column.type]
        slot = counts.get(table, 0)
        counts[table] = slot + 1
        if column.name in used:
            head.append(f"    p{i} = {table}[{slot}]")
            lines, values[column.name] = _read(i, column)
            body.extend(lines)
    position = {o if isinstance(o, str) else o.name: i for i, o in enumerate(plan.outputs)}
    head.extend(f"    o{i} = out[{i}]" for i in range(len(plan.outputs)))
    for output in plan.outputs:
        if isinstance(output, str):
            body.append(f"o{position[output]}[r] = {_stored(values[output])}")
    for step, feature in enumerate(plan.steps):
        lines, value = _call(step, feature, values)
        body.extend(lines)
        values[feature.name] = value
        if feature.name in position:
            body.append(f"o{position[feature.name]}[r] = {_stored(value)}")
    return "\n".join([*head, "    for r in range(n):", *(f"        {line}" for line in body), "    return 0"]) + "\n"


def _read(i: int, column: Column) -> tuple[list[str], _Value]:
    name = f"x{i}"
    null: str | None
    if column.type == "float":
        lines, null = [f"{name} = p{i}[r]"], f"{name} != {name}"
    elif column.type == "category":
        lines, null = [f"{name}_code = p{i}[r]", f"{name} = category_{i}({name}_code)"], f"{name}_code == -1"
    elif column.type == "bool":
        lines, null = [f"{name}_raw = p{i}[r]", f"{name} = {name}_raw > 0"], f"{name}_raw < 0"
    else:
        lines, null = [f"{name} = p{i}[r]"], f"{name} == NULL_INT"
    return lines, _Value(name, column.type, null if column.nullable else None)


def _call(step: int, feature: Feature[..., Any], values: dict[str, _Value]) -> tuple[list[str], _Value]:
    name = f"t{step}"
    arguments = ", ".join(_argument(p, values[p.name]) for p in feature.parameters)
    call = f"feature_{feature.name}({arguments})"
    tests = list(dict.fromkeys(_guards(feature, values)))
    guard = " or ".join(tests)
    if feature.returns == "bool":
        if not guard:
            return [f"{name} = {call}"], _Value(name, "bool", None)
        lines = [f"{name}_null = {guard}", f"{name} = False if {name}_null else {call}"]
        return lines, _Value(name, "bool", f"{name}_null")
    null, cast = ("NAN", "float") if feature.returns == "float" else ("NULL_INT", "int")
    result = f"{cast}({call})"
    line = f"{name} = {null} if {guard} else {result}" if guard else f"{name} = {result}"
    return [line], _Value(name, feature.returns, f"{name} != {name}" if cast == "float" else f"{name} == NULL_INT")


def _guards(feature: Feature[..., Any], values: dict[str, _Value]) -> Iterator[str]:
    for parameter in feature.parameters:
        null = values[parameter.name].null
        if not parameter.optional and null is not None:
            yield null


def _argument(parameter: Parameter, value: _Value) -> str:
    if parameter.type == "float" and value.type != "float":
        if parameter.optional and value.null is not None:
            return f"(NAN if {value.null} else float({value.name}))"
        return f"float({value.name})"
    return value.name


def _stored(value: _Value) -> str:
    if value.type == "category":
        return f"float({value.name}_code)"
    if value.type == "bool":
        number = f"(1.0 if {value.name} else 0.0)"
        return number if value.null is None else f"NAN if {value.null} else {number}"
    if value.type == "float":
        return f"NAN if {value.name} != {value.name} else {value.name}"
    return f"NAN if {value.name} == NULL_INT else float({value.name})"
