"""The folder that a demo works in: what lies where, and what may be written over.

    DIR/project/        a copy of the example project
    DIR/NAME.sbundle    the sealed bundle
    DIR/rows/           rows after the training period, one Parquet file per month
    DIR/scored.parquet  their scores, in the same order

Owed to callers: nothing is overwritten but what an earlier demo wrote there. A project file that was edited, and any
file that the demo does not write, is somebody's work, and the folder is refused before anything is touched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sternpost.errors import DataError, UsageError
from sternpost.project.new_folder import copy_example
from sternpost.project.settings import FILE_NAME

EXAMPLES = ("flights",)
_MONTHLY = re.compile(r"\d{4}-\d{2}\.parquet")


def example_folder(name: str) -> Path:
    """Where an example project is installed. UsageError when there is none of that name."""
    if name not in EXAMPLES:
        raise UsageError(f"there is no example called {name!r}; known: {', '.join(EXAMPLES)}")
    return Path(__file__).parent / name


@dataclass(frozen=True)
class Workplace:
    """A prepared folder with a fresh copy of the example `name`; made by `prepare`."""

    folder: Path
    name: str

    @property
    def project(self) -> Path:
        """The copied project."""
        return self.folder / "project"

    @property
    def bundle(self) -> Path:
        """The sealed bundle."""
        return self.folder / f"{self.name}.sbundle"

    @property
    def rows(self) -> Path:
        """Monthly files of rows to score."""
        return self.folder / "rows"

    @property
    def scored(self) -> Path:
        """The scores of all these files."""
        return self.folder / "scored.parquet"


def prepare(folder: Path, name: str = "flights") -> Workplace:
    """Make `folder` ready: the project is there, results of an earlier demo are gone.

    Raises UsageError when the folder holds what no demo wrote, DataError when it cannot be written.
    """
    example = example_folder(name)
    place = Workplace(folder, name)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder: --into DIR")
    try:
        outdated = _written_by_a_demo(place, example) if folder.is_dir() else []
        for file in outdated:
            file.unlink()
        if not (place.project / FILE_NAME).is_file():
            copy_example(place.project, example)
        place.rows.mkdir(exist_ok=True)
    except OSError as e:
        raise DataError(f"cannot write into {folder}: {e.strerror or e}; name another folder: --into DIR") from e
    return place


def _written_by_a_demo(place: Workplace, example: Path) -> list[Path]:
    """Results of an earlier demo. UsageError when anything else is in the folder."""
    results = []
    for file in sorted(p for p in place.folder.rglob("*") if not p.is_dir()):
        inside = file.relative_to(place.folder)
        if "__pycache__" in inside.parts:
            continue
        if file.parent == place.project and (example / file.name).is_file():
            if file.read_bytes() != (example / file.name).read_bytes():
                raise UsageError(
                    f"{file} differs from the installed example, so it is somebody's work or another version's; name "
                    f"another folder: --into DIR, or train it: sternpost train {place.project} -o mine.sbundle"
                )
        elif file in (place.bundle, place.scored) or (file.parent == place.rows and _MONTHLY.fullmatch(file.name)):
            results.append(file)
        else:
            raise UsageError(
                f"{place.folder} holds {inside}, which no demo wrote; nothing is overwritten. Name another folder: "
                f"--into DIR"
            )
    if results and not (place.project / FILE_NAME).is_file():
        raise UsageError(f"{place.folder} holds {results[0].name} but no demo project; name another folder: --into DIR")
    return results
