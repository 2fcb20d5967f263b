"""The registry: a folder of bundles, and a rung file per use case, on any file system that pyarrow knows.

    bundles/<digest>.sbundle            never changed once it is there
    rungs/<use case>.json               the standing: rung, champion, challengers, certificate; what servers read
    history/<use case>/<serial>.json    every standing that there was

Champion, challengers and rung stand in one file, so a reader sees all of the old or all of the new: a local file is
replaced by a rename, an object by one put. The ledger decides which standing is the right one; the registry holds it.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from sternpost.bundle import Bundle
from sternpost.bundle.archive import parse_archive
from sternpost.bundle.atomic import whole_file
from sternpost.bundle.canonical import canonical_json
from sternpost.errors import BundleCorrupt, BundleError, DataError, UsageError
from sternpost.trust.rungs import Standing

BUNDLES, RUNGS, HISTORY = "bundles", "rungs", "history"
SUFFIX = ".sbundle"
USE_CASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Registry:
    """A registry at a folder or a URL (`s3://bucket/path`, `gs://...`, `file:///...`), or below `root` of a given
    pyarrow file system."""

    def __init__(self, place: str | os.PathLike[str], *, filesystem: pafs.FileSystem | None = None) -> None:
        """Raises `UsageError` for a URL that names no file system, `DataError` when it cannot be reached."""
        self.place = os.fspath(place)
        if filesystem is not None:
            self._files, root = filesystem, self.place
        elif "://" in self.place:
            try:
                self._files, root = pafs.FileSystem.from_uri(self.place)
            except (pa.ArrowException, OSError, ValueError) as e:
                raise UsageError(f"{self.place!r} names no file system: {_first_line(e)}") from None
        else:
            self._files, root = pafs.LocalFileSystem(), str(Path(self.place).absolute())
        self._root = PurePosixPath(root)
        self._local = isinstance(self._files, pafs.LocalFileSystem)

    def put(self, bundle: str | os.PathLike[str]) -> str:
        """Copy a bundle's file into the registry and return its digest; every byte is checked, nothing runs.

        One that is there already stays as it is. Raises `BundleError`, `DataError`.
        """
        try:
            data = Path(bundle).read_bytes()
        except OSError as e:
            raise DataError(f"cannot read {os.fspath(bundle)}: {e.strerror or e}; name a bundle file") from e
        try:
            digest = parse_archive(data).digest
        except BundleError as e:
            raise type(e)(f"{os.fspath(bundle)}: {e}") from None
        path = self._bundle(digest)
        if not self._there(path):
            self._write(path, data)
        return digest

    def digests(self) -> list[str]:
        """The digests of all bundles."""
        selector = pafs.FileSelector(str(self._root / BUNDLES), allow_not_found=True)
        with _Told(self.place):
            names = [PurePosixPath(f.path).name for f in self._files.get_file_info(selector)]
        return sorted(n.removesuffix(SUFFIX) for n in names if n.endswith(SUFFIX))

    def find(self, start: str) -> str:
        """The digest that begins with `start`. Raises `UsageError` when none or several do."""
        found = [d for d in self.digests() if d.startswith(start)] if start else []
        if len(found) != 1:
            state = f"{len(found)} bundles begin" if found else "no bundle begins"
            raise UsageError(f"{self.place}: {state} with {start!r}; see what is there: sternpost trust show")
        return found[0]

    def open(self, digest: str) -> Bundle:
        """Open a bundle: every byte checked, golden rows replayed. Raises as `open_bundle`, and `BundleCorrupt` when
        the file has another digest than its name."""
        path = self._bundle(digest)
        if not self._there(path):
            raise UsageError(f"{self.place} has no bundle {digest}; bring it first")
        archive = parse_archive(self._read(path))
        if archive.digest != digest:
            raise BundleCorrupt(f"{path}: holds bundle {archive.digest[:12]}; restore the file from a copy")
        return Bundle(archive.parts, archive.seal)

    def standing(self, use_case: str) -> Standing | None:
        """What the rung file says; None without one. Raises `DataError` when it cannot be read."""
        path = self._rung(use_case)
        if not self._there(path):
            return None
        return self._parsed(path)

    def use_cases(self) -> list[str]:
        """Those that have a rung file."""
        selector = pafs.FileSelector(str(self._root / RUNGS), allow_not_found=True)
        with _Told(self.place):
            names = [PurePosixPath(f.path).name for f in self._files.get_file_info(selector)]
        return sorted(n.removesuffix(".json") for n in names if n.endswith(".json") and not n.startswith("."))

    def set(self, standing: Standing) -> None:
        """Make this the use case's standing: history first, then the rung file, which is replaced in one step.

        Raises `DataError`; then the old one stands.
        """
        data = canonical_json(standing.to_dict())
        kept = self._root / HISTORY / _named(standing.use_case) / f"{standing.serial:010d}.json"
        if not self._there(str(kept)):
            self._write(str(kept), data)
        self._write(self._rung(standing.use_case), data)

    def history(self, use_case: str) -> list[Standing]:
        """Every standing that there was, oldest first."""
        selector = pafs.FileSelector(str(self._root / HISTORY / _named(use_case)), allow_not_found=True)
        with _Told(self.place):
            paths = sorted(f.path for f in self._files.get_file_info(selector) if f.path.endswith(".json"))
        return [self._parsed(path) for path in paths]

    def _parsed(self, path: str) -> Standing:
        try:
            given: Any = json.loads(self._read(path))
            return Standing.from_dict(given)
        except (ValueError, UsageError) as e:
            raise DataError(f"{path}: {e}; write it anew from the ledger: sternpost verify") from None

    def _bundle(self, digest: str) -> str:
        if not _DIGEST.fullmatch(digest):
            raise UsageError(f"{digest!r} is no digest: 64 characters of 0-9 and a-f")
        return str(self._root / BUNDLES / f"{digest}{SUFFIX}")

    def _rung(self, use_case: str) -> str:
        return str(self._root / RUNGS / f"{_named(use_case)}.json")

    def _there(self, path: str) -> bool:
        with _Told(self.place):
            return bool(self._files.get_file_info(path).type == pafs.FileType.File)

    def _read(self, path: str) -> bytes:
        with _Told(path), self._files.open_input_file(path) as file:
            return bytes(file.read())

    def _write(self, path: str, data: bytes) -> None:
        with _Told(path):
            self._files.create_dir(str(PurePosixPath(path).parent), recursive=True)
        if self._local:
            with whole_file(path) as file:
                file.write(data)
            return
        # An object store shows an object when its put has ended, and the one before until then.
        with _Told(path), self._files.open_output_stream(path) as stream:
            stream.write(data)


class _Told:
    """Troubles of a file system, told as ours."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError | pa.ArrowException):
            raise DataError(f"{self._place}: {_first_line(error)}; try again") from error


def _named(use_case: str) -> str:
    if not USE_CASE.fullmatch(use_case):
        raise UsageError(f"use case {use_case!r} is no name: letters, digits, . _ -, beginning with a letter or digit")
    return use_case


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
