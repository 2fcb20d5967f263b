"""What is measured of a candidate. Every function gives samples: the generator's record and who, what, when."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load.building import Built
from benchmarks.load.candidates import OURS, Candidate, server
from benchmarks.load.generators import Generators
from benchmarks.load.prepared import Prepared
from benchmarks.load.server import Server

Sample = dict[str, Any]
DEADLINE_MS = 20
# Connections that calls come over while bundles are swapped.
RELOADING = 8


@dataclass(frozen=True)
class Lengths:
    """Seconds and counts."""

    rounds: int = 3
    case: float = 1.5
    warmup: float = 0.3
    overload: float = 3.0
    reload: float = 8.0
    drains: int = 5
    memory_requests: int = 300_000
    memory_s: float = 15.0
    idle: float = 10.0
    h2load_s: float = 1.0
    overload_rounds: int = 2
    overload_times: tuple[int, ...] = (1, 2, 5)


FULL = Lengths()
QUICK = Lengths(
    rounds=1, case=0.3, warmup=0.1, overload=0.8, overload_times=(2,), reload=2.5, drains=1, memory_requests=20_000,
    memory_s=2.0, idle=1.0, h2load_s=0.2, overload_rounds=1,
)  # fmt: skip


@dataclass(frozen=True)
class Bench:
    """What every scenario needs."""

    prepared: Prepared
    built: Built
    generators: Generators
    folder: Path
    lengths: Lengths
    cpu: int

    def server(self, candidate: Candidate, *, unix: bool = False, served: Path | None = None) -> Server:
        return server(
            candidate, self.prepared, self.built, self.folder, cpu=self.cpu, unix=unix, served=served
        )  # fmt: skip

    def sample(self, running: Server, candidate: Candidate, scenario: str, **options: Any) -> Sample:
        """One timed case on a running server."""
        before, begin = running.cpu_seconds(), time.monotonic()
        given = {"seconds": self.lengths.case, "warmup": self.lengths.warmup, **options}
        record = self.generators.load(candidate, running.address, **given)
        spent, wall = running.cpu_seconds() - before, time.monotonic() - begin
        record |= {"scenario": scenario, "candidate": candidate.name, "server_cpu_s": round(spent, 3)}
        record |= {"wall_s": round(wall, 3), "options": {k: v for k, v in given.items() if k != "seconds"}}
        return record


def steady(bench: Bench, candidate: Candidate) -> Iterator[Sample]:
    """Closed loops: one caller over TCP and a unix socket, many connections, many streams of one; two generators."""
    one_at_a_time = candidate.call == "json"
    with bench.server(candidate) as running:
        # Everything that is made at the first calls is made before the clock is read.
        bench.generators.load(candidate, running.address, seconds=2 * bench.lengths.warmup, connections=4)
        yield bench.sample(running, candidate, "tcp 1")
        yield bench.sample(running, candidate, "tcp 1 spin", spin=True)
        rate = 0.0
        for connections in (8, 32, 128):
            found = bench.sample(running, candidate, f"tcp {connections}", connections=connections)
            rate = max(rate, found["ok_per_second"])
            yield found
        if not one_at_a_time:
            yield bench.sample(running, candidate, "tcp 1x32", streams=32)
        if candidate.name in (OURS, "tonic echo"):
            yield bench.sample(running, candidate, "stream 1", call="stream")
            yield bench.sample(running, candidate, "stream 32", call="stream", depth=32)
        if candidate.name == OURS:
            yield bench.sample(running, candidate, "oip 1", call="infer")
            yield bench.sample(running, candidate, "oip 32", call="infer", connections=32)
        for connections in (1, 8, 32):
            requests = int(max(200, min(80_000, rate * bench.lengths.h2load_s / (4 if connections == 1 else 1))))
            found = bench.generators.h2load(candidate, running.address, connections=connections, requests=requests)
            if found is not None:
                yield {**found, "scenario": f"h2load {connections}", "candidate": candidate.name}
    if candidate.unix:
        with bench.server(candidate, unix=True) as running:
            yield bench.sample(running, candidate, "unix 1")
            yield bench.sample(running, candidate, "unix 8", connections=8)


def callers(candidate: Candidate) -> int:
    """Connections that an overload comes over."""
    return 128 if candidate.call == "json" else 32


def overload(bench: Bench, candidate: Candidate, peak: float) -> Iterator[Sample]:
    """An open loop at once, twice and five times the closed loop's peak over as many connections.

    A call that takes longer than the deadline is worth nothing.
    A server that closes connections on its callers is called again over new ones. Callers ignore what a refusal says
    about coming back; ours is asked once more by callers that heed it, as `sp.Client` does.
    """
    ways = [(times, False) for times in bench.lengths.overload_times]
    if candidate.name == OURS:
        ways += [(times, True) for times in bench.lengths.overload_times if times > 1]
    for times, heeding in ways:
        with bench.server(candidate) as running:
            bench.generators.load(candidate, running.address, seconds=2 * bench.lengths.warmup, connections=4)
            found = bench.sample(
                running,
                candidate,
                f"overload {times}{' heeded' if heeding else ''}",
                connections=callers(candidate),
                seconds=bench.lengths.overload,
                rate=float(round(peak * times)),
                deadline_ms=DEADLINE_MS,
                reconnect=True,
                honour_pushback=heeding,
            )
            yield {**found, "peak": peak, "offered": round(peak * times)}


def reload(bench: Bench, candidate: Candidate, peak: float) -> Iterator[Sample]:
    """70 % of the closed loop's peak over as many connections, in peace, then with a new bundle every second."""
    served = bench.folder / "served.sbundle"
    shutil.copyfile(bench.prepared.bundle, served)
    with bench.server(candidate, served=served) as running:
        shape = {"connections": RELOADING, "rate": float(round(0.7 * peak)), "seconds": bench.lengths.reload}
        yield bench.sample(running, candidate, "reload, none", **shape)
        over, swaps = threading.Event(), []

        def swap() -> None:
            while not over.wait(1.0):
                unfinished = served.with_suffix(".new")
                shutil.copyfile(bench.prepared.bundle if len(swaps) % 2 else bench.prepared.again, unfinished)
                unfinished.replace(served)
                os.kill(running.pid, signal.SIGHUP)
                swaps.append(time.monotonic())

        swapper = threading.Thread(target=swap)
        swapper.start()
        try:
            found = bench.sample(running, candidate, "reload, every second", **shape)
        finally:
            over.set()
            swapper.join()
        yield {**found, "swaps": len(swaps)}


