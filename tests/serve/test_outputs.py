"""Writing: every format comes back, an output is whole or not there, and nothing that is read is overwritten."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sternpost.errors import DataError, UsageError
from sternpost.serve.files import open_input
from sternpost.serve.outputs import open_output
from tests.serve.tables import flights, read

SUFFIXES = (".arrow", ".ipc", ".feather", ".arrows", ".parquet", ".PARQUET")


def put(table, target, batch_rows=300, **how):
    with open_output(target, table.schema, **how) as output:
        for batch in table.to_batches(max_chunksize=batch_rows):
            output.write(batch)
        return output.rows


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("rows", [0, 1, 1_000])
def test_round_trip(tmp_path, suffix, rows):
    path = tmp_path / f"a{suffix}"
    assert put(flights(rows), path) == rows
    assert read(open_input([path])).equals(flights(rows))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_without_a_single_batch(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    with open_output(path, flights(0).schema):
        pass
    assert open_input([path]).schema.equals(flights(0).schema)


def test_what_each_ending_means(tmp_path):
    for suffix, start in ((".arrow", b"ARROW1"), (".arrows", b"\xff\xff\xff\xff"), (".parquet", b"PAR1")):
        put(flights(5), tmp_path / f"a{suffix}")
        assert (tmp_path / f"a{suffix}").read_bytes().startswith(start)


def test_row_groups_do_not_depend_on_the_batches(tmp_path):
    for batch_rows in (70, 1_000):
        put(flights(5_000), tmp_path / f"{batch_rows}.parquet", batch_rows)
        assert pq.ParquetFile(tmp_path / f"{batch_rows}.parquet").num_row_groups == 1
    assert (tmp_path / "70.parquet").read_bytes() == (tmp_path / "1000.parquet").read_bytes()


def test_large_row_groups_are_written_early(tmp_path, monkeypatch):
    monkeypatch.setattr("sternpost.serve.outputs._GROUP_ROWS", 1_000)
    put(flights(5_500), tmp_path / "a.parquet", 100)
    found = pq.ParquetFile(tmp_path / "a.parquet").metadata
    assert [found.row_group(i).num_rows for i in range(found.num_row_groups)] == [1_000] * 5 + [500]
    monkeypatch.setattr("sternpost.serve.outputs._GROUP_BYTES", 1)
    put(flights(5_500), tmp_path / "b.parquet", 100)
    assert pq.ParquetFile(tmp_path / "b.parquet").num_row_groups == 55


@pytest.mark.parametrize("suffix", [".arrow", ".arrows", ".parquet"])
def test_dictionaries_that_change(tmp_path, suffix):
    batches = [
        pa.record_batch({"d": pa.array(words).dictionary_encode()}) for words in (["a", None], ["b", "a"], ["c"])
    ]
    with open_output(tmp_path / f"a{suffix}", batches[0].schema) as output:
        for batch in batches:
            output.write(batch)
    got = read(open_input([tmp_path / f"a{suffix}"]))
    assert got["d"].to_pylist() == ["a", None, "b", "a", "c"]
    assert got.schema.field("d").type == (pa.string() if suffix == ".arrow" else batches[0].schema.field("d").type)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
def test_failure_of_the_caller(tmp_path, suffix, earlier, error):
    path = tmp_path / f"a{suffix}"
    if earlier:
        put(flights(3), path)

    def fail():
        with open_output(path, flights(0).schema) as output:
            for batch in flights(5_000).to_batches(1_000):
                output.write(batch)
            raise error("mine")

    with pytest.raises(error, match="mine"):
        fail()
    assert [entry.name for entry in tmp_path.iterdir()] == ([path.name] if earlier else [])
    assert not earlier or read(open_input([path])).equals(flights(3))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_another_schema(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    for batch, words in (
        (pa.record_batch({"x": [1]}), "column 'row' is missing"),
        (flights(3).set_column(0, "row", pa.array(["a", "b", "c"])).to_batches()[0], "'row' is string, not int64"),
    ):
        with pytest.raises(DataError, match=words), open_output(path, flights(0).schema) as output:
            output.write(batch)
    assert list(tmp_path.iterdir()) == []


def test_columns_in_another_order_are_put_right(tmp_path):
    with open_output(tmp_path / "a.arrow", flights(0).schema) as output:
        output.write(flights(9).select(["carrier", "row", "delay"]).to_batches()[0])
    assert read(open_input([tmp_path / "a.arrow"])).equals(flights(9))


def test_types_a_format_cannot_hold(tmp_path):
    schema = pa.schema({"i": pa.month_day_nano_interval()})
    with (
        pytest.raises(DataError, match=r"cannot write .*a\.parquet: .*choose another format"),
        open_output(tmp_path / "a.parquet", schema),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_targets_that_cannot_be_meant(tmp_path):
    (tmp_path / "folder.parquet").mkdir()
    for target, words in (
        (tmp_path / "a.csv", r"'\.csv' says no format .*\.parquet"),
        (tmp_path / "a", "'' says no format"),
        (tmp_path / "folder.parquet", "is a folder"),
    ):
        with pytest.raises(UsageError, match=words), open_output(target, flights(0).schema):
            pass
    os.mkfifo(tmp_path / "fifo.arrows")
    with (
        pytest.raises(UsageError, match="not a regular file"),
        open_output(tmp_path / "fifo.arrows", flights(0).schema),
    ):
        pass
    with (
        pytest.raises(DataError, match="the folder does not exist"),
        open_output(tmp_path / "no" / "a.parquet", flights(0).schema),
    ):
        pass


def test_an_input_is_never_written_over(tmp_path):
    path, link, hard = tmp_path / "a.parquet", tmp_path / "link.parquet", tmp_path / "hard.parquet"
    put(flights(9), path)
    link.symlink_to(path)
    os.link(path, hard)
    before = path.read_bytes()
    inputs = open_input([path]).files
    for target in (path, link, hard, tmp_path / "x" / ".." / "a.parquet", os.path.relpath(path)):
        with pytest.raises(UsageError, match="also an input"), open_output(target, flights(0).schema, inputs=inputs):
            pass
    assert path.read_bytes() == before
    put(flights(3), tmp_path / "b.parquet", inputs=inputs)
