"""The columns that a journal keeps, and tables of others brought into them."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from sternpost.errors import ContractError
from sternpost.outcomes.events import MOMENT

#: Decisions as read, without `inputs`, whose fields are the contract's.
DECISION_SCHEMA = pa.schema(
    [
        pa.field("prediction_id", pa.string(), nullable=False),
        pa.field("at", MOMENT, nullable=False),
        pa.field("bundle", pa.string(), nullable=False),
        pa.field("digest", pa.string(), nullable=False),
        pa.field("rung", pa.string()),
        pa.field("source", pa.string()),
        pa.field("stake", pa.string()),
        pa.field("score", pa.float64()),
        pa.field("scores", pa.list_(pa.float64())),
        pa.field("label", pa.string()),
        pa.field("action", pa.string()),
        pa.field("binding", pa.bool_()),
        pa.field("reasons", pa.list_(pa.string())),
        pa.field("latency_ns", pa.int64()),
        pa.field("request_id", pa.string()),
        pa.field("entity", pa.string()),
    ]
)
EVENT_SCHEMA = pa.schema(
    [
        pa.field("at", MOMENT, nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("bundle", pa.string()),
        pa.field("digest", pa.string()),
        pa.field("detail", pa.string()),
    ]
)
_BUNDLE = ("bundle", "digest")


def decision_rows(table: pa.Table) -> pa.Table:
    """`table` in the columns of `DECISION_SCHEMA` and `inputs`, if it has them. Raises `ContractError`."""
    rows = _in_columns(table, DECISION_SCHEMA, "decisions", extra=("inputs",))
    if "inputs" not in table.column_names:
        return rows
    inputs = table.column("inputs")
    if not pa.types.is_struct(inputs.type):
        raise ContractError(f"inputs is {inputs.type}; give a struct with a field for each of the contract's columns")
    return rows.append_column("inputs", inputs.cast(_plain(inputs.type)))


def event_rows(table: pa.Table) -> pa.Table:
    """`table` in the columns of `EVENT_SCHEMA`. Raises `ContractError`."""
    return _in_columns(table, EVENT_SCHEMA, "events")


def by_bundle(rows: pa.Table) -> Iterator[tuple[tuple[str, str], pa.Table]]:
    """The rows of each (name, digest), in order, without these two columns."""
    names, digests = rows.column("bundle"), rows.column("digest")
    found = dict.fromkeys(zip(names.to_pylist(), digests.to_pylist(), strict=True))
    for name, digest in found:
        part = rows.filter(pc.and_(pc.equal(names, name), pc.equal(digests, digest)))
        yield (name, digest), part.drop_columns(list(_BUNDLE))


def _in_columns(table: pa.Table, schema: pa.Schema, what: str, extra: tuple[str, ...] = ()) -> pa.Table:
    unknown = sorted(set(table.column_names) - {*schema.names, *extra})
    if unknown:
        raise ContractError(f"{what} have no column {', '.join(unknown)}; leave it out or put it into inputs")
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            if not field.nullable:
                raise ContractError(f"the table of {what} has no column {field.name} ({field.type}); add it")
            columns.append(pa.nulls(table.num_rows, field.type))
            continue
        column = table.column(field.name)
        if pa.types.is_timestamp(column.type) and column.type.tz is None:
            raise ContractError(f"column {field.name} of {what} has no time zone; give moments in UTC")
        try:
            column = column.cast(field.type)
        except pa.ArrowException as e:
            raise ContractError(
                f"column {field.name} of {what} is {column.type} and cannot be {field.type}: {e}"
            ) from e
        if not field.nullable and column.null_count:
            raise ContractError(f"column {field.name} of {what} has {column.null_count} nulls; every row needs a value")
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)


def _plain(struct: pa.StructType) -> pa.StructType:
    """The same fields with labels as strings: a journal keeps no dictionaries."""
    fields = [struct.field(i) for i in range(struct.num_fields)]
    return pa.struct([f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in fields])
