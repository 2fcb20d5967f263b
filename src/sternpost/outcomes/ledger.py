"""Where decisions and outcomes are kept: a journal, or a folder of Parquet files for those who keep them otherwise.

Such a folder holds `decisions*.parquet` and, when there are any, `outcomes*.parquet`, in the columns that
`sternpost.outcomes.events` names; `sternpost journal export` writes one.
"""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa

from sternpost.bundle.atomic import whole_file
from sternpost.errors import DataError, UsageError
from sternpost.outcomes.adding import KeepsOutcomes
from sternpost.outcomes.events import OUTCOME_SCHEMA

#: What a journal's folder has once something was written.
_SEGMENTS = ("*.segment", "compacted-*.parquet")


class LedgerFiles:
    """A folder of Parquet files with the interface of a journal. Added outcomes become a file of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def decisions(self) -> pa.Table:
        """All decisions. Raises `DataError` for a file that cannot be read."""
        return _read(sorted(self._folder.glob("decisions*.parquet")))

    def outcomes(self) -> pa.Table:
        """All outcome events. Raises `DataError` for a file that cannot be read."""
        files = sorted(self._folder.glob("outcomes*.parquet"))
        return _read(files) if files else OUTCOME_SCHEMA.empty_table()

    def append_outcomes(self, table: pa.Table) -> None:
        """Write a further file; it appears whole or not at all."""
        import pyarrow.parquet as pq

        number = len(list(self._folder.glob("outcomes*.parquet")))
        while (path := self._folder / f"outcomes-{number:06d}.parquet").exists():
            number += 1
        with whole_file(path) as file:
            pq.write_table(table, file.name, compression="zstd")


def open_ledger(path: str | os.PathLike[str]) -> KeepsOutcomes:
    """The journal at `path`, or the folder of files. Raises `UsageError` when it is neither."""
    folder = Path(path)
    if not folder.is_dir():
        state = "is a file" if folder.exists() else "does not exist"
        raise UsageError(f"{folder} {state}; name the folder of a journal, e.g. what serve --journal wrote")
    if next(folder.glob("decisions*.parquet"), None) is not None:
        return LedgerFiles(folder)
    if not any(next(folder.glob(pattern), None) for pattern in _SEGMENTS):
        raise UsageError(f"{folder} holds neither a journal nor decisions*.parquet, so there is nothing to read")
    from sternpost.outcomes.journal import Journal

    return Journal(folder)


def _read(files: list[Path]) -> pa.Table:
    import pyarrow.parquet as pq

    tables = []
    for file in files:
        try:
            tables.append(pq.read_table(file))
        except (pa.ArrowException, OSError) as e:
            cause = (str(e).strip().splitlines() or ["no reason given"])[0]
            raise DataError(f"cannot read {file}: {cause}; the file is damaged, cut off or not Parquet") from e
    try:
        return pa.concat_tables(tables, promote_options="default")
    except pa.ArrowException as e:
        cause = (str(e).strip().splitlines() or ["no reason given"])[0]
        raise DataError(f"{files[0].parent}: the files do not fit together: {cause}") from e
