"""One digest for the content of an Arrow table, however it is laid out in memory.

The definition (word for word what `docs/bundle-format.md` says). The digest is the sha256 of canonical JSON:

    {"columns":[{"name":NAME,"streams":[[KIND,SHA256],...],"type":TYPE},...],"format":1,"rows":N}

Columns in table order. A stream is a run of bytes over all rows, and SHA256 its sha256 in hex. A column has, in this
order:

- `valid`: one byte per row, 1 for a value, 0 for null. The type `null` has no streams at all.
- `values`, for types of fixed width: the values that are not null, little-endian, as Arrow stores them; a bool is one
  byte, 0 or 1. Floats count by their bits: -0.0 is not 0.0, and the payload of a NaN matters.
- `lengths`, then `bytes`, for text and binary: the byte length of each value that is not null, as little-endian int64;
  the bytes of these values, one after the other.
- `lengths`, for lists: the number of elements of each list that is not null, likewise (none for lists of fixed size);
  then the streams of the elements of these lists.
- for structs: the streams of each field, over the structs that are not null.

TYPE is the type as Arrow names it ("int64", "double", "bool", "timestamp[us, tz=UTC]", "decimal128(9, 2)"). How values
are encoded is no part of it: a dictionary or run-end encoding has the type of its values; string, large_string and
string_view are "string", binary likewise "binary"; list and large_list are {"list":TYPE}, a list of fixed size
{"list":TYPE,"size":N}, a struct {"struct":[[NAME,TYPE],...]}. Metadata and the nullable flag do not count.

Owed to callers: chunks, slices, the order of a dictionary, offset widths and the bytes that lie under nulls never show;
the memory in use beside the table is that of `BLOCK_ROWS` rows of one column.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from sternpost.bundle.canonical import canonical_json
from sternpost.errors import ContractError

BLOCK_ROWS = 16_384


def data_digest(table: pa.Table) -> str:
    """The digest, 64 hex characters. Raises `ContractError` naming a column whose type has none (union, map,
    extension)."""
    columns = []
    for field, column in zip(table.schema, table.columns, strict=True):
        try:
            streams = _Streams(field.type)
        except NotImplementedError as error:
            raise ContractError(
                f"column {field.name!r} cannot be part of a data digest: no rule for type {error}; "
                "drop the column or cast it to a flat type"
            ) from None
        for chunk in column.chunks:
            streams.update(chunk)
        columns.append({"name": field.name, "type": streams.type, "streams": list(streams.digests())})
    return hashlib.sha256(canonical_json({"format": 1, "rows": table.num_rows, "columns": columns})).hexdigest()


class _Streams:
    """The running streams of one column, or of the elements of one, or of one of its fields."""

    def __init__(self, kind: pa.DataType) -> None:
        kind = _value_type(kind)
        children, own = _shape(kind)
        self._children = [_Streams(child) for child in children]
        self._own = {name: hashlib.sha256() for name in own}
        self.type: Any = _type_name(kind, [child.type for child in self._children])

    def update(self, array: pa.Array) -> None:
        """Take in the next rows."""
        if self._own:
            for start in range(0, len(array), BLOCK_ROWS):
                self._update_block(_decoded(array.slice(start, BLOCK_ROWS)))

    def digests(self) -> Iterator[list[str]]:
        """`[kind, sha256]` of each stream, own streams first."""
        for name, running in self._own.items():
            yield [name, running.hexdigest()]
        for child in self._children:
            yield from child.digests()

    def _update_block(self, block: pa.Array) -> None:
        self._own["valid"].update(_bytes(block.is_valid().cast(pa.uint8()), 1))
        # What lies under nulls stays behind. Without nulls this is the block itself, offset and all.
        block = block.drop_null()
        if "values" in self._own:
            boolean = pt.is_boolean(block.type)
            self._own["values"].update(_bytes(block.cast(pa.uint8()), 1) if boolean else _bytes(block))
        if "lengths" in self._own:
            offsets = _offsets(block)
            self._own["lengths"].update(np.diff(offsets).astype("<i8"))
            if "bytes" in self._own and offsets[-1] > offsets[0]:
                self._own["bytes"].update(memoryview(block.buffers()[2])[offsets[0] : offsets[-1]])
        if self._children:
            flat = block.flatten()
            for child, values in zip(self._children, flat if pt.is_struct(block.type) else [flat], strict=True):
                child.update(values)


def _value_type(kind: pa.DataType) -> pa.DataType:
    while pt.is_dictionary(kind) or pt.is_run_end_encoded(kind):
        kind = kind.value_type
    return kind


def _decoded(block: pa.Array) -> pa.Array:
    while pt.is_dictionary(block.type) or pt.is_run_end_encoded(block.type):
        block = block.dictionary_decode() if pt.is_dictionary(block.type) else pc.run_end_decode(block)
    if pt.is_string_view(block.type) or pt.is_binary_view(block.type):
        return block.cast(pa.large_binary())
    return block


def _shape(kind: pa.DataType) -> tuple[list[pa.DataType], Sequence[str]]:
    """The types inside, and the kinds of streams of its own. Raises `NotImplementedError` for a type without a rule."""
    if pt.is_null(kind):
        return [], ()
    if _text(kind):
        return [], ("valid", "lengths", "bytes")
    if pt.is_list(kind) or pt.is_large_list(kind):
        return [kind.value_type], ("valid", "lengths")
    if pt.is_fixed_size_list(kind):
        return [kind.value_type], ("valid",)
    if pt.is_struct(kind):
        return [field.type for field in kind], ("valid",)
    if pt.is_primitive(kind) or pt.is_decimal(kind) or pt.is_fixed_size_binary(kind):
        return [], ("valid", "values")
    raise NotImplementedError(str(kind))


def _type_name(kind: pa.DataType, inside: list[Any]) -> Any:
    if name := _text(kind):
        return name
    if pt.is_fixed_size_list(kind):
        return {"list": inside[0], "size": kind.list_size}
    if pt.is_list(kind) or pt.is_large_list(kind):
        return {"list": inside[0]}
    if pt.is_struct(kind):
        return {"struct": [[field.name, name] for field, name in zip(kind, inside, strict=True)]}
    return str(kind)


def _text(kind: pa.DataType) -> str | None:
    if pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind):
        return "string"
    if pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_binary_view(kind):
        return "binary"
    return None


def _bytes(block: pa.Array, width: int = 0) -> memoryview | bytes:
    """The value bytes of an array of fixed width, its offset taken into account."""
    width = width or block.type.bit_width // 8
    data = block.buffers()[1]
    if not len(block) or data is None:
        return b""
    return memoryview(data)[block.offset * width : (block.offset + len(block)) * width]


def _offsets(block: pa.Array) -> Any:
    """The n + 1 offsets of text, binary or a list, as a numpy array."""
    large = pt.is_large_string(block.type) or pt.is_large_binary(block.type) or pt.is_large_list(block.type)
    data = block.buffers()[1]
    if not len(block) or data is None:
        return np.zeros(1, np.int64)
    kind = np.dtype(np.int64 if large else np.int32)
    return np.frombuffer(data, kind, len(block) + 1, block.offset * kind.itemsize)
