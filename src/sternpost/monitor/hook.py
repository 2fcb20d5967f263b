"""Telling somebody of an alarm: a command gets one JSON object on stdin, a web address gets it posted.

Owed to callers: `tell` never waits and never raises; a hook that hangs is ended; how much a hook may do is bounded.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shlex
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from sternpost.errors import UsageError

#: How long a hook may take.
PATIENCE_S: Final = 10.0
#: Alarms that may wait for a hook, and calls of a hook in an hour.
WAITING, PER_HOUR = 16, 60
_HOUR_S = 3600.0


class Hook:
    """Calls a hook in a thread of its own, one call after the other. `failures` counts calls that failed or were left
    out."""

    def __init__(self, target: str, log: Callable[[str, str], None], patience_s: float = PATIENCE_S) -> None:
        """`target` is a URL (http, https) or a command, split as a shell would but run without one. UsageError."""
        self.calls = self.failures = 0
        self._log, self._patience_s = log, patience_s
        self._call = self._post if target.startswith(("http://", "https://")) else self._run
        self._target = target
        try:
            self._command = shlex.split(target)
        except ValueError as error:
            raise UsageError(f"--on-alarm {target!r} is no command: {error}") from None
        if not self._command:
            raise UsageError("--on-alarm is empty; give a command or a web address")
        self._waiting: queue.Queue[dict[str, Any] | None] = queue.Queue(WAITING)
        self._begun: deque[float] = deque(maxlen=PER_HOUR)
        self._thread = threading.Thread(target=self._work, name="sternpost-hook", daemon=True)
        self._thread.start()

    def tell(self, alarm: dict[str, Any]) -> None:
        """Hand over one alarm."""
        try:
            self._waiting.put_nowait(alarm)
        except queue.Full:
            self._failed(f"{WAITING} alarms wait already")

    def close(self) -> None:
        """Finish what waits, for as long as one call may take."""
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=self._patience_s)
        self._thread.join(self._patience_s)

    def _work(self) -> None:
        while (alarm := self._waiting.get()) is not None:
            now = time.monotonic()
            if len(self._begun) == PER_HOUR and now - self._begun[0] < _HOUR_S:
                self._failed(f"it was called {PER_HOUR} times within an hour")
                continue
            self._begun.append(now)
            self.calls += 1
            try:
                self._call(json.dumps(alarm, allow_nan=False).encode())
            except Exception as error:  # whatever a hook does ends here
                self._failed(str(error) or type(error).__name__)

    def _failed(self, why: str) -> None:
        self.failures += 1
        self._log("warn", f"the alarm's hook failed: {why}")

    def _run(self, alarm: bytes) -> None:
        with subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        ) as process:
            try:
                process.communicate(alarm, self._patience_s)
            except subprocess.TimeoutExpired:
                # The session is the hook's own; its children end with it.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise TimeoutError(f"it was ended after {self._patience_s:g} s") from None
            if process.returncode:
                raise OSError(f"it ended with {process.returncode}")

    def _post(self, alarm: bytes) -> None:
        request = urllib.request.Request(self._target, alarm, {"Content-Type": "application/json"}, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=self._patience_s):
                pass
        except urllib.error.HTTPError as error:
            error.close()
            raise OSError(f"it answered {error.code}") from None
