"""Files that appear whole or not at all.

Owed to callers: until the last byte is on disk the final name holds what it held before, or nothing. A failure, an
interrupt or a full disk removes the temporary file; a killed process can leave one behind, under a name that starts
with a dot and ends in `.part`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sternpost.errors import DataError

# File systems that cannot flush a folder say so with one of these; the rename itself has happened by then.
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}


class WholeFile:
    """The file while it is written. `name` is its temporary path, for writers that open files themselves."""

    def __init__(self, handle: BinaryIO, path: str | os.PathLike[str]) -> None:
        self._handle, self._path = handle, path
        self.name = handle.name

    def write(self, data: bytes) -> None:
        """Append. Raises `DataError`."""
        with _explained(self._path):
            self._handle.write(data)


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[WholeFile]:
    """Open a temporary file beside `path`; on leaving without an error it is flushed and takes the name `path`.

    A symbolic link is followed, and a file that is replaced hands its permissions on. Raises `DataError` when the
    system refuses (no such folder, disk full, not permitted); what the body raises passes through as it is.
    """
    final = Path(os.path.realpath(path))
    temporary = final.with_name(f".{final.name[:100]}.{secrets.token_hex(6)}.part")
    with _explained(path):
        handle = open(temporary, "xb")  # noqa: PTH123, SIM115 - `name` must be a str; closed below, errors apart
    try:
        yield WholeFile(handle, path)
        with _explained(path):
            handle.flush()
            _keep_mode(final, handle.fileno())
            os.fsync(handle.fileno())
            handle.close()
            os.replace(temporary, final)  # noqa: PTH105 - one name for one system call
            _sync_folder(final.parent)
    finally:
        # On a full disk closing fails too; what counts then is the error already on its way.
        with contextlib.suppress(OSError):
            handle.close()
        # After the rename nothing has this name any more; before it, whatever went wrong, the half file goes.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_failed(path: str | os.PathLike[str], error: OSError) -> DataError:
    """The `DataError` that explains why `path` was not written. An `errno` that has a remedy gets it."""
    # Arrow puts a sentence of its own where the system's words belong.
    reason = os.strerror(error.errno) if error.errno else str(error).splitlines()[0]
    remedies = {
        errno.ENOSPC: "free some space or choose another folder, then run again",
        errno.EDQUOT: "the quota is used up; free some space or choose another folder, then run again",
        errno.EFBIG: "the file size limit is reached; raise it (`ulimit -f`) or write to several files",
        errno.ENOENT: "the folder does not exist; make it first",
        errno.ENOTDIR: "a part of the path is a file, not a folder",
        errno.EISDIR: "this is a folder; add a file name",
        errno.EACCES: "this user may not write there; choose another folder",
        errno.EPIPE: "its reader has gone; see why it ended",
        errno.EROFS: "the file system is read-only; choose another folder",
    }
    remedy = remedies.get(error.errno or 0, "nothing was changed; the cause is outside of sternpost")
    return DataError(f"cannot write {os.fspath(path)}: {reason}; {remedy}")


@contextlib.contextmanager
def _explained(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise write_failed(path, error) from error


def _keep_mode(final: Path, descriptor: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.fchmod(descriptor, final.stat().st_mode & 0o7777)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)
