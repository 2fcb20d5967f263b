"""Servers for tests: in this process, and as a command of its own. Readiness is asked for, never slept for."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import sternpost as sp
from sternpost.serve.server import Server, ServerSettings

PATIENCE_S = 30.0
ANYWHERE = "127.0.0.1:0"


def until(told: Callable[[], Any], seconds: float = PATIENCE_S) -> Any:
    """What `told` gives once it is true; fails when that takes too long."""
    end = time.monotonic() + seconds
    while not (found := told()):
        assert time.monotonic() < end, f"not so within {seconds} s"
        time.sleep(0.002)
    return found


@contextlib.contextmanager
def serving(bundles: sp.Bundle | Sequence[sp.Bundle], **settings: Any) -> Iterator[Server]:
    """A ready server in this process."""
    given = {"listen": (ANYWHERE,), "http": ANYWHERE, **settings}
    with Server(bundles, ServerSettings(**given)) as server:
        until(lambda: server.trouble is None)
        yield server


def get(address: str, page: str) -> tuple[int, str]:
    """Status and text of an HTTP page."""
    try:
        with urllib.request.urlopen(f"http://{address}/{page}", timeout=PATIENCE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Command:
    """A `sternpost serve` that has said that it is ready: `ready` is the line it said."""

    def __init__(
        self, arguments: Sequence[object], log: Path, env: dict[str, str] | None = None, **process: Any
    ) -> None:
        self.log = log
        with log.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sternpost.cli", "serve", *map(str, arguments)],
                stdout=subprocess.PIPE,
                stderr=err,
                env={**os.environ, **(env or {})},
                **process,
            )
        self.ready = json.loads(self._line())

    def _line(self) -> bytes:
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            assert selector.select(PATIENCE_S), f"no line: {self.said()}"
        line = self.process.stdout.readline()
        assert line, f"it ended with {self.process.wait()}: {self.said()}"
        return line

    @property
    def address(self) -> str:
        return self.ready["listen"][0]

    @property
    def http(self) -> str:
        return self.ready["http"]

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self) -> str:
        """What it wrote to stderr."""
        return self.log.read_text()

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def ended(self, seconds: float = PATIENCE_S) -> int:
        return self.process.wait(seconds)

    def end(self) -> int:
        """SIGTERM, and the exit code; killed, by its pid, when it does not listen."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            return self.ended()
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            if self.process.stdout is not None:
                self.process.stdout.close()


def resident_kib(pid: int | str = "self") -> int:
    """Memory of a process that is in use now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


_ALONE = """
import json, sys
from sternpost import open_bundle
from sternpost._core import log_to_stderr
from sternpost.serve.server import Server, ServerSettings

log_to_stderr("text", "warn")
bundle = open_bundle(sys.argv[1])
with Server(bundle, ServerSettings(**json.loads(sys.argv[2]))) as server:
    print(json.dumps([server.addresses[0], server.http]), flush=True)
    sys.stdin.read()
"""


class Alone:
    """A server with nothing else in its process, so that its memory can be watched. Ends when its input is closed."""

    def __init__(self, bundle: Path, log: Path, **settings: Any) -> None:
        self.log = log
        given = json.dumps({"listen": [ANYWHERE], "http": ANYWHERE, **settings})
        with log.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _ALONE, str(bundle), given],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=err,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, log.read_text()
        self.address, self.http = json.loads(line)
        until(lambda: get(self.http, "readyz")[0] == 200)

    @property
    def pid(self) -> int:
        return self.process.pid

    def connections(self) -> int:
        lines = get(self.http, "metrics")[1].splitlines()
        return sum(int(line.split()[-1]) for line in lines if line.startswith("sternpost_connections{"))

    def end(self) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()
