"""Reading: formats, folders, globs, pipes, schemas, batches; and memory that does not grow."""

import contextlib
import io
import os
import shutil
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import feather, ipc

from sternpost.errors import ContractError, DataError, UsageError
from sternpost.serve.files import even_batches, open_input
from tests.serve.tables import SUFFIXES, flights, read, write


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("rows", "batch_rows"), [(0, 10), (1, 10), (5_000, 700), (5_000, 10_000), (5_000, 1_000)])
def test_one_file(tmp_path, suffix, rows, batch_rows):
    table = flights(rows)
    path = write(table, tmp_path / f"a{suffix}")
    with open_input([path], batch_rows=batch_rows) as opened:
        assert opened.schema.equals(table.schema)
        assert opened.row_count == (None if suffix == ".arrows" else rows)
        assert opened.files == (path,)
        sizes = [len(batch) for batch in opened.batches()]
        assert all(0 < size <= batch_rows for size in sizes)
        assert sum(sizes) == rows
        assert read(opened).equals(table), "and it can be read again"


def test_feather_and_names_that_say_nothing(tmp_path):
    table = flights(3_000)
    feather.write_feather(table, tmp_path / "a.feather", compression="lz4")
    shutil.copy(tmp_path / "a.feather", tmp_path / "_no suffix, % and ü.parquet")
    shutil.copy(write(table, tmp_path / "b.parquet"), tmp_path / ".c.arrow")
    for name in ("a.feather", "_no suffix, % and ü.parquet", ".c.arrow"):
        assert read(open_input([str(tmp_path / name)])).equals(table)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_columns_in_the_order_asked_for(tmp_path, suffix):
    table = flights(2_500)
    path = write(table, tmp_path / f"a{suffix}")
    opened = open_input([path], columns=["carrier", "row"], batch_rows=999)
    assert opened.schema.names == ["carrier", "row"]
    assert read(opened).equals(table.select(["carrier", "row"]))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_folders_globs_and_their_order(tmp_path, suffix):
    whole = flights(400)
    (tmp_path / "sub").mkdir()
    for i, name in enumerate(["b", "a10", "sub/x", "a9"]):
        write(whole.slice(i * 100, 100), tmp_path / f"{name}{suffix}")
    for name in (".hidden", "_SUCCESS", "_temporary"):
        (tmp_path / name).write_bytes(b"no data")
        (tmp_path / f"{name}_folder").mkdir()
        write(whole, tmp_path / f"{name}_folder" / f"a{suffix}")
    by_name = [f"{name}{suffix}" for name in ("a10", "a9", "b", "sub/x")]
    for sources in (
        [tmp_path],
        [tmp_path / f"**/*{suffix}"],
        [tmp_path / f"*{suffix}", tmp_path / "sub"],
        [tmp_path / "a*", tmp_path / "[bs]*"],
        [str(tmp_path) + "/**"],
    ):
        opened = open_input(sources)
        assert [str(path.relative_to(tmp_path)) for path in opened.files] == by_name
        order = [1, 3, 0, 2]
        assert read(opened)["row"].to_pylist() == [row for i in order for row in range(i * 100, i * 100 + 100)]
    backwards = [tmp_path / f"b{suffix}", tmp_path / f"a9{suffix}"]
    assert open_input(backwards).files == tuple(backwards)


def test_a_name_that_looks_like_a_pattern(tmp_path):
    write(flights(1), tmp_path / "a1.parquet")
    path = write(flights(2), tmp_path / "a[1].parquet")
    assert open_input([path]).row_count == 2


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_folders_that_are_keys(tmp_path, suffix):
    for year in (2013, 2014):
        for carrier in ("A%20A", "__HIVE_DEFAULT_PARTITION__"):
            folder = tmp_path / f"year={year}" / f"carrier={carrier}"
            folder.mkdir(parents=True)
            write(flights(10).select(["row"]), folder / f"x{suffix}")
    opened = open_input([tmp_path])
    assert opened.schema.names == ["row", "year", "carrier"]
    table = read(opened)
    keys = [(row["year"], row["carrier"]) for row in table.to_pylist()[::10]]
    assert keys == [(2013, "A A"), (2013, None), (2014, "A A"), (2014, None)]
    only = open_input([tmp_path], columns=["year"])
    assert read(only)["year"].to_pylist() == table["year"].to_pylist()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_rows_at_all(tmp_path, suffix):
    table = flights(0)
    write(table, tmp_path / f"a{suffix}")
    write(table, tmp_path / f"b{suffix}")
    assert list(open_input([tmp_path]).batches()) == []
    empty = [pa.record_batch(flights(0).to_pydict(), schema=table.schema)] * 3
    if suffix == ".arrows":
        with ipc.new_stream(tmp_path / "c.arrows", table.schema) as writer:
            for batch in empty:
                writer.write_batch(batch)
    assert list(open_input([tmp_path]).batches()) == []


