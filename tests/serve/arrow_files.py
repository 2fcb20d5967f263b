"""Tables in files of every format, and scores as bits: what the tests of batch scoring compare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 5_003


def bits(scores: pa.ChunkedArray) -> bytes:
    return np.asarray(scores.fill_null(float("nan")).to_numpy()).tobytes()


def read(path: Path) -> pa.Table:
    if path.suffix == ".parquet":
        return pq.read_table(path)
    opener = pa.ipc.open_stream if path.suffix == ".arrows" else pa.ipc.open_file
    with pa.OSFile(str(path)) as file, opener(file) as reader:
        return reader.read_all()


def write(table, path, chunk=1_000):
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=chunk)
        return path
    maker = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
    with pa.OSFile(str(path), "wb") as sink, maker(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=chunk)
    return path
