"""A candidate as a child process on a processor of its own: started, asked, ended by its number."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

READY_S = 60.0
TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """Running from `with` on; `address` is what it told (or `port` once it accepts connections)."""

    def __init__(
        self, command: list[str], *, cpu: int, log: Path, env: dict[str, str] | None = None, port: int | None = None
    ) -> None:
        self._command = ["taskset", "-c", str(cpu), *command]
        self._log = log
        self._env = {**os.environ, "OMP_NUM_THREADS": "1", **(env or {})}
        self._port = port
        self.address = ""
        self.told: dict[str, Any] = {}

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=log, env=self._env)
        try:
            if self._port is None:
                self.told = json.loads(self._line())
                self.address = self.told["listen"][0]
            else:
                self._accepts(self._port)
                self.address = f"127.0.0.1:{self._port}"
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int | None:
        """The exit code, or None if it has not ended by then."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """End it: asked first, then made to."""
        if self._process.poll() is None:
            self._process.terminate()
            if self.wait(10.0) is None:
                self._process.kill()
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def cpu_seconds(self) -> float:
        """Processor time so far, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_mib(self) -> float:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def _line(self) -> str:
        stdout = self._process.stdout
        assert stdout is not None
        if not select.select([stdout], [], [], READY_S)[0]:
            raise TimeoutError(f"not ready after {READY_S:g} s: {self._command}")
        line = stdout.readline().decode()
        if not line:
            raise ChildProcessError(f"ended before it was ready, see {self._log}: {' '.join(self._command)}")
        return line

    def _accepts(self, port: int) -> None:
        until = time.monotonic() + READY_S
        while time.monotonic() < until and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            select.select([], [], [], 0.02)
        raise TimeoutError(f"does not accept connections, see {self._log}: {' '.join(self._command)}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
