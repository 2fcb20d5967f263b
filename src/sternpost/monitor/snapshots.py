"""Snapshots: windows as files of a folder, one for each atom, bundle and replica.

Owed to callers: a file is there whole or not at all; nothing that a replica wrote is overwritten or removed by another;
snapshots of any replicas and days merge to the same bits in any order.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sternpost._core import Reference, Window
from sternpost.bundle.atomic import whole_file, write_failed
from sternpost.errors import DataError, UsageError

#: Signs of a bundle's digest in a file's name.
DIGEST_SIGNS = 16
_SUFFIX = ".window.arrow"
_MOMENT = "%Y%m%dT%H%M%S.%fZ"
_NAME = re.compile(
    r"(?P<bundle>[^@]*)@(?P<digest>[0-9a-f]+)@(?P<start>[0-9TZ.]+)@(?P<replica>[^@]+)" + re.escape(_SUFFIX)
)
_REPLICA = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NAME_BYTES = 100


@dataclass(frozen=True)
class Snapshot:
    """One file: of which bundle (its name in quotes for paths, the first signs of its digest), from when, by whom."""

    path: Path
    bundle: str
    digest: str
    start: dt.datetime
    replica: str

    def window(self, reference: Reference) -> Window:
        """What it holds. DataError if it cannot be read or is damaged, UsageError for another reference."""
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise DataError(f"{self.path}: {error.strerror or error}; the snapshot cannot be read") from error
        try:
            return Window.from_bytes(data, reference)
        except DataError as error:
            raise DataError(f"{self.path}: {error}") from None
        except UsageError as error:
            raise UsageError(f"{self.path}: {error}") from None


def snapshots(
    folder: Path, digest: str, since: dt.datetime | None = None, until: dt.datetime | None = None
) -> list[Snapshot]:
    """Those of a bundle (its whole digest) that begin in [since, until), in order. DataError if there is no folder."""
    begin, end = since or dt.datetime.min.replace(tzinfo=dt.UTC), until or dt.datetime.max.replace(tzinfo=dt.UTC)
    found = [one for one in _all(folder) if digest.startswith(one.digest) and begin <= one.start < end]
    return sorted(found, key=lambda one: (one.start, one.path.name))


class Writer:
    """One replica's place in a folder, from opening to `close`."""

    def __init__(self, folder: Path, replica: str) -> None:
        """Makes the folder. UsageError for a replica that cannot be a name, or that writes there already."""
        if not _REPLICA.fullmatch(replica):
            raise UsageError(f"replica {replica!r}: a name has 1 to 64 letters, digits, dots, dashes or underscores")
        self.folder, self.replica = folder, replica
        lock = folder / f".{replica}.lock"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise write_failed(lock, error) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise UsageError(
                f"{folder}: a replica named {replica} writes there already; give --replica another name"
            ) from None

    def write(self, bundle: str, digest: str, window: Window) -> Path:
        """Write a window that has a span and knows its replica. DataError if the system refuses."""
        start, _ = window.span or (0, 0)
        moment = _moment(start)
        while (path := self.folder / _file_name(bundle, digest, moment, self.replica)).exists():
            # The clock was set back: the name moves on, the window keeps its span.
            moment += dt.timedelta(microseconds=1)
        with whole_file(path) as file:
            file.write(window.to_bytes())
        return path

    def state_path(self, bundle: str, digest: str) -> Path:
        """Where this replica keeps what its alarms know of a bundle."""
        return self.folder / f"{_quoted(bundle)}@{digest[:DIGEST_SIGNS]}@{self.replica}.alarm.arrow"

    def forget(self, before: dt.datetime) -> int:
        """Remove this replica's snapshots that begin before a moment; how many. DataError if the folder is gone."""
        old = [one for one in _all(self.folder) if one.replica == self.replica and one.start < before]
        for one in old:
            with contextlib.suppress(FileNotFoundError):
                try:
                    one.path.unlink()
                except PermissionError as error:
                    raise write_failed(one.path, error) from error
        return len(old)

    def close(self) -> None:
        """Leave the place to the next of this name."""
        os.close(self._lock)


def _all(folder: Path) -> Iterator[Snapshot]:
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise DataError(
            f"{folder}: {error.strerror or error}; give the folder that a server writes windows to"
        ) from error
    for name in names:
        parts = _NAME.fullmatch(name)
        if parts is None:
            continue
        with contextlib.suppress(ValueError):
            start = dt.datetime.strptime(parts["start"], _MOMENT).replace(tzinfo=dt.UTC)
            yield Snapshot(folder / name, parts["bundle"], parts["digest"], start, parts["replica"])


def _file_name(bundle: str, digest: str, start: dt.datetime, replica: str) -> str:
    return f"{_quoted(bundle)}@{digest[:DIGEST_SIGNS]}@{start.strftime(_MOMENT)}@{replica}{_SUFFIX}"


def _quoted(bundle: str) -> str:
    # The digest tells bundles apart; a name is for people, and file names are short.
    name = quote(bundle, safe="")[:_NAME_BYTES]
    return f"_{name[1:]}" if name.startswith(".") else name


def _moment(microseconds: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=microseconds)
