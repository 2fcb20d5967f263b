"""Which files a user's words mean: a file, a folder (all data files below it), a glob, or a pipe.

Owed to callers: the order is that of the words, and sorted by path within a folder or glob, so two runs read rows in
one order. No file twice. A folder laid out as `key=value/` gives its files the keys as columns.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs

from sternpost.errors import DataError, UsageError
from sternpost.serve.formats import explained


class SourceFile(NamedTuple):
    """One regular file, and the values that the folders on the way to it stand for."""

    path: Path
    keys: Mapping[str, pa.Scalar]


def find_files(sources: Sequence[str | os.PathLike[str]]) -> list[SourceFile]:
    """The files of all sources. Raises `DataError` when a source matches nothing, `UsageError` when two mean the same
    file."""
    found: list[SourceFile] = []
    for source in sources:
        found += _files(Path(source)) if Path(source).exists() else _matches(os.fspath(source))
    seen: dict[tuple[int, int], Path] = {}
    for path, _ in found:
        with explained(str(path)):
            status = path.stat()
        first = seen.setdefault((status.st_dev, status.st_ino), path)
        if first is not path:
            raise UsageError(f"{path} is named twice (also as {first}); its rows would be scored twice; name it once")
    return found


def is_pipe(source: str | os.PathLike[str]) -> bool:
    """Whether the source is there and can be read only once, from front to back."""
    try:
        mode = Path(source).stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _files(path: Path) -> list[SourceFile]:
    if not path.is_dir():
        if is_pipe(path):
            raise UsageError(f"{path} is a pipe or a device; it can only be the one source")
        return [SourceFile(path, {})]
    paths = []
    for folder, below, names in os.walk(path):
        # As everywhere with such folders, names with `.` or `_` in front are not data (markers, half files).
        below[:] = [name for name in below if not name.startswith((".", "_"))]
        paths += [Path(folder, name) for name in names if not name.startswith((".", "_"))]
    if not paths:
        raise DataError(f"{path}: no files in this folder; check the path")
    paths.sort(key=lambda file: file.parts)
    return _with_keys(path, paths)


def _matches(pattern: str) -> list[SourceFile]:
    if not glob.has_magic(pattern):
        raise DataError(f"{pattern}: no such file or folder; check the path")
    matches = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
    paths = sorted((Path(match) for match in matches), key=lambda file: file.parts)
    # What a wildcard matches by chance follows the rule for folders, unless the pattern itself spells such a name.
    spelled = {step for step in Path(pattern).parts if step.startswith("_")}
    paths = [path for path in paths if all(step in spelled or not step.startswith("_") for step in path.parts)]
    # `**` matches folders and the files in them; the files are enough. `*` means a folder that it matches.
    chosen = [path for path in paths if "**" not in pattern or not path.is_dir()]
    if not chosen:
        raise DataError(
            f"{pattern}: no files match this pattern; check it, and quote it if the shell should leave it alone"
        )
    return [file for path in chosen for file in _files(path)]


def _with_keys(folder: Path, paths: Sequence[Path]) -> list[SourceFile]:
    """Keys from `key=value` folders, their types by all values together, as `pyarrow.dataset` understands them."""
    if not any("=" in step for path in paths for step in path.relative_to(folder).parts[:-1]):
        return [SourceFile(path, {}) for path in paths]
    options = ds.FileSystemFactoryOptions(partition_base_dir=str(folder))
    options.partitioning_factory = ds.HivePartitioning.discover()
    names = [str(path) for path in paths]
    factory = ds.FileSystemDatasetFactory(pafs.LocalFileSystem(), names, ds.IpcFileFormat(), options)
    try:
        schema = factory.inspect(fragments=0)
        fragments = {fragment.path: fragment for fragment in factory.finish(schema).get_fragments()}
    except pa.ArrowException as error:
        raise DataError(f"{folder}: its key=value folders do not fit together: {str(error).splitlines()[0]}") from error
    found = []
    for path, name in zip(paths, names, strict=True):
        values = ds.get_partition_keys(fragments[name].partition_expression)
        found.append(SourceFile(path, {field.name: pa.scalar(values.get(field.name), field.type) for field in schema}))
    return found
