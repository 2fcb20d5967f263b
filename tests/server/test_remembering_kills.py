"""A server killed at any moment, under load through real sockets: with `group` nothing acknowledged is missing.

STERNPOST_KILLS is how many; the nightly target raises it. Servers are forked from one process that has everything
imported, so that a kill takes a fraction of a second.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from sternpost.outcomes.journal import Journal
from tests.routes import loans
from tests.server import stubs
from tests.server.packing import packed
from tests.server.remembered import names
from tests.server.serving import until
from tests.server.stubs import connect

KILLS = int(os.environ.get("STERNPOST_KILLS", "100"))
SEED = int(os.environ.get("STERNPOST_SEED", str(random.SystemRandom().randrange(2**32))))
CALLERS = 3
#: Beyond this the machine is too slow for so many kills; those that were done are still checked.
BUDGET_S = max(60.0, 2.0 * KILLS)

_FORKING = """
import json, os, signal, sys
from sternpost import open_bundle
from sternpost.serve.server import JournalSettings, Server, ServerSettings

for line in sys.stdin:
    folder, durability = json.loads(line)
    child = os.fork()
    if child == 0:
        settings = ServerSettings(listen=("127.0.0.1:0",), http=None, threads=2, batch_threads=1)
        journal = JournalSettings(folder=folder, durability=durability)
        server = Server(open_bundle(sys.argv[1]), settings, journal=journal)
        print(json.dumps([os.getpid(), server.addresses[0]]), flush=True)
        signal.pause()
        os._exit(0)
    os.waitpid(child, 0)
"""


class Servers:
    """Makes servers to be killed, one at a time."""

    def __init__(self, bundle: Path, log: Path) -> None:
        self.log = log
        with log.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _FORKING, str(bundle)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=err,
                text=True,
            )

    def start(self, folder: Path, durability: str) -> tuple[int, str]:
        """Its process id and address."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([str(folder), durability]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        pid, address = json.loads(line)
        return pid, address

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(30)


class Caller(threading.Thread):
    """Asks until nobody answers; `scored` and `told` are what was acknowledged."""

    def __init__(self, address: str, name: str) -> None:
        super().__init__(daemon=True)
        self.address, self.prefix = address, name
        self.scored: list[str] = []
        self.told: list[str] = []
        self.failed: list[str] = []

    def run(self) -> None:
        pb = stubs.scoring()
        rows = loans.real_rows(8, SEED)
        with connect(self.address) as client:
            try:
                description = client.scoring.Describe(pb.DescribeRequest(), timeout=10)
                ready = [packed(description, row) for row in rows]
                for number in range(1_000_000):
                    name = f"{self.prefix}-{number}"
                    reply = client.scoring.Score(pb.ScoreRequest(id=name, packed=ready[number % 8]), timeout=10)
                    self.scored.append(reply.prediction_id)
                    if number % 5 == 0:
                        outcome = pb.ReportRequest(prediction_id=name, outcome=pb.Value(flag=True))
                        client.scoring.Report(outcome, timeout=10)
                        self.told.append(name)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    self.failed.append(str(error))


@pytest.fixture
def servers(bundle_file, tmp_path) -> Iterator[Servers]:
    servers = Servers(bundle_file, tmp_path / "log")
    yield servers
    servers.end()


def _killed_once(servers: Servers, folder: Path, number: int, chance: random.Random) -> list[Caller]:
    pid, address = servers.start(folder, "group")
    callers = [Caller(address, f"{number}-{place}") for place in range(CALLERS)]
    try:
        for caller in callers:
            caller.start()
        until(lambda: all(caller.scored for caller in callers))
        time.sleep(chance.uniform(0, 0.05))  # the moment of the kill, not a wait for readiness
    finally:
        os.kill(pid, signal.SIGKILL)
    for caller in callers:
        caller.join(30)
        assert not caller.is_alive()
    return callers


def test_nothing_acknowledged_is_missing_after_a_kill(servers, tmp_path):
    print(f"STERNPOST_SEED={SEED}")
    chance, folder, until_s = random.Random(SEED), tmp_path / "journal", time.monotonic() + BUDGET_S
    scored: list[str] = []
    told: list[str] = []
    kills = 0
    while kills < KILLS and time.monotonic() < until_s:
        for caller in _killed_once(servers, folder, kills, chance):
            assert not caller.failed
            scored += caller.scored
            told += caller.told
        kills += 1
    journal = Journal(folder)
    assert not set(scored) - names(folder)
    assert not set(told) - set(journal.outcomes().column("prediction_id").to_pylist())
    verified: dict[str, Any] = journal.verify()
    assert verified["sound"], verified["findings"]
    print(f"{kills} kills, {len(scored)} rows and {len(told)} outcomes acknowledged, none missing")
    assert kills >= min(KILLS, 10)