def test_nothing_there(tmp_path):
    (tmp_path / "empty").mkdir()
    for source, words in (
        (tmp_path / "no.parquet", r"no\.parquet: no such file"),
        (tmp_path / "*.parquet", r"\*\.parquet: no files match"),
        (tmp_path / "empty", "no files in this folder"),
        (tmp_path / "**", "no files match"),
    ):
        with pytest.raises(DataError, match=words):
            open_input([source])


def test_what_makes_no_sense(tmp_path):
    path = write(flights(3), tmp_path / "a.parquet")
    (tmp_path / "link.parquet").symlink_to(path)
    for sources, how, words in (
        ([], {}, "no input"),
        ([path, path], {}, "named twice"),
        ([path, tmp_path / "link.parquet"], {}, "named twice"),
        ([tmp_path / "a*", tmp_path], {}, "named twice"),
        (["-", path], {}, "only be the one source"),
        (["/dev/null", path], {}, "only be the one source"),
        ([path], {"columns": []}, "at least one"),
        ([path], {"columns": ["row", "row"]}, "each once"),
        ([path], {"batch_rows": 0}, "at least one row"),
    ):
        with pytest.raises(UsageError, match=words):
            open_input(sources, **how)
    with pytest.raises(ContractError, match="no column 'delays'; did you mean 'delay'"):
        open_input([path], columns=["row", "delays"])
    with pytest.raises(ContractError, match="no column 'xyz'; it has row, delay, carrier"):
        open_input([path], columns=["xyz"])


def test_formats_that_are_mixed(tmp_path):
    one, two = (write(flights(3), tmp_path / name) for name in ("a.parquet", "b.arrow"))
    with pytest.raises(DataError, match=r"a\.parquet is a Parquet file, .*b\.arrow is an Arrow IPC file"):
        open_input([one, two])
    write(flights(3), tmp_path / "c.arrows")
    with pytest.raises(DataError, match="formats are mixed"):
        open_input([tmp_path / "*.arrow*"])


BASE = flights(3)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("other", "words"),
    [
        (BASE.drop_columns(["delay"]), r"a.* has a column 'delay', .*b.* has no such column"),
        (BASE.append_column("more", BASE["row"]), r"b.* has a column 'more', .*a.* has none"),
        (BASE.set_column(1, "delay", BASE["row"]), r"column 'delay' is double in .*a.* and int64 in .*b"),
        (BASE.rename_columns(["row", "row", "carrier"]), r"a.* has a column 'row', .*b.* has more than one"),
    ],
)
def test_schemas_that_differ(tmp_path, suffix, other, words):
    one, two = write(BASE, tmp_path / f"a{suffix}"), write(other, tmp_path / f"b{suffix}")
    with pytest.raises(DataError, match=words) as error:
        open_input([one, two])
    assert "schemas differ" in str(error.value)
    opened = open_input([one, two], columns=["carrier"])
    assert read(opened).num_rows == 6, "what is not read may differ"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_order_metadata_and_nullability_may_differ(tmp_path, suffix):
    solid = pa.schema([field.with_nullable(False) for field in BASE.schema])
    solid = pa.schema([solid.field("row"), BASE.schema.field("delay"), solid.field("carrier")], {"pandas": "x"})
    one = write(BASE.cast(solid), tmp_path / f"a{suffix}")
    two = write(BASE.select(["carrier", "row", "delay"]), tmp_path / f"b{suffix}")
    opened = open_input([one, two])
    assert opened.schema.equals(BASE.schema, check_metadata=True)
    assert read(opened).equals(pa.concat_tables([BASE, BASE]))


def test_one_name_for_two_columns(tmp_path):
    path = write(BASE.rename_columns(["a", "b", "a"]), tmp_path / "x.arrow")
    with pytest.raises(DataError, match="column 'a' is there 2 times"):
        open_input([path])
    assert read(open_input([path], columns=["b"])).num_rows == 3


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


READER = (
    "import sys\n"
    "from sternpost.serve.files import open_input\n"
    "from sternpost.errors import SternpostError\n"
    "try:\n"
    "    with open_input(['-'], columns=None, batch_rows=700) as opened:\n"
    "        rows = [r for b in opened.batches() for r in b['row'].to_pylist()]\n"
    "        assert rows == list(range(len(rows)))\n"
    "        print(len(rows), opened.row_count)\n"
    "        try: list(opened.batches())\n"
    "        except SternpostError as error: print(error)\n"
    "except SternpostError as error: print(type(error).__name__, error)\n"
)


