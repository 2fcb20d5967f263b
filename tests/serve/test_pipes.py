"""Standard input and named pipes: read once, from front to back, and never taken for whole when cut off."""

import contextlib
import io
import os
import subprocess
import sys
import threading
import time

import pytest
from pyarrow import ipc

from sternpost.errors import DataError, UsageError
from sternpost.serve.files import open_input
from tests.serve.tables import flights, read, write

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
