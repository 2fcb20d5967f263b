"""Where scores go: the writing side of batch scoring.

Owed to callers: under its name an output is whole or not there. It is written beside it under a temporary name,
flushed and renamed at the end; an error, an interrupt or a full disk removes it. A stream on standard output that
fails is left without its end marker, by which a careful reader knows. An output that is also an input is refused
before anything is written.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt
from pyarrow import ipc
from typing_extensions import Buffer

from sternpost.bundle.atomic import whole_file, write_failed
from sternpost.errors import DataError, UsageError

STDOUT = "-"
_STDOUT_DESCRIPTOR = 1
# Rows are collected until a Parquet row group has one of these sizes: large enough to read well, small enough to hold.
_GROUP_ROWS = 1 << 18
_GROUP_BYTES = 64 << 20


class _Writer(Protocol):
    """What Arrow's writers have in common."""

    def write_batch(self, batch: pa.RecordBatch) -> None: ...

    def close(self) -> None: ...


class Output:
    """An output that is being written. `rows`: how many were."""

    def __init__(self, writer: _Writer, schema: pa.Schema, place: str) -> None:
        self.rows = 0
        self._writer, self._schema, self._place = writer, schema, place

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows. Raises `DataError` when they cannot be written or have another schema."""
        with _explained(self._place):
            self._writer.write_batch(_cast(batch, self._schema))
        self.rows += len(batch)


@contextlib.contextmanager
def open_output(target: str | os.PathLike[str], schema: pa.Schema, *, inputs: Sequence[Path] = ()) -> Iterator[Output]:
    """Open `target` for rows of `schema`: .parquet, .arrow / .ipc / .feather (Arrow IPC file), .arrows (stream), "-"
    (stream on stdout).

    Leaving the block without an error makes the file appear; without rows it still has its schema. `inputs` are files
    that must not be written to. Arrow IPC files hold dictionary columns as plain values, because their dictionaries
    cannot change between batches. Raises `UsageError` for a target that cannot be meant, `DataError` when writing
    fails.
    """
    if os.fspath(target) == STDOUT:
        if os.isatty(_STDOUT_DESCRIPTOR):
            raise UsageError("standard output is a terminal, and an Arrow stream is no text; pipe it, or name a file")
        place = "standard output"
        with _explained(place):
            stream = ipc.new_stream(pa.PythonFile(_StandardOutput(), mode="w"), schema)
        yield Output(stream, schema, place)
        # Not reached after an error: the missing end marker tells.
        with _explained(place):
            stream.close()
        return
    path, place = Path(target), os.fspath(target)
    make = _maker(path)
    _check_target(path, inputs)
    if make is ipc.new_file:
        schema = pa.schema([field.with_type(_plain(field.type)) for field in schema])
    with whole_file(path) as file, contextlib.ExitStack() as leftovers:
        # In this order at the end, come what may; after success there is nothing left for them to do.
        with _explained(place):
            sink = pa.OSFile(file.name, "wb")
            leftovers.callback(_quietly, sink.close)
            writer = make(sink, schema)
            leftovers.callback(_quietly, writer.close)
        yield Output(writer, schema, place)
        with _explained(place):
            leftovers.pop_all()
            writer.close()
            sink.close()


class _ParquetGroups:
    """A Parquet file whose row groups do not depend on how small the batches are."""

    def __init__(self, sink: pa.NativeFile, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(sink, schema)
        self._waiting: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def write_batch(self, batch: pa.RecordBatch) -> None:
        self._waiting.append(batch)
        self._rows += len(batch)
        self._bytes += batch.nbytes
        if self._rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self._write_group()

    def close(self) -> None:
        try:
            self._write_group()
        finally:
            self._writer.close()

    def _write_group(self) -> None:
        waiting, rows = self._waiting, self._rows
        self._waiting, self._rows, self._bytes = [], 0, 0
        if rows:
            self._writer.write_table(pa.Table.from_batches(waiting), row_group_size=rows)


class _StandardOutput(io.RawIOBase):
    """Descriptor 1 without a buffer of ours, so that nothing is left to flush when the reader has gone."""

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view):
            done += os.write(_STDOUT_DESCRIPTOR, view[done:])
        return done


_MAKERS: dict[str, Callable[[pa.NativeFile, pa.Schema], _Writer]] = {
    ".arrow": ipc.new_file,
    ".ipc": ipc.new_file,
    ".feather": ipc.new_file,
    ".arrows": ipc.new_stream,
    ".parquet": _ParquetGroups,
}


def _maker(path: Path) -> Callable[[pa.NativeFile, pa.Schema], _Writer]:
    try:
        return _MAKERS[path.suffix.lower()]
    except KeyError:
        raise UsageError(
            f"{path}: the ending {path.suffix!r} says no format that is written; use one of {', '.join(_MAKERS)}, "
            'or "-" for a stream on standard output'
        ) from None


def _check_target(path: Path, inputs: Sequence[Path]) -> None:
    if path.exists() and not path.is_file():
        raise UsageError(
            f"{path} is {'a folder' if path.is_dir() else 'not a regular file'}; name a file to be written"
        )
    for source in inputs:
        if path.resolve() == source.resolve() or (path.exists() and source.exists() and path.samefile(source)):
            raise UsageError(f"{path} is also an input; writing it would destroy what is read; choose another name")


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pt.is_dictionary(kind) else kind


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    if batch.schema.equals(schema):
        return batch
    columns = []
    for field in schema:
        index = batch.schema.get_field_index(field.name)
        found = batch.column(index) if index >= 0 else None
        if found is not None and found.type != field.type and pt.is_dictionary(found.type):
            found = found.dictionary_decode()
        if found is None or found.type != field.type:
            state = "is missing" if found is None else f"is {found.type}, not {field.type}"
            raise DataError(f"column {field.name!r} {state} in the rows to be written")
        columns.append(found)
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _quietly(close: Callable[[], None]) -> None:
    with contextlib.suppress(Exception):
        close()


@contextlib.contextmanager
def _explained(place: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise write_failed(place, error) from error
    except pa.ArrowException as error:
        raise DataError(
            f"cannot write {place}: {str(error).splitlines()[0]}; choose another format or cast the column"
        ) from error
