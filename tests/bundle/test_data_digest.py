"""The data digest: blind to how a table lies in memory, sensitive to everything it says."""

import hashlib
import json
import struct
import tracemalloc
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sternpost.bundle import data_digest as module
from sternpost.bundle.data_digest import data_digest
from sternpost.errors import ContractError

MOMENT = datetime(2013, 1, 31, tzinfo=UTC)
VALUES = {
    pa.float64(): st.floats(),
    pa.float32(): st.floats(width=32),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint8(): st.integers(0, 255),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(max_size=12),
    pa.binary(): st.binary(max_size=12),
    pa.binary(3): st.binary(min_size=3, max_size=3),
    pa.timestamp("us", "UTC"): st.integers(-(2**62), 2**62),
    pa.date32(): st.integers(-(2**31), 2**31 - 1),
    pa.decimal128(9, 2): st.integers(-(10**9) + 1, 10**9 - 1).map(lambda n: Decimal(n) / 100),
    pa.null(): st.none(),
    pa.list_(pa.string()): st.lists(st.none() | st.text(max_size=4), max_size=4),
    pa.list_(pa.bool_(), 2): st.lists(st.none() | st.booleans(), min_size=2, max_size=2),
    pa.struct({"a": pa.int32(), "b": pa.string()}): st.fixed_dictionaries(
        {"a": st.none() | st.integers(0, 9), "b": st.none() | st.text(max_size=3)}
    ),
}


@st.composite
def columns(draw):
    """A type and the values of a column, about one null in three."""
    kind = draw(st.sampled_from(list(VALUES)))
    value = VALUES[kind]
    return kind, draw(st.lists(st.one_of(value, value, st.none()), max_size=40))


def relaid(draw, kind, values):
    """The same column in other clothes: chunks, offsets, dictionaries, wider offsets, junk under the nulls."""
    filler = next((value for value in values if value is not None), None)
    chunks, start = [], 0
    while start < len(values) or draw(st.booleans()):
        stop = draw(st.integers(start, len(values)))
        before, after = draw(st.integers(0, 9)), draw(st.integers(0, 9))
        array = junk_under_nulls(pa.array([filler] * before + values[start:stop] + [filler] * after, kind), filler)
        chunks.append(array.slice(before, stop - start))
        start = stop
        if len(chunks) > 12:
            chunks.append(pa.array(values[start:], kind))
            break
    column = pa.chunked_array(chunks, kind)
    clothes = draw(st.sampled_from(CLOTHES.get(kind, [lambda c: c])))
    return clothes(column)


def junk_under_nulls(array, filler):
    """Arrow leaves bytes under nulls undefined; here they are those of another value."""
    if filler is None or not array.null_count or pa.types.is_nested(array.type):
        return array
    solid = array.fill_null(pa.scalar(filler, array.type)) if array.type != pa.binary(3) else array
    buffers = solid.buffers()
    return pa.Array.from_buffers(array.type, len(array), [array.is_valid().buffers()[1], *buffers[1:]])


def shuffled_dictionary(column):
    """Dictionary encoded, its entries in another order in each chunk, with one that nobody uses."""
    chunks = []
    for chunk in column.chunks:
        encoded = chunk.dictionary_encode()
        size = len(encoded.dictionary)
        entries = pa.concat_arrays(
            [pa.nulls(1, chunk.type), encoded.dictionary.take(pa.array(range(size), pa.int64())[::-1])]
        )
        codes = [None if code is None else size - code for code in encoded.indices.to_pylist()]
        chunks.append(pa.DictionaryArray.from_arrays(pa.array(codes, pa.int16()), entries))
    return pa.chunked_array(chunks, pa.dictionary(pa.int16(), column.type))


def nulls_inside_the_dictionary(column):
    """A null can also be a code that points to a null entry."""
    chunks = []
    for chunk in column.chunks:
        codes = pa.array(range(len(chunk)), pa.int32())
        chunks.append(pa.DictionaryArray.from_arrays(codes, chunk))
    return pa.chunked_array(chunks, pa.dictionary(pa.int32(), column.type))


def run_ends(column):
    chunks = [pc.run_end_encode(chunk) for chunk in column.chunks]
    return pa.chunked_array(chunks, pa.run_end_encoded(pa.int32(), column.type))


def plain(column):
    return column


