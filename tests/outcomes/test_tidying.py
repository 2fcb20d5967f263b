"""A journal is tidied while it is written: sealed segments become Parquet, what is too old goes."""

from __future__ import annotations

import os
import time
from pathlib import Path

from sternpost import _core
from sternpost.outcomes.compaction import compacted_files
from sternpost.outcomes.journal import Journal
from sternpost.outcomes.tidying import Tidier, tidy
from tests.outcomes.journals import decisions, names
from tests.server.serving import until


def _append(folder: Path, first: int, count: int) -> None:
    Journal(folder).append_decisions(decisions(first, count))


def test_what_is_old_goes_and_what_is_young_stays(tmp_path):
    folder = tmp_path / "journal"
    _append(folder, 0, 10)
    tidy(folder, None)
    (old,) = compacted_files(folder)
    os.utime(old.path, (1_000_000.0, 1_000_000.0))
    _append(folder, 10, 5)
    assert tidy(folder, None) == 0
    assert len(names(Journal(folder).decisions())) == 15
    assert tidy(folder, 3600.0) == 1
    kept = names(Journal(folder).decisions())
    assert kept == names(decisions(10, 5))
    assert tidy(folder, 3600.0) == 0
    assert tidy(folder, 3600.0, now=time.time() + 3700) == 1


def test_it_tidies_beside_a_writer_and_leaves_what_is_being_written(tmp_path):
    folder, told = tmp_path / "journal", []
    _append(folder, 0, 10)
    with _core.JournalWriter(folder) as writer:
        rows = decisions(10, 5)
        bundle, digest = rows.column("bundle")[0].as_py(), rows.column("digest")[0].as_py()
        writer.append("decisions", rows.drop_columns(["bundle", "digest"]), bundle, digest)
        writer.flush()
        with Tidier(folder, None, told.append, every_s=0.01):
            until(lambda: compacted_files(folder))
        assert len(list(folder.glob("*.segment"))) == 1
        assert len(names(Journal(folder).decisions())) == 15
    assert not told


def test_what_it_cannot_do_is_told_and_ends_nothing(tmp_path):
    folder, told = tmp_path / "journal", []
    _append(folder, 0, 10)
    (folder / "compact.lock").mkdir()
    with Tidier(folder, None, told.append, every_s=0.01):
        until(lambda: len(told) >= 2)
    assert "the journal was not tidied" in told[0]
    assert len(names(Journal(folder).decisions())) == 10
