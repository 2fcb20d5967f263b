"""Outputs that cannot be finished: limits, full disks, readers that go, kills and interrupts."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyarrow import ipc

from sternpost.errors import DataError
from sternpost.serve.files import open_input
from sternpost.serve.outputs import open_output
from tests.serve.tables import flights, read

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
    no_space = pytest.raises(DataError, match="No space left on device; free some space")
    with no_space, open_output(tmp_path / "a.parquet", flights(0).schema) as output:
        output.write(flights(9).to_batches()[0])
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
