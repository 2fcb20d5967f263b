"""What a server's bundles counted, atom by atom: kept as snapshots, told as gauges, held against alarms.

Owed to callers: `look` never raises for a disk, a hook or a state file; what was counted and could not be written is
written with the next atom. Memory: for each bundle at most `SLIDING` windows of its reference's cells, 8 bytes a cell.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sternpost._core import Window
from sternpost.errors import SternpostError
from sternpost.monitor.alarm_runner import Alarm, Alarms
from sternpost.monitor.alarms import Budget, Detector, Limit, Watched
from sternpost.monitor.counting import Cells
from sternpost.monitor.gauges import Told, exposition
from sternpost.monitor.hook import Hook
from sternpost.monitor.snapshots import Writer
from sternpost.serve.server import Collected

#: Atoms of the sliding window that gauges tell of.
SLIDING: Final = 60
#: How often a failing disk is told.
_REMINDER_S = 600.0

Log = Callable[[str, str], None]


@dataclass(frozen=True, kw_only=True)
class WatchSettings:
    """An atom is `seconds` long, or has at least `rows` rows. `keep_s`: how long snapshots are kept, None for ever."""

    seconds: float = 60.0
    rows: int | None = None
    folder: Path | None = None
    replica: str = "server"
    keep_s: float | None = 30 * 86_400.0
    budget: Budget = field(default_factory=Budget)
    limits: Sequence[Limit] = (Limit(),)
    hook: str | None = None


@dataclass
class _Bundle:
    """One digest of a bundle: the atom that is being counted, the last ones, and its alarms."""

    digest: str
    part: Window
    unwritten: Window
    atoms: deque[Window]
    cells: list[Cells]
    alarms: Alarms | None


class Watching:
    """Of one server. `collect` takes what was counted, `tell` puts text onto `/metrics`, `log` takes (level, text)."""

    def __init__(
        self,
        settings: WatchSettings,
        collect: Callable[[], Sequence[Collected]],
        tell: Callable[[str], None],
        log: Log,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """UsageError for a folder, replica, hook or budget that cannot be used. `clock`: seconds since 1970."""
        self._settings, self._collect, self._tell, self._log, self._clock = settings, collect, tell, log, clock
        Detector({"any": Watched("flag", (1, 1, 0, 0, 0, 0, 0))}, settings.budget)
        self._writer = None if settings.folder is None else Writer(settings.folder, settings.replica)
        self._hook = None if settings.hook is None else Hook(settings.hook, log)
        self._bundles: dict[tuple[str, str], _Bundle] = {}
        self._told: dict[str, Told] = {}
        self._start = clock()
        self._due = self._next(self._start)
        self._tidied = -math.inf
        self._reminded = -math.inf
        self._counts: Counter[str] = Counter()
        self._cpu = 0.0

    def look(self) -> None:
        """To be called often, about each second; does something when an atom is over."""
        now = self._clock()
        if self._settings.rows is None:
            if now < self._start:  # the clock was set back
                self._start, self._due = now, self._next(now)
            if now < self._due:
                return
            self._take()
            self._over(now, list(self._bundles))
        else:
            self._take()
            full = [key for key, b in self._bundles.items() if b.part.rows["seen"] >= self._settings.rows]
            if full:
                self._over(now, full)

    def close(self) -> None:
        """Take what was counted last, as an atom that is over."""
        self._take()
        self._over(self._clock(), list(self._bundles))
        if self._hook is not None:
            self._hook.close()
        if self._writer is not None:
            self._writer.close()

    def _take(self) -> None:
        """Add what was counted to the atoms that are being counted."""
        in_use_now = set()
        for name, digest, in_use, window in self._collect():
            key = (name, digest)
            if key not in self._bundles:
                self._bundles[key] = self._new(name, digest, window)
            self._bundles[key].part += window
            if in_use:
                in_use_now.add(key)
            told = self._told.setdefault(name, Told([], window))
            for what, rows in window.rows.items():
                told.rows[what] = told.rows.get(what, 0) + rows
            for rule, rows in window.broken.items():
                told.broken[rule] = told.broken.get(rule, 0) + rows
        self._in_use = in_use_now

    def _new(self, name: str, digest: str, window: Window) -> _Bundle:
        reference = window.reference
        settings, empty = self._settings, Window(window.reference)
        state = None if self._writer is None else self._writer.state_path(name, digest)
        alarms = None
        try:
            alarms = Alarms(
                name, digest, reference, settings.budget, limits=settings.limits, state=state, log=self._log
            )
        except SternpostError as error:
            self._log("warn", f"bundle {name} is watched without alarms: {error}")
        cells = [Cells.of(column) for column in reference.columns]
        return _Bundle(digest, empty, empty, deque(maxlen=SLIDING), cells, alarms)

    def _over(self, now: float, keys: list[tuple[str, str]]) -> None:
        span = int(self._start * 1e6), max(int(self._start * 1e6), int(now * 1e6))
        for key in keys:
            name, bundle = key[0], self._bundles[key]
            atom = bundle.part.marked(span=span, replica=self._settings.replica)
            bundle.part = Window(atom.reference)
            bundle.atoms.append(atom)
            self._counts["atoms"] += 1
            self._write(name, bundle, atom)
            if bundle.alarms is not None:
                for alarm in bundle.alarms.look(atom):
                    self._raise(alarm)
                self._try("state", bundle.alarms.keep)
            if key in self._in_use:
                told = self._told[name]
                told.cells, told.sliding = bundle.cells, Window.merge(atom.reference, list(bundle.atoms))
                told.alarm = bundle.alarms is not None and bundle.alarms.on
        gone = [key for key in keys if key not in self._in_use and not self._bundles[key].unwritten.rows["seen"]]
        for key in gone:
            del self._bundles[key]
        names = {name for name, _ in self._bundles}
        self._told = {name: told for name, told in self._told.items() if name in names}
        self._start, self._due = now, self._next(now)
        self._tidy(now)
        self._page(now)

    def _write(self, name: str, bundle: _Bundle, atom: Window) -> None:
        if self._writer is None:
            return
        due = bundle.unwritten + atom
        if not due.rows["seen"] and not due.rows["dropped"]:
            return
        writer = self._writer
        if self._try("snapshot", lambda: writer.write(name, bundle.digest, due)):
            self._counts["snapshots"] += 1
            bundle.unwritten = Window(due.reference)
        else:
            bundle.unwritten = due

    def _raise(self, alarm: Alarm) -> None:
        told = {**alarm.to_dict(), "replica": self._settings.replica}
        kinds = self._told[alarm.bundle].alarms
        kinds[alarm.kind] = kinds.get(alarm.kind, 0) + 1
        self._log("warn", f"alarm: {json.dumps(told)}")
        if self._hook is not None:
            self._hook.tell(told)

    def _tidy(self, now: float) -> None:
        # A thousandth of the time that they are kept is close enough.
        keep, writer = self._settings.keep_s, self._writer
        if writer is None or keep is None or now - self._tidied < keep / 1000:
            return
        self._tidied = now
        self._try("retention", lambda: writer.forget(datetime.fromtimestamp(now, UTC) - timedelta(seconds=keep)))

    def _try(self, what: str, work: Callable[[], object]) -> bool:
        try:
            work()
        except SternpostError as error:
            self._counts[f"failed {what}"] += 1
            if self._clock() - self._reminded >= _REMINDER_S:
                self._reminded = self._clock()
                self._log("warn", f"watching goes on, its {what} failed: {error}")
            return False
        return True

    def _page(self, now: float) -> None:
        failures = self._counts["failed snapshot"] + self._counts["failed state"] + self._counts["failed retention"]
        hook = self._hook
        self._cpu = time.thread_time()
        own = [
            ("sternpost_watch_atoms_total", "counter", "Atoms that are over.", self._counts["atoms"]),
            ("sternpost_watch_snapshots_total", "counter", "Snapshots written.", self._counts["snapshots"]),
            ("sternpost_watch_failures_total", "counter", "Snapshots and states that could not be kept.", failures),
            ("sternpost_watch_hook_calls_total", "counter", "Calls of the alarms' hook.", hook.calls if hook else 0),
            (
                "sternpost_watch_hook_failures_total",
                "counter",
                "Calls that failed or were left out.",
                hook.failures if hook else 0,
            ),
            ("sternpost_watch_time_seconds", "gauge", "When the last atom was over, since 1970.", now),
            ("sternpost_watch_cpu_seconds_total", "counter", "CPU time of the monitor's thread.", self._cpu),
        ]
        self._tell(exposition(self._told, own))

    def _next(self, now: float) -> float:
        """The end of the atom: replicas with one clock end theirs together."""
        seconds = self._settings.seconds
        return (math.floor(now / seconds) + 1) * seconds
