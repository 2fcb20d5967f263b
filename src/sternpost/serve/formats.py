"""What a file is, told by its bytes and not by its name, and reading one file in batches.

Owed to callers: memory does not grow with the file. Parquet is read through small buffers, whatever the size of its
row groups; uncompressed Arrow files and streams are mapped into memory, so that a batch is a view of the page cache;
compressed Arrow files batch by batch. A file must not be cut shorter while it is mapped: the system ends the process
that reads beyond the new end.
Damage is a `DataError` with the name of the file: what Arrow itself does not check on reading (offsets of text, codes
of dictionaries) is checked here, because compiled code relies on it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pyarrow.types as pt
from pyarrow import ipc

from sternpost.errors import DataError


class Format(Enum):
    """The formats that are read."""

    FILE = "an Arrow IPC file"
    STREAM = "an Arrow IPC stream"
    PARQUET = "a Parquet file"


HEAD_BYTES = 8
_MARKS = {Format.FILE: b"ARROW1", Format.PARQUET: b"PAR1"}  # at the very end
_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"
# Larger batches of an Arrow file are mapped without a look at the first, which could be decompressed whole for it.
_MAPPED_BATCH_BYTES = 64 << 20
_PARQUET_BUFFER_BYTES = 1 << 20
_AS_BINARY = {"string": pa.binary(), "large_string": pa.large_binary(), "string_view": pa.binary_view()}


class Facts(NamedTuple):
    """What a file says about itself without being read. `rows` is None where counting means reading."""

    format: Format
    schema: pa.Schema
    rows: int | None


# First bytes, and what to say about them. Order matters only for prefixes of each other.
_OTHERS = (
    (b"FEA1", "a Feather file of version 1; write it again as version 2"),
    (b"PARE", "an encrypted Parquet file; decrypt it first"),
    (b"\x1f\x8b", "gzip; decompress it first"),
    (b"\x28\xb5\x2f\xfd", "zstd; decompress it first"),
    (b"BZh", "bzip2; decompress it first"),
    (b"\xfd7zXZ", "xz; decompress it first"),
    (b"PK\x03\x04", "a zip archive (or a bundle); give a data file"),
    (b"ORC", "an ORC file; convert it to Parquet"),
    (b"SQLite f", "an SQLite database; export a table to Parquet"),
    (b"\x89HDF", "an HDF5 file; convert it to Parquet"),
    (b"Obj\x01", "an Avro file; convert it to Parquet"),
)


def format_of(head: bytes, place: str) -> Format:
    """The format that begins with these bytes (up to 8). Raises `DataError` that says what was found instead."""
    if head.startswith(b"ARROW1"):
        return Format.FILE
    if head.startswith(b"PAR1"):
        return Format.PARQUET
    if head.startswith(b"\xff\xff\xff\xff"):
        return Format.STREAM
    found = next((words for start, words in _OTHERS if head.startswith(start)), None)
    if found is None and not head:
        found = "nothing: it is empty (0 bytes)"
    if found is None and all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head.removeprefix(b"\xef\xbb\xbf")):
        found = f"text that begins with {head.decode('latin-1')!r}; if it is CSV or JSON, convert it to Parquet"
    if found is None:
        found = f"bytes that begin with {head!r}"
    raise DataError(f"{place}: expected Parquet or Arrow IPC, found {found}")


def inspect(path: Path) -> Facts:
    """Format, schema and, where it is cheap, the number of rows of a regular file. Raises `DataError`."""
    place = str(path)
    with explained(place):
        with path.open("rb") as file:
            kind = format_of(file.read(HEAD_BYTES), place)
            file.seek(-len(_MARKS.get(kind, b"")), os.SEEK_END)
            tail = file.read()
        if tail != _MARKS.get(kind, b""):
            raise DataError(
                f"{place}: begins as {kind.value} and does not end as one: cut off, or not finished yet; get it again"
            )
        if kind is Format.PARQUET:
            with pq.ParquetFile(place) as parquet:
                return Facts(kind, named(parquet.schema_arrow, place), parquet.metadata.num_rows)
        if kind is Format.STREAM:
            with pa.OSFile(place) as source, ipc.open_stream(source) as reader:
                return Facts(kind, named(reader.schema, place), None)
        # Mapped, because counting visits every batch, which would otherwise be read whole.
        fragment = ds.IpcFileFormat().make_fragment(place, pafs.LocalFileSystem(use_mmap=True))
        schema = named(fragment.physical_schema, place)
        countable = len(set(schema.names)) == len(schema.names)
        return Facts(kind, schema, fragment.count_rows() if countable else None)


def named(schema: pa.Schema, place: str) -> pa.Schema:
    """The schema, when its columns' names can be read as text. Raises `DataError`."""
    try:
        schema.names  # noqa: B018 - reading them is what may fail
    except UnicodeDecodeError as error:
        raise DataError(
            f"{place}: the name of a column is {error.object!r}, which is not UTF-8: the file is damaged, or its "
            "writer was wrong; write it again"
        ) from None
    return schema


