"""What a server does beside serving, in one thread that gives way to those that score: watching, tidying up.

Owed to callers: an errand that fails is logged and asked again; rows never wait for one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from sternpost.serve.shelf import give_way

_LOOK_S = 1.0
#: An errand bounds its own last call; this is for one that does not.
_LEAVE_S = 60.0


class Errand(Protocol):
    """Something to look at about each second, and once more at the end."""

    def look(self) -> None:
        """Do what is due."""

    def close(self) -> None:
        """Do what is left; the last call."""


class SlowLane:
    """A thread for errands, from entering to leaving; leaving waits for their last call, within bounds."""

    def __init__(self, errands: Sequence[Errand], log: Callable[[str, str], None], look_s: float = _LOOK_S) -> None:
        self._errands, self._log, self._look_s = errands, log, look_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sternpost-slow", daemon=True)

    def __enter__(self) -> Self:
        if self._errands:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end.set()
        if self._errands:
            self._thread.join(_LEAVE_S)

    def _work(self) -> None:
        give_way()
        while not self._end.wait(self._look_s):
            self._each(lambda errand: errand.look())
        self._each(lambda errand: errand.close())

    def _each(self, work: Callable[[Errand], None]) -> None:
        for errand in self._errands:
            try:
                work(errand)
            except Exception as error:  # one errand must not end the others
                self._log("error", f"{type(errand).__name__}: {error or type(error).__name__}")