DICTIONARIES = [plain, shuffled_dictionary, nulls_inside_the_dictionary, run_ends]
CLOTHES = {
    pa.string(): [*DICTIONARIES, lambda c: c.cast(pa.large_string()), lambda c: c.cast(pa.string_view())],
    pa.binary(): [*DICTIONARIES, lambda c: c.cast(pa.large_binary()), lambda c: c.cast(pa.binary_view())],
    pa.int64(): DICTIONARIES,
    pa.float64(): [plain, nulls_inside_the_dictionary],
    pa.timestamp("us", "UTC"): DICTIONARIES,
    pa.list_(pa.string()): [plain, lambda c: c.cast(pa.large_list(pa.large_string()))],
}


@settings(max_examples=400, deadline=None, print_blob=True)
@given(st.data(), columns(), st.sampled_from([1, 3, 7, 16_384]))
def test_layout_does_not_matter(data, column, block_rows):
    kind, values = column
    plainly = data_digest(pa.table({"c": pa.chunked_array([pa.array(values, kind)])}))
    module.BLOCK_ROWS, before = block_rows, module.BLOCK_ROWS
    try:
        relaid_column = relaid(data.draw, kind, values)
        assert data_digest(pa.table({"c": relaid_column})) == plainly
    finally:
        module.BLOCK_ROWS = before


@settings(max_examples=300, deadline=None, print_blob=True)
@given(columns(), columns())
def test_different_columns_differ(one, two):
    arrays = [pa.array(values, kind) for kind, values in (one, two)]
    same = arrays[0].type == arrays[1].type and bits(arrays[0]) == bits(arrays[1])
    digests = [data_digest(pa.table({"c": array})) for array in arrays]
    assert (digests[0] == digests[1]) == same


def bits(array):
    """Values in which NaNs and zeros are told apart by their bits."""
    if pa.types.is_floating(array.type):
        return [None if v is None else struct.pack("<d", v) for v in array.to_pylist()]
    if pa.types.is_temporal(array.type):
        return array.view(pa.int32() if array.type.bit_width == 32 else pa.int64()).to_pylist()
    return array.to_pylist()


@settings(max_examples=300, deadline=None, print_blob=True)
@given(st.data(), columns().filter(lambda column: len(column[1]) > 0 and column[0] != pa.null()))
def test_one_changed_value_shows(data, column):
    kind, values = column
    place = data.draw(st.integers(0, len(values) - 1))
    changed = list(values)
    changed[place] = data.draw(st.none() | VALUES[kind])
    before, after = pa.array(values, kind), pa.array(changed, kind)
    digests = [data_digest(pa.table({"c": array})) for array in (before, after)]
    assert (digests[0] == digests[1]) == (bits(before) == bits(after))


BASE = pa.table({"a": pa.array([1, 2, None], pa.int64()), "b": pa.array(["x", "", None])})


@pytest.mark.parametrize(
    "other",
    [
        BASE.rename_columns(["a", "c"]),
        BASE.rename_columns(["b", "a"]),
        BASE.select(["b", "a"]),
        BASE.select(["a"]),
        BASE.slice(0, 2),
        BASE.slice(0, 0),
        BASE.take(pa.array([1, 0, 2])),
        BASE.set_column(0, "a", BASE["a"].cast(pa.int32())),
        BASE.set_column(0, "a", BASE["a"].cast(pa.uint64())),
        BASE.set_column(0, "a", BASE["a"].cast(pa.float64())),
        BASE.set_column(0, "a", BASE["a"].fill_null(0)),
        BASE.set_column(1, "b", BASE["b"].fill_null("")),
        BASE.set_column(1, "b", BASE["b"].cast(pa.binary())),
        BASE.set_column(1, "b", pa.array(["", "x", None])),
        BASE.append_column("c", pa.nulls(3)),
        pa.concat_tables([BASE, BASE.slice(2)]),
    ],
)
def test_every_difference_in_content_shows(other):
    assert data_digest(other) != data_digest(BASE)


def test_what_has_equal_bytes_and_another_meaning_differs():
    kinds = [
        pa.timestamp("us", "UTC"),
        pa.timestamp("us"),
        pa.timestamp("ms", "UTC"),
        pa.timestamp("us", "Europe/Oslo"),
    ]
    kinds += [pa.int64(), pa.uint64(), pa.float64(), pa.duration("us"), pa.date64(), pa.binary(8)]
    data = pa.py_buffer(bytes(16))
    digests = {data_digest(pa.table({"c": pa.Array.from_buffers(kind, 2, [None, data])})) for kind in kinds}
    assert len(digests) == len(kinds)
    decimals = [pa.decimal128(9, 2), pa.decimal128(9, 3), pa.decimal128(8, 2), pa.binary(16)]
    assert len({data_digest(pa.table({"c": pa.Array.from_buffers(k, 1, [None, data])})) for k in decimals}) == 4


