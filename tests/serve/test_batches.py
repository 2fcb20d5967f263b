"""The batches that come out of a reading: their sizes and types, their life, and the memory they take."""

import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import ipc

from sternpost.errors import DataError
from sternpost.serve import formats
from sternpost.serve.files import even_batches, open_input
from tests.serve.tables import SUFFIXES, flights, write


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=30), st.integers(1, 30))
def test_even_batches(sizes, batch_rows):
    batches, start = [], 0
    for size in sizes:
        batches.append(pa.record_batch({"n": pa.array(range(start, start + size), pa.int64())}))
        start += size
    out = list(even_batches(batches, batch_rows))
    assert [n for batch in out for n in batch["n"].to_pylist()] == list(range(start))
    lengths = [len(batch) for batch in out]
    assert all(0 < length <= batch_rows for length in lengths)
    assert all(one + two > batch_rows for one, two in pairwise(lengths))


KINDS = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.dictionary(pa.int8(), pa.string()),
    pa.dictionary(pa.uint32(), pa.large_string()),
    pa.binary(),
    pa.list_(pa.int16()),
    pa.decimal128(21, 2),
    pa.timestamp("us", "UTC"),
    pa.bool_(),
    pa.float32(),
    pa.null(),
]


def column(kind, start):
    """Six values, one null, those of a dictionary in an order of their own."""
    words = [f"w{(start + i) % 4}" for i in range(5)]
    if pa.types.is_dictionary(kind):
        return pa.array([*words, None]).dictionary_encode().cast(kind)
    if kind == pa.null():
        return pa.nulls(6)
    if pa.types.is_list(kind):
        return pa.array([[start, None], [], None, [1], [2], [3]], kind)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind in (pa.string_view(), pa.binary()):
        return pa.array([*words, None]).cast(kind)
    if kind == pa.bool_():
        return pa.array([True, False, None, True, True, False])
    return pa.array([start, None, 2, 3, 4, 5]).cast(pa.int32()).cast(pa.int64()).cast(kind, safe=False)


@pytest.mark.parametrize("suffix", [".arrow", ".arrows"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_small_batches_of_every_type_are_put_together(tmp_path, suffix, kind):
    path = tmp_path / f"a{suffix}"
    batches = [pa.record_batch({"c": column(kind, start)}) for start in range(9)]
    if suffix == ".arrow" and pa.types.is_dictionary(kind):
        batches = [batches[0]] * 9  # a dictionary cannot change within an Arrow file
    make = ipc.new_file if suffix == ".arrow" else ipc.new_stream
    with make(path, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    opened = open_input([path], batch_rows=20)
    out = list(opened.batches())
    assert [len(batch) for batch in out] == [18, 18, 18]
    assert [v for b in out for v in b["c"].to_pylist()] == [v for b in batches for v in b["c"].to_pylist()]


def test_batches_outlive_the_input(tmp_path):
    for suffix in SUFFIXES:
        path = write(flights(3_000), tmp_path / f"a{suffix}")
        with open_input([path]) as opened:
            batches = list(opened.batches())
        path.unlink()
        assert pa.Table.from_batches(batches).equals(flights(3_000))


def test_stopping_early(tmp_path):
    path = write(flights(50_000), tmp_path / "a.parquet")
    open_files = len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0
    with open_input([path], batch_rows=100) as opened:
        batches = opened.batches()
        assert next(batches)["row"][0].as_py() == 0
    assert not [thread for thread in threading.enumerate() if thread.name == "sternpost-read-ahead"]
    assert list(batches) == []
    if sys.platform == "linux":
        assert len(list(Path("/proc/self/fd").iterdir())) == open_files


def test_a_file_that_vanishes_or_changes_while_it_is_read(tmp_path):
    one, two = (write(flights(10), tmp_path / f"{name}.parquet") for name in "ab")
    opened = open_input([one, two])
    two.unlink()
    batches = opened.batches()
    with pytest.raises(DataError, match=r"b\.parquet: cannot be read: No such file"):
        list(batches)
    write(flights(10).rename_columns(["row", "delay", "carriers"]), two)
    with pytest.raises(DataError, match=r"b\.parquet: .*carrier"):
        list(opened.batches())


def peak_growth(path, **how):
    """How many MB a fresh process needs to read the file, beyond what it has after its imports."""
    code = (
        "import sys, pyarrow as pa, pyarrow.parquet, pyarrow.dataset\n"
        "from sternpost.serve.files import open_input\n"
        "opened = open_input(sys.argv[1:], batch_rows=20_000)\n"
        "rows = sum(len(b) for b in opened.batches())\n"
        "print(rows, pa.default_memory_pool().max_memory() // 1_000_000)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=120, check=True)
    rows, megabytes = done.stdout.split()
    return int(rows), int(megabytes)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("one_piece", [False, True])
def test_memory_does_not_grow_with_the_file(tmp_path, suffix, one_piece):
    """160 MB of numbers, in row groups or batches of 20,000 rows or all in one."""
    rng = np.random.default_rng(1)
    table = pa.table({f"c{i}": rng.random(2_000_000) for i in range(10)})
    path = write(table, tmp_path / f"a{suffix}", 2_000_000 if one_piece else 20_000)
    rows, megabytes = peak_growth(path)
    assert rows == 2_000_000
    assert megabytes < 60


def test_reading_goes_on_in_order_over_many_files(tmp_path):
    for i in range(60):
        write(flights(37, i * 37), tmp_path / f"{i:03}.parquet")
    opened = open_input([tmp_path], batch_rows=100)
    assert opened.row_count == 60 * 37
    rows = [row for batch in opened.batches() for row in batch["row"].to_pylist()]
    assert rows == list(range(60 * 37))


@pytest.mark.parametrize("compression", [None, "lz4"])
def test_an_uncompressed_file_is_looked_at_and_not_copied(tmp_path, compression):
    """Batches of a mapped file lie in the page cache; of a compressed one only the wanted columns are unpacked."""
    numbers = np.arange(100_000.0)
    table = pa.table({f"c{i}": numbers for i in range(20)})
    path = tmp_path / "a.arrow"
    with ipc.new_file(path, table.schema, options=ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, 10_000)
    kept = []
    before = pa.total_allocated_bytes()
    for batch in formats.batches(path, formats.Format.FILE, ["c3", "c17"], 10_000):
        assert batch.schema.names == ["c3", "c17"]
        kept.append(batch)
    taken = pa.total_allocated_bytes() - before
    assert pa.Table.from_batches(kept).equals(table.select(["c3", "c17"]))
    if compression is None:
        assert taken == 0
    else:
        assert numbers.nbytes * 2 <= taken < numbers.nbytes * 4
