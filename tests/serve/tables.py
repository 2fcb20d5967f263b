"""Tables as files of every format, for the tests of reading and writing."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc

SUFFIXES = (".parquet", ".arrow", ".arrows")


def flights(rows, start=0):
    """A table in which every row says where it stands."""
    numbers = np.arange(start, start + rows)
    return pa.table(
        {
            "row": pa.array(numbers, pa.int64()),
            "delay": pa.array(numbers * 0.5, mask=numbers % 7 == 3),
            "carrier": pa.array([f"C{n % 5}" for n in numbers], pa.string()),
        }
    )


def write(table, path, chunk=1_000):
    """Write by suffix. `chunk`: rows per row group or batch."""
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=chunk)
    elif path.suffix == ".arrow":
        with ipc.new_file(path, table.schema) as writer:
            writer.write_table(table, chunk)
    elif path.suffix == ".arrows":
        with ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table, chunk)
    else:
        raise ValueError(path)
    return path


def read(opened):
    """All rows of an `Input` as one table."""
    return pa.Table.from_batches(opened.batches(), opened.schema)
