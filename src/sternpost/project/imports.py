"""A project's module, imported so that it meets nothing else.

Two projects may both have a `model.py` and a `tables.py`. So a project's module gets a name of its own, and what it
imports from its folder is known to Python only while the project is at work.

Owed to callers: outside of `at_work` neither `sys.path` nor `sys.modules` holds anything of the project but the module
under its own name, which stays, so that what it defines can be pickled by name within the process.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from sternpost.errors import SternpostError, UsageError


class ProjectModule:
    """The imported module of one project, and the other modules of its folder that it uses."""

    def __init__(self, folder: Path, name: str) -> None:
        """Import `<folder>/<name>.py`. Raises `UsageError` with file, line and cause when that fails; errors of the
        project's declarations (`ContractError`, `FeatureError`) pass through."""
        self.folder = folder.resolve()
        self.file = self.folder / f"{name}.py"
        self.name = name
        self._others: dict[str, ModuleType] = {}
        if name in sys.stdlib_module_names:
            raise UsageError(f'module = "{name}": that would hide Python\'s own {name}; rename the file, e.g. model.py')
        if not self.file.is_file():
            raise UsageError(f'module = "{name}": {self.file} does not exist; write it, or correct [project] module')
        self.module = self._module()
        with self.at_work(), self.explained(f"importing {self.file.name}"):
            specification = self.module.__spec__
            assert specification is not None
            assert specification.loader is not None
            specification.loader.exec_module(self.module)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """While it lasts, the project's folder is where imports look first."""
        local = self._local_names()
        hidden = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in local}
        for name in hidden:
            del sys.modules[name]
        sys.modules.update(self._others)
        sys.modules[self.name] = self.module
        sys.path.insert(0, str(self.folder))
        try:
            yield
        finally:
            with contextlib.suppress(ValueError):
                sys.path.remove(str(self.folder))
            sys.modules.pop(self.name, None)
            self._others = {name: m for name, m in sys.modules.items() if name.partition(".")[0] in local}
            for name in self._others:
                del sys.modules[name]
            sys.modules.update(hidden)

    @contextlib.contextmanager
    def explained(self, doing: str) -> Iterator[None]:
        """Whatever the project's code raises becomes a `UsageError` with its line; errors of Sternpost stay."""
        try:
            yield
        except SternpostError:
            raise
        except (Exception, SystemExit) as error:
            cause = (str(error).strip().splitlines() or ["no message"])[0][:300]
            place = self._place(error)
            raise UsageError(f"{doing} failed: {type(error).__name__}: {cause} ({place})") from error

    def _module(self) -> ModuleType:
        # The last part of the name reaches the bundle, so it must not depend on where the folder lies.
        parent = f"_sternpost_project_{hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]}"
        sys.modules.setdefault(parent, ModuleType(parent))
        specification = importlib.util.spec_from_file_location(f"{parent}.{self.name}", self.file)
        assert specification is not None, "a .py file always has a loader"
        module = importlib.util.module_from_spec(specification)
        sys.modules[module.__name__] = module
        return module

    def _local_names(self) -> set[str]:
        """Top-level names that mean a file or package of the folder, except those that Python's own modules have."""
        offered = {p.stem for p in self.folder.glob("*.py")} | {
            p.parent.name for p in self.folder.glob("*/__init__.py")
        }
        return offered - sys.stdlib_module_names

    def _place(self, error: BaseException) -> str:
        if isinstance(error, SyntaxError) and error.filename:
            return f"{Path(error.filename).name}, line {error.lineno}"
        frames = traceback.extract_tb(error.__traceback__)
        own = [f for f in frames if Path(f.filename).is_relative_to(self.folder)]
        return f"{Path(own[-1].filename).name}, line {own[-1].lineno}" if own else self.file.name
