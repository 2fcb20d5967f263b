"""The two tables that outcomes are made of, and the check that a table is one.

Both are what a journal gives. Moments are timestamp[us, UTC]; `moment_us` is the same as a whole number, which is how
the rest of the room calculates with them.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sternpost.errors import ContractError, UsageError

MOMENT = pa.timestamp("us", tz="UTC")

#: What this room needs of a decision; a journal has more (inputs, latency, ...), which is kept.
DECISION_COLUMNS: dict[str, pa.DataType] = {
    "prediction_id": pa.string(),
    "at": MOMENT,
    "bundle": pa.string(),
    "digest": pa.string(),
    "score": pa.float64(),
}
OUTCOME_SCHEMA = pa.schema(
    {
        "prediction_id": pa.string(),
        "entity": pa.string(),
        "happened_at": MOMENT,
        "observed_at": MOMENT,
        "recorded_at": MOMENT,
        "value": pa.float64(),
        "label": pa.string(),
        "source": pa.string(),
        "revision": pa.int64(),
    }
)
_ALWAYS = ("happened_at", "observed_at", "recorded_at", "source", "revision")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def moment_us(moment: dt.datetime) -> int:
    """Microseconds since 1970 UTC. Raises `UsageError` for a moment without a time zone."""
    if moment.tzinfo is None:
        raise UsageError(f"{moment.isoformat()} has no time zone; write {moment.isoformat()}Z")
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


def from_us(us: int) -> dt.datetime:
    """The moment of so many microseconds since 1970 UTC."""
    return _EPOCH + dt.timedelta(microseconds=int(us))


def decisions_table(table: pa.Table) -> pa.Table:
    """`table` with the columns above in their types, all other columns as they are; `entity` and `source` are added
    as nulls where there are none. Raises `ContractError` that names what is missing or does not fit."""
    for name, wanted in DECISION_COLUMNS.items():
        table = _settled(table, name, wanted, "decisions")
    for name in ("prediction_id", "at", "digest"):
        _no_nulls(table, name, "decisions")
    for name in ("entity", "source"):
        table = (
            _settled(table, name, pa.string(), "decisions")
            if name in table.column_names
            else table.append_column(name, pa.nulls(len(table), pa.string()))
        )
    return table


def outcomes_table(table: pa.Table) -> pa.Table:
    """Exactly `OUTCOME_SCHEMA`. Raises `ContractError` that names what is missing or does not fit."""
    for field in OUTCOME_SCHEMA:
        table = _settled(table, field.name, field.type, "outcomes")
    for name in _ALWAYS:
        _no_nulls(table, name, "outcomes")
    return table.select(OUTCOME_SCHEMA.names)


def ints(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """A column of moments or whole numbers without nulls as int64 [n]."""
    return np.asarray(column.cast(pa.int64()).to_numpy(), dtype=np.int64)


def floats(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """A column of numbers as float64 [n], null as NaN."""
    return np.asarray(pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy(), dtype=np.float64)


def bools(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.bool_]:
    """A column of truths as bool [n], null as False."""
    filled = pc.fill_null(column, False)
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=np.bool_)


def codes(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """A number per distinct text, the same for equal texts; null is -1. int64 [n]."""
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return np.asarray(pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def text_ranks(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """A number per text that orders as the texts do, so that it does not depend on the order of rows."""
    texts = pc.unique(column).sort()
    places = pc.index_in(column, value_set=texts.drop_null())
    return np.asarray(pc.fill_null(places.cast(pa.int64()), -1).to_numpy(), dtype=np.int64)


def _settled(table: pa.Table, name: str, wanted: pa.DataType, what: str) -> pa.Table:
    if name not in table.column_names:
        found = ", ".join(table.column_names[:20]) or "none"
        raise ContractError(f"the table of {what} has no column {name} ({wanted}); it has {found}")
    column = table.column(name)
    if column.type == wanted:
        return table
    if pa.types.is_timestamp(column.type) and column.type.tz is None and wanted == MOMENT:
        raise ContractError(f"{what}: column {name} has no time zone; cast it to timestamp[us, UTC]")
    try:
        cast = column.cast(wanted)
    except pa.ArrowException as e:
        cause = (str(e).splitlines() or ["no reason given"])[0]
        raise ContractError(f"{what}: column {name} is {column.type}, not {wanted}: {cause}") from None
    return table.set_column(table.column_names.index(name), name, cast)


def _no_nulls(table: pa.Table, name: str, what: str) -> None:
    column = table.column(name)
    if column.null_count:
        first = int(np.argmax(bools(pc.is_null(column))))
        raise ContractError(
            f"{what}: row {first}: {name} is null, and {column.null_count} rows in all; give it a value"
        )
