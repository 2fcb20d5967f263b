"""All input files as one run of batches: the reading side of batch scoring.

Owed to callers: one schema, known before the first row is read, and held against every file; rows in the order of the
sources; batches of at most `batch_rows` rows, small ones put together; memory for a handful of batches, whatever the
size of the input; reading in one background thread, beside the caller's own work.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import stat
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from sternpost.errors import ContractError, DataError, UsageError
from sternpost.serve.formats import Facts, batches, explained, inspect, named
from sternpost.serve.pipe import Pipe
from sternpost.serve.read_ahead import read_ahead
from sternpost.serve.sources import SourceFile, find_files, is_pipe

STDIN = "-"
_STDIN_DESCRIPTOR = 0
# Two wait, one is being read, one is being worked on: four batches are alive.
_BATCHES_AHEAD = 2


class Input:
    """Rows to be scored. Made by `open_input`; a context manager that ends the reading.

    `schema`: the columns of every batch, in order, without metadata. `row_count`: rows in all, None where counting
    would mean reading. `files`: what is read, in order; empty for a pipe.
    """

    def __init__(
        self,
        schema: pa.Schema,
        row_count: int | None,
        files: Sequence[Path],
        read: Callable[[], Generator[pa.RecordBatch, None, None]],
        resources: contextlib.ExitStack | None = None,
    ) -> None:
        self.schema = schema
        self.row_count = row_count
        self.files = tuple(files)
        self._read = read
        self._exit = resources or contextlib.ExitStack()

    def batches(self) -> Generator[pa.RecordBatch, None, None]:
        """The rows, from the start. No batch is empty; without rows there is no batch.

        Files can be read again, a pipe only once (`UsageError`). Raises `DataError` where a file turns out to be
        damaged, after the rows before the damage.
        """
        running = read_ahead(self._read, _BATCHES_AHEAD)
        self._exit.callback(_end, running)
        return running

    def close(self) -> None:
        """End the reading. Batches that were handed out stay valid."""
        self._exit.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_input(
    sources: Sequence[str | os.PathLike[str]], *, columns: Sequence[str] | None = None, batch_rows: int = 65_536
) -> Input:
    """Open files, folders, globs (Parquet, Arrow IPC files, Arrow IPC streams; all of one format) or "-", a stream on
    stdin.

    `columns`: what is read, in this order; default all, as in the first file. Raises `UsageError` for sources that
    make no sense together, `ContractError` for columns that are not there, `DataError` naming the file for everything
    that is wrong with one: absent, unreadable, no Arrow, damaged, cut off, another format or another schema than the
    first.
    """
    if not sources:
        raise UsageError("no input: name at least one file, folder or glob, or - for an Arrow stream on standard input")
    if batch_rows < 1:
        raise UsageError(f"batch_rows is {batch_rows}; a batch has at least one row")
    if columns is not None and (not columns or len(set(columns)) < len(columns)):
        raise UsageError(f"columns to read must be at least one, each once; found {list(columns)}")
    if pipes := [source for source in sources if source == STDIN or is_pipe(source)]:
        if len(sources) > 1:
            raise UsageError(f"{pipes[0]} can only be the one source; found {len(sources)} sources")
        if pipes[0] != STDIN:
            return _from_pipe(Pipe(pipes[0], os.fspath(pipes[0])), columns, batch_rows)
        if not _stdin_is_a_file():
            return _from_pipe(Pipe(_STDIN_DESCRIPTOR, "standard input"), columns, batch_rows)
        sources = ["/dev/stdin"]
    return _from_files(find_files(sources), columns, batch_rows)


def even_batches(source: Iterable[pa.RecordBatch], batch_rows: int) -> Generator[pa.RecordBatch, None, None]:
    """The same rows in batches of at most `batch_rows`, none empty; two that follow each other hold more than that
    together.

    Large batches are sliced without copying, small ones put together.
    """
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in source:
        for start in range(0, len(batch), batch_rows):
            piece = batch.slice(start, batch_rows)
            if rows + len(piece) > batch_rows:
                yield _joined(waiting)
                waiting, rows = [], 0
            waiting.append(piece)
            rows += len(piece)
            if rows == batch_rows:
                yield _joined(waiting)
                waiting, rows = [], 0
    if waiting:
        yield _joined(waiting)


def _from_files(files: Sequence[SourceFile], columns: Sequence[str] | None, batch_rows: int) -> Input:
    facts = [inspect(file.path) for file in files]
    for file, fact in zip(files, facts, strict=True):
        if fact.format is not facts[0].format:
            raise DataError(
                f"formats are mixed: {files[0].path} is {facts[0].format.value}, {file.path} is {fact.format.value}; "
                "score them in separate runs, or convert one"
            )
    schema = _common_schema(files, facts, columns)
    counts = [fact.rows for fact in facts if fact.rows is not None]
    total = sum(counts) if len(counts) == len(facts) else None

    def read() -> Iterator[pa.RecordBatch]:
        for file, fact in zip(files, facts, strict=True):
            own = [name for name in schema.names if name in fact.schema.names]
            for batch in batches(file.path, fact.format, own, batch_rows):
                yield _conform(batch, schema, file.keys, str(file.path))

    return Input(schema, total, [file.path for file in files], lambda: even_batches(read(), batch_rows))


def _from_pipe(pipe: Pipe, columns: Sequence[str] | None, batch_rows: int) -> Input:
    with contextlib.ExitStack() as stack:
        stack.callback(pipe.close)
        reader = pipe.open()
        schema = _chosen(named(reader.schema, pipe.place), columns, pipe.place)
        resources = stack.pop_all()
    unread = [reader]

    def read() -> Iterator[pa.RecordBatch]:
        if not unread:
            raise UsageError(f"{pipe.place} can be read only once")
        for batch in pipe.batches(unread.pop()):
            yield _conform(batch, schema, {}, pipe.place)

    return Input(schema, None, (), lambda: even_batches(read(), batch_rows), resources)


def _common_schema(files: Sequence[SourceFile], facts: Sequence[Facts], columns: Sequence[str] | None) -> pa.Schema:
    """The schema of the chosen columns, the same in every file; nullable where any file says so."""
    first = files[0].path
    schema = _chosen(_with_keys(facts[0].schema, files[0].keys), columns, str(first))
    nullable = [field.nullable for field in schema]
    for file, fact in zip(files[1:], facts[1:], strict=True):
        other = _with_keys(fact.schema, file.keys)
        extra = [name for name in other.names if name not in schema.names] if columns is None else []
        if extra:
            raise DataError(
                f"schemas differ: {file.path} has a column {extra[0]!r}, {first} has none; name the columns to read"
            )
        for place, field in enumerate(schema):
            if other.names.count(field.name) != 1:
                state = "no" if field.name not in other.names else "more than one"
                raise DataError(
                    f"schemas differ: {first} has a column {field.name!r}, {file.path} has {state} such column"
                )
            found = other.field(field.name)
            if found.type != field.type:
                raise DataError(
                    f"schemas differ: column {field.name!r} is {field.type} in {first} and {found.type} in "
                    f"{file.path}; cast one of them"
                )
            nullable[place] |= found.nullable
    return pa.schema([field.with_nullable(flag) for field, flag in zip(schema, nullable, strict=True)])


def _chosen(schema: pa.Schema, columns: Sequence[str] | None, place: str) -> pa.Schema:
    names = schema.names if columns is None else list(columns)
    if not schema.names:
        raise DataError(f"{place}: has no columns")
    for name in names:
        if name not in schema.names:
            near = difflib.get_close_matches(name, schema.names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(schema.names[:20])}"
            raise ContractError(f"{place}: no column {name!r}; {hint}")
        if schema.names.count(name) > 1:
            raise DataError(f"{place}: column {name!r} is there {schema.names.count(name)} times; rename or drop one")
    return pa.schema([schema.field(name).remove_metadata() for name in names])


def _with_keys(schema: pa.Schema, keys: Mapping[str, pa.Scalar]) -> pa.Schema:
    for name, value in keys.items():
        if name not in schema.names:
            schema = schema.append(pa.field(name, value.type))
    return schema


def _conform(batch: pa.RecordBatch, schema: pa.Schema, keys: Mapping[str, pa.Scalar], place: str) -> pa.RecordBatch:
    """The batch with the columns of `schema`, keys filled in."""
    columns = []
    for field in schema:
        index = batch.schema.get_field_index(field.name)
        column = batch.column(index) if index >= 0 else None
        if column is None and field.name in keys:
            column = pa.repeat(keys[field.name], len(batch))
        if column is None or column.type != field.type:
            raise DataError(f"{place}: column {field.name!r} changed while the file was being read; run again")
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _end(running: Generator[pa.RecordBatch, None, None]) -> None:
    # A caller's own thread may still sit in it, waiting for a silent pipe: then it ends with that thread.
    with contextlib.suppress(ValueError):
        running.close()


def _joined(waiting: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    if len(waiting) == 1:
        return waiting[0]
    with explained("joining small batches"):
        return pa.concat_batches(waiting)


def _stdin_is_a_file() -> bool:
    with explained("standard input"):
        return stat.S_ISREG(os.fstat(_STDIN_DESCRIPTOR).st_mode)
