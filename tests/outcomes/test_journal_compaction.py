"""Compaction: the same rows before, during and after, wherever it is killed."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from sternpost import _core
from sternpost.errors import JournalLocked
from sternpost.outcomes import compaction
from sternpost.outcomes.journal import DamagedRows, Journal
from tests.outcomes.journals import decisions, names, outcomes


def filled(path) -> Journal:
    journal = Journal(path)
    for part in range(3):
        journal.append_decisions(decisions(part * 10, 10))
        journal.append_outcomes(outcomes(part * 5, 5))
    return journal


EXPECTED = [f"p{i}" for i in range(30)]


def test_sealed_segments_become_parquet_and_rows_stay(tmp_path):
    journal = filled(tmp_path / "j")
    before = journal.decisions()
    made = journal.compact()
    assert [(m.segments, m.rows) for m in made] == [(3, 30), (3, 15)]
    assert not list(journal.path.glob("*.segment"))
    assert journal.decisions().equals(before)
    assert journal.outcomes().num_rows == 15
    assert journal.compact() == []
    # Numbers go on after those of the compacted segments.
    journal.append_decisions(decisions(30, 5))
    assert next(journal.path.glob("decisions-*.segment")).name.endswith("0000000004.segment")
    assert names(journal.decisions()) == [f"p{i}" for i in range(35)]
    assert [m.rows for m in journal.compact()] == [5]
    report = journal.verify()
    assert (report["sound"], report["rows"], len(report["compacted"])) == (True, 50, 3)


def test_an_open_segment_stays(tmp_path):
    journal = filled(tmp_path / "j")
    with _core.JournalWriter(journal.path) as writer:
        writer.append("outcomes", outcomes(15, 5))
        writer.flush()
        assert sum(m.rows for m in journal.compact()) == 45
        assert journal.outcomes().num_rows == 20
        assert len(list(journal.path.glob("*.segment"))) == 1
    assert journal.outcomes().num_rows == 20


KILLED = """
import os, sys
from pathlib import Path
from sternpost.outcomes.journal import Journal
left = int(sys.argv[2])

def counted(do):
    def call(*args, **kwargs):
        global left
        if left == 0:
            os._exit(9)
        left -= 1
        return do(*args, **kwargs)
    return call

os.fsync, os.replace = counted(os.fsync), counted(os.replace)
Path.unlink = counted(Path.unlink)
import pyarrow.parquet as pq
pq.write_table = counted(pq.write_table)
Journal(sys.argv[1]).compact()
"""


def test_a_death_at_any_step_loses_and_doubles_nothing(tmp_path):
    steps = 0
    while True:
        journal = filled(tmp_path / f"j{steps}")
        done = subprocess.run([sys.executable, "-c", KILLED, str(journal.path), str(steps)], check=False)
        assert names(journal.decisions()) == EXPECTED, steps
        assert journal.outcomes().num_rows == 15, steps
        journal.compact()
        assert names(journal.decisions()) == EXPECTED, steps
        assert journal.outcomes().num_rows == 15, steps
        assert not list(journal.path.glob("*.segment"))
        assert not list(journal.path.glob(".*"))
        if done.returncode == 0:
            break
        assert done.returncode == 9
        steps += 1
    assert steps > 10


def test_readers_see_every_row_once_while_somebody_compacts(tmp_path):
    journal = filled(tmp_path / "j")
    stop = threading.Event()
    seen = []

    def read():
        while not stop.is_set():
            seen.append(names(journal.decisions()))

    reader = threading.Thread(target=read)
    reader.start()
    for more in range(8):
        journal.append_decisions(decisions(30 + more, 1))
        journal.compact()
    stop.set()
    reader.join()
    seen.append(names(journal.decisions()))
    for one in seen:
        assert one == [f"p{i}" for i in range(len(one))]
    assert len(seen[-1]) == 38


def test_a_damaged_segment_is_left_and_stands_between_two_files(tmp_path):
    journal = filled(tmp_path / "j")
    second = sorted(journal.path.glob("decisions-*.segment"))[1]
    data = bytearray(second.read_bytes())
    data[-20] ^= 1
    second.write_bytes(data)
    made = [m for m in journal.compact() if "decisions" in m.file]
    assert [(m.segments, m.rows) for m in made] == [(1, 10), (1, 10)]
    assert second.exists()
    with pytest.warns(DamagedRows):
        assert names(journal.decisions()) == EXPECTED


def test_a_damaged_parquet_file_is_told(tmp_path):
    journal = filled(tmp_path / "j")
    journal.compact()
    file = next(journal.path.glob("compacted-decisions-*.parquet"))
    data = bytearray(file.read_bytes())
    data[len(data) // 4] ^= 1
    file.write_bytes(data)
    report = journal.verify()
    assert not report["sound"]
    assert report["findings"][0]["file"] == file.name


def test_one_compacts_at_a_time(tmp_path):
    journal = filled(tmp_path / "j")
    with compaction._lock(journal.path), pytest.raises(JournalLocked, match="being compacted"):
        journal.compact()
