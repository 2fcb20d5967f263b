"""A journal kept tidy beside whoever writes it: sealed segments become Parquet, and what is too old goes.

Owed to callers: one thread of lowest priority, which never touches what is being written; what it cannot do is told and
tried again, and ends nothing. A death at any moment loses nothing but what was to be deleted.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from sternpost.errors import SternpostError
from sternpost.outcomes.compaction import compacted_files
from sternpost.outcomes.journal import Journal

_EVERY_S = 60.0
_LOWEST = 19
_PATIENCE_S = 5.0


def tidy(folder: Path, keep_s: float | None, now: float | None = None) -> int:
    """Compact a journal, then delete compacted files written more than `keep_s` seconds before `now`; how many went.

    None keeps them. A file is as old as its newest row at most. Raises what `Journal.compact` raises.
    """
    Journal(folder).compact()
    if keep_s is None:
        return 0
    gone = 0
    oldest = (time.time() if now is None else now) - keep_s
    for file in compacted_files(folder):
        with contextlib.suppress(FileNotFoundError):
            if file.path.stat().st_mtime < oldest:
                file.path.unlink()
                gone += 1
    return gone


class Tidier:
    """Tidies a journal every `every_s` seconds from entering to leaving the `with`; `tell` hears what went wrong."""

    def __init__(
        self, folder: Path, keep_s: float | None, tell: Callable[[str], None], every_s: float = _EVERY_S
    ) -> None:
        self._folder, self._keep_s, self._tell, self._every_s = folder, keep_s, tell, every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sternpost-tidy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        # A death at any moment is safe, and whoever ends a server does not wait for a large file.
        self._thread.join(_PATIENCE_S)

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST)
        while not self._ended.wait(self._every_s):
            if not self._folder.is_dir():
                continue
            try:
                tidy(self._folder, self._keep_s)
            except (SternpostError, OSError) as error:
                self._tell(f"the journal was not tidied: {error}")
