"""The bundles a server was given: which files they are, which of them changed, and opening them politely."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sternpost.bundle import Bundle, open_bundle
from sternpost.bundle.signature import PublicKeyLike
from sternpost.errors import DataError, UsageError

SUFFIX = ".sbundle"
#: How much lower than the server's threads a thread that opens a bundle stands once it has waited long; see nice(2).
_POLITE = 10
#: A thread that opens a bundle runs for so long only when nothing else would; then it takes a small share of its own,
#: so that a server without a free moment gets its new bundle too.
_IDLE_S = 5.0

_Stamp = tuple[int, int, int]


@dataclass
class Shelf:
    """Files and folders of bundles. A folder stands for the `*.sbundle` files in it, now and later."""

    sources: Sequence[Path]
    require_signature: bool = False
    trusted_keys: Sequence[PublicKeyLike] = ()
    _seen: dict[Path, _Stamp] = field(default_factory=dict)
    _names: dict[Path, str] = field(default_factory=dict)

    def open_all(self) -> list[Bundle]:
        """Every bundle there is. UsageError when there is none or two have one name; else as `open_bundle`."""
        bundles: dict[str, Bundle] = {}
        for path in self.files():
            bundle = self.open(path)
            if bundle.name in bundles:
                raise UsageError(f"{path}: a bundle named {bundle.name} is served already; serve one of the two")
            bundles[bundle.name] = bundle
        if not bundles:
            places = ", ".join(map(str, self.sources))
            raise UsageError(f"no bundle in {places}; give a bundle file, or a folder with *{SUFFIX} files")
        return list(bundles.values())

    def files(self) -> Iterator[Path]:
        """The files that the sources mean at this moment, in order of their names."""
        for source in self.sources:
            yield from sorted(source.glob(f"*{SUFFIX}")) if source.is_dir() else [source]

    def open(self, path: Path) -> Bundle:
        """Open one and remember what it was. Raises as `open_bundle`; what failed waits for its file to change."""
        stamp = _stamp(path)
        if stamp is not None:
            self._seen[path] = stamp
        bundle = open_bundle(path, require_signature=self.require_signature, trusted_keys=self.trusted_keys)
        self._names[path] = bundle.name
        return bundle

    def changed(self) -> list[Path]:
        """Files that are new or other than when they were last opened."""
        return [path for path in self.files() if (stamp := _stamp(path)) is not None and self._seen.get(path) != stamp]

    def vanished(self) -> list[str]:
        """Names of the bundles whose file is gone; each is told once."""
        here = set(self.files())
        gone = [path for path in self._names if path not in here or not path.exists()]
        for path in gone:
            self._seen.pop(path, None)
        return [self._names.pop(path) for path in gone]

    def path_of(self, name: str) -> Path:
        """The file that a bundle of this name came from. DataError when none did."""
        for path, known in self._names.items():
            if known == name:
                return path
        raise DataError(f"no bundle named {name} among the files this server was given")

    def label(self, path: Path) -> str:
        """What to call a file's bundle: its name when it was ever read, else the file's."""
        return self._names.get(path, path.stem)


def politely(work: Callable[[], Any], pause: Callable[[], None], idle_s: float = _IDLE_S) -> Any:
    """Run `work` in a thread that gives way to all others, and give its result or raise its error.

    An idle thread is chosen over one of low priority in the expectation that it holds up a row's thread that wakes up
    for a shorter time; how much of a reload's latency that removes was not measured. After `idle_s` seconds it goes on
    with low priority. `pause` is called meanwhile.
    """
    outcome: dict[str, Any] = {}

    def body() -> None:
        _stand(0, idle=True)
        try:
            outcome["result"] = work()
        except BaseException as error:
            outcome["error"] = error

    thread = threading.Thread(target=body, name="sternpost-open", daemon=True)
    thread.start()
    until = time.monotonic() + idle_s
    while thread.is_alive():
        thread.join(0.05)
        pause()
        if time.monotonic() >= until and thread.native_id is not None and thread.is_alive():
            _stand(thread.native_id, idle=False)
            until = math.inf
    if "error" in outcome:
        raise outcome["error"]
    return outcome["result"]


def give_way() -> None:
    """Give this thread less of the CPU than those that serve have."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _POLITE)


def _stand(thread: int, *, idle: bool) -> None:
    """Where a thread of this process (0: this one) stands.

    A container may forbid it, not every system has it, and only root leaves the idle class again.
    """
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(thread, os.SCHED_IDLE if idle else os.SCHED_OTHER, os.sched_param(0))
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, thread or threading.get_native_id(), _POLITE)


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
