"""The two generators as child processes on a processor of their own."""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
import shutil
import statistics
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load.building import Built
from benchmarks.load.candidates import Candidate
from benchmarks.load.prepared import Prepared

PATHS = {"score": "/sternpost.v1.Scoring/Score", "loans": "/loans.Loans/Score", "json": "/score"}


@dataclass(frozen=True)
class Generators:
    """How load is made: on processor `cpu`; `lock` is held meanwhile, for machines that several people share."""

    built: Built
    prepared: Prepared
    folder: Path
    cpu: int
    lock: Path | None = None

    def load(self, candidate: Candidate, address: str, *, call: str | None = None, **options: Any) -> dict[str, Any]:
        """One run of sternpost-load; options are its own, `honour_pushback=True` for a flag."""
        with self.start(candidate, address, call=call, **options) as process:
            out, err = process.communicate(timeout=120)
        if process.returncode:
            raise ChildProcessError(f"{candidate.name}: {err.strip()}")
        return json.loads(out)

    @contextlib.contextmanager
    def start(
        self, candidate: Candidate, address: str, *, call: str | None = None, **options: Any
    ) -> Iterator[subprocess.Popen[str]]:
        """The same while it runs."""
        call = call or candidate.call
        words = [str(self.built.generator), address, "--rows", str(self.prepared.rows(call)), "--call", call]
        words += ["--no-check"] if candidate.floor else ["--tolerance", f"{candidate.tolerance:g}"]
        for name, value in options.items():
            if value is True:
                words.append(f"--{name.replace('_', '-')}")
            elif value is not None and value is not False:
                words += [f"--{name.replace('_', '-')}", f"{value:g}" if isinstance(value, float) else str(value)]
        with self._alone():
            pipe = subprocess.PIPE
            process = subprocess.Popen(["taskset", "-c", str(self.cpu), *words], stdout=pipe, stderr=pipe, text=True)
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()

    def h2load(self, candidate: Candidate, address: str, *, connections: int, requests: int) -> dict[str, Any] | None:
        """One run of h2load, which sends one body again and again; None where it cannot."""
        if shutil.which("h2load") is None or candidate.call not in PATHS:
            return None
        log, body = self.folder / "h2load.log", self.prepared.folder / f"{candidate.call}.body"
        log.unlink(missing_ok=True)
        headers = ["-H", "content-type: application/json", "--h1"]
        if candidate.call != "json":
            headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
        requests = requests // connections * connections
        words = ["taskset", "-c", str(self.cpu), "h2load", "-t1", f"-c{connections}", "-m1", f"-n{requests}"]
        words += ["-d", str(body), f"--log-file={log}", *headers, f"http://{address}{PATHS[candidate.call]}"]
        with self._alone():
            out = subprocess.run(words, check=True, capture_output=True, text=True, timeout=120).stdout
        lines = [line.split("\t") for line in log.read_text().splitlines()]
        times = sorted(int(line[2]) for line in lines)
        return {
            "ok_per_second": float(re.findall(r"([\d.]+) req/s", out)[0]),
            "latency_us": {"p50": statistics.median(times), "p99": times[int(0.99 * (len(times) - 1))]},
            "bad": sum(line[1] != "200" for line in lines) + requests - len(lines),
            "made": requests,
        }

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        if self.lock is None:
            yield
            return
        with self.lock.open("a") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
