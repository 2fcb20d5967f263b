"""A project's folder, which appears whole or not at all, and never over something that is there."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sternpost.errors import DataError, UsageError


def refuse_content(place: Path) -> None:
    """Raise `UsageError` when `place` is a file or a folder with content."""
    if place.is_dir():
        if first := next(iter(sorted(p.name for p in place.iterdir())), None):
            raise UsageError(f"{place} is not empty (it has {first}); name a new folder, nothing is overwritten")
    elif place.exists() or place.is_symlink():
        raise UsageError(f"{place} is a file; name a new folder")


@contextlib.contextmanager
def whole_folder(place: Path) -> Iterator[Path]:
    """A folder to write into, which takes the name `place` (new or empty) when the block ends without an error.

    Raises `UsageError` when `place` has content, `DataError` when the system refuses.
    """
    refuse_content(place)
    final = Path(os.path.realpath(place))
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{final.name[:100]}.", suffix=".part", dir=final.parent))
        try:
            yield made
            made.chmod(final.stat().st_mode & 0o7777 if final.exists() else 0o777 & ~_umask())
            made.rename(final)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except (OSError, shutil.Error) as e:
        reason = getattr(e, "strerror", None) or e
        raise DataError(f"cannot write the folder {place}: {reason}; choose another place") from e


def copy_example(folder: str | os.PathLike[str], example: str | os.PathLike[str]) -> Path:
    """Copy an example project into `folder` (new or empty) and return the folder. Errors as `whole_folder`."""
    place = Path(folder)
    with whole_folder(place) as made:
        unwanted = shutil.ignore_patterns("__pycache__", "*.pyc")
        # copy: contents and modes without times, as if written now.
        shutil.copytree(example, made, ignore=unwanted, copy_function=shutil.copy, dirs_exist_ok=True)
    return place


def _umask() -> int:
    # The system tells it only in exchange for another one.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