def through_stdin(data, *, as_file=None):
    if as_file is not None:
        as_file.write_bytes(data)
        with as_file.open("rb") as file:
            done = subprocess.run(
                [sys.executable, "-c", READER], stdin=file, capture_output=True, timeout=60, check=True
            )
    else:
        done = subprocess.run([sys.executable, "-c", READER], input=data, capture_output=True, timeout=60, check=True)
    assert done.stderr == b""
    return done.stdout.decode()


def stream_bytes(table, chunk=500):
    sink = io.BytesIO()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, chunk)
    return sink.getvalue()


def through_pipe(path, data):
    """All rows of a named pipe that `data` goes through."""
    if not path.exists():
        os.mkfifo(path)
    writer = threading.Thread(target=_pour, args=(path, data))
    writer.start()
    try:
        with open_input([path], batch_rows=700) as opened:
            return read(opened)
    finally:
        writer.join(10)


def _pour(path, data):
    with contextlib.suppress(BrokenPipeError):
        path.write_bytes(data)


def test_standard_input(tmp_path):
    stream = stream_bytes(flights(5_000))
    assert through_stdin(stream) == "5000 None\nstandard input can be read only once\n"
    assert through_stdin(stream, as_file=tmp_path / "x").startswith("5000 None\n")
    parquet = write(flights(5_000), tmp_path / "a.parquet").read_bytes()
    assert through_stdin(parquet, as_file=tmp_path / "x") == "5000 5000\n", "a file by redirection can be read twice"
    assert "DataError standard input: found a Parquet file, which cannot be read from a pipe" in through_stdin(parquet)
    assert through_stdin(stream[:-8]).startswith("DataError standard input: the Arrow IPC stream ends without its end")


def test_pipes(tmp_path):
    path = tmp_path / "fifo"
    assert through_pipe(path, stream_bytes(flights(5_000))).equals(flights(5_000))
    assert through_pipe(path, stream_bytes(flights(0))).equals(flights(0))
    for data, words in (
        (b"", "expected Parquet or Arrow IPC, found nothing"),
        (b"a,b\n1,2\n", "found text that begins with"),
        (write(flights(9), tmp_path / "a.arrow").read_bytes(), "an Arrow IPC file, which cannot be read from a pipe"),
    ):
        with pytest.raises(DataError, match=words):
            through_pipe(path, data)


def test_pipes_that_are_cut_off(tmp_path):
    path = tmp_path / "fifo"
    stream = stream_bytes(flights(5_000))
    step = len(stream) // 100
    for length in [4, 9, 100, *range(200, len(stream), step), *range(len(stream) - 12, len(stream))]:
        with pytest.raises(DataError, match="fifo: "):
            through_pipe(path, stream[:length])
    with pytest.raises(DataError, match="without its end marker"):
        through_pipe(path, stream[:-8])
    with pytest.raises(DataError, match="bytes follow the end"):
        through_pipe(path, stream + stream)


def test_a_named_pipe(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    table = flights(5_000)
    writer = threading.Thread(target=lambda: path.write_bytes(stream_bytes(table)))
    writer.start()
    with open_input([path], columns=["row", "carrier"]) as opened:
        assert opened.files == ()
        assert read(opened).equals(table.select(["row", "carrier"]))
        with pytest.raises(UsageError, match="only once"):
            list(opened.batches())
    writer.join(10)


def test_a_pipe_that_falls_silent_does_not_hold_anybody(tmp_path, monkeypatch):
    monkeypatch.setattr("sternpost.serve.read_ahead._PATIENCE_SECONDS", 0.2)
    path = tmp_path / "fifo"
    os.mkfifo(path)
    keep = []

    def start():
        file = path.open("wb", buffering=0)
        keep.append(file)
        stream = stream_bytes(flights(1_000), 100)
        file.write(stream[: len(stream) // 2])

    writer = threading.Thread(target=start)
    writer.start()
    with open_input([path], batch_rows=100) as opened:
        batches = opened.batches()
        seen = [next(batches)["row"][0].as_py()]

        def go_on():
            with contextlib.suppress(DataError):
                seen.extend(batch["row"][0].as_py() for batch in batches)

        other = threading.Thread(target=go_on)
        other.start()  # sits in the generator while it is closed here
        time.sleep(0.1)
    writer.join(10)
    keep[0].close()
    other.join(10)
    assert not other.is_alive()
    assert seen[:3] == [0, 100, 200]


def test_dev_null_and_a_terminal(tmp_path):
    with pytest.raises(DataError, match="/dev/null: expected Parquet or Arrow IPC, found nothing"):
        open_input(["/dev/null"])
    master, slave = os.openpty()
    try:
        with pytest.raises(UsageError, match="is a terminal"):
            open_input([os.ttyname(slave)])
    finally:
        os.close(master)
        os.close(slave)


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


def test_parquet_without_arrow_metadata(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(flights(100), path, store_schema=False, use_dictionary=False, version="1.0")
    assert read(open_input([path])).equals(flights(100))
