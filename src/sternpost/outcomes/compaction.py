"""Sealed segments into Parquet files, none lost and none twice.

1. Under a lock of its own, half-made files of an earlier run go.
2. Consecutive sealed segments of one stream, without damage and of one schema, are read and written into one file
   under a name that begins with a dot; it is flushed, renamed to `compacted-KIND-STREAM-FIRST-LAST.parquet`, and the
   folder flushed. From the rename on the segments FIRST to LAST do not count any more, whether they are there or not.
3. The segments go.

So a death before the rename leaves the segments, and one after it leaves segments that nobody reads and that the next
run removes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sternpost.bundle.atomic import whole_file
from sternpost.errors import DataError, JournalCorrupt, JournalError, JournalLocked

if TYPE_CHECKING:
    from sternpost import _core

_NAME = re.compile(r"compacted-(decisions|outcomes|events)-([0-9a-z]+)-(\d{10})-(\d{10})\.parquet")
#: Segments are read together up to so many bytes.
_BYTES = 512 << 20


@dataclass(frozen=True)
class CompactedFile:
    """A Parquet file and the segments it stands for."""

    path: Path
    kind: str
    stream: str
    first: int
    last: int

    def covers(self, segment: dict[str, Any]) -> bool:
        """Whether it stands for a segment, told as in `Journal.look`."""
        same = (segment["kind"], segment["stream"]) == (self.kind, self.stream)
        return same and self.first <= segment["number"] <= self.last

    def to_dict(self) -> dict[str, Any]:
        """File, kind, stream, first, last, bytes, and rows (None if it cannot be read)."""
        import pyarrow.parquet as pq

        rows = None
        with contextlib.suppress(OSError, pa.ArrowException):
            rows = pq.read_metadata(self.path).num_rows
        told = {
            "file": self.path.name,
            "kind": self.kind,
            "stream": self.stream,
            "first": self.first,
            "last": self.last,
        }
        return {**told, "bytes": self.path.stat().st_size, "rows": rows}


@dataclass(frozen=True)
class Compacted:
    """What became one file: its name, the segments it stands for, and its rows."""

    file: str
    segments: int
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """The same as a mapping."""
        return asdict(self)


def compacted_files(folder: Path) -> list[CompactedFile]:
    """The compacted files of a journal, by stream and number."""
    found = []
    for path in folder.glob("compacted-*.parquet"):
        if match := _NAME.fullmatch(path.name):
            kind, stream, first, last = match.groups()
            found.append(CompactedFile(path, kind, stream, int(first), int(last)))
    return sorted(found, key=lambda c: (c.kind, c.stream, c.first))


def read_compacted(path: Path) -> pa.Table:
    """A compacted file's rows. Raises `JournalCorrupt` if its bytes are damaged, `FileNotFoundError` if it is gone."""
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, page_checksum_verification=True)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as e:
        cause = (str(e).strip().splitlines() or ["no reason given"])[0]
        raise JournalCorrupt(f"{path}: {cause}; restore the file from a copy, or move it away") from e


def compact(folder: Path, reader: _core.Journal) -> list[Compacted]:
    """Compact a journal; see the module. Raises `JournalLocked`, `DataError`."""
    with _lock(folder):
        for half in folder.glob(".compacted-*.part"):
            half.unlink(missing_ok=True)
        done = compacted_files(folder)
        ready: list[tuple[dict[str, Any], pa.Table]] = []
        made = []
        for name in reader.files():
            kind, stream, number = name.removesuffix(".segment").split("-")
            place = {"kind": kind, "stream": stream, "number": int(number)}
            if any(c.covers(place) for c in done):
                (folder / name).unlink(missing_ok=True)
                continue
            part = _read(reader, name)
            if ready and (part is None or not _follows(ready, part)):
                made.append(_write(folder, ready))
                ready = []
            if part is not None:
                ready.append(part)
        if ready:
            made.append(_write(folder, ready))
        _sync(folder)
        return made


def _read(reader: _core.Journal, name: str) -> tuple[dict[str, Any], pa.Table] | None:
    """A segment that can be compacted: sealed and without damage. Damaged ones stay as they are, as evidence."""
    try:
        told, batches = reader.read(name)
    except (JournalError, DataError):
        return None
    about: dict[str, Any] = json.loads(told)
    return (about, batches.read_all()) if about["sealed"] and not about["findings"] else None


def _follows(ready: list[tuple[dict[str, Any], pa.Table]], part: tuple[dict[str, Any], pa.Table]) -> bool:
    (last, before), (about, table) = ready[-1], part
    same = all(last[key] == about[key] for key in ("kind", "stream")) and before.schema.equals(table.schema)
    small = sum(told["bytes"] for told, _ in ready) + about["bytes"] <= _BYTES
    return same and small and about["number"] == last["number"] + 1


def _write(folder: Path, ready: list[tuple[dict[str, Any], pa.Table]]) -> Compacted:
    import pyarrow.parquet as pq

    first, last = ready[0][0], ready[-1][0]
    table = pa.concat_tables([table for _, table in ready])
    name = f"compacted-{first['kind']}-{first['stream']}-{first['number']:010}-{last['number']:010}.parquet"
    with whole_file(folder / name) as file:
        pq.write_table(table, file.name, compression="zstd", write_page_checksum=True)
        # Before anything goes, what was written is read.
        if read_compacted(Path(file.name)).num_rows != sum(told["rows"] for told, _ in ready):
            raise DataError(f"{folder / name}: fewer rows were written than read; nothing was changed, run again")
    for told, _ in ready:
        (folder / told["file"]).unlink(missing_ok=True)
    return Compacted(name, len(ready), int(table.num_rows))


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # some file systems cannot, and lose nothing by it
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    try:
        descriptor = os.open(folder / "compact.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as e:
        raise DataError(f"cannot write in {folder}: {e.strerror}; see that this user may") from e
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalLocked(f"the journal {folder} is being compacted by another process; wait for it") from None
        yield
    finally:
        os.close(descriptor)