def drain(bench: Bench, candidate: Candidate) -> Iterator[Sample]:
    """SIGTERM under load: calls that were taken and then lost, calls that were not taken, and the exit code."""
    for _ in range(bench.lengths.drains):
        with (
            bench.server(candidate) as running,
            bench.generators.start(candidate, running.address, connections=8, streams=4, seconds=10.0) as process,
        ):
            threading.Event().wait(0.5)
            begin = time.monotonic()
            running.signal(signal.SIGTERM)
            code = running.wait(20.0)
            took = time.monotonic() - begin
            out, err = process.communicate(timeout=30)
            if process.returncode:
                raise ChildProcessError(err)
            found = json.loads(out)
            yield {
                **found, "scenario": "drain", "candidate": candidate.name, "exit_code": code, "drain_s": round(took, 3),
            }  # fmt: skip


def memory_and_idle(bench: Bench, candidate: Candidate) -> Iterator[Sample]:
    """Resident memory when ready, after some calls and after all of them; then processor time of doing nothing."""
    with bench.server(candidate) as running:
        asked = bench.lengths.memory_requests
        found: Sample = {"scenario": "memory", "candidate": candidate.name, "ready_mib": running.resident_mib()}
        for name, requests in (("tenth", asked // 10), ("all", asked)):
            record = bench.generators.load(
                candidate, running.address, connections=32, requests=requests, seconds=bench.lengths.memory_s
            )
            found |= {f"{name}_mib": running.resident_mib(), f"{name}_requests": record["made"]}
        yield found
        before = running.cpu_seconds()
        threading.Event().wait(bench.lengths.idle)
        spent = running.cpu_seconds() - before
        yield {
            "scenario": "idle", "candidate": candidate.name, "seconds": bench.lengths.idle,
            "cpu_percent": round(100 * spent / bench.lengths.idle, 3),
        }  # fmt: skip
