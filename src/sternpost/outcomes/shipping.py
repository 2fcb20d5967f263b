"""Decisions that clients kept while no server answered, brought into another journal.

Owed to callers: each decision arrives once, by its prediction id, however often it is shipped and wherever an earlier
run died; what is shipped from is not changed, and may still be written.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sternpost import _core
from sternpost.errors import UsageError
from sternpost.outcomes.compaction import compacted_files
from sternpost.outcomes.journal import Journal


@dataclass(frozen=True)
class Shipped:
    """What was read, and what was new."""

    journals: int
    decisions: int
    new: int

    def to_dict(self) -> dict[str, Any]:
        """The same as a mapping."""
        return asdict(self)


def ship(source: str | os.PathLike[str], into: str | os.PathLike[str]) -> Shipped:
    """Append the decisions of a journal, or of every journal directly below a folder, to the journal `into`.

    Raises `UsageError` if `source` holds no journal or is `into`, `JournalLocked` while somebody else writes `into`,
    `DataError` if a disk fails; what was appended until then stays, and shipping again goes on from there.
    """
    folder, target = Path(source), Journal(into)
    journals = _journals(folder)
    if not journals:
        raise UsageError(f"{folder} holds no journal; name a journal's folder, or the one that clients were given")
    if any(journal.resolve() == target.path.resolve() for journal in journals):
        raise UsageError(f"{target.path} would be shipped into itself; name another journal to ship into")
    read = new = 0
    for journal in journals:
        told = Journal(journal).decisions(columns=["digest"]).column("digest")
        # One bundle at a time: the inputs of each have columns of their own.
        for digest in dict.fromkeys(told.to_pylist()):
            rows = Journal(journal).decisions(bundle=digest)
            read += rows.num_rows
            new += target.append_decisions(rows, unique=True)
    return Shipped(len(journals), read, new)


def _journals(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    below = sorted(path for path in folder.iterdir() if path.is_dir())
    return [path for path in (folder, *below) if _core.Journal(path).files() or compacted_files(path)]