def batches(path: Path, kind: Format, columns: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
    """The rows of a regular file, in order, in batches of any size that hold `columns` at least. Raises `DataError`."""
    place = str(path)
    with explained(place):
        if kind is Format.PARQUET:
            # Small buffers instead of pre-buffering, which holds whole row groups.
            with pq.ParquetFile(
                place, buffer_size=_PARQUET_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True
            ) as parquet:
                yield from parquet.iter_batches(batch_size=batch_rows, columns=list(columns))
        elif kind is Format.FILE:
            yield from _file_batches(place, columns)
        else:
            with pa.memory_map(place) as source, ipc.open_stream(source) as reader:
                yield from map(sound, reader)
                position, size = source.tell(), source.size()
                source.seek(max(0, position - len(_END_OF_STREAM)))
                marked = source.read(len(_END_OF_STREAM)) == _END_OF_STREAM
                check_end(place, marked=marked, more=position < size)


def check_end(place: str, *, marked: bool, more: bool) -> None:
    """Raise `DataError` unless an Arrow stream ended with its marker and nothing came after.

    Arrow lets a stream end without the marker, but then nobody knows whether rows are missing.
    """
    if not marked:
        raise DataError(
            f"{place}: the Arrow IPC stream ends without its end marker, so rows may be missing: its writer was cut "
            "off or did not close it; write it again"
        )
    if more:
        raise DataError(
            f"{place}: bytes follow the end of the Arrow IPC stream, perhaps a second stream; give each stream as a "
            "file of its own"
        )


@contextlib.contextmanager
def explained(place: str) -> Iterator[None]:
    """Turn what Arrow or the system raises into a `DataError` of one line that begins with `place`."""
    try:
        yield
    except pa.ArrowNotImplementedError as error:
        raise DataError(
            f"{place}: uses what this version of Arrow cannot read: {_line(error)}; write it again"
        ) from error
    except pa.ArrowMemoryError as error:
        raise DataError(
            f"{place}: claims more than memory holds: {_line(error)}; damaged, or too large a batch"
        ) from error
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise DataError(f"{place}: damaged: {_line(error)}; get it again") from error
    except OSError as error:
        # Arrow reports damage as a plain OSError too, one without a number.
        if not error.errno:
            raise DataError(f"{place}: damaged or cut off: {_line(error)}; get it again") from error
        reason = os.strerror(error.errno)
        raise DataError(f"{place}: cannot be read: {reason}; check the path and its permissions") from error


def _file_batches(place: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    with pa.memory_map(place) as source, ipc.open_file(source) as reader:
        count = reader.num_record_batches
        options = ipc.IpcReadOptions(included_fields=[reader.schema.get_field_index(name) for name in columns])
        # A mapped batch comes whole and takes no memory, and choosing columns while reading would copy it.
        if count > 0 and (source.size() // count > _MAPPED_BATCH_BYTES or _lies_within(reader.get_batch(0), source)):
            for index in range(count):
                yield sound(reader.get_batch(index).select(list(columns)))
            return
    # Compressed: a batch that comes whole is a batch whose every column is decompressed.
    with pa.OSFile(place) as source, ipc.open_file(source, options=options) as reader:
        for index in range(count):
            yield sound(reader.get_batch(index).select(list(columns)))


def _lies_within(batch: pa.RecordBatch, source: pa.MemoryMappedFile) -> bool:
    """Whether the batch is a view of the mapped file; it is none where Arrow had to decompress or to swap bytes."""
    source.seek(0)
    mapped = source.read_buffer(source.size())
    end = mapped.address + mapped.size
    buffers = [buffer for column in batch.columns for buffer in column.buffers() if buffer is not None and buffer.size]
    return all(mapped.address <= buffer.address < end for buffer in buffers)


def sound(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch, its offsets and dictionary codes within their bounds. Text need not be UTF-8: that is for the
    contract to judge."""
    for column in batch.columns:
        _check(column)
    return batch


def _check(array: pa.Array) -> None:
    kind = array.type
    if pt.is_dictionary(kind):
        array.validate()
        _check(array.dictionary)
        codes = pc.min_max(array.indices)
        low, high = codes["min"].as_py(), codes["max"].as_py()
        if low is not None and (low < 0 or high >= len(array.dictionary)):
            raise pa.ArrowInvalid(f"dictionary code {high if low >= 0 else low} of {len(array.dictionary)} entries")
    elif pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind):
        array.view(_AS_BINARY[str(kind)]).validate(full=True)
    else:
        # Numbers have no offsets to follow; the plain check of their buffers' sizes is enough, and takes no time.
        array.validate(full=not pt.is_primitive(kind))


def _line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).strip()
