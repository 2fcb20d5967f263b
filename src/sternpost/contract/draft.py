"""A first draft of a contract, read off an Arrow table, for a person to edit.

A draft is a guess with its evidence beside it: types from the Arrow types, nullability from the nulls that are
there, a lower bound of zero where nothing is negative. It never guesses an upper bound, and never that a column is
unimportant.
"""

from __future__ import annotations

import keyword
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sternpost.contract.spec import Column, ContractSpec, as_table
from sternpost.contract.types import ANNOTATION, ColumnType
from sternpost.errors import ContractError


def draft(table: Any, name: str = "Row") -> ContractSpec:
    """A contract that the rows of `table` keep. Columns whose type has no place in a contract are left out.

    Raises ContractError when no column is left. `skipped(table)` lists what was left out and why.
    """
    arrow = as_table(table)
    columns = [c for field in arrow.schema if (c := _column(field, arrow.column(field.name))) is not None]
    if not columns:
        raise ContractError(
            f"no column of this table fits a contract: {', '.join(arrow.column_names) or 'it has none'}"
        )
    return ContractSpec(name, tuple(columns))


def skipped(table: Any) -> dict[str, str]:
    """Columns that `draft` leaves out, each with the reason."""
    arrow = as_table(table)
    return {f.name: _refusal(f) or "" for f in arrow.schema if _refusal(f) is not None}


def to_source(contract: ContractSpec) -> str:
    """The contract as the Python class a person would write."""
    lines = [
        f"class {contract.name}(sp.Contract):",
        '    """One row, as it is known when the decision is made."""',
        "",
    ]
    for c in contract.columns:
        annotation = ANNOTATION[c.type] + (" | None" if c.nullable else "")
        settings = [f"{k}={v!r}" for k in ("ge", "gt", "le", "lt") if (v := getattr(c, k)) is not None]
        if c.minor_digits not in (None, 2):
            settings.append(f"minor_digits={c.minor_digits}")
        if c.known_at is not None:
            settings.append(f"known_at={c.known_at!r}")
        lines.append(f"    {c.name}: {annotation}" + (f" = sp.column({', '.join(settings)})" if settings else ""))
    return "\n".join(lines) + "\n"


def _refusal(field: pa.Field) -> str | None:
    if not field.name.isidentifier() or keyword.iskeyword(field.name):
        return "its name is not a Python name; rename it"
    t = field.type
    if pa.types.is_timestamp(t) and t.tz is None:
        return "its timestamps have no time zone; cast it to timestamp('us', tz='UTC')"
    if _type_of(t) is None:
        return f"{t} has no place in a contract; cast it to float64, int64, bool, string or timestamp('us', tz='UTC')"
    return None


def _type_of(t: pa.DataType) -> ColumnType | None:
    if pa.types.is_dictionary(t):
        t = t.value_type
        return "category" if pa.types.is_string(t) or pa.types.is_large_string(t) else None
    checks: tuple[tuple[Any, ColumnType], ...] = (
        (pa.types.is_float64, "float"),
        (pa.types.is_float32, "float"),
        (pa.types.is_integer, "int"),
        (pa.types.is_boolean, "bool"),
        (pa.types.is_string, "category"),
        (pa.types.is_large_string, "category"),
        (pa.types.is_timestamp, "timestamp"),
        (pa.types.is_decimal, "money"),
    )
    return next((name for matches, name in checks if matches(t)), None)


def _column(field: pa.Field, values: pa.ChunkedArray) -> Column | None:
    if _refusal(field) is not None:
        return None
    column_type = _type_of(field.type)
    assert column_type is not None, "a column without a type was refused above"
    nullable = values.null_count > 0
    lower: float | int | None = None
    if column_type in ("float", "int"):
        least = pc.min(values).as_py()
        if column_type == "float":
            nullable = nullable or bool(pc.any(pc.is_nan(values)).as_py())
            lower = 0.0 if least is not None and least >= 0 else None
        else:
            lower = 0 if least is not None and least >= 0 else None
    digits = field.type.scale if column_type == "money" else None
    return Column(field.name, column_type, nullable, ge=lower, minor_digits=digits)
