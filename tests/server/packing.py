"""A second writer of rows for the wire, from the comments in scoring.proto and nothing else."""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from tests.routes import loans
from tests.server import stubs

NULL, VALUE, OUT_OF_RANGE, UNLISTED = b"\0", b"\1", b"\2", b"\3"
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
LONGEST_EXACT = 2**53


def microseconds(value: Any) -> int:
    return value if isinstance(value, int) else (value - EPOCH) // dt.timedelta(microseconds=1)


def packed_value(column: Any, value: Any) -> bytes:
    """One value of a described column."""
    if value is None:
        return NULL
    match column.type:
        case "float":
            if isinstance(value, int) and abs(value) > LONGEST_EXACT:
                return OUT_OF_RANGE
            return VALUE + struct.pack("<d", value)
        case "int" | "money" | "timestamp":
            whole = microseconds(value) if column.type == "timestamp" else value
            return VALUE + struct.pack("<q", whole) if -(2**63) <= whole < 2**63 else OUT_OF_RANGE
        case "bool":
            return VALUE + struct.pack("<B", value)
        case "category":
            labels = list(column.labels)
            if value in labels:
                return VALUE + struct.pack("<I", labels.index(value))
            text = value.encode()
            return UNLISTED + struct.pack("<I", len(text)) + text
    raise AssertionError(column.type)


def packed(description: Any, row: Mapping[str, Any]) -> Any:
    """A PackedRow."""
    values = b"".join(packed_value(column, row[column.name]) for column in description.columns)
    return stubs.scoring().PackedRow(schema=description.schema, values=values)


def named(description: Any, row: Mapping[str, Any]) -> Any:
    """A NamedRow."""
    pb = stubs.scoring()

    def value(column: Any, value: Any) -> Any:
        if value is None:
            return pb.Value(null=True)
        match column.type:
            case "float":
                return pb.Value(integer=value) if isinstance(value, int) else pb.Value(number=value)
            case "int" | "money":
                return pb.Value(integer=value)
            case "timestamp":
                return pb.Value(integer=microseconds(value))
            case "bool":
                return pb.Value(flag=value)
            case "category":
                return pb.Value(text=value)
        raise AssertionError(column.type)

    return pb.NamedRow(values={column.name: value(column, row[column.name]) for column in description.columns})


def requests(description: Any, rows: Iterable[Mapping[str, Any]], **fields: Any) -> list[Any]:
    """A packed ScoreRequest a row."""
    pb = stubs.scoring()
    return [pb.ScoreRequest(bundle=description.bundle, packed=packed(description, row), **fields) for row in rows]


def infer_request(name: str, rows: Iterable[Mapping[str, Any]]) -> Any:
    """A ModelInferRequest of the Open Inference Protocol: an Arrow stream as its one element."""
    sink = pa.BufferOutputStream()
    table = loans.table(list(rows))
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data = sink.getvalue().to_pybytes()
    request = stubs.inference().ModelInferRequest(model_name=name)
    request.inputs.add(name="arrow", datatype="BYTES", shape=[1])
    request.raw_input_contents.append(struct.pack("<I", len(data)) + data)
    return request
