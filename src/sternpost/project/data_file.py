"""The data file that a skeleton is drafted from: how it is read now, and how the skeleton's `load()` will read it.

Both come from one table of formats, so that the project reads exactly what the draft saw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from sternpost.errors import DataError, UsageError


@dataclass(frozen=True)
class Format:
    """A file format: the import and the expression that read a file called DATA, and the same as a function."""

    imports: str
    expression: str
    read: Callable[[Path], pa.Table]


def _parquet(path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    return pq.read_table(path)


def _ipc_file(path: Path) -> pa.Table:
    with pa.ipc.open_file(path) as reader:
        return reader.read_all()


def _ipc_stream(path: Path) -> pa.Table:
    with pa.ipc.open_stream(path) as reader:
        return reader.read_all()


def _csv(path: Path) -> pa.Table:
    import pyarrow.csv

    return pyarrow.csv.read_csv(path)


_FORMATS = {
    "parquet": Format("import pyarrow.parquet as pq", "pq.read_table(DATA)", _parquet),
    "ipc file": Format("import pyarrow as pa", "pa.ipc.open_file(DATA).read_all()", _ipc_file),
    "ipc stream": Format("import pyarrow as pa", "pa.ipc.open_stream(DATA).read_all()", _ipc_stream),
    "csv": Format("import pyarrow.csv", "pyarrow.csv.read_csv(DATA)", _csv),
}


def read_data_file(path: Path) -> tuple[pa.Table, Format]:
    """The whole table and the format it was read with: Parquet and Arrow IPC by their first bytes, CSV by its name.

    Raises `DataError` when the file cannot be read, `UsageError` when it is none of these.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder; name one data file (Parquet, Arrow IPC or CSV)") from None
    except OSError as e:
        raise DataError(f"cannot read {path}: {e.strerror or e}; check the path and its permissions") from e
    if head.startswith(b"PAR1"):
        name = "parquet"
    elif head.startswith(b"ARROW1"):
        name = "ipc file"
    elif head.startswith(b"\xff\xff\xff\xff"):
        name = "ipc stream"
    elif path.suffix.lower() in (".csv", ".tsv", ".txt"):
        name = "csv"
    else:
        found = f"it begins with {head!r}" if head else "it is empty"
        raise UsageError(f"{path} is not a data file that can be read: {found}; give Parquet, Arrow IPC or .csv")
    found_format = _FORMATS[name]
    try:
        return found_format.read(path), found_format
    except (pa.ArrowException, OSError) as e:
        cause = (str(e).strip().splitlines() or ["no reason given"])[0]
        raise DataError(f"cannot read {path} as {name}: {cause}; the file is damaged or cut off") from e
