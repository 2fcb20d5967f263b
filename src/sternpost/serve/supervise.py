"""A server from its first signal to its last: starts, reloads, drains. The main thread sleeps here."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from sternpost._core import log_line
from sternpost.bundle import Bundle
from sternpost.errors import SternpostError
from sternpost.serve.server import Server, ServerSettings
from sternpost.serve.shelf import Shelf, politely
from sternpost.serve.slow_lane import Errand, SlowLane

_LOOK_S = 0.25


@dataclass(frozen=True, kw_only=True)
class Manners:
    """How a server behaves around its edges."""

    watch_s: float | None = 1.0  # how often files are looked at; None: only on SIGHUP and by request
    lame_s: float = 0.0  # told as not serving for so long before calls are refused
    drain_s: float = 30.0  # then so long for what is on its way


@dataclass
class _Signals:
    """What the operating system asked for. Installed before anything is loaded, so that no signal finds nobody in."""

    ends: int = 0
    reload: bool = False
    before: dict[int, object] = field(default_factory=dict)

    def install(self) -> None:
        handlers: dict[int, Callable[[int, FrameType | None], None]] = {
            signal.SIGTERM: self._end,
            signal.SIGINT: self._end,
            signal.SIGHUP: self._reload,
        }
        for number, handler in handlers.items():
            self.before[number] = signal.signal(number, handler)

    def restore(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _end(self, _signal: int, _frame: FrameType | None) -> None:
        self.ends += 1

    def _reload(self, _signal: int, _frame: FrameType | None) -> None:
        self.reload = True


def supervise(
    shelf: Shelf,
    settings: ServerSettings,
    manners: Manners,
    ready: Callable[[Server], None],
    errands: Callable[[Server], Sequence[Errand]] = lambda _: (),
) -> bool:
    """Serve until a signal says to end; `ready` is called once, when everything is warm. `errands` run in a slow lane.

    SIGTERM or SIGINT drains, a second one ends at once; SIGHUP looks at the files now. Returns whether everything on
    its way was finished. Raises what opening the bundles or starting the server raises.
    """
    signals = _Signals()
    signals.install()
    try:
        bundles = shelf.open_all()
        if signals.ends:
            return True
        with Server(bundles, settings) as server, SlowLane(errands(server), log_line):
            del bundles
            while server.trouble is not None and not signals.ends:
                time.sleep(0.002)
            if not signals.ends:
                ready(server)
            _serve(server, shelf, manners, signals)
            return _leave(server, manners, signals)
    finally:
        signals.restore()


def _serve(server: Server, shelf: Shelf, manners: Manners, signals: _Signals) -> None:
    looked = time.monotonic()
    while not signals.ends:
        wish = server._core.wait(_LOOK_S)
        if wish is not None:
            server._core.answer(_fulfil(server, shelf, *wish))
        due = manners.watch_s is not None and time.monotonic() - looked >= manners.watch_s
        if due or signals.reload:
            signals.reload = False
            _look(server, shelf)
            looked = time.monotonic()


def _leave(server: Server, manners: Manners, signals: _Signals) -> bool:
    server._core.announce_end()
    until = time.monotonic() + manners.lame_s
    while signals.ends < 2 and time.monotonic() < until:
        time.sleep(0.01)
    until = time.monotonic() + manners.drain_s
    finished = False
    while signals.ends < 2 and not finished and time.monotonic() < until:
        finished = server.drain(0.05)
    return finished


def _fulfil(server: Server, shelf: Shelf, wish: str, name: str) -> str | None:
    """Why a wish is not fulfilled; None when it is."""
    try:
        if wish == "unload":
            return None if server.withdraw(name) else f"bundle {name} is not served"
        path = shelf.path_of(name)
    except SternpostError as error:
        return str(error)
    return _take_over(server, shelf, path)


def _look(server: Server, shelf: Shelf) -> None:
    for path in shelf.changed():
        _take_over(server, shelf, path)
    for name in shelf.vanished():
        server.withdraw(name)


def _take_over(server: Server, shelf: Shelf, path: Path) -> str | None:
    """Open a file and serve it; a bundle that fails leaves the old one serving, and the server says why."""

    def work() -> None:
        bundle: Bundle = shelf.open(path)
        server.serve(bundle)

    try:
        politely(work, lambda: None)
    except SternpostError as error:
        server._core.report_trouble(shelf.label(path), str(error))
        return str(error)
    return None
