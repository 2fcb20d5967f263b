"""A run that is killed, interrupted, or out of room leaves no file under the final name, and keeps an older one."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.project.loans_project import loans, sealed_loans

PATIENCE_SECONDS = 60


@pytest.fixture
def work(tmp_path):
    sealed_loans().save(tmp_path / "b.sbundle")
    (tmp_path / "out").mkdir()
    return tmp_path


def start(work, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "sternpost.cli", "score", "b.sbundle", *map(str, arguments)],
        cwd=work,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def wait_for(condition, process):
    """Until the condition holds; fails when the process ends before, or patience does."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < end, "the run did not get so far"
        time.sleep(0.01)


@pytest.fixture
def in_mid_run(work):
    """A run that has read and written batches and waits for more on its standard input."""
    process = start(work, "-", "-o", "out/scores.arrow", "--bad-rows", "out/bad.arrow", "--batch-rows", "2000")
    table = loans(50_000)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2_000)
    # All but the end marker and some rows: the run goes on and cannot end.
    process.stdin.write(sink.getvalue().to_pybytes()[:-100_000])
    process.stdin.flush()
    wait_for(lambda: any(p.stat().st_size > 100_000 for p in (work / "out").iterdir()), process)
    yield process
    if process.poll() is None:
        process.kill()
    for end in (process.stdin, process.stdout, process.stderr):
        end.close()
    process.wait()


def test_a_kill_leaves_nothing_under_the_final_name(work, in_mid_run):
    in_mid_run.kill()
    in_mid_run.wait(PATIENCE_SECONDS)
    left = [p.name for p in (work / "out").iterdir()]
    assert "scores.arrow" not in left
    assert "bad.arrow" not in left
    # What a kill leaves is hidden, and no reader of folders takes it for data.
    assert all(name.startswith(".") and name.endswith(".part") for name in left)


@pytest.mark.parametrize(
    ("sent", "code", "words"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_an_interrupt_cleans_up_and_says_so(work, in_mid_run, sent, code, words):
    in_mid_run.send_signal(sent)
    assert in_mid_run.wait(PATIENCE_SECONDS) == code
    assert list((work / "out").iterdir()) == []
    told = in_mid_run.stderr.read().decode()
    assert told == f"sternpost: {words} before the end\n"


def test_a_source_that_ends_too_early_leaves_nothing(work, in_mid_run):
    _, told = in_mid_run.communicate(timeout=PATIENCE_SECONDS)
    assert in_mid_run.returncode == 50
    assert told.decode().count("\n") == 1
    assert "standard input" in told.decode()
    assert list((work / "out").iterdir()) == []


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows"])
@pytest.mark.parametrize("older", [False, True])
def test_no_room_for_the_output(work, suffix, older):
    out = work / "out" / f"scores.{suffix}"
    if older:
        out.write_bytes(b"older")
    pq.write_table(loans(200_000), work / "in.parquet")

    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    process = start(work, "in.parquet", "-o", out, "--keep", "loan_id", preexec_fn=little_room)
    _, told = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 50, told
    assert told.decode().count("\n") == 1
    assert f"cannot write {out}" in told.decode()
    assert [p.name for p in (work / "out").iterdir()] == ([out.name] if older else [])
    assert not older or out.read_bytes() == b"older"


def test_no_room_for_the_bad_rows_takes_the_scores_along(work):
    table = loans(100_000)
    table = table.set_column(1, "amount", pa.array([-1.0] * table.num_rows))
    pq.write_table(table, work / "in.parquet")

    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    process = start(work, "in.parquet", "-o", "out/scores.arrow", "--bad-rows", "out/bad.arrow", preexec_fn=little_room)
    _, told = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 50
    assert "cannot write out/bad.arrow" in told.decode()
    assert list((work / "out").iterdir()) == []


def test_memory_does_not_grow_with_the_input(work):
    """A file ten times as large takes the same memory; the larger alone holds several times the room allowed."""
    rows, allowed = 300_000, 48 << 20

    def peak(rows: int) -> int:
        source = work / f"in{rows}.arrow"
        block = loans(100_000)
        with pa.OSFile(str(source), "wb") as sink, pa.ipc.new_file(sink, block.schema) as writer:
            for _ in range(rows // 100_000):
                writer.write_table(block, max_chunksize=50_000)
        process = start(work, source, "-o", f"out/{rows}.arrow", "--keep", "loan_id")
        process.stdin.close()
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0
        process.returncode = 0
        process.stdout.close()
        process.stderr.close()
        return usage.ru_maxrss * 1024

    small, large = peak(rows), peak(10 * rows)
    assert (work / f"in{10 * rows}.arrow").stat().st_size > 2 * allowed
    assert large < small + allowed