def test_bits_of_floats_count():
    def digest(*patterns):
        return data_digest(pa.table({"c": np.array(patterns, np.uint64).view(np.float64)}))

    nan, negative_nan, payload = 0x7FF8 << 48, 0xFFF8 << 48, (0x7FF8 << 48) | 1
    assert len({digest(nan), digest(negative_nan), digest(payload), digest(0), digest(1 << 63)}) == 5


def test_metadata_and_nullability_do_not_count():
    schema = pa.schema([pa.field("a", pa.int64(), metadata={"k": "v"}), pa.field("b", pa.string())], {"m": "n"})
    assert data_digest(BASE.cast(schema)) == data_digest(BASE)
    solid, loose = (pa.schema([pa.field("a", pa.int64(), nullable=n)]) for n in (False, True))
    assert data_digest(pa.table({"a": [1]}, solid)) == data_digest(pa.table({"a": [1]}, loose))


def test_empty_tables():
    assert data_digest(pa.table({})) != data_digest(pa.table({"a": pa.array([], pa.int64())}))
    assert data_digest(pa.table({"a": pa.nulls(2)})) != data_digest(pa.table({"a": pa.nulls(3)}))


def test_text_that_is_not_utf8():
    data = [pa.py_buffer(struct.pack("<3i", 0, 1, 2)), pa.py_buffer(b"\xff\xfe")]
    array = pa.Array.from_buffers(pa.string(), 2, [None, *data])
    other = pa.Array.from_buffers(pa.string(), 2, [None, data[0], pa.py_buffer(b"\xff\xff")])
    assert data_digest(pa.table({"c": array})) != data_digest(pa.table({"c": other}))


@pytest.mark.parametrize("kind", [pa.map_(pa.string(), pa.int8()), pa.list_(pa.list_view(pa.int8())), pa.uuid()])
def test_types_without_a_rule(kind):
    with pytest.raises(ContractError, match=r"column 'c' .*drop the column"):
        data_digest(pa.table({"c": pa.nulls(1, kind)}))


def test_definition_as_written_down():
    """`docs/bundle-format.md` followed by hand, without Arrow."""

    def sha(data):
        return hashlib.sha256(data).hexdigest()

    table = pa.table(
        {
            "f": pa.array([1.5, None, -0.0]),
            "t": pa.array(["ab", None, "c"]).dictionary_encode(),
            "b": pa.array([True, False, None]),
            "d": pa.array([date(1970, 1, 2), None, None]),
            "l": pa.array([[1, None], None, []], pa.list_(pa.int16())),
            "n": pa.nulls(3),
        }
    )
    valid = {"f": b"\1\0\1", "t": b"\1\0\1", "b": b"\1\1\0", "d": b"\1\0\0", "l": b"\1\0\1"}
    streams = {
        "f": [["values", sha(struct.pack("<2d", 1.5, -0.0))]],
        "t": [["lengths", sha(struct.pack("<2q", 2, 1))], ["bytes", sha(b"abc")]],
        "b": [["values", sha(b"\1\0")]],
        "d": [["values", sha(struct.pack("<i", 1))]],
        "l": [
            ["lengths", sha(struct.pack("<2q", 2, 0))],
            ["valid", sha(b"\1\0")],
            ["values", sha(struct.pack("<h", 1))],
        ],
    }
    types = {"f": "double", "t": "string", "b": "bool", "d": "date32[day]", "l": {"list": "int16"}}
    columns = [
        {"name": name, "type": types[name], "streams": [["valid", sha(valid[name])], *streams[name]]} for name in valid
    ]
    columns.append({"name": "n", "type": "null", "streams": []})
    text = json.dumps({"format": 1, "rows": 3, "columns": columns}, sort_keys=True, separators=(",", ":"))
    assert data_digest(table) == sha(text.encode() + b"\n")


def test_memory_does_not_grow_with_the_table():
    def peak(rows):
        column = pa.array(np.arange(rows, dtype=np.float64), mask=np.arange(rows) % 3 == 0)
        table = pa.table({"x": column, "s": pa.array(["abc"] * rows).dictionary_encode()})
        before = pa.total_allocated_bytes()
        pool = pa.default_memory_pool()
        tracemalloc.start()
        data_digest(table)
        traced = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert pool.bytes_allocated() == before
        return traced

    assert peak(2_000_000) < peak(100_000) + 500_000
