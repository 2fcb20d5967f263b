"""Rows through the published Open Inference Protocol client, in a process of its own: its messages have the names of
ours. Usage: triton_caller.py ADDRESS ROWS.arrow BUNDLE... Writes JSON: {bundle: {way: {output: rows}}}.

Rows that say null where the contract knows none go through the `arrow` input alone: a mask there is refused.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import tritonclient.grpc as sync
from tritonclient.grpc import aio


def described(client: sync.InferenceServerClient, bundle: str) -> tuple[dict[str, str], list[str], list[str]]:
    """Datatype of every input, inputs that may be null, outputs."""
    metadata = client.get_model_metadata(bundle)
    contract = json.loads(client.get_model_config(bundle).config.parameters["contract"].string_value)
    nullable = [column["name"] for column in contract["columns"] if column.get("nullable")]
    return {t.name: t.datatype for t in metadata.inputs}, nullable, [t.name for t in metadata.outputs]


def columns(table: pa.Table, datatypes: dict[str, str], nullable: list[str]) -> list[sync.InferInput]:
    """A raw tensor a column, and a mask where a value may be null."""
    tensors = [of_values(name, whole(table[name], datatype), datatype) for name, datatype in datatypes.items()]
    masks = [of_values(f"{name}.null", np.array(table[name].is_null()), "BOOL") for name in nullable]
    return tensors + masks


def of_values(name: str, values: np.ndarray, datatype: str) -> sync.InferInput:
    tensor = sync.InferInput(name, [len(values), 1], datatype)
    tensor.set_data_from_numpy(values.reshape(-1, 1))
    return tensor


def whole(column: pa.ChunkedArray, datatype: str) -> np.ndarray:
    """The values, with anything of the type where there is none."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    listed = column.to_pylist()
    match datatype:
        case "BYTES":
            return np.array([b"" if v is None else v.encode() for v in listed], dtype=np.object_)
        case "BOOL":
            return np.array([bool(v) for v in listed], dtype=np.bool_)
        case "FP64":
            return np.array([0.5 if v is None else v for v in listed], dtype=np.float64)
        case "INT64":
            return np.array([7 if v is None else v for v in listed], dtype=np.int64)
    raise SystemExit(f"no way to send {datatype}")


def as_arrow(table: pa.Table) -> list[sync.InferInput]:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    tensor = sync.InferInput("arrow", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([sink.getvalue().to_pybytes()], dtype=np.object_))
    return [tensor]


def told(result: Any, outputs: list[str]) -> dict[str, Any]:
    found = {name: result.as_numpy(name) for name in outputs}
    return {
        name: [[float(v) for v in row] for row in values]
        if name == "scores"
        else [v.decode() if isinstance(v, bytes) else float(v) for v in values.reshape(-1)]
        for name, values in found.items()
    }


async def asynchronously(address: str, bundle: str, ways: dict[str, list[sync.InferInput]], outputs: list[str]) -> dict:
    async with aio.InferenceServerClient(address) as client:
        results = await asyncio.gather(*(client.infer(bundle, inputs) for inputs in ways.values()))
        return {f"aio {way}": told(result, outputs) for way, result in zip(ways, results, strict=True)}


def streamed(
    client: sync.InferenceServerClient, bundle: str, inputs: list[sync.InferInput], outputs: list[str]
) -> dict:
    import queue

    answers: queue.Queue = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    client.async_stream_infer(bundle, inputs)
    result, error = answers.get(timeout=30)
    client.stop_stream()
    if error is not None:
        raise SystemExit(str(error))
    return told(result, outputs)


def main(address: str, rows: str, *bundles: str) -> None:
    table = pa.ipc.open_file(rows).read_all()
    found: dict[str, dict[str, Any]] = {}
    with sync.InferenceServerClient(address) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        for bundle in bundles:
            assert client.is_model_ready(bundle)
            datatypes, nullable, outputs = described(client, bundle)
            firm = [table[name].is_null().to_pylist() for name in datatypes if name not in nullable]
            sayable = table.filter(pa.array([not any(row) for row in zip(*firm, strict=True)]))
            ways = {"columns": columns(sayable, datatypes, nullable), "arrow": as_arrow(table)}
            answers = {way: told(client.infer(bundle, inputs), outputs) for way, inputs in ways.items()}
            answers["stream arrow"] = streamed(client, bundle, ways["arrow"], outputs)
            answers |= asyncio.run(asynchronously(address, bundle, ways, outputs))
            found[bundle] = answers
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
