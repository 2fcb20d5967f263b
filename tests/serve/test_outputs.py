"""Writing: every format comes back, an output is whole or not there, and nothing that is read is overwritten."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

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


# Where `tests` can be imported from, for processes of our own.
ROOT = Path(__file__).parents[2]

LIMITED = (
    "import resource, signal, sys\n"
    "from sternpost.errors import DataError\n"
    "from sternpost.serve.outputs import open_output\n"
    "from tests.serve.tables import flights\n"
    "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
    "rows = 0\n"
    "try:\n"
    "    with open_output(sys.argv[1], flights(0).schema) as output:\n"
    "        for batch in flights(200_000).to_batches(5_000): output.write(batch)\n"
    "except DataError as error: print(error)\n"
)


@pytest.mark.parametrize("suffix", [".arrow", ".arrows", ".parquet"])
def test_a_real_limit_of_the_system(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, path], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith(f"cannot write {path}: File too large; the file size limit")
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["replace", "fsync"])
def test_disk_full_at_the_very_end(tmp_path, monkeypatch, name):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, name, full)
    with pytest.raises(DataError, match="No space left on device; free some space"):
        put(flights(9), tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []


STREAMING = (
    "import sys, time\n"
    "from sternpost.errors import DataError\n"
    "from sternpost.serve.outputs import open_output\n"
    "from tests.serve.tables import flights\n"
    "try:\n"
    "    with open_output('-', flights(0).schema) as output:\n"
    "        for batch in flights(int(sys.argv[1])).to_batches(1_000): output.write(batch)\n"
    "        if sys.argv[2:]: raise RuntimeError('mine')\n"
    "except (DataError, RuntimeError) as error: print(error, file=sys.stderr)\n"
)


def test_standard_output():
    done = subprocess.run(
        [sys.executable, "-c", STREAMING, "5000"], cwd=ROOT, capture_output=True, timeout=60, check=True
    )
    assert done.stderr == b""
    assert ipc.open_stream(done.stdout).read_all().equals(flights(5_000))


def test_standard_output_of_a_run_that_failed_is_told_from_a_whole_one(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", STREAMING, "5000", "x"], cwd=ROOT, capture_output=True, timeout=60, check=True
    )
    assert done.stderr == b"mine\n"
    (tmp_path / "a.arrows").write_bytes(done.stdout)
    with pytest.raises(DataError, match="without its end marker"):
        read(open_input([tmp_path / "a.arrows"]))


def test_standard_output_whose_reader_has_gone():
    with subprocess.Popen(
        [sys.executable, "-c", STREAMING, "1000000"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.read(10)
        process.stdout.close()
        assert (
            process.stderr.read()
            == b"cannot write standard output: Broken pipe; its reader has gone; see why it ended\n"
        )
        assert process.wait(30) == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_standard_output_on_a_full_disk():
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-c", STREAMING, "50"], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, check=True
        )
    assert done.stderr.startswith(b"cannot write standard output: No space left on device")


def test_a_terminal_is_no_place_for_arrow():
    master, slave = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", STREAMING, "5"],
            cwd=ROOT,
            stdout=slave,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    finally:
        os.close(master)
        os.close(slave)
    assert b"standard output is a terminal" in done.stderr


def test_a_killed_run_leaves_no_half_file_under_the_name(tmp_path):
    code = (
        "import sys, time\n"
        "from sternpost.serve.outputs import open_output\n"
        "from tests.serve.tables import flights\n"
        "with open_output(sys.argv[1], flights(0).schema) as output:\n"
        "    for batch in flights(300_000).to_batches(1_000): output.write(batch)\n"
        "    print('now', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "a.parquet"], cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"now\n"
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert [entry.suffix for entry in tmp_path.iterdir()] == [".part"]
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "b.parquet"], cwd=ROOT, stdout=subprocess.PIPE, stderr=-3
    ) as process:
        assert process.stdout.readline() == b"now\n"
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.wait(10)
    assert [entry.suffix for entry in tmp_path.iterdir()] == [".part"], "an interrupt cleans up, a kill cannot"
